import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import { createWorker, errors, type types } from '../ts/index.js';
import { launch, pageScript, servePage } from './browser.js';
import { isNear, openPeer, type Peer, publish, type Stage, videoCodec, watch } from './browser-layers-call.js';

const test = anyTest as TestFn<Stage>;

const COLOURS = ['#20a040', '#2040c0'];
const RGB = [
  [0x20, 0xa0, 0x40],
  [0x20, 0x40, 0xc0],
];

/** How long the picture may take to change: a second at most until the key frame is asked for, and its way. */
const CHANGE_MS_MAX = 3000;

/** How long the picture may stand still meanwhile, on a machine that does nothing else. */
const FREEZE_MS_MAX = 300;

/** How long it is watched before, to learn how much it stutters by itself on a machine that is busy. */
const WATCH_MS = 2000;

const ONE_STREAM = [{ maxBitrate: 1_000_000 }];
const SIMULCAST = [
  { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 500_000, scalabilityMode: 'L1T3' },
  { rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 1_500_000, scalabilityMode: 'L1T3' },
];

test.before(async (t) => {
  Object.assign(t.context, await servePage());
  t.context.script = await pageScript('layers');
  t.context.browser = await launch();
});

test.after.always(async (t) => {
  await t.context.browser?.close();
  t.context.page?.close();
});

for (const mimeType of ['video/VP8', 'video/VP9', 'video/H264']) {
  test.serial(`a viewer of ${mimeType} is given another source and sees no seam`, async (t) => {
    const { producers, viewer } = await open(t, mimeType, [ONE_STREAM, ONE_STREAM]);
    const consumer = await watch(viewer, producers[0] as types.Producer);
    const told: string[] = [];
    consumer.observer.on('producerreplace', (producerId) => told.push(producerId));
    await untilColour(viewer, 0);
    const rtpParameters = consumer.rtpParameters;
    const before = await viewer.page.evaluate(() => window.layersPeer.troubles());
    for (const source of [1, 0, 1]) {
      const producerId = (producers[source] as types.Producer).id;
      await viewer.page.evaluate(() => window.layersPeer.longestGapMs());
      await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
      const stutterMs = Math.round(await viewer.page.evaluate(() => window.layersPeer.longestGapMs()));
      const asked = performance.now();
      await consumer.replaceProducer({ producerId });
      t.is(consumer.producerId, producerId);
      t.is(told.at(-1), producerId);
      await untilColour(viewer, source);
      const changeMs = Math.round(performance.now() - asked);
      const gapMs = Math.round(await viewer.page.evaluate(() => window.layersPeer.longestGapMs()));
      t.log(`changed after ${changeMs} ms, longest gap ${gapMs} ms, ${stutterMs} ms before`);
      t.true(changeMs <= CHANGE_MS_MAX, `${changeMs} ms`);
      t.true(gapMs <= Math.max(FREEZE_MS_MAX, 2 * stutterMs), `${gapMs} ms, ${stutterMs} ms before`);
    }
    const after = await viewer.page.evaluate(() => window.layersPeer.troubles());
    t.log({ before, after });
    t.is(after.requests, before.requests, 'the decoder missed nothing');
    t.is(after.freezes, before.freezes);
    t.deepEqual(consumer.rtpParameters, rtpParameters, 'the same stream');
  });
}

test.serial('a viewer goes from one stream to simulcast and back, and outlives what it left', async (t) => {
  const { producers, viewer } = await open(t, 'video/VP8', [ONE_STREAM, SIMULCAST]);
  const [one, several] = producers as [types.Producer, types.Producer];
  const consumer = await watch(viewer, one);
  await untilColour(viewer, 0);
  t.is(consumer.type, 'simple');
  await consumer.replaceProducer({ producerId: several.id });
  t.is(consumer.type, 'simulcast');
  t.deepEqual(consumer.preferredLayers, { spatialLayer: 1, temporalLayer: 2 });
  await untilColour(viewer, 1);
  t.is(consumer.currentLayers?.spatialLayer, 1);
  await consumer.replaceProducer({ producerId: one.id });
  t.is(consumer.type, 'simple');
  several.close();
  await untilColour(viewer, 0);
  t.false(consumer.closed);
  t.is(consumer.preferredLayers, undefined);
  t.is(consumer.currentLayers, undefined);
  const closed = new Promise<void>((resolve) => consumer.on('producerclose', resolve));
  one.close();
  await closed;
  t.true(consumer.closed);
});

