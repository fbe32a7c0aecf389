// Producers that become Producers of other Routers, in this Worker and in another.

import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { createWorker, errors, type types } from '../ts/index.js';
import { packets, RtpPacket, rtcpPackets } from '../ts/rtp/index.js';

const OPUS = { mimeType: 'audio/opus', payloadType: 100, clockRate: 48_000, channels: 2 } as const;
const VP8 = { mimeType: 'video/VP8', payloadType: 101, clockRate: 90_000 } as const;

test('a voice crosses to another worker and back out, and all between two routers goes one way', async (t) => {
  const [near, far] = await openRouters(t);
  const voice = await Voice.open(t, near, 1);
  const { pipeConsumer, pipeProducer } = await near.pipeToRouter({ producerId: voice.producer.id, router: far });
  t.is(pipeConsumer?.type, 'pipe');
  t.is(pipeConsumer?.producerId, voice.producer.id);
  t.deepEqual(pipeConsumer?.score, { score: 10, producerScore: 10, producerScores: [0] });
  t.is(pipeProducer?.id, voice.producer.id);
  t.deepEqual(pipeProducer?.appData, { who: 1 });
  const ear = await Ear.open(t, far, voice.producer.id);
  voice.say('hello');
  t.is(await ear.hears(), 'hello');

  const other = await Voice.open(t, far, 2);
  await far.pipeToRouter({ producerId: other.producer.id, router: near });
  const answer = await Ear.open(t, near, other.producer.id);
  other.say('hi');
  t.is(await answer.hears(), 'hi');
  t.is((await near.dump()).transportIds.length, 3, 'the voice, the ear and one end of the pipe');
});

test('a producer crosses within a worker under another id, sealed and with retransmissions', async (t) => {
  const worker = await openWorker(t);
  const [near, far] = [await worker.createRouter({ mediaCodecs }), await worker.createRouter({ mediaCodecs })];
  const voice = await Voice.open(t, near, 1);
  const options = { producerId: voice.producer.id, router: far, enableSrtp: true, enableRtx: true };
  await t.throwsAsync(near.pipeToRouter(options), { instanceOf: TypeError, message: /^keepId: / });
  const { pipeConsumer, pipeProducer } = await near.pipeToRouter({ ...options, keepId: false });
  t.not(pipeProducer?.id, voice.producer.id);
  t.truthy(pipeConsumer?.rtpParameters.encodings?.[0]?.rtx);
  const ear = await Ear.open(t, far, pipeProducer?.id as string);
  voice.say('sealed');
  t.is(await ear.hears(), 'sealed');
});

test('what becomes of a producer becomes of its likeness', async (t) => {
  const [near, far] = await openRouters(t);
  const voice = await Voice.open(t, near, 1);
  await voice.producer.pause();
  const { pipeProducer } = await near.pipeToRouter({ producerId: voice.producer.id, router: far });
  const likeness = pipeProducer as types.Producer;
  t.true(likeness.paused);
  const resumed = happened(likeness.observer, 'resume');
  await voice.producer.resume();
  await resumed;
  const paused = happened(likeness.observer, 'pause');
  await voice.producer.pause();
  await paused;
  const closed = happened(likeness.observer, 'close');
  voice.producer.close();
  await closed;
  t.false(far.closed);
});

test('who closes a likeness ends the way to it, and who closes a router the way itself', async (t) => {
  const [near, far] = await openRouters(t);
  const [one, two] = [await Voice.open(t, near, 1), await Voice.open(t, near, 2)];
  const first = await near.pipeToRouter({ producerId: one.producer.id, router: far });
  const second = await near.pipeToRouter({ producerId: two.producer.id, router: far });
  first.pipeProducer?.close();
  t.true(first.pipeConsumer?.closed);
  t.false(one.producer.closed || second.pipeConsumer?.closed);
  far.close();
  t.true(second.pipeProducer?.closed && second.pipeConsumer?.closed);
  t.is((await near.dump()).transportIds.length, 2, 'our end of the pipe is gone');
  await t.throwsAsync(near.pipeToRouter({ producerId: two.producer.id, router: far }), {
    instanceOf: errors.NotFoundError,
  });
});

test('many pipes at once share one way', async (t) => {
  const [near, far] = await openRouters(t);
  const voices = await Promise.all(Array.from({ length: 10 }, (_, at) => Voice.open(t, near, at)));
  await Promise.all(voices.map(({ producer }) => near.pipeToRouter({ producerId: producer.id, router: far })));
  t.is((await far.dump()).transportIds.length, 1);
});

