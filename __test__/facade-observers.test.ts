import test from 'ava';
import { NotFoundError } from '../ts/errors.js';
import { createWorker, type types } from '../ts/index.js';
import { FakeAddon, RTP_PARAMETERS } from './fake-addon.js';

const OPUS: types.RtpParameters = {
  codecs: [{ mimeType: 'audio/opus', payloadType: 111, clockRate: 48_000, channels: 2 }],
  headerExtensions: [{ uri: 'urn:ietf:params:rtp-hdrext:ssrc-audio-level', id: 1 }],
  encodings: [{ ssrc: 11_111_111 }],
};

test('an observer of levels tells volumes of open producers, and silence', async (t) => {
  const { native, router, transport, producers } = await openRoom();
  const observer = await router.createAudioLevelObserver({ maxEntries: 3, threshold: -70, interval: 800 });
  t.like(native.commands.at(-1), { maxEntries: 3, threshold: -70, interval: 800, routerId: router.id });
  t.is(observer.type, 'audiolevel');
  const told: unknown[] = [];
  observer.on('volumes', (volumes) => told.push(volumes));
  observer.on('silence', () => told.push('silence'));
  observer.observer.on('volumes', () => told.push('observer'));
  const volumes = producers.map(({ id }, index) => ({ producerId: id, volume: -30 - index }));
  native.emit(observer.id, 'volumes', volumes);
  const [one, other] = producers;
  t.deepEqual(told.splice(0), [
    [
      { producer: one, volume: -30 },
      { producer: other, volume: -31 },
    ],
    'observer',
  ]);
  native.emit(observer.id, 'volumes', []);
  one?.close();
  native.emit(observer.id, 'volumes', volumes);
  t.deepEqual(told, ['silence', [{ producer: other, volume: -31 }], 'observer']);
  told.length = 0;
  transport.close();
  native.emit(observer.id, 'volumes', volumes);
  t.deepEqual(told, [], 'nobody is left, which is no silence yet');
});

test('an observer of speakers tells who is dominant', async (t) => {
  const { native, router, producers } = await openRoom();
  const made: types.RtpObserver[] = [];
  router.observer.on('newrtpobserver', (observer) => made.push(observer));
  const observer = await router.createActiveSpeakerObserver({ appData: { room: 1 } });
  t.deepEqual(made, [observer]);
  t.deepEqual(observer.appData, { room: 1 });
  t.is(observer.type, 'activespeaker');
  const told: types.Producer[] = [];
  observer.on('dominantspeaker', ({ producer }) => told.push(producer));
  native.emit(observer.id, 'dominantspeaker', { producerId: producers[1]?.id });
  t.is(told[0], producers[1]);
  await observer.pause();
  t.true(observer.paused);
  native.emit(observer.id, 'dominantspeaker', { producerId: producers[0]?.id });
  t.is(told.length, 1, 'what was under way when it was paused is not told');
});

test('producers are added and removed by their id, and the observer says so', async (t) => {
  const { native, router, producers } = await openRoom();
  const observer = await router.createAudioLevelObserver();
  const told: string[] = [];
  observer.observer.on('addproducer', ({ id }) => told.push(`added ${id}`));
  observer.observer.on('removeproducer', ({ id }) => told.push(`removed ${id}`));
  observer.observer.on('pause', () => told.push('pause'));
  observer.observer.on('resume', () => told.push('resume'));
  const producerId = producers[0]?.id as string;
  await observer.addProducer({ producerId });
  t.like(native.commands.at(-1), { method: 'rtpObserver.addProducer', rtpObserverId: observer.id, producerId });
  await observer.pause();
  await observer.pause();
  await observer.resume();
  await observer.resume();
  await observer.removeProducer({ producerId });
  t.deepEqual(told, [`added ${producerId}`, 'pause', 'resume', `removed ${producerId}`]);
  await t.throwsAsync(observer.addProducer({ producerId: 'other' }), { instanceOf: NotFoundError });
  await t.throwsAsync(observer.addProducer({} as never), { instanceOf: NotFoundError });
  await t.throwsAsync(observer.addProducer(undefined as never), { instanceOf: TypeError });
});

test('a worker knows its observers, and refuses options that make no sense', async (t) => {
  const worker = await createWorker();
  t.teardown(() => worker.close());
  const codec = { kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2 } as const;
  const router = await worker.createRouter({ mediaCodecs: [codec] });
  const transport = await router.createWebRtcTransport({ listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }] });
  const producer = await transport.produce({ kind: 'audio', rtpParameters: OPUS });
  const levels = await router.createAudioLevelObserver({ interval: 1 });
  const speaker = await router.createActiveSpeakerObserver();
  await levels.addProducer({ producerId: producer.id });
  await speaker.addProducer({ producerId: producer.id });
  await speaker.addProducer({ producerId: producer.id });
  const dump = await router.dump();
  t.deepEqual([...dump.rtpObserverIds].sort(), [levels.id, speaker.id].sort());
  t.is(dump.mapProducerIdObserverIds[0]?.key, producer.id);
  t.deepEqual([...(dump.mapProducerIdObserverIds[0]?.values ?? [])].sort(), [levels.id, speaker.id].sort());
  await levels.removeProducer({ producerId: producer.id });
  await speaker.pause();
  await speaker.resume();
  levels.close();
  t.deepEqual((await router.dump()).rtpObserverIds, [speaker.id]);
  for (const options of [{ maxEntries: 0 }, { threshold: 1 }, { interval: 'x' as never }, { appData: 1 as never }]) {
    await t.throwsAsync(router.createAudioLevelObserver(options), { instanceOf: TypeError }, JSON.stringify(options));
  }
  const other = await worker.createRouter({ mediaCodecs: [codec] });
  const foreign = await other.createActiveSpeakerObserver();
  await t.throwsAsync(foreign.addProducer({ producerId: producer.id }), { instanceOf: NotFoundError });
  router.close();
  const { channelMessageHandlers } = await worker.dump();
  t.false(channelMessageHandlers.channelRequestHandlers.includes(speaker.id));
});

async function openRoom() {
  const addon = new FakeAddon();
  const worker = await addon.start();
  const router = await worker.createRouter();
  const transport = await router.createWebRtcTransport({ listenInfos: [] });
  const produce = () => transport.produce({ kind: 'audio', rtpParameters: RTP_PARAMETERS });
  const producers = [await produce(), await produce()];
  return { native: addon.native, router, transport, producers };
}
