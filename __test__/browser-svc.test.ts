import anyTest, { type TestFn } from 'ava';
import { launch, pageScript, servePage } from './browser.js';
import { Call, GREEN_RGB, isNear, type Stage } from './browser-layers-call.js';

const test = anyTest as TestFn<Stage>;

test.before(async (t) => {
  Object.assign(t.context, await servePage());
  t.context.script = await pageScript('layers');
  t.context.browser = await launch();
});

test.after.always(async (t) => {
  await t.context.browser?.close();
  t.context.page?.close();
});

/** A gap between pictures that is a freeze: more than a key frame takes that was asked for twice. */
const FREEZE_MS = 3000;

/** Widths of three spatial layers, the smallest that Chromium makes three of. */
const WIDTHS = { 'video/VP9': [240, 480, 960], 'video/AV1': [256, 512, 1024] } as const;

for (const [mimeType, scalabilityMode] of [
  ['video/VP9', 'L3T3_KEY'],
  ['video/VP9', 'L3T3'],
  ['video/AV1', 'L3T3'],
  ['video/AV1', 'L3T3_KEY'],
] as const) {
  test.serial(`a viewer changes between the spatial layers of ${mimeType} ${scalabilityMode}`, async (t) => {
    const widths = WIDTHS[mimeType];
    const encodings = [{ scalabilityMode, maxBitrate: 2_000_000 }];
    const call = await Call.open(t, mimeType, encodings, { width: widths[2] });
    t.is(call.producer.type, 'svc');
    t.is(call.consumer.type, 'svc');
    t.deepEqual(call.consumer.preferredLayers, { spatialLayer: 2, temporalLayer: 2 });
    await call.untilWidth(widths[2]);
    for (const spatialLayer of [0, 2, 1] as const) {
      await call.viewer.evaluate(() => window.layersPeer.longestGapMs());
      await call.consumer.setPreferredLayers({ spatialLayer });
      const look = await call.untilWidth(widths[spatialLayer]);
      t.true(isNear(look.colour, GREEN_RGB), `the colour is ${look.colour}`);
      await call.untilRunning();
      t.is(call.consumer.currentLayers?.spatialLayer, spatialLayer);
      const gapMs = await call.viewer.evaluate(() => window.layersPeer.longestGapMs());
      t.log(`to layer ${spatialLayer}: longest gap ${gapMs} ms`);
      t.true(gapMs < FREEZE_MS, `the picture froze for ${gapMs} ms`);
    }
  });
}

for (const [mimeType, scalabilityMode] of [
  ['video/AV1', 'L1T3'],
  ['video/H264', 'L1T3'],
] as const) {
  test.serial(
    `a viewer of the lowest temporal layer of ${mimeType} ${scalabilityMode} gets fewer pictures`,
    async (t) => {
      const call = await Call.open(t, mimeType, [{ scalabilityMode, maxBitrate: 500_000 }], { width: 320 });
      await call.untilWidth(320);
      const all = await call.picturesIn(3000);
      await call.consumer.setPreferredLayers({ spatialLayer: 0, temporalLayer: 0 });
      await call.picturesIn(500);
      const fewer = await call.picturesIn(3000);
      await call.consumer.setPreferredLayers({ spatialLayer: 0, temporalLayer: 2 });
      await call.picturesIn(500);
      const again = await call.picturesIn(3000);
      t.log({ all, fewer, again });
      t.true(fewer > 0 && fewer < all * 0.5, `${fewer} of ${all}`);
      t.true(again > fewer * 1.5, `${again} after ${fewer}`);
    },
  );
}

test.serial('a viewer decrypts what a publisher encrypted from end to end', async (t) => {
  const call = await Call.open(t, 'video/VP8', [{ maxBitrate: 500_000 }], { width: 320, encrypted: true, key: 0x5a });
  t.is(call.consumer.type, 'simple');
  const look = await call.untilWidth(320);
  t.true(isNear(look.colour, GREEN_RGB), `the colour is ${look.colour}`);
  await call.untilRunning();
});
