// Packets between JavaScript and a worker, on the real addon.
import { once } from 'node:events';
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises';
import { Worker as Thread } from 'node:worker_threads';
import test from 'ava';
import { createWorker, errors, type types } from '../ts/index.js';
import { buildRtcp, packets, parseRtcp, type RtcpPacket, RtpPacket, rtcpPackets } from '../ts/rtp/index.js';

const { LimitError, UnsupportedError } = errors;

const MEDIA_CODECS: types.RouterRtpCodecCapability[] = [
  { kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2 },
  { kind: 'video', mimeType: 'video/VP8', clockRate: 90_000 },
];

const AUDIO_SSRC = 11_111_111;
const VIDEO_SSRC = 22_222_222;

const OPUS: types.ProducerOptions = {
  kind: 'audio',
  rtpParameters: {
    codecs: [{ mimeType: 'audio/opus', payloadType: 111, clockRate: 48_000, channels: 2 }],
    encodings: [{ ssrc: AUDIO_SSRC }],
  },
};

const VP8: types.ProducerOptions = {
  kind: 'video',
  rtpParameters: {
    codecs: [
      { mimeType: 'video/VP8', payloadType: 96, clockRate: 90_000, rtcpFeedback: [{ type: 'nack', parameter: 'pli' }] },
    ],
    encodings: [{ ssrc: VIDEO_SSRC }],
  },
};

/** Longer than anything takes on a busy machine: what is waited for does not come. */
const HANG_MS = 60_000;

test('packets that a producer sends reach a listener to the byte, with the numbers of its consumer', async (t) => {
  const { router, sender, receiver } = await openDirect(t);
  const producer = await sender.produce(OPUS);
  const consumer = await receiver.consume({ producerId: producer.id, rtpCapabilities: router.rtpCapabilities });
  const stream = packets(consumer, { signal: AbortSignal.timeout(HANG_MS) });
  const payloads = Array.from({ length: 300 }, (_, index) => Buffer.alloc(1 + ((index * 37) % 1_000), index));
  for (const [index, payload] of payloads.entries()) {
    producer.send(opus(index, payload));
  }
  let before: RtpPacket | undefined;
  for (const payload of payloads) {
    const { value } = await stream.next();
    const packet = value as RtpPacket;
    t.is(packet.ssrc, consumer.rtpParameters.encodings?.[0]?.ssrc ?? -1);
    t.is(packet.payloadType, consumer.rtpParameters.codecs[0]?.payloadType ?? -1);
    t.is(packet.sequenceNumber, before ? (before.sequenceNumber + 1) & 0xffff : packet.sequenceNumber);
    t.is(packet.timestamp, before ? (before.timestamp + 960) >>> 0 : packet.timestamp);
    t.is(Buffer.compare(packet.payload, payload), 0);
    before = packet;
  }
  const [stat] = await receiver.getStats();
  t.like(stat, { type: 'direct-transport', transportId: receiver.id });
  const sent = payloads.reduce((sum, payload) => sum + opus(0, payload).length, 0);
  t.true((stat?.rtpBytesSent ?? 0) >= sent);
  t.is((await sender.getStats())[0]?.rtpBytesReceived, sent);
  t.deepEqual((await sender.dump()).producerIds, [producer.id]);
});

test('a consumer without a listener costs nothing, and the first listener gets what is sent from then on', async (t) => {
  const { worker, router, sender, receiver } = await openDirect(t);
  const producer = await sender.produce(OPUS);
  const consumer = await receiver.consume({ producerId: producer.id, rtpCapabilities: router.rtpCapabilities });
  for (let index = 0; index < 50; index += 1) {
    producer.send(opus(index));
  }
  t.is(await sentBy(worker, receiver), 0);
  t.false(consumer.paused);
  const received: number[] = [];
  const listener = (packet: Buffer): void => {
    received.push(packet.readUInt16BE(2));
  };
  consumer.on('rtp', listener);
  producer.send(opus(50));
  producer.send(opus(51));
  t.is(await sentBy(worker, receiver), 2);
  consumer.off('rtp', listener);
  producer.send(opus(52));
  t.is(await sentBy(worker, receiver), 2);
  consumer.once('rtp', listener);
  producer.send(opus(53));
  producer.send(opus(54));
  t.is(await sentBy(worker, receiver), 4);
  await turn();
  producer.send(opus(55));
  t.is(await sentBy(worker, receiver), 4, 'once is once');
  t.is(received.length, 3);
  await consumer.pause();
  consumer.on('rtp', listener);
  producer.send(opus(56));
  t.is(await sentBy(worker, receiver), 4, 'a paused consumer stays paused');
  await consumer.resume();
  producer.send(opus(57));
  t.is(await sentBy(worker, receiver), 5);
});

