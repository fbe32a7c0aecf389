import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import type { types as client } from 'mediasoup-client';
import type { Page } from 'playwright-core';
import { createWorker, type types } from '../ts/index.js';
import { launch, pageScript, servePage } from './browser.js';
import { isNear, openPeer, publish, type Stage, videoCodec, watch } from './browser-layers-call.js';

const test = anyTest as TestFn<Stage>;

/** Widths of the three encodings. */
const WIDTHS = [240, 480, 960];

const GREEN = '#20a040';
const GREEN_RGB = [0x20, 0xa0, 0x40];

/** Simulcast as Chromium sends it: RIDs, from the smallest to the largest. */
const SIMULCAST = [
  { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 150_000, scalabilityMode: 'L1T3' },
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

for (const mimeType of ['video/VP8', 'video/VP9', 'video/H264', 'video/AV1']) {
  test.serial(`a viewer changes between three encodings of ${mimeType} and sees no seam`, async (t) => {
    await changeLayers(t, await Call.open(t, mimeType, SIMULCAST));
  });
}

test.serial('a viewer in a router of another worker changes between three encodings and sees no seam', async (t) => {
  const call = await Call.open(t, 'video/VP8', SIMULCAST, true);
  await changeLayers(t, call);
  const { packetsLost } = (await call.producer.getStats())[0] as types.ProducerStat;
  t.is(packetsLost, 0, 'the pipe lost nothing');
});

/** Takes the viewer through the layers and looks at what it sees. */
async function changeLayers(t: ExecutionContext<Stage>, call: Call): Promise<void> {
  t.is(call.producer.type, 'simulcast');
  t.is(call.consumer.type, 'simulcast');
  t.deepEqual(call.consumer.preferredLayers, { spatialLayer: 2, temporalLayer: 2 });
  await call.untilWidth(960);
  for (const spatialLayer of [0, 2, 1]) {
    await call.viewer.evaluate(() => window.layersPeer.longestGapMs());
    await call.consumer.setPreferredLayers({ spatialLayer });
    const look = await call.untilWidth(WIDTHS[spatialLayer] as number);
    t.true(isNear(look.colour, GREEN_RGB), `the colour is ${look.colour}`);
    t.is(call.consumer.currentLayers?.spatialLayer, spatialLayer);
    t.log(
      `to layer ${spatialLayer}: longest gap ${await call.viewer.evaluate(() => window.layersPeer.longestGapMs())} ms`,
    );
    await call.untilRunning();
  }
}

test.serial(
  'a viewer of the lowest temporal layer gets a quarter of the pictures, and all of them again',
  async (t) => {
    const call = await Call.open(t, 'video/VP8', SIMULCAST.slice(2));
    t.is(call.consumer.type, 'svc');
    await call.untilWidth(960);
    const all = await call.picturesIn(2000);
    await call.consumer.setPreferredLayers({ spatialLayer: 0, temporalLayer: 0 });
    t.deepEqual(call.consumer.preferredLayers, { spatialLayer: 0, temporalLayer: 0 });
    await call.picturesIn(500);
    const fewer = await call.picturesIn(2000);
    await call.consumer.setPreferredLayers({ spatialLayer: 0, temporalLayer: 2 });
    await call.picturesIn(500);
    const again = await call.picturesIn(2000);
    t.log({ all, fewer, again });
    t.true(fewer > 0 && fewer < all * 0.5, `${fewer} of ${all}`);
    t.true(again > fewer * 1.5, `${again} after ${fewer}`);
  },
);

/** A publisher and a viewer, each in a tab, and a router between them. */
class Call {
  readonly producer: types.Producer;
  readonly consumer: types.Consumer;
  readonly viewer: Page;

  private constructor(producer: types.Producer, consumer: types.Consumer, viewer: Page) {
    this.producer = producer;
    this.consumer = consumer;
    this.viewer = viewer;
  }

  static async open(
    t: ExecutionContext<Stage>,
    mimeType: string,
    encodings: client.RtpEncodingParameters[],
    isPiped = false,
  ): Promise<Call> {
    const router = await openRouter(t, mimeType);
    const far = isPiped ? await openRouter(t, mimeType) : router;
    const [sender, viewer] = [await openPeer(t, router), await openPeer(t, far)];
    let producer = await publish(sender, { colour: GREEN, encodings, mimeType });
    if (isPiped) {
      const { pipeProducer } = await router.pipeToRouter({ producerId: producer.id, router: far });
      producer = pipeProducer as types.Producer;
    }
    const consumer = await watch(viewer, producer);
    return new Call(producer, consumer, viewer.page);
  }

  /** Waits until the picture is so wide. */
  async untilWidth(width: number): Promise<{ width: number; colour: number[]; frame: number }> {
    await this.viewer.waitForFunction((expected) => window.layersPeer.look().width === expected, width);
    return await this.viewer.evaluate(() => window.layersPeer.look());
  }

  /** Waits until the picture's number has changed a few times. */
  async untilRunning(): Promise<void> {
    for (let change = 0; change < 3; change += 1) {
      const { frame } = await this.viewer.evaluate(() => window.layersPeer.look());
      await this.viewer.waitForFunction((before) => window.layersPeer.look().frame !== before, frame);
    }
  }

  /** Pictures decoded within some time. */
  async picturesIn(ms: number): Promise<number> {
    const before = await this.viewer.evaluate(async () => await window.layersPeer.decoded());
    await new Promise((resolve) => setTimeout(resolve, ms));
    return (await this.viewer.evaluate(async () => await window.layersPeer.decoded())) - before;
  }
}

/** A router in a worker of its own. */
async function openRouter(t: ExecutionContext<Stage>, mimeType: string): Promise<types.Router> {
  const worker = await createWorker();
  t.teardown(() => worker.close());
  return await worker.createRouter({ mediaCodecs: [videoCodec(mimeType)] });
}
