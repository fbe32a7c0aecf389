import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker as Thread } from 'node:worker_threads';
import test from 'ava';
import { generate } from 'selfsigned';
import {
  createWorker,
  errors,
  extras,
  getSupportedRtpCapabilities,
  parseScalabilityMode,
  setLogEventListeners,
  type types,
  version,
} from '../ts/index.js';

const { MillraceError, NotFoundError, UnsupportedError, WorkerClosedError } = errors;

const MEDIA_CODECS: types.RouterRtpCodecCapability[] = [
  { kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2 },
  { kind: 'video', mimeType: 'video/VP8', clockRate: 90_000 },
];

const OPUS: types.RtpParameters = {
  codecs: [{ mimeType: 'audio/opus', payloadType: 111, clockRate: 48_000, channels: 2 }],
  encodings: [{ ssrc: 11_111_111 }],
};

const VP8: types.RtpParameters = {
  codecs: [
    { mimeType: 'video/VP8', payloadType: 96, clockRate: 90_000, rtcpFeedback: [{ type: 'nack', parameter: 'pli' }] },
    { mimeType: 'video/rtx', payloadType: 97, clockRate: 90_000, parameters: { apt: 96 } },
  ],
  headerExtensions: [{ uri: 'urn:ietf:params:rtp-hdrext:sdes:mid', id: 1 }],
  encodings: [{ ssrc: 22_222_222, rtx: { ssrc: 22_222_223 } }],
};

/** Long enough for a busy machine; only a process that hangs takes so long. */
const HANG_MS = 60_000;

test('the module says its version and what it supports, in copies', (t) => {
  t.regex(version, /^\d+\.\d+\.\d+/);
  const capabilities = getSupportedRtpCapabilities();
  t.true(capabilities.codecs?.some(({ mimeType }) => mimeType === 'audio/opus'));
  capabilities.codecs?.splice(0);
  t.true((getSupportedRtpCapabilities().codecs?.length ?? 0) > 0);
  t.deepEqual(parseScalabilityMode('L3T2_KEY'), { spatialLayers: 3, temporalLayers: 2, ksvc: true });
  t.deepEqual(parseScalabilityMode(), { spatialLayers: 1, temporalLayers: 1, ksvc: false });
});

test('settings that make no sense are a TypeError', async (t) => {
  const refused = { instanceOf: TypeError, code: 'ERR_INVALID_ARGUMENT' };
  await t.throwsAsync(createWorker({ logLevel: 'loud' as never }), refused);
  await t.throwsAsync(createWorker({ rtcMinPort: 5000, rtcMaxPort: 4000 }), refused);
  await t.throwsAsync(createWorker({ rtcMinPort: Number.NaN }), refused);
  await t.throwsAsync(createWorker({ dtlsCertificateFile: '/does/not/exist', dtlsPrivateKeyFile: '/nor/does/this' }), {
    instanceOf: TypeError,
  });
});

test('a worker says what it holds, what it used and what it counted', async (t) => {
  const { worker, webRtcServer, router, transport } = await openRoom(t);
  t.like(await worker.dump(), { webRtcServerIds: [webRtcServer.id], routerIds: [router.id] });
  t.like(await webRtcServer.dump(), { id: webRtcServer.id, webRtcTransportIds: [transport.id] });
  t.like(await router.dump(), { id: router.id, transportIds: [transport.id] });
  const usage = await worker.getResourceUsage();
  t.is(Object.keys(usage).length, 16);
  t.true(Object.values(usage).every((value) => typeof value === 'number'));
  const metrics = await worker.getMetrics();
  t.is(metrics.worker.datagrams_received, 0);
  t.deepEqual(
    metrics.transports.map(({ transportId }) => transportId),
    [transport.id],
  );
  await worker.updateSettings({ logLevel: 'debug', logTags: ['ice', 'dtls'] });
  await t.throwsAsync(worker.updateSettings({ logLevel: 'loud' as never }), { instanceOf: TypeError });
});

