import anyTest, { type TestFn } from 'ava';
import { launch, pageScript, servePage, until } from './browser.js';
import { isNear, openPeer, type Stage, watch } from './browser-layers-call.js';
import { BLUE, type Colour, GREEN, openVideo, paint, RED, solid, YELLOW } from './video-room.js';

const test = anyTest as TestFn<Stage>;

const CODECS = ['vp8', 'vp9', 'h264', 'av1'] as const;

/** The middles of four tiles, in parts of the picture. */
const MIDDLES = [0.25, 0.75].flatMap((y) => [0.25, 0.75].map((x) => [x, y] as const));

test.before(async (t) => {
  Object.assign(t.context, await servePage());
  t.context.script = await pageScript('layers');
  t.context.browser = await launch();
});

test.after.always(async (t) => {
  await t.context.browser?.close();
  t.context.page?.close();
});

test('Chromium shows a mix as VP8, VP9, H.264 and AV1, and what changes in it', async (t) => {
  const { worker, router } = await openVideo(t);
  const mixer = await worker.createVideoMixer({ width: 640, height: 360 });
  const colours = [RED, GREEN, BLUE, YELLOW];
  const inputs = [];
  for (const colour of colours) {
    inputs.push(await paint(mixer, colour));
  }
  const viewers = [];
  for (const codec of CODECS) {
    const viewer = await openPeer(t, router);
    const output = await mixer.createOutput({ router, codec });
    const consumer = await watch(viewer, output.producer);
    t.is(consumer.rtpParameters.codecs[0]?.mimeType.toLowerCase(), `video/${codec}`);
    viewers.push(viewer.page);
  }
  for (const shown of [colours, [BLUE, YELLOW, GREEN, RED]]) {
    for (const [at, input] of inputs.entries()) {
      input.write(solid(shown[at] as Colour, 320, 180));
    }
    for (const [at, viewer] of viewers.entries()) {
      await until(async () => {
        const seen = await viewer.evaluate((points) => window.layersPeer.colours(points), MIDDLES);
        return seen.every((colour, tile) => isNear(colour, shown[tile] as Colour));
      });
      t.pass(CODECS[at]);
    }
  }
});
