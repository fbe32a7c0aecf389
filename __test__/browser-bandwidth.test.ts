import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import { createWorker, type types } from '../ts/index.js';
import { launch, pageScript, servePage } from './browser.js';
import { GREEN, openPeer, type Peer, publish, type Stage, videoCodec, watch } from './browser-layers-call.js';
import { Bottleneck, type Line } from './peers/bottleneck.js';

const test = anyTest as TestFn<Stage>;

/** Widths of the three encodings. */
const WIDTHS = [240, 480, 960] as const;

const SIMULCAST = [
  { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 120_000, scalabilityMode: 'L1T1' },
  { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 350_000, scalabilityMode: 'L1T1' },
  { rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 1_200_000, scalabilityMode: 'L1T1' },
];

/** A line of the wide world: 2.5 Mbit/s, 40 ms there and back. */
const GOOD: Line = { bitrate: 2_500_000, queueMs: 300, delayMs: 20, loss: 0 };

/** The same after somebody else came home. */
const BAD: Line = { ...GOOD, bitrate: 500_000 };

/** How long a line loses packets. Nightly: ten minutes. */
const LOSS_SECONDS = Number(process.env.MILLRACE_LOSS_SECONDS ?? 10);

test.before(async (t) => {
  Object.assign(t.context, await servePage());
  t.context.script = await pageScript('layers');
  t.context.browser = await launch();
});

test.after.always(async (t) => {
  await t.context.browser?.close();
  t.context.page?.close();
});

test.serial('a viewer whose line falls to a fifth gets a layer that fits within five seconds', async (t) => {
  const { viewer, consumer, line } = await openCall(t);
  line.toClient.line = GOOD;
  await untilLayer(t, viewer, consumer, 2, 30_000);
  line.toClient.line = BAD;
  const downMs = await untilFits(t, viewer, consumer, 5_000);
  await pause(5_000);
  t.true((consumer.currentLayers?.spatialLayer ?? -1) < 2, 'it stays there as long as the line is bad');
  const [stats] = await viewer.transport.getStats();
  t.log({ downMs, estimate: stats?.availableOutgoingBitrate, reason: stats?.availableOutgoingBitrateReason });
  t.true((stats?.availableOutgoingBitrate ?? Number.POSITIVE_INFINITY) < 700_000);
  t.truthy(stats?.availableOutgoingBitrateReason);
});

test.serial('a viewer whose line loses 3 % sees no picture for longer than half a second', async (t) => {
  const { viewer, consumer, line } = await openCall(t);
  line.toClient.line = { ...GOOD, bitrate: 10_000_000, loss: 0.03 };
  line.toServer.line = { ...GOOD, loss: 0.03 };
  await untilLayer(t, viewer, consumer, 2, 30_000);
  await pause(2000);
  await viewer.page.evaluate(() => window.layersPeer.longestGapMs());
  await pause(LOSS_SECONDS * 1000);
  const longestGapMs = await viewer.page.evaluate(() => window.layersPeer.longestGapMs());
  const [stat] = (await consumer.getStats()) as types.ConsumerStat[];
  t.log({ seconds: LOSS_SECONDS, longestGapMs, lost: line.toClient.lost, repaired: stat?.packetsRepaired });
  t.true(longestGapMs < 500, `no picture for ${longestGapMs} ms`);
  t.true((stat?.packetsRepaired ?? 0) > 0);
  t.is(consumer.currentLayers?.spatialLayer, 2, 'random loss is no reason to go down');
});

/** A publisher nearby and a viewer behind a line. */
async function openCall(
  t: ExecutionContext<Stage>,
): Promise<{ viewer: Peer; consumer: types.Consumer; line: Bottleneck }> {
  const worker = await createWorker();
  t.teardown(() => worker.close());
  const router = await worker.createRouter({ mediaCodecs: [videoCodec('video/VP8')] });
  const [sender, viewer] = [await openPeer(t, router), await openPeer(t, router)];
  const line = await Bottleneck.open((viewer.transport.iceCandidates[0] as types.IceCandidate).port);
  t.teardown(() => line.close());
  viewer.port = line.port;
  const producer = await publish(sender, { colour: GREEN, encodings: SIMULCAST, mimeType: 'video/VP8', isBusy: true });
  const consumer = await watch(viewer, producer);
  await viewer.transport.enableTraceEvent(['bwe']);
  viewer.transport.on('trace', (trace) => {
    if (process.env.MILLRACE_TEST_TRACE)
      console.log(JSON.stringify({ at: Math.round(performance.now()), ...(trace.info as object) }));
  });
  consumer.on('layerschange', (layers) => {
    if (process.env.MILLRACE_TEST_TRACE) console.log(Math.round(performance.now()), 'LAYERS', JSON.stringify(layers));
  });
  return { viewer, consumer, line };
}

/** Waits until the viewer sees a layer. Returns how long that took, in ms. */
async function untilLayer(
  t: ExecutionContext<Stage>,
  viewer: Peer,
  consumer: types.Consumer,
  layer: 0 | 1 | 2,
  timeout: number,
): Promise<number> {
  const begun = performance.now();
  try {
    await viewer.page.waitForFunction((width) => window.layersPeer.look().width === width, WIDTHS[layer], { timeout });
  } catch {
    const look = await viewer.page.evaluate(() => window.layersPeer.look());
    t.fail(
      `layer ${layer} is not seen in ${timeout} ms, but ${JSON.stringify({ look, told: consumer.currentLayers })}`,
    );
    t.log(await viewer.transport.getStats());
  }
  return performance.now() - begun;
}

/** Waits until a layer is sent that fits a bad line, and seen. Returns how long that took, in ms. */
async function untilFits(
  t: ExecutionContext<Stage>,
  viewer: Peer,
  consumer: types.Consumer,
  timeout: number,
): Promise<number> {
  const begun = performance.now();
  try {
    await viewer.page.waitForFunction((width) => window.layersPeer.look().width < width, WIDTHS[2], { timeout });
  } catch {
    t.fail(`no layer that fits is seen in ${timeout} ms, but ${JSON.stringify(consumer.currentLayers)}`);
    t.log(await viewer.transport.getStats());
  }
  return performance.now() - begun;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