test('a transport has what an endpoint needs to connect', async (t) => {
  const { transport } = await openRoom(t);
  t.is(transport.iceRole, 'controlled');
  t.is(transport.iceState, 'new');
  t.is(transport.dtlsState, 'new');
  t.is(transport.dtlsParameters.role, 'auto');
  t.true(transport.iceParameters.iceLite);
  t.deepEqual(
    transport.iceCandidates.map(({ protocol, ip, type }) => ({ protocol, ip, type })),
    [{ protocol: 'udp', ip: '127.0.0.1', type: 'host' }],
  );
  t.true(transport.dtlsParameters.fingerprints.length > 0);
  t.like((await transport.getStats())[0], { type: 'webrtc-transport', transportId: transport.id, iceState: 'new' });

  const before = transport.iceParameters;
  const iceParameters = await transport.restartIce();
  t.not(iceParameters.usernameFragment, before.usernameFragment);
  t.deepEqual(transport.iceParameters, iceParameters);

  const dtlsParameters: types.DtlsParameters = { role: 'client', fingerprints: transport.dtlsParameters.fingerprints };
  await transport.connect({ dtlsParameters });
  t.is(transport.dtlsParameters.role, 'server');
  const again = await t.throwsAsync(transport.connect({ dtlsParameters }));
  t.true(again instanceof MillraceError);
});

test('beside a DTLS server a transport is the client, which needs an ECDSA key', async (t) => {
  const { router, transport } = await openRoom(t);
  const { fingerprints } = transport.dtlsParameters;
  await transport.connect({ dtlsParameters: { role: 'server', fingerprints } });
  t.is(transport.dtlsParameters.role, 'client');
  const listenInfos: types.TransportListenInfo[] = [{ protocol: 'udp', ip: '127.0.0.1' }];
  const wrong = { listenInfos, dtlsVersion: '1.1' as '1.2' };
  const error = await t.throwsAsync(router.createWebRtcTransport(wrong), { instanceOf: TypeError });
  t.regex(error?.message ?? '', /dtlsVersion/);

  const { cert, private: key } = await generate([{ name: 'commonName', value: 'rsa' }], { keySize: 2048 });
  const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const [dtlsCertificateFile, dtlsPrivateKeyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  writeFileSync(dtlsCertificateFile, cert);
  writeFileSync(dtlsPrivateKeyFile, key);
  const worker = await createWorker({ dtlsCertificateFile, dtlsPrivateKeyFile });
  t.teardown(() => worker.close());
  const withRsa = await worker.createRouter({ mediaCodecs: MEDIA_CODECS });
  for (const [dtlsVersion, role, isTaken] of [
    ['1.2', 'client', true],
    ['1.2', 'server', false],
    ['auto', 'client', false],
    ['1.3', 'auto', false],
  ] as const) {
    const connecting = (await withRsa.createWebRtcTransport({ listenInfos, dtlsVersion })).connect({
      dtlsParameters: { role, fingerprints },
    });
    await (isTaken
      ? t.notThrowsAsync(connecting)
      : t.throwsAsync(connecting, { instanceOf: UnsupportedError, message: /ECDSA/ }));
  }
});

test('a producer is consumed over another transport', async (t) => {
  const { router, transport } = await openRoom(t);
  const producer = await transport.produce({ kind: 'video', rtpParameters: VP8, appData: { source: 'screen' } });
  t.like(producer, { kind: 'video', type: 'simple', paused: false });
  t.is(producer.appData.source, 'screen');
  const viewer = await router.createWebRtcTransport({ listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }] });
  const { rtpCapabilities } = router;
  t.true(router.canConsume({ producerId: producer.id, rtpCapabilities }));
  t.false(router.canConsume({ producerId: producer.id, rtpCapabilities: { codecs: [] } }));

  const consumer = await viewer.consume({ producerId: producer.id, rtpCapabilities, paused: true });
  t.like(consumer, { kind: 'video', type: 'simple', paused: true, producerPaused: false, producerId: producer.id });
  t.is(consumer.rtpParameters.mid, '0');
  t.is(consumer.rtpParameters.encodings?.length, 1);
  t.not(consumer.rtpParameters.encodings?.[0]?.ssrc, 22_222_222);
  t.true((await consumer.getStats()).length > 0);
  t.is((await consumer.dump()).id, consumer.id);
  await consumer.setPriority(3);
  await consumer.resume();
  await consumer.requestKeyFrame();

  const paused = extras.enhancedOnce<types.ConsumerEvents>(consumer, 'producerpause');
  await producer.pause();
  await paused;
  t.true(consumer.producerPaused);
  const resumed = extras.enhancedOnce<types.ConsumerEvents>(consumer, 'producerresume');
  await producer.resume();
  await resumed;
  const closed = extras.enhancedOnce<types.ConsumerEvents>(consumer, 'producerclose');
  producer.close();
  await closed;
  t.true(consumer.closed);
  await t.throwsAsync(viewer.consume({ producerId: producer.id, rtpCapabilities }), { instanceOf: NotFoundError });
});

