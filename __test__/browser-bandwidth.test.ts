import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import { createWorker, type types } from '../ts/index.js';
import { HANG_MS, launch, pageScript, servePage } from './browser.js';
import {
  GREEN,
  openPeer,
  type Peer,
  publish,
  publishTone,
  type Stage,
  videoCodec,
  watch,
} from './browser-layers-call.js';
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

/** Pitch of the tone that is published beside the picture. */
const PITCH_HZ = 600;

/** Whether times are judged: only on a machine that does nothing else. */
const BARS = process.env.MILLRACE_BARS === '1';

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

test.serial(
  'a viewer sees what its line carries while the line falls to a fifth and recovers, and hears all of it',
  async (t) => {
    const { viewer, consumer, line } = await openCall(t);
    line.toClient.line = GOOD;
    await untilWidth(t, viewer, consumer, (width) => width === WIDTHS[2], HANG_MS);
    const before = await viewer.page.evaluate(async () => await window.layersPeer.sound());
    const { frozenMs: frozenBefore } = await viewer.page.evaluate(async () => await window.layersPeer.troubles());

    line.toClient.line = BAD;
    const downMs = await untilWidth(t, viewer, consumer, (width) => width < WIDTHS[2], bar(5_000));
    await pause(5_000);
    t.true((consumer.currentLayers?.spatialLayer ?? -1) < 2, 'it stays there as long as the line is bad');
    const [stats] = await viewer.transport.getStats();
    t.true((stats?.availableOutgoingBitrate ?? Number.POSITIVE_INFINITY) < 700_000);
    t.truthy(stats?.availableOutgoingBitrateReason);

    line.toClient.line = GOOD;
    const upMs = await untilWidth(t, viewer, consumer, (width) => width === WIDTHS[2], bar(15_000));
    const after = await viewer.page.evaluate(async () => await window.layersPeer.sound());
    const { frozenMs } = await viewer.page.evaluate(async () => await window.layersPeer.troubles());
    const madeUp = (after.madeUp - before.madeUp) / (after.seconds - before.seconds);
    t.log({ downMs, upMs, frozenMs: frozenMs - frozenBefore, soundMadeUp: madeUp, estimate: stats });
    t.true(frozenMs - frozenBefore < bar(1_000), `the picture stood still for ${frozenMs - frozenBefore} ms`);
    t.true(madeUp < (BARS ? 0.01 : 0.2), `${madeUp * 100} % of the sound is made up`);
    t.is(Math.round(((await viewer.page.evaluate(() => window.layersPeer.pitchHz())) ?? 0) / 50) * 50, PITCH_HZ);
  },
);

test.serial('a viewer whose line loses 3 % sees pictures all the time', async (t) => {
  const { viewer, consumer, line } = await openCall(t);
  line.toClient.line = { ...GOOD, bitrate: 10_000_000, loss: 0.03 };
  line.toServer.line = { ...GOOD, loss: 0.03 };
  await untilWidth(t, viewer, consumer, (width) => width === WIDTHS[2], HANG_MS);
  await pause(2000);
  await viewer.page.evaluate(() => window.layersPeer.longestGapMs());
  await pause(LOSS_SECONDS * 1000);
  const longestGapMs = await viewer.page.evaluate(() => window.layersPeer.longestGapMs());
  const [stat] = (await consumer.getStats()) as types.ConsumerStat[];
  t.log({ seconds: LOSS_SECONDS, longestGapMs, lost: line.toClient.lost, repaired: stat?.packetsRepaired });
  t.true(longestGapMs < (BARS ? 500 : 5_000), `no picture for ${longestGapMs} ms`);
  t.true((stat?.packetsRepaired ?? 0) > 0);
});

/** A publisher nearby and a viewer behind a line. */
async function openCall(
  t: ExecutionContext<Stage>,
): Promise<{ viewer: Peer; consumer: types.Consumer; line: Bottleneck }> {
  const worker = await createWorker();
  t.teardown(() => worker.close());
  const opus = { kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2 } as const;
  const router = await worker.createRouter({ mediaCodecs: [videoCodec('video/VP8'), opus] });
  const [sender, speaker] = [await openPeer(t, router), await openPeer(t, router)];
  const viewer = await openPeer(t, router);
  const line = await Bottleneck.open((viewer.transport.iceCandidates[0] as types.IceCandidate).port);
  t.teardown(() => line.close());
  viewer.port = line.port;
  const producer = await publish(sender, { colour: GREEN, encodings: SIMULCAST, mimeType: 'video/VP8', isBusy: true });
  const tone = await publishTone(speaker, PITCH_HZ);
  await speaker.page.evaluate(() => window.layersPeer.speak(0.5));
  await watch(viewer, tone);
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

/** Waits until the viewer sees a picture of such a width. Returns how long that took, in ms. */
async function untilWidth(
  t: ExecutionContext<Stage>,
  { page, transport }: Peer,
  consumer: types.Consumer,
  fits: (width: number) => boolean,
  timeout: number,
): Promise<number> {
  const begun = performance.now();
  const width = () => page.evaluate(() => window.layersPeer.look().width);
  while (!fits(await width())) {
    if (performance.now() - begun > timeout) {
      t.log(await transport.getStats());
      t.fail(
        `in ${timeout} ms the picture becomes ${await width()} wide, of ${JSON.stringify(consumer.currentLayers)}`,
      );
      break;
    }
    await pause(50);
  }
  return performance.now() - begun;
}

/** A bar in ms where bars count; a machine that does other things as well only must not hang. */
function bar(ms: number): number {
  return BARS ? ms : HANG_MS;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