test.serial('what a viewer has not negotiated is refused and nothing changes', async (t) => {
  const worker = await createWorker();
  t.teardown(() => worker.close());
  const audio = { kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2 } as const;
  const mediaCodecs = [videoCodec('video/VP8'), videoCodec('video/VP9'), audio];
  const router = await worker.createRouter({ mediaCodecs });
  const transport = await router.createWebRtcTransport({ listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }] });
  const produce = (codec: types.RouterRtpCodecCapability, ssrc: number) =>
    transport.produce({
      kind: codec.kind,
      rtpParameters: { codecs: [{ ...codec, payloadType: 96 + (ssrc % 10) }], encodings: [{ ssrc }] },
    });
  const [vp8, vp9, opus, other] = [
    await produce(videoCodec('video/VP8'), 1001),
    await produce(videoCodec('video/VP9'), 1002),
    await produce(audio, 1003),
    await produce(videoCodec('video/VP8'), 1004),
  ];
  const consumer = await transport.consume({ producerId: vp8.id, rtpCapabilities: router.rtpCapabilities });
  for (const producer of [vp9, opus]) {
    const refused = consumer.replaceProducer({ producerId: producer.id });
    await t.throwsAsync(refused, { instanceOf: errors.UnsupportedError }, producer.kind);
  }
  const elsewhere = await worker.createRouter({ mediaCodecs });
  const foreign = await elsewhere.createWebRtcTransport({ listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }] });
  const rtpParameters = { codecs: [{ ...videoCodec('video/VP8'), payloadType: 96 }], encodings: [{ ssrc: 1005 }] };
  const { id } = await foreign.produce({ kind: 'video', rtpParameters });
  await t.throwsAsync(consumer.replaceProducer({ producerId: id }), { instanceOf: errors.NotFoundError });
  await t.throwsAsync(consumer.replaceProducer({} as never), { instanceOf: TypeError });
  t.is(consumer.producerId, vp8.id);
  t.is((await consumer.dump()).producerId, vp8.id);

  const told: string[] = [];
  consumer.observer.on('pause', () => told.push('pause'));
  consumer.observer.on('producerreplace', () => told.push('producerreplace'));
  consumer.on('producerpause', () => told.push('producerpause'));
  await other.pause();
  await consumer.replaceProducer({ producerId: vp8.id });
  t.deepEqual(told, [], 'its own producer');
  await consumer.replaceProducer({ producerId: other.id });
  t.deepEqual(told, ['producerreplace', 'pause'], 'a method tells nothing on its own object');
  t.true(consumer.producerPaused);
  t.is((await router.dump()).mapConsumerIdProducerId[0]?.value, other.id);
  vp8.close();
  await consumer.dump();
  t.false(consumer.closed);
});

/** A publisher for each of `encodings`, each of another colour, and a viewer. */
async function open(
  t: ExecutionContext<Stage>,
  mimeType: string,
  encodings: { rid?: string; maxBitrate: number }[][],
): Promise<{ producers: types.Producer[]; viewer: Peer }> {
  const worker = await createWorker();
  t.teardown(() => worker.close());
  const router = await worker.createRouter({ mediaCodecs: [videoCodec(mimeType)] });
  const producers: types.Producer[] = [];
  for (const [index, own] of encodings.entries()) {
    const sender = await openPeer(t, router);
    producers.push(await publish(sender, { colour: COLOURS[index] as string, encodings: own, mimeType }));
  }
  return { producers, viewer: await openPeer(t, router) };
}

async function untilColour(viewer: Peer, source: number): Promise<void> {
  for (let looks = 0; ; looks += 1) {
    const { colour } = await viewer.page.evaluate(() => window.layersPeer.look());
    if (isNear(colour, RGB[source] as number[])) {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (looks > 2000) {
      throw new Error(`the colour is ${colour}`);
    }
  }
}