test('p03 invalid parameters are refused with their class before anything is created', async (t) => {
  const { worker, router, transport } = await openRoom(t);
  const producer = await transport.produce({ kind: 'audio', rtpParameters: OPUS });
  const invalid: [string, () => Promise<unknown>][] = [
    ['no codec', () => produce({ codecs: [] })],
    ['payload type twice', () => produce({ codecs: [...OPUS.codecs, ...OPUS.codecs] })],
    [
      'extension id twice',
      () =>
        produce({
          headerExtensions: [
            { uri: 'urn:ietf:params:rtp-hdrext:sdes:mid', id: 1 },
            { uri: 'urn:ietf:params:rtp-hdrext:ssrc-audio-level', id: 1 },
          ],
        }),
    ],
    ['rtx without apt', () => produce({ codecs: [...OPUS.codecs, { ...RTX, parameters: {} }] })],
    ['rtx for what is not there', () => produce({ codecs: [...OPUS.codecs, { ...RTX, parameters: { apt: 99 } }] })],
    ['unknown kind', () => transport.produce({ kind: 'smell' as never, rtpParameters: OPUS })],
    ['no rtpParameters', () => transport.produce({ kind: 'audio' } as never)],
    ['capabilities of the wrong type', () => consume({ codecs: 'opus' as never })],
    ['empty fingerprints', () => transport.connect({ dtlsParameters: { fingerprints: [] } })],
    ['no listen address', () => router.createWebRtcTransport({ listenInfos: [] })],
    ['nowhere to listen', () => router.createWebRtcTransport({} as never)],
    ['no such address', () => worker.createWebRtcServer({ listenInfos: [{ protocol: 'udp', ip: 'nowhere' }] })],
    ['codec without clock rate', () => worker.createRouter({ mediaCodecs: [{ mimeType: 'audio/opus' } as never] })],
    ['negative bitrate', () => transport.setMaxIncomingBitrate(-1)],
    ['too low a bitrate', () => transport.setMinOutgoingBitrate(1)],
  ];
  for (const [what, call] of invalid) {
    const error = await t.throwsAsync(call(), { instanceOf: TypeError }, what);
    t.regex((error as unknown as { code: string }).code, /^ERR_/, what);
  }
  const unsupported: [string, () => Promise<unknown>][] = [
    ['codec of no router', () => worker.createRouter({ mediaCodecs: [{ ...OPUS_CODEC, mimeType: 'audio/mp3' }] })],
    ['codec that the router lacks', () => produce({ codecs: [PCMU] })],
    ['nothing in common', () => consume({ codecs: [] })],
    ['several encodings', () => produce({ encodings: [{ ssrc: 1 }, { ssrc: 2 }] })],
  ];
  for (const [what, call] of unsupported) {
    await t.throwsAsync(call(), { instanceOf: UnsupportedError, code: 'ERR_UNSUPPORTED' }, what);
  }
  t.deepEqual((await transport.dump()).producerIds, [producer.id]);
  t.deepEqual((await transport.dump()).consumerIds, []);
  t.deepEqual((await worker.dump()).routerIds, [router.id]);

  function produce(parameters: Partial<types.RtpParameters>): Promise<unknown> {
    return transport.produce({ kind: 'audio', rtpParameters: { ...OPUS, encodings: [{ ssrc: 7 }], ...parameters } });
  }
  function consume(rtpCapabilities: types.RtpCapabilities): Promise<unknown> {
    return transport.consume({ producerId: producer.id, rtpCapabilities });
  }
});

test('a port in use is an error that names it, and free again after disposal', async (t) => {
  const { worker } = await openRoom(t);
  const first = await worker.createWebRtcServer({ listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }] });
  const [socket] = (await first.dump()).udpSockets;
  const { port } = socket as types.IpPort;
  const taken = await t.throwsAsync(
    worker.createWebRtcServer({ listenInfos: [{ protocol: 'udp', ip: '127.0.0.1', port }] }),
  );
  t.regex((taken as errors.MillraceError).code, /^ERR_/);
  await first[Symbol.asyncDispose]();
  await bind(port);

  const other = await createWorker();
  const server = await other.createWebRtcServer({ listenInfos: [{ protocol: 'udp', ip: '127.0.0.1', port }] });
  other.close();
  await bind(port);
  t.true(server.closed);
});

test('updateMediaCodecs changes what new producers may use', async (t) => {
  const { worker } = await openRoom(t);
  const router = await worker.createRouter({ mediaCodecs: MEDIA_CODECS.slice(0, 1) });
  const transport = await router.createWebRtcTransport(LISTEN);
  await t.throwsAsync(transport.produce({ kind: 'video', rtpParameters: VP8 }), { instanceOf: UnsupportedError });
  router.updateMediaCodecs(MEDIA_CODECS);
  t.true(router.rtpCapabilities.codecs?.some(({ mimeType }) => mimeType === 'video/VP8'));
  await t.notThrowsAsync(transport.produce({ kind: 'video', rtpParameters: VP8 }));
  t.throws(() => router.updateMediaCodecs([{ kind: 'audio' } as never]), { instanceOf: TypeError });
});

