// Captures: what is in their files, and what becomes of them.
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { createWorker, errors, type types } from '../ts/index.js';
import { buildRtcp, isRtcp, packets, parseRtcp, RtpPacket } from '../ts/rtp/index.js';

const MEDIA_CODECS: types.RouterRtpCodecCapability[] = [
  { kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2 },
];
const SSRC = 77;
const OPUS: types.ProducerOptions = {
  kind: 'audio',
  rtpParameters: {
    codecs: [{ mimeType: 'audio/opus', payloadType: 111, clockRate: 48_000, channels: 2 }],
    encodings: [{ ssrc: SSRC }],
  },
};
/** Longer than anything takes on a busy machine: what is waited for does not come. */
const HANG_MS = 60_000;

test('a capture has what came and what went, to the byte, with addresses and times', async (t) => {
  const { router, file } = await open(t);
  const listenInfo = { protocol: 'udp', ip: '127.0.0.1' } as const;
  const plain = await router.createPlainTransport({ listenInfo, comedia: true });
  const producer = await plain.produce(OPUS);
  const consumer = await plain.consume({ producerId: producer.id, rtpCapabilities: router.rtpCapabilities });
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const received: Buffer[] = [];
  socket.on('message', (packet) => received.push(packet));
  const began = Date.now();
  await plain.startCapture(file);
  await t.throwsAsync(plain.startCapture(file), { instanceOf: errors.InvalidStateError });
  const sent = Array.from({ length: 20 }, (_, index) => opus(index, Buffer.alloc(1 + index * 50, index)));
  for (const packet of sent) {
    socket.send(packet, plain.tuple.localPort, '127.0.0.1');
    await wait(2);
  }
  while (received.filter((packet) => !isRtcp(packet)).length < sent.length) {
    await wait(5);
  }
  const summary = await plain.stopCapture();
  const captured = read(file);
  t.is(summary.bytes, statSync(file).size);
  t.is(summary.packets, captured.length);
  t.is(summary.dropped, 0);
  const of = (way: Captured['way'], rtcp: boolean) =>
    captured.filter((packet) => packet.way === way && isRtcp(packet.payload) === rtcp);
  t.deepEqual(
    of('in', false).map(({ payload }) => payload),
    sent,
  );
  // A packet may have left before the capture ended and not be here yet, but not the other way round.
  const out = of('out', false).map(({ payload }) => payload);
  t.deepEqual(
    out,
    received.filter((packet) => !isRtcp(packet)),
  );
  t.true(out.every((packet) => RtpPacket.parse(packet).ssrc === consumer.rtpParameters.encodings?.[0]?.ssrc));
  t.true(of('out', true).every(({ payload }) => parseRtcp(payload).length > 0));
  const { port } = socket.address();
  for (const { way, source, destination, at } of captured) {
    const [near, far] = way === 'in' ? [destination, source] : [source, destination];
    t.is(far, `127.0.0.1:${port}`);
    t.is(near, `127.0.0.1:${plain.tuple.localPort}`);
    t.true(at >= began - 1_000 && at <= Date.now() + 1_000, `${at}`);
  }
  await t.throwsAsync(plain.stopCapture(), { instanceOf: errors.InvalidStateError });
});

test('Wireshark reads a capture as RTP and RTCP', async (t) => {
  const { router, file } = await open(t);
  const transport = await router.createDirectTransport();
  const producer = await transport.produce(OPUS);
  await transport.startCapture(file);
  for (let index = 1; index <= 5; index += 1) {
    producer.send(opus(index));
  }
  transport.sendRtcp(buildRtcp([{ type: 'pli', senderSsrc: 1, mediaSsrc: 2 }]));
  await transport.stopCapture();
  const fields = ['frame.protocols', 'rtp.ssrc', 'rtp.seq', 'udp.checksum.status'].flatMap((field) => ['-e', field]);
  const heuristics = ['rtp.heuristic_rtp:TRUE', 'rtcp.heuristic_rtcp:TRUE', 'udp.check_checksum:TRUE'];
  const { stdout } = await promisify(execFile)('tshark', [
    ...['-r', file, '-T', 'fields', ...fields],
    ...heuristics.flatMap((preference) => ['-o', preference]),
    ...['--enable-heuristic', 'rtp_udp', '--enable-heuristic', 'rtcp_udp'],
  ]);
  const lines = stdout.trimEnd().split('\n');
  t.deepEqual(
    lines.slice(0, 5),
    [1, 2, 3, 4, 5].map((number) => `raw:ip:udp:rtp\t0x0000004d\t${number}\t1`),
  );
  t.regex(lines[5] ?? '', /^raw:ip:udp:rtcp\t/);
});

test('a capture is as long as it may be at most, and says what it left out', async (t) => {
  const { router, file } = await open(t);
  const transport = await router.createDirectTransport();
  const producer = await transport.produce(OPUS);
  await transport.startCapture(file, { maxBytes: 10_000 });
  for (let index = 0; index < 100; index += 1) {
    producer.send(opus(index, Buffer.alloc(1_000)));
  }
  const summary = await transport.stopCapture();
  t.true(summary.bytes <= 10_000 && summary.bytes > 8_000);
  t.is(summary.bytes, statSync(file).size);
  t.is(summary.packets, read(file).length);
  t.is(summary.packets + summary.dropped, 100);
});