test('video begins with a key frame, which its producer is asked for by RTCP', async (t) => {
  const { router, sender, receiver } = await openDirect(t);
  const producer = await sender.produce(VP8);
  const asked = rtcpPackets(sender, { signal: AbortSignal.timeout(HANG_MS) });
  const consumer = await receiver.consume({ producerId: producer.id, rtpCapabilities: router.rtpCapabilities });
  producer.send(vp8(0, { key: true }));
  const stream = packets(consumer, { signal: AbortSignal.timeout(HANG_MS) });
  producer.send(vp8(1, { key: false }));
  const request = await first(asked, (packet) => packet.type === 'pli');
  t.like(request, { mediaSsrc: VIDEO_SSRC });
  producer.send(vp8(2, { key: true }));
  const { value } = await stream.next();
  t.is((value as RtpPacket).payload.at(-1), 2);
  // A viewer's own request goes the same way.
  const mediaSsrc = (value as RtpPacket).ssrc;
  await wait(1_100);
  receiver.sendRtcp(buildRtcp([{ type: 'pli', senderSsrc: 1, mediaSsrc }]));
  t.like(await first(asked, (packet) => packet.type === 'pli'), { mediaSsrc: VIDEO_SSRC });
});

test('a sender report of the application reaches the application that listens, in the numbers of its consumer', async (t) => {
  const { router, sender, receiver } = await openDirect(t);
  const producer = await sender.produce(OPUS);
  const consumer = await receiver.consume({ producerId: producer.id, rtpCapabilities: router.rtpCapabilities });
  const ssrc = consumer.rtpParameters.encodings?.[0]?.ssrc;
  const stream = packets(consumer, { signal: AbortSignal.timeout(HANG_MS) });
  const observed = once(receiver.observer as unknown as NodeJS.EventEmitter, 'rtcp', {
    signal: AbortSignal.timeout(HANG_MS),
  });
  const sending = setInterval(() => producer.send(opus(next++)), 20);
  let next = 0;
  t.teardown(() => clearInterval(sending));
  await stream.next();
  const [report] = parseRtcp((await observed)[0] as Buffer);
  t.like(report, { type: 'sr', ssrc });
});

test('what is no packet, or not the caller’s own memory, is a typed error and changes nothing', async (t) => {
  const { worker, router, sender } = await openDirect(t);
  const producer = await sender.produce(OPUS);
  const detached = Buffer.alloc(100);
  const lent = new ArrayBuffer(100);
  const lentPacket = Buffer.from(lent);
  structuredClone(lent, { transfer: [lent] });
  const shared = Buffer.from(new SharedArrayBuffer(100));
  for (const send of [
    (packet: unknown) => producer.send(packet as Buffer),
    (packet: unknown) => sender.sendRtcp(packet as Buffer),
  ]) {
    for (const wrong of [
      undefined,
      null,
      1,
      'packet',
      {},
      [],
      new ArrayBuffer(100),
      lentPacket,
      shared,
      Buffer.alloc(0),
    ]) {
      t.throws(() => send(wrong), { instanceOf: TypeError, code: 'ERR_INVALID_ARGUMENT' });
    }
    t.throws(() => send(Buffer.alloc(1_501)), { instanceOf: LimitError, code: 'ERR_LIMIT_EXCEEDED' });
    t.throws(() => send(Buffer.alloc(1 << 28)), { instanceOf: LimitError });
    t.notThrows(() => send(detached), 'what is no RTP is for the worker to see');
  }
  const { worker: counted, transports } = await worker.getMetrics();
  t.is(counted.application_packets_refused, 0);
  t.is(transports.find(({ transportId }) => transportId === sender.id)?.counters.application_packets_refused, 2);
  const viewer = await router.createWebRtcTransport({ listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }] });
  const other = await viewer.produce({ ...OPUS });
  t.throws(() => other.send(opus(1)), { instanceOf: UnsupportedError });
});