test('n01 a worker closed in mid-call rejects what is pending', async (t) => {
  const worker = await createWorker();
  const pending = Promise.allSettled(
    Array.from({ length: 50 }, () => worker.createRouter({ mediaCodecs: MEDIA_CODECS })),
  );
  worker.close();
  for (const outcome of await pending) {
    t.true(outcome.status === 'rejected' && outcome.reason instanceof WorkerClosedError);
  }
  await turn();
  t.true(worker.subprocessClosed);
});

test('n05 a blocked event loop loses no reply', async (t) => {
  const { worker } = await openRoom(t);
  const dumps = Array.from({ length: 500 }, () => worker.dump());
  const until = performance.now() + 300;
  while (performance.now() < until) {
    // JavaScript is busy; the worker's thread answers meanwhile.
  }
  t.is((await Promise.all(dumps)).length, 500);
});

test.serial('log lines of a worker reach the listeners by its level', async (t) => {
  const lines: string[] = [];
  setLogEventListeners({ ondebug: (namespace, log) => lines.push(`${namespace} ${log}`) });
  t.teardown(() => setLogEventListeners());
  const worker = await createWorker({ logLevel: 'debug', logTags: ['info'] });
  await worker.createRouter({ mediaCodecs: MEDIA_CODECS });
  await worker.dump();
  t.true(lines.every((line) => line.startsWith('millrace:')));
  worker.close();
});

test('a pending createWorker keeps the process alive, an open worker does not', async (t) => {
  t.deepEqual(await run('open-worker.mjs'), { code: 0, output: 'created\n' });
});

const testOnLinux = process.platform === 'linux' ? test : test.skip;

testOnLinux('n02 the threads of abandoned workers end', async (t) => {
  t.deepEqual(await run('abandoned.mjs', '--expose-gc'), { code: 0, output: 'collected\n' });
});

test('require gives the same module as import', async (t) => {
  t.deepEqual(await run('require.cjs'), { code: 0, output: 'true true\ntrue 12\n' });
});

test('SDP needs no addon, and throws the errors of the package', async (t) => {
  t.deepEqual(await run('sdp-alone.mjs'), { code: 0, output: 'true 0\n' });
});

test('several threads use the addon at once, and one may be terminated in mid-call', async (t) => {
  const threads = Array.from({ length: 4 }, () => new Thread(fixture('thread.mjs')));
  const ids = await Promise.all(threads.map((thread) => once(thread, 'message')));
  t.is(new Set(ids.flat()).size, 4);
  await Promise.all(threads.map((thread) => thread.terminate()));
  const worker = await createWorker();
  await t.notThrowsAsync(worker.dump());
  worker.close();
});

type Room = {
  worker: types.Worker;
  webRtcServer: types.WebRtcServer;
  router: types.Router;
  transport: types.WebRtcTransport;
};

async function openRoom(t: { teardown(fn: () => void): void }): Promise<Room> {
  const worker = await createWorker();
  t.teardown(() => worker.close());
  const webRtcServer = await worker.createWebRtcServer({ listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }] });
  const router = await worker.createRouter({ mediaCodecs: MEDIA_CODECS });
  const transport = await router.createWebRtcTransport({ webRtcServer });
  return { worker, webRtcServer, router, transport };
}

/** Binds and frees a port of this machine; rejects while anyone else has it. */
async function bind(port: number): Promise<void> {
  const socket = createSocket('udp4');
  socket.bind(port, '127.0.0.1');
  await once(socket, 'listening');
  socket.close();
  await once(socket, 'close');
}

function fixture(name: string): string {
  return fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
}

function run(name: string, ...flags: string[]): Promise<{ code: unknown; output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [...flags, fixture(name)], { timeout: HANG_MS }, (error, stdout) => {
      resolve({ code: error ? (error.code ?? error.signal) : 0, output: stdout });
    });
  });
}

const OPUS_CODEC = MEDIA_CODECS[0] as types.RouterRtpCodecCapability;

const PCMU = { mimeType: 'audio/PCMU', payloadType: 0, clockRate: 8000 };

const RTX = { mimeType: 'audio/rtx', payloadType: 112, clockRate: 48_000 };

const LISTEN: types.WebRtcTransportOptions = { listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }] };
