import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import { createWorker, type types } from '../ts/index.js';
import { HANG_MS, launch, pageScript, servePage } from './browser.js';
import { GREEN, openPeer, type Peer, publish, type Stage, videoCodec, watch } from './browser-layers-call.js';

const test = anyTest as TestFn<Stage>;

/** Width of the picture in its top layer and in its lowest. */
const WIDTH = 960;
const WIDTH_LOWEST = 240;

const SIMULCAST = [
  { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 120_000, scalabilityMode: 'L1T1' },
  { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 350_000, scalabilityMode: 'L1T1' },
  { rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 1_200_000, scalabilityMode: 'L1T1' },
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

test.serial('a publisher stops the layers that nobody asks for, and begins again when somebody does', async (t) => {
  const { sender, viewer, producer, consumer } = await openCall(t);
  producer.on('wantedlayerchange', (spatialLayer) => {
    // The page may be gone by then.
    sender.page.evaluate((layer) => window.layersPeer.limitLayers(layer), spatialLayer ?? 0).catch(() => {});
  });
  await untilWidth(viewer, WIDTH);
  t.is(producer.wantedSpatialLayer, Number.POSITIVE_INFINITY, 'nothing was left out yet');
  await consumer.setPreferredLayers({ spatialLayer: 0 });
  await untilWidth(viewer, WIDTH_LOWEST);
  await until(() => producer.wantedSpatialLayer === 0);
  await until(async () => (await rates(sender))[2] === 0);
  const [lowest = 0, middle] = await rates(sender);
  t.true(lowest > 0);
  t.is(middle, 0);
  await consumer.setPreferredLayers({ spatialLayer: 2 });
  await until(() => producer.wantedSpatialLayer === 2);
  await untilWidth(viewer, WIDTH);
  consumer.close();
  await until(() => producer.wantedSpatialLayer === undefined);
});

test.serial('a publisher sends no more than it may', async (t) => {
  const { sender } = await openCall(t);
  await until(async () => sum(await rates(sender)) > 700_000);
  await sender.transport.setMaxIncomingBitrate(300_000);
  await until(async () => sum(await rates(sender)) < 330_000);
  const limited = sum(await rates(sender));
  await sender.transport.setMaxIncomingBitrate(0);
  await until(async () => sum(await rates(sender)) > 700_000);
  t.log({ limited });
  t.pass();
});

/** A publisher of a busy picture in three layers, and who watches. */
async function openCall(
  t: ExecutionContext<Stage>,
): Promise<{ sender: Peer; viewer: Peer; producer: types.Producer; consumer: types.Consumer }> {
  const worker = await createWorker();
  t.teardown(() => worker.close());
  const router = await worker.createRouter({ mediaCodecs: [videoCodec('video/VP8')] });
  const [sender, viewer] = [await openPeer(t, router), await openPeer(t, router)];
  const wishes = { colour: GREEN, encodings: SIMULCAST, mimeType: 'video/VP8', isBusy: true };
  const producer = await publish(sender, wishes);
  return { sender, viewer, producer, consumer: await watch(viewer, producer) };
}

/** What a publisher sends of each layer, in bit/s, over a second. */
async function rates({ page }: Peer): Promise<number[]> {
  const sent = () => page.evaluate(async () => await window.layersPeer.sentBytes());
  const [before, begun] = [await sent(), performance.now()];
  await pause(1000);
  const seconds = (performance.now() - begun) / 1000;
  return (await sent()).map((bytes, layer) => ((bytes - (before[layer] ?? 0)) * 8) / seconds);
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

async function untilWidth({ page }: Peer, width: number): Promise<void> {
  await page.waitForFunction((expected) => window.layersPeer.look().width === expected, width);
}

/** Waits, but not for ever. */
async function until(happens: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + HANG_MS;
  while (!(await happens())) {
    if (performance.now() > end) {
      throw new Error(`it did not happen within ${HANG_MS} ms`);
    }
    await pause(50);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