test('n07 a packet is copied when it is sent: what becomes of its memory afterwards is not seen', async (t) => {
  const { router, sender, receiver } = await openDirect(t);
  const producer = await sender.produce(OPUS);
  const consumer = await receiver.consume({ producerId: producer.id, rtpCapabilities: router.rtpCapabilities });
  const stream = packets(consumer, { signal: AbortSignal.timeout(HANG_MS) });
  const changed = opus(1, Buffer.from('as it was'));
  producer.send(changed);
  changed.fill(0xff);
  const memory = new ArrayBuffer(100);
  const moved = Buffer.from(memory);
  opus(2, Buffer.alloc(88, 7)).copy(moved);
  producer.send(moved);
  structuredClone(memory, { transfer: [memory] });
  const { value: one } = await stream.next();
  t.is(Buffer.from((one as RtpPacket).payload).toString(), 'as it was');
  const { value: two } = await stream.next();
  t.is(Buffer.compare((two as RtpPacket).payload, Buffer.alloc(88, 7)), 0);
  // A packet that came is the listener's own: to write into it changes no other.
  const pending = [stream.next(), stream.next()];
  producer.send(opus(3, Buffer.from('third')));
  producer.send(opus(4, Buffer.from('fourth')));
  const [three, four] = (await Promise.all(pending)).map(({ value }) => value as RtpPacket);
  three?.payload.fill(0);
  t.is(Buffer.from((four as RtpPacket).payload).toString(), 'fourth');
});

test('a listener that is too slow loses the oldest packets, and a worker that is behind as well: both are counted', async (t) => {
  const { worker, router, sender, receiver } = await openDirect(t);
  const producer = await sender.produce(OPUS);
  const consumer = await receiver.consume({ producerId: producer.id, rtpCapabilities: router.rtpCapabilities });
  let received = 0;
  let last: Buffer | undefined;
  consumer.on('rtp', (packet) => {
    received += 1;
    last = packet;
  });
  const sent = 20_000;
  for (let index = 0; index < sent; index += 1) {
    producer.send(opus(index, Buffer.alloc(1_000, index)));
  }
  producer.send(opus(sent, Buffer.from('the last')));
  // Requests follow packets, so this answer tells that all were dealt with.
  await worker.dump();
  while (last?.subarray(-8).toString() !== 'the last') {
    await wait(5);
  }
  const { worker: counted } = await worker.getMetrics();
  const lost = (counted.application_packets_dropped ?? 0) + (counted.packets_to_application_dropped ?? 0);
  t.true(lost > 0);
  t.is(received + lost, sent + 1);
});

test('an rtp listener that throws stops neither the others nor the next packet', async (t) => {
  const { router, sender, receiver } = await openDirect(t);
  const producer = await sender.produce(OPUS);
  const consumer = await receiver.consume({ producerId: producer.id, rtpCapabilities: router.rtpCapabilities });
  const failed: string[] = [];
  consumer.on('listenererror', (event) => failed.push(event));
  consumer.on('rtp', () => {
    throw new Error('asked for by a test');
  });
  const stream = packets(consumer, { signal: AbortSignal.timeout(HANG_MS) });
  producer.send(opus(1));
  producer.send(opus(2));
  await stream.next();
  await stream.next();
  t.deepEqual(failed, ['rtp', 'rtp']);
});

