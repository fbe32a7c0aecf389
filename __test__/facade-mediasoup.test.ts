import { once } from 'node:events';
import test from 'ava';
import { createWorker, errors, type types } from '../ts/index.js';

/** What applications written for mediasoup 3.27 rely on beyond the documented happy path. */

test('a worker says in which process it runs and who answers requests', async (t) => {
  const { worker, webRtcServer, router } = await openWorker(t);
  t.is(worker.pid, process.pid);
  const dump = await worker.dump();
  t.is(dump.pid, worker.pid);
  t.deepEqual(dump.channelMessageHandlers, {
    channelRequestHandlers: [webRtcServer.id, router.id],
    channelNotificationHandlers: [],
  });
});

test('settings of mediasoup without a meaning here change nothing', async (t) => {
  const worker = await createWorker({ workerBin: '/does/not/exist', libwebrtcFieldTrials: 'WebRTC-Bwe/Enabled/' });
  const ended = once(worker, 'subprocessclose');
  worker.close();
  t.false(worker.subprocessClosed, 'who waits for the event must not be told that it has passed');
  await ended;
  t.true(worker.subprocessClosed);
});

test('a webRtcServer wins over addresses, so that one set of options serves both ways', async (t) => {
  const { webRtcServer, router } = await openWorker(t);
  const options = { listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }], webRtcServer } as never;
  const transport = await router.createWebRtcTransport(options);
  t.deepEqual((await webRtcServer.dump()).webRtcTransportIds, [transport.id]);
  const all = { listenInfos: [], listenIps: [], webRtcServer } as never;
  await t.throwsAsync(router.createWebRtcTransport(all), { instanceOf: TypeError });
});

test('the order of listenInfos is the order of preference, whatever is preferred', async (t) => {
  const { router } = await openWorker(t);
  const { iceCandidates } = await router.createWebRtcTransport({
    listenInfos: [
      { protocol: 'udp', ip: '127.0.0.1', announcedAddress: '192.0.2.1' },
      { protocol: 'tcp', ip: '127.0.0.1', announcedAddress: '192.0.2.1' },
      { protocol: 'udp', ip: '127.0.0.1', announcedAddress: '' },
    ],
    preferTcp: true,
  });
  t.deepEqual(
    iceCandidates.map(({ protocol, address }) => `${protocol} ${address}`),
    ['udp 192.0.2.1', 'tcp 192.0.2.1', 'udp 127.0.0.1'],
  );
  const priorities = iceCandidates.map(({ priority }) => priority);
  t.deepEqual(
    priorities,
    [...priorities].sort((a, b) => b - a),
  );
});

test('a codec may leave out its kind, which its media type says as well', async (t) => {
  const { worker } = await openWorker(t);
  const mediaCodecs = [{ mimeType: 'video/VP8', clockRate: 90_000 }] as never;
  const { rtpCapabilities } = await worker.createRouter({ mediaCodecs });
  t.is(rtpCapabilities.codecs?.[0]?.kind, 'video');
  const chicken = [{ mimeType: 'audio/chicken', clockRate: 8000 }] as never;
  await t.throwsAsync(worker.createRouter({ mediaCodecs: chicken }), { instanceOf: errors.UnsupportedError });
});

test('traces that an object does not have are skipped', async (t) => {
  const { transport, producer, consumer } = await openCall(t);
  await producer.enableTraceEvent(['sr', 'bwe', 'rtp', 'rtp'] as never);
  t.deepEqual((await producer.dump()).traceEventTypes, ['rtp', 'sr']);
  await consumer.enableTraceEvent(['sr', 'pli'] as never);
  t.deepEqual((await consumer.dump()).traceEventTypes, ['pli']);
  await transport.enableTraceEvent(['bwe', 'nonsense'] as never);
  t.deepEqual((await transport.dump()).traceEventTypes, ['bwe']);
  await transport.enableTraceEvent();
  t.deepEqual((await transport.dump()).traceEventTypes, []);
});