test('what was sent by the application and what it got is captured alike', async (t) => {
  const { router, file } = await open(t);
  const transport = await router.createDirectTransport();
  const producer = await transport.produce(OPUS);
  const consumer = await transport.consume({ producerId: producer.id, rtpCapabilities: router.rtpCapabilities });
  const heard = packets(consumer, { signal: AbortSignal.timeout(HANG_MS) });
  await transport.startCapture(file);
  producer.send(opus(1, Buffer.from('one')));
  await heard.next();
  await transport.stopCapture();
  const ways = read(file).map(({ way, payload }) => [way, Buffer.from(RtpPacket.parse(payload).payload).toString()]);
  t.deepEqual(ways, [
    ['in', 'one'],
    ['out', 'one'],
  ]);
});

test('a file that cannot be written is a typed error, and nothing is captured', async (t) => {
  const { router, folder, file } = await open(t);
  const transport = await router.createDirectTransport();
  for (const wrong of [join(folder, 'no', 'such', 'folder'), folder]) {
    const refused = await t.throwsAsync(transport.startCapture(wrong), { code: 'ERR_SYSTEM' });
    t.true(refused instanceof errors.MillraceError);
  }
  for (const [name, options] of [
    ['', {}],
    [1, {}],
    [file, { maxBytes: 0 }],
    [file, { maxBytes: 'x' }],
    [file, null],
  ] as const) {
    await t.throwsAsync(transport.startCapture(name as string, options as never), { instanceOf: TypeError });
  }
  await transport.startCapture(file);
  t.is((await transport.stopCapture()).packets, 0);
  t.deepEqual(read(file), []);
});

test('closing a transport completes the file of its capture', async (t) => {
  const { router, file } = await open(t);
  const transport = await router.createDirectTransport();
  const producer = await transport.produce(OPUS);
  await transport.startCapture(file);
  producer.send(opus(1));
  transport.close();
  while (statSync(file).size === 0) {
    await wait(5);
  }
  t.is(read(file).length, 1);
});

type Captured = { way: 'in' | 'out'; at: number; source: string; destination: string; payload: Buffer };

async function open(t: ExecutionContext) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-capture-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const worker = await createWorker();
  t.teardown(() => worker.close());
  return {
    router: await worker.createRouter({ mediaCodecs: MEDIA_CODECS }),
    folder,
    file: join(folder, 'calls.pcapng'),
  };
}

function opus(index: number, payload: Uint8Array = Buffer.from([index])): Buffer {
  const numbers = { sequenceNumber: index, timestamp: index * 960 };
  return new RtpPacket({ payloadType: 111, ssrc: SSRC, ...numbers, payload }).toBuffer();
}

/** Reads a file as draft-ietf-opsawg-pcapng says: a section, an interface of IP packets in nanoseconds, packets. */
function read(file: string): Captured[] {
  const bytes = readFileSync(file);
  const captured: Captured[] = [];
  let at = 0;
  let blocks = 0;
  while (at < bytes.length) {
    const [type, length] = [bytes.readUInt32LE(at), bytes.readUInt32LE(at + 4)];
    if (length % 4 !== 0 || bytes.readUInt32LE(at + length - 4) !== length) {
      throw new Error(`block ${blocks} has no length`);
    }
    const body = bytes.subarray(at + 8, at + length - 4);
    if (blocks === 0 && (type !== 0x0a0d_0d0a || body.readUInt32LE(0) !== 0x1a2b_3c4d || body.readUInt16LE(4) !== 1)) {
      throw new Error('no section begins');
    }
    if (blocks === 1 && (type !== 1 || body.readUInt16LE(0) !== 101)) {
      throw new Error('no interface of IP packets');
    }
    if (blocks > 1) {
      captured.push(packet(type, body));
    }
    at += length;
    blocks += 1;
  }
  return captured;
}

function packet(type: number, body: Buffer): Captured {
  const length = body.readUInt32LE(12);
  const ip = body.subarray(20, 20 + length);
  const options = body.subarray(20 + Math.ceil(length / 4) * 4);
  const flags = options.readUInt16LE(0) === 2 ? options.readUInt32LE(4) & 3 : 0;
  if (type !== 6 || ip[0] !== 0x45 || ip.readUInt16BE(2) !== length || ip[9] !== 17 || flags === 0) {
    throw new Error('no packet of UDP over IPv4');
  }
  const udp = ip.subarray(20);
  const nanoseconds = (BigInt(body.readUInt32LE(4)) << 32n) | BigInt(body.readUInt32LE(8));
  return {
    way: flags === 1 ? 'in' : 'out',
    at: Number(nanoseconds / 1_000_000n),
    source: `${ip.subarray(12, 16).join('.')}:${udp.readUInt16BE(0)}`,
    destination: `${ip.subarray(16, 20).join('.')}:${udp.readUInt16BE(2)}`,
    payload: Buffer.from(udp.subarray(8, udp.readUInt16BE(4))),
  };
}