test('options that make no sense are refused and leave nothing', async (t) => {
  const [near, far] = await openRouters(t);
  const { producer } = await Voice.open(t, near, 1);
  const good = { producerId: producer.id, router: far };
  const refused: [object, RegExp][] = [
    [{ router: far }, /^producerId: /],
    [{ ...good, dataProducerId: 'x' }, /^dataProducerId: /],
    [{ ...good, router: near }, /^router: /],
    [{ ...good, router: {} }, /^router: /],
    [{ ...good, listenIp: '127.0.0.1', listenInfo: { protocol: 'udp', ip: '127.0.0.1' } }, /^listenInfo: /],
    [{ ...good, listenIp: 'nowhere' }, /^listenIp\.ip: /],
  ];
  for (const [options, message] of refused) {
    await t.throwsAsync(near.pipeToRouter(options as types.PipeToRouterOptions), { instanceOf: TypeError, message });
  }
  for (const missing of [
    { ...good, producerId: far.id },
    { dataProducerId: far.id, router: far },
  ]) {
    await t.throwsAsync(near.pipeToRouter(missing), { instanceOf: errors.NotFoundError });
  }
  t.is((await far.dump()).transportIds.length, 0);
  const narrow = await (await openWorker(t)).createRouter({ mediaCodecs: mediaCodecs.slice(1) });
  await t.throwsAsync(near.pipeToRouter({ ...good, router: narrow }), { instanceOf: errors.UnsupportedError });
  t.deepEqual((await near.dump()).mapProducerIdConsumerIds, [{ key: producer.id, values: [] }]);
  // What was refused is not in the way of what follows.
  await near.pipeToRouter(good);
});

test('a pipe consumer of any transport carries every stream of a simulcast', async (t) => {
  const [near] = await openRouters(t);
  const transport = await near.createPlainTransport({ listenInfo, comedia: true });
  const producer = await transport.produce({
    kind: 'video',
    rtpParameters: { codecs: [VP8], encodings: [{ ssrc: 1 }, { ssrc: 2 }, { ssrc: 3 }] },
  });
  const { id: producerId } = producer;
  const consumer = await transport.consume({ producerId, rtpCapabilities: near.rtpCapabilities, pipe: true });
  t.is(consumer.type, 'pipe');
  t.is(consumer.rtpParameters.mid, undefined);
  t.is(new Set(consumer.rtpParameters.encodings?.map(({ ssrc }) => ssrc)).size, 3);
  t.is((await consumer.getStats()).length, 3);
  const other = await transport.produce({
    kind: 'video',
    rtpParameters: { codecs: [VP8], encodings: [{ ssrc: 4 }] },
  });
  await t.throwsAsync(consumer.replaceProducer({ producerId: other.id }), { instanceOf: errors.UnsupportedError });
  t.is(consumer.producerId, producerId);
  consumer.close();
  t.deepEqual((await transport.dump()).consumerIds, []);
});

test('between workers of a process packets cross without a network, and wishes for key frames come back', async (t) => {
  const [near, far] = await openRouters(t);
  const camera = await near.createDirectTransport();
  const encodings = [{ ssrc: 1 }, { ssrc: 2 }];
  const codec = { ...VP8, rtcpFeedback: [{ type: 'nack', parameter: 'pli' }] };
  const producer = await camera.produce({ kind: 'video', rtpParameters: { codecs: [codec], encodings } });
  const made: types.Transport[] = [];
  far.observer.on('newtransport', (transport) => made.push(transport));
  const { pipeProducer } = await near.pipeToRouter({ producerId: producer.id, router: far });
  const [pipe] = made as [types.PipeTransport];
  t.is(pipe.type, 'pipe');
  t.like(pipe.tuple, { localPort: 0 });
  t.like((await pipe.dump()).tuple, { localPort: 0 });
  t.like((await pipe.getStats())[0], { type: 'pipe-transport', transportId: pipe.id });
  await t.throwsAsync(pipe.connect({ ip: '127.0.0.1', port: 9 }), { instanceOf: errors.InvalidStateError });
  t.is(pipeProducer?.rtpParameters.encodings?.length, 2);

  const screen = await far.createDirectTransport();
  const { rtpCapabilities } = far;
  const consumer = await screen.consume({ producerId: producer.id, rtpCapabilities });
  const seen = packets(consumer, { signal: AbortSignal.timeout(HANG_MS) });
  let number = 0;
  const sending = setInterval(() => {
    number += 1;
    producer.send(keyFrame(1, number));
    producer.send(keyFrame(2, number));
  }, 20);
  t.teardown(() => clearInterval(sending));
  // Without a listener nothing would flow.
  consumer.on('rtp', () => {});
  // The viewer wants the higher layer and gets it.
  for await (const { payload } of seen) {
    if (payload.at(-1) === 2) {
      break;
    }
  }
  // Wishes of the near worker itself are over by then.
  await wait(2_500);
  const wishes = rtcpPackets(camera, { signal: AbortSignal.timeout(HANG_MS) });
  // The near worker has heard of the listener by then; the far one, which is told next, may be faster than it.
  await camera.dump();
  await consumer.requestKeyFrame();
  const wished: number[] = [];
  for await (const compound of wishes) {
    wished.push(...compound.flatMap((packet) => (packet.type === 'pli' ? [packet.mediaSsrc] : [])));
    if (wished.length > 0) {
      break;
    }
  }
  t.deepEqual(wished, [2]);
  const { worker: counted } = await (workers.get(near) as types.Worker).getMetrics();
  t.is(counted.ring_packets_dropped, 0);
});