test('dumps and statistics name codecs as the router does, and the codec of each stream', async (t) => {
  const { transport, producer, consumer } = await openCall(t);
  t.is(producer.rtpParameters.codecs[0]?.mimeType, 'video/vp8');
  const ofProducer = await producer.dump();
  t.is(ofProducer.rtpParameters.codecs[0]?.mimeType, 'video/VP8');
  t.is(ofProducer.rtpParameters.encodings?.[0]?.codecPayloadType, 96);
  const ofConsumer = await consumer.dump();
  t.is(ofConsumer.rtpParameters.encodings?.[0]?.codecPayloadType, consumer.rtpParameters.codecs[0]?.payloadType);
  t.like(await consumer.getStats(), [{ type: 'outbound-rtp', mimeType: 'video/VP8', packetCount: 0 }]);
  t.deepEqual(await producer.getStats(), []);
  t.like(await transport.dump(), { dataProducerIds: [], dataConsumerIds: [] });
});

test('a consumer of one layer has no preferred layers, however it is asked', async (t) => {
  const { transport, producer, router } = await openCall(t);
  const { rtpCapabilities } = router;
  const preferredLayers = { spatialLayer: 1, temporalLayer: 1 };
  const consumer = await transport.consume({ producerId: producer.id, rtpCapabilities, preferredLayers });
  t.is(consumer.preferredLayers, undefined);
  await consumer.setPreferredLayers(preferredLayers);
  t.is(consumer.preferredLayers, undefined);
  t.is(consumer.currentLayers, undefined);
});

test('the methods of a closed object reject with NotFoundError', async (t) => {
  const { transport, producer, router } = await openCall(t);
  producer.close();
  const refused = { instanceOf: errors.NotFoundError, code: 'ERR_CLOSED' };
  await t.throwsAsync(producer.getStats(), refused);
  transport.close();
  await t.throwsAsync(transport.restartIce(), refused);
  router.close();
  await t.throwsAsync(router.dump(), refused);
});

test('RTP parameters of a wrong type are refused by their path', async (t) => {
  const { transport } = await openCall(t);
  const produced = (codec: object, encoding: object) =>
    transport.produce({
      kind: 'video',
      rtpParameters: { codecs: [{ ...CAMERA.codecs[0], ...codec }], encodings: [{ ssrc: 1, ...encoding }] } as never,
    });
  await t.throwsAsync(produced({}, { dtx: 'x' }), { instanceOf: TypeError, message: /encodings\[0\]\.dtx/ });
  await t.throwsAsync(produced({ rtcpFeedback: 'x' }, {}), {
    instanceOf: TypeError,
    message: /codecs\[0\]\.rtcpFeedback/,
  });
});

test('AV1 of one profile is not AV1 of another', async (t) => {
  const { worker, webRtcServer } = await openWorker(t);
  const av1 = { mimeType: 'video/AV1', clockRate: 90_000 };
  const router = await worker.createRouter({ mediaCodecs: [{ ...av1, kind: 'video' }] });
  const transport = await router.createWebRtcTransport({ webRtcServer });
  const produced = (profile: number, ssrc: number) => {
    const codecs = [{ ...av1, payloadType: 96, parameters: { profile } }];
    return transport.produce({ kind: 'video', rtpParameters: { codecs, encodings: [{ ssrc }] } });
  };
  await t.notThrowsAsync(produced(0, 1));
  await t.throwsAsync(produced(1, 2), { instanceOf: errors.UnsupportedError });
});

test('more codecs than there are dynamic payload types are a LimitError', async (t) => {
  const { worker } = await openWorker(t);
  const codec = { kind: 'video', mimeType: 'video/VP8', clockRate: 90_000 } as const;
  const routerOf = (count: number) => worker.createRouter({ mediaCodecs: new Array(count).fill(codec) });
  await t.notThrowsAsync(routerOf(16));
  await t.throwsAsync(routerOf(17), { instanceOf: errors.LimitError });
});

test('a server without an enabled protocol has no candidates to give', async (t) => {
  const { webRtcServer, router } = await openWorker(t);
  await t.throwsAsync(router.createWebRtcTransport({ webRtcServer, enableUdp: false }), { instanceOf: TypeError });
  t.deepEqual((await webRtcServer.dump()).webRtcTransportIds, []);
  await t.notThrowsAsync(router.createWebRtcTransport({ webRtcServer, enableTcp: false }));
});

