import test from 'ava';
import { createWorker, errors, type types } from '../ts/index.js';
import { FakeAddon, RTP_PARAMETERS } from './fake-addon.js';

const OPUS = { kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2 } as const;
const VP8 = { kind: 'video', mimeType: 'video/VP8', clockRate: 90_000 } as const;
const PCMU = { kind: 'audio', mimeType: 'audio/PCMU', clockRate: 8000 } as const;

test('a selector tells whose audio each of its producers carries', async (t) => {
  const addon = new FakeAddon();
  const worker = await addon.start();
  const router = await worker.createRouter();
  const transport = await router.createWebRtcTransport({ listenInfos: [] });
  const produce = () => transport.produce({ kind: 'audio', rtpParameters: RTP_PARAMETERS });
  const [one, other] = [await produce(), await produce()];
  const made: types.ActiveAudioSelector[] = [];
  router.observer.on('newactiveaudioselector', (selector) => made.push(selector));
  const selector = await router.createActiveAudioSelector({ k: 2, appData: { room: 1 } });
  t.deepEqual(made, [selector]);
  t.is(selector.type, 'activeaudio');
  t.deepEqual(selector.owners, [undefined, undefined]);
  const told: types.ActiveAudioSelectorOwnerChange[] = [];
  selector.on('ownerchange', (change) => told.push(change));
  addon.native.emit(selector.id, 'owners', [one.id, null]);
  addon.native.emit(selector.id, 'owners', [one.id, other.id]);
  addon.native.emit(selector.id, 'owners', [null, other.id]);
  const [first, second] = selector.producers;
  t.deepEqual(told, [
    { producer: first, owner: one },
    { producer: second, owner: other },
    { producer: first, owner: undefined },
  ]);
  t.deepEqual(selector.owners, [undefined, other]);
  const consumer = await transport.consume({ producerId: first?.id as string, rtpCapabilities: {} });
  t.is(consumer.producerId, first?.id as string);

  const closed: string[] = [];
  selector.observer.on('close', () => closed.push('selector'));
  first?.on('transportclose', () => closed.push('producer'));
  selector.close();
  selector.close();
  t.deepEqual(closed, ['selector', 'producer']);
  t.deepEqual(addon.native.methods().slice(-1), ['rtpObserver.close']);
  await t.throwsAsync(transport.consume({ producerId: first?.id as string, rtpCapabilities: {} }), {
    instanceOf: errors.NotFoundError,
  });
});

test('a router closes its selectors with their producers', async (t) => {
  const router = await (await new FakeAddon().start()).createRouter();
  const selector = await router.createActiveAudioSelector();
  t.is(selector.producers.length, 3);
  const told: string[] = [];
  selector.on('routerclose', () => told.push('routerclose'));
  router.close();
  t.deepEqual(told, ['routerclose']);
  t.true(selector.closed);
  t.true(selector.producers.every(({ closed }) => closed));
});

test('a worker makes producers that anybody may consume, of the audio codecs of the router', async (t) => {
  const worker = await createWorker();
  t.teardown(() => worker.close());
  const router = await worker.createRouter({ mediaCodecs: [OPUS, VP8] });
  const transport = await router.createWebRtcTransport({ listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }] });
  const selector = await router.createActiveAudioSelector({ k: 2 });
  const [place, other] = selector.producers as [types.Producer, types.Producer];
  t.is(place.kind, 'audio');
  t.deepEqual(
    place.rtpParameters.codecs.map(({ mimeType }) => mimeType),
    ['audio/opus'],
  );
  const { rtpCapabilities } = router;
  t.true(router.canConsume({ producerId: place.id, rtpCapabilities }));
  const consumer = await transport.consume({ producerId: place.id, rtpCapabilities });
  t.is(consumer.kind, 'audio');
  t.is(consumer.rtpParameters.codecs[0]?.payloadType, rtpCapabilities.codecs?.[0]?.preferredPayloadType);
  t.is((await place.dump()).id, place.id);
  t.deepEqual((await transport.dump()).producerIds, []);

  const microphone = await transport.produce({
    kind: 'audio',
    rtpParameters: { codecs: [{ ...OPUS, payloadType: 111 }], encodings: [{ ssrc: 1001 }] },
  });
  await selector.addProducer({ producerId: microphone.id });
  t.deepEqual((await router.dump()).mapProducerIdObserverIds, [{ key: microphone.id, values: [selector.id] }]);
  const camera = await transport.produce({
    kind: 'video',
    rtpParameters: { codecs: [{ ...VP8, payloadType: 96 }], encodings: [{ ssrc: 1002 }] },
  });
  for (const { id } of [camera, place]) {
    await t.throwsAsync(selector.addProducer({ producerId: id }), { instanceOf: errors.UnsupportedError });
  }
  router.updateMediaCodecs([OPUS, PCMU]);
  const telephone = await transport.produce({
    kind: 'audio',
    rtpParameters: { codecs: [{ ...PCMU, payloadType: 0 }], encodings: [{ ssrc: 1003 }] },
  });
  await t.throwsAsync(selector.addProducer({ producerId: telephone.id }), { instanceOf: errors.UnsupportedError });

  other.close();
  const ended = new Promise<void>((resolve) => consumer.on('producerclose', resolve));
  selector.close();
  await ended;
  t.true(consumer.closed);
  const dump = await router.dump();
  t.deepEqual(
    dump.mapProducerIdConsumerIds.map(({ key }) => key).sort(),
    [microphone.id, camera.id, telephone.id].sort(),
  );
});

test('a selector of nothing, of too many, or of a router without audio is refused', async (t) => {
  const worker = await createWorker();
  t.teardown(() => worker.close());
  const router = await worker.createRouter({ mediaCodecs: [VP8] });
  for (const k of [0, 17, 1.5, Number.NaN, '3' as never, 1e9]) {
    await t.throwsAsync(router.createActiveAudioSelector({ k }), { instanceOf: TypeError }, String(k));
  }
  await t.throwsAsync(router.createActiveAudioSelector(), { instanceOf: errors.UnsupportedError });
  t.deepEqual((await router.dump()).rtpObserverIds, []);
});
