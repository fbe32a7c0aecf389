import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import type { types } from '../ts/index.js';
import { launch, pageScript, servePage } from './browser.js';
import { Call, GREEN_RGB, isNear, type Stage } from './browser-layers-call.js';

const test = anyTest as TestFn<Stage>;

/** Widths of the three encodings. */
const WIDTHS = [240, 480, 960];

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
  const call = await Call.open(t, 'video/VP8', SIMULCAST, { isPiped: true });
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