test('who says where RTCP comes to gets it there, and an address is a text or an object', async (t) => {
  const { router } = await openWorker(t);
  const listenInfo = { protocol: 'udp', ip: '127.0.0.1' } as const;
  const transport = await router.createPlainTransport({ listenInfo, rtcpListenInfo: listenInfo });
  t.is(transport.rtcpTuple?.localAddress, '127.0.0.1');
  t.false((await transport.dump()).rtcpMux);
  for (const listenIp of [['127.0.0.1'], 123, null]) {
    const options = { listenIp } as never;
    await t.throwsAsync(router.createPlainTransport(options), { instanceOf: TypeError });
    await t.throwsAsync(router.createPipeTransport(options), { instanceOf: TypeError });
    const ips = { listenIps: [listenIp] } as never;
    await t.throwsAsync(router.createWebRtcTransport(ips), { instanceOf: TypeError });
  }
});

test('a certificate without a name is none', async (t) => {
  const worker = await createWorker({ dtlsCertificateFile: '', dtlsPrivateKeyFile: '' });
  t.teardown(() => worker.close());
  t.false(worker.closed);
});

test('dumps leave out streams that never sent, and name every stream of a pipe', async (t) => {
  const { router, producer } = await openCall(t);
  t.false('rtpStreams' in (await producer.dump()));
  const pipe = await router.createPipeTransport({ listenIp: '127.0.0.1', enableRtx: true });
  const source = await router.createPlainTransport({ listenIp: '127.0.0.1' });
  const rtpParameters = { codecs: CAMERA.codecs, encodings: [{ ssrc: 1 }, { ssrc: 2 }, { ssrc: 3 }] };
  const { id: producerId } = await source.produce({ kind: 'video', rtpParameters });
  const consumer = await pipe.consume({ producerId });
  const { encodings = [] } = consumer.rtpParameters;
  const dump = await pipe.dump();
  const entry = (key: number | undefined) => ({ key, value: consumer.id });
  t.deepEqual(
    dump.mapSsrcConsumerId as unknown[],
    encodings.map(({ ssrc }) => entry(ssrc)),
  );
  t.deepEqual(
    dump.mapRtxSsrcConsumerId as unknown[],
    encodings.map(({ rtx }) => entry(rtx?.ssrc)),
  );
});

test('observers of voices take no video', async (t) => {
  const { router, producer } = await openCall(t);
  for (const observer of [await router.createAudioLevelObserver(), await router.createActiveSpeakerObserver()]) {
    await t.throwsAsync(observer.addProducer({ producerId: producer.id }), { instanceOf: TypeError });
  }
  t.deepEqual((await router.dump()).mapProducerIdObserverIds, []);
});

test('the module is its own default export, without the path of a binary', async (t) => {
  const module = await import('../ts/index.js');
  t.is(module.default, module);
  t.is(module.default.createWorker, createWorker);
  t.false('workerBin' in module);
});

test('tests find in the parent what is open', async (t) => {
  const { worker, webRtcServer, router } = await openWorker(t);
  const transport = await router.createWebRtcTransport({ webRtcServer });
  t.true(worker.routersForTesting.has(router));
  t.true(worker.webRtcServersForTesting.has(webRtcServer));
  t.is(router.transportsForTesting.get(transport.id), transport);
  t.is(webRtcServer.webRtcTransportsForTesting.get(transport.id), transport);
  transport.close();
  router.close();
  webRtcServer.close();
  t.is(router.transportsForTesting.size + webRtcServer.webRtcTransportsForTesting.size, 0);
  t.is(worker.routersForTesting.size + worker.webRtcServersForTesting.size, 0);
});

type Closer = { teardown(fn: () => void): void };

async function openWorker(t: Closer) {
  const worker = await createWorker();
  t.teardown(() => worker.close());
  const webRtcServer = await worker.createWebRtcServer({ listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }] });
  const router = await worker.createRouter({
    mediaCodecs: [{ kind: 'video', mimeType: 'video/VP8', clockRate: 90_000 }],
  });
  return { worker, webRtcServer, router };
}

async function openCall(t: Closer) {
  const { router, webRtcServer } = await openWorker(t);
  const transport = await router.createWebRtcTransport({ webRtcServer });
  const producer = await transport.produce({ kind: 'video', rtpParameters: CAMERA });
  const consumer = await transport.consume({ producerId: producer.id, rtpCapabilities: router.rtpCapabilities });
  return { router, transport, producer, consumer };
}

const CAMERA: types.RtpParameters = {
  codecs: [{ mimeType: 'video/vp8', payloadType: 96, clockRate: 90_000 }],
  encodings: [{ ssrc: 22_222_222 }],
};