test('when one worker is closed, what it piped to another closes there', async (t) => {
  const [near, far] = await openRouters(t);
  const voice = await Voice.open(t, near, 1);
  const { pipeProducer } = await near.pipeToRouter({ producerId: voice.producer.id, router: far });
  workers.get(near)?.close();
  t.true(pipeProducer?.closed);
  t.is((await far.dump()).transportIds.length, 0);
});

/** A key frame of VP8 (RFC 7741 §4.2) whose last byte is its SSRC. */
function keyFrame(ssrc: number, sequenceNumber: number): Buffer {
  const payload = Buffer.from([0x10, 0, 0, 0, 0x9d, 0x01, 0x2a, 16, 0, 16, 0, ssrc]);
  const numbers = { sequenceNumber, timestamp: sequenceNumber * 3_000 };
  return new RtpPacket({ payloadType: 101, ssrc, marker: true, ...numbers, payload }).toBuffer();
}

/** The Worker of each Router. */
const workers = new WeakMap<types.Router, types.Worker>();

/** Longer than anything takes on a busy machine: what is waited for does not come. */
const HANG_MS = 60_000;

const listenInfo = { protocol: 'udp', ip: '127.0.0.1' } as const;

const mediaCodecs: types.RouterRtpCodecCapability[] = [
  { kind: 'audio', mimeType: OPUS.mimeType, preferredPayloadType: 100, clockRate: 48_000, channels: 2 },
  { kind: 'video', mimeType: VP8.mimeType, preferredPayloadType: 101, clockRate: 90_000 },
];

/** Somebody who speaks to a Router over UDP. */
class Voice {
  readonly producer: types.Producer;
  readonly #socket: Socket;
  readonly #port: number;
  readonly #ssrc: number;

  private constructor(producer: types.Producer, socket: Socket, port: number, ssrc: number) {
    this.producer = producer;
    this.#socket = socket;
    this.#port = port;
    this.#ssrc = ssrc;
  }

  static async open(t: ExecutionContext, router: types.Router, who: number): Promise<Voice> {
    const transport = await router.createPlainTransport({ listenInfo, comedia: true });
    const ssrc = 1000 + who;
    const rtpParameters = { codecs: [OPUS], encodings: [{ ssrc }] };
    const producer = await transport.produce({ kind: 'audio', rtpParameters, appData: { who } });
    return new Voice(producer, await openSocket(t), transport.tuple.localPort, ssrc);
  }

  /** Sends a few packets with these words: the first ones of a stream may be lost on who is not there yet. */
  say(words: string): void {
    for (let sequenceNumber = 1; sequenceNumber <= 5; sequenceNumber += 1) {
      const timestamp = 960 * sequenceNumber;
      const packet = new RtpPacket({
        payloadType: 100,
        sequenceNumber,
        timestamp,
        ssrc: this.#ssrc,
        payload: Buffer.from(words),
      });
      this.#socket.send(packet.toBuffer(), this.#port, '127.0.0.1');
    }
  }
}

/** Somebody who listens to a Producer over UDP. */
class Ear {
  readonly #socket: Socket;
  readonly #ssrc: number | undefined;

  private constructor(socket: Socket, ssrc: number | undefined) {
    this.#socket = socket;
    this.#ssrc = ssrc;
  }

  static async open(t: ExecutionContext, router: types.Router, producerId: string): Promise<Ear> {
    const socket = await openSocket(t);
    const transport = await router.createPlainTransport({ listenInfo });
    await transport.connect({ ip: '127.0.0.1', port: socket.address().port });
    const { rtpCapabilities } = router;
    const consumer = await transport.consume({ producerId, rtpCapabilities });
    return new Ear(socket, consumer.rtpParameters.encodings?.[0]?.ssrc);
  }

  /** The words of the next packet. */
  async hears(): Promise<string> {
    for (;;) {
      const [datagram] = (await once(this.#socket, 'message')) as [Buffer];
      // Reports come as well.
      if ((datagram[1] ?? 0) >= 192 && (datagram[1] ?? 0) <= 223) continue;
      const packet = RtpPacket.parse(datagram);
      if (packet.ssrc === this.#ssrc) return packet.payload.toString();
    }
  }
}

async function openSocket(t: ExecutionContext): Promise<Socket> {
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

async function openWorker(t: ExecutionContext): Promise<types.Worker> {
  const worker = await createWorker();
  t.teardown(() => worker.close());
  return worker;
}

/** Routers of two Workers. */
async function openRouters(t: ExecutionContext): Promise<[types.Router, types.Router]> {
  const [near, far] = [await openWorker(t), await openWorker(t)];
  const routers = [await near.createRouter({ mediaCodecs }), await far.createRouter({ mediaCodecs })] as const;
  workers.set(routers[0], near).set(routers[1], far);
  return [...routers];
}

function happened(observer: types.ProducerObserver, event: 'pause' | 'resume' | 'close'): Promise<void> {
  return new Promise((resolve) => observer.once(event, resolve));
}