test('what is under way when an object closes reaches nobody', async (t) => {
  const { worker, router, sender, receiver } = await openDirect(t);
  const producer = await sender.produce(OPUS);
  const consumer = await receiver.consume({ producerId: producer.id, rtpCapabilities: router.rtpCapabilities });
  let received = 0;
  consumer.on('rtp', () => {
    received += 1;
  });
  await worker.dump();
  producer.send(opus(1));
  consumer.close();
  t.notThrows(() => consumer.on('rtp', () => {}));
  producer.close();
  t.notThrows(() => producer.send(opus(2)));
  sender.close();
  t.notThrows(() => sender.sendRtcp(buildRtcp([{ type: 'pli', senderSsrc: 1, mediaSsrc: 2 }])));
  await worker.dump();
  await turn();
  t.is(received, 0);
  worker.close();
  t.notThrows(() => producer.send(opus(3)));
});

test('a direct transport is connected, has no bitrates to limit and closes with its router', async (t) => {
  const { router, sender } = await openDirect(t);
  t.is(sender.type, 'direct');
  t.is(await sender.connect(), undefined);
  for (const limit of ['setMaxIncomingBitrate', 'setMaxOutgoingBitrate', 'setMinOutgoingBitrate'] as const) {
    await t.throwsAsync(sender[limit](), { instanceOf: UnsupportedError });
  }
  await t.throwsAsync(router.createDirectTransport({ maxSendMessageSize: 'x' as never }), { instanceOf: TypeError });
  const { appData } = await router.createDirectTransport({ maxReceiveMessageSize: 1_000, appData: { of: 'a test' } });
  t.deepEqual(appData, { of: 'a test' });
  const closed: string[] = [];
  sender.on('routerclose', () => closed.push('routerclose'));
  sender.observer.on('close', () => closed.push('close'));
  router.close();
  t.deepEqual(closed, ['routerclose', 'close']);
});

test('a thread that ends while packets flow takes nothing with it', async (t) => {
  const thread = new Thread(new URL('fixtures/direct-flow.mjs', import.meta.url));
  t.teardown(() => thread.terminate());
  const [flowing] = await once(thread, 'message');
  t.true(flowing);
  t.is(await thread.terminate(), 1);
});

async function openDirect(t: { teardown(fn: () => void): void }) {
  const worker = await createWorker();
  t.teardown(() => worker.close());
  const router = await worker.createRouter({ mediaCodecs: MEDIA_CODECS });
  const sender = await router.createDirectTransport();
  const receiver = await router.createDirectTransport();
  return { worker, router, sender, receiver };
}

function opus(index: number, payload: Uint8Array = Buffer.from([index & 0xff])): Buffer {
  const numbers = { sequenceNumber: index & 0xffff, timestamp: (index * 960) >>> 0 };
  return new RtpPacket({ payloadType: 111, ssrc: AUDIO_SSRC, ...numbers, payload }).toBuffer();
}

/** A packet of VP8 (RFC 7741 §4.2) whose last byte is its number. */
function vp8(index: number, { key }: { key: boolean }): Buffer {
  const payload = Buffer.from([0x10, key ? 0 : 1, 0, 0, 0x9d, 0x01, 0x2a, 16, 0, 16, 0, index]);
  const numbers = { sequenceNumber: index, timestamp: index * 3_000 };
  return new RtpPacket({ payloadType: 96, ssrc: VIDEO_SSRC, marker: true, ...numbers, payload }).toBuffer();
}

/** RTP packets that the worker has handed to this transport. */
async function sentBy(worker: types.Worker, transport: types.Transport): Promise<number | undefined> {
  const { transports } = await worker.getMetrics();
  return transports.find(({ transportId }) => transportId === transport.id)?.counters.rtp_packets_sent;
}

/** The first packet of a kind. */
async function first(stream: AsyncIterable<RtcpPacket[]>, wanted: (packet: RtcpPacket) => boolean) {
  const iterator = stream[Symbol.asyncIterator]();
  for (;;) {
    const { done, value } = await iterator.next();
    if (done) {
      throw new Error('the stream ended');
    }
    const found = value.find(wanted);
    if (found) {
      return found;
    }
  }
}
