import anyTest, { type TestFn } from 'ava';
import { createWorker, type types } from '../ts/index.js';
import { launch, pageScript, servePage } from './browser.js';
import { openPeer, type Peer, publishTone, type Stage, watch } from './browser-layers-call.js';

const test = anyTest as TestFn<Stage>;

const PITCHES_HZ = [500, 1200];

/** How far a heard pitch may be off. */
const PITCH_ERROR_HZ = 30;

test.before(async (t) => {
  Object.assign(t.context, await servePage());
  t.context.script = await pageScript('layers');
  t.context.browser = await launch();
});

test.after.always(async (t) => {
  await t.context.browser?.close();
  t.context.page?.close();
});

test.serial('whoever speaks is heard through the one place there is, and observers tell who it is', async (t) => {
  const worker = await createWorker();
  t.teardown(() => worker.close());
  const opus = { kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2 } as const;
  const router = await worker.createRouter({ mediaCodecs: [opus] });
  const speakers = [await openPeer(t, router), await openPeer(t, router)];
  const producers: types.Producer[] = [];
  for (const [index, speaker] of speakers.entries()) {
    producers.push(await publishTone(speaker, PITCHES_HZ[index] as number));
  }
  const selector = await router.createActiveAudioSelector({ k: 1 });
  const levels = await router.createAudioLevelObserver({ interval: 250, threshold: -50 });
  const dominance = await router.createActiveSpeakerObserver();
  for (const { id: producerId } of producers) {
    await selector.addProducer({ producerId });
    await levels.addProducer({ producerId });
    await dominance.addProducer({ producerId });
  }
  const owners: (types.Producer | undefined)[] = [];
  selector.on('ownerchange', ({ owner }) => owners.push(owner));
  const dominant: types.Producer[] = [];
  dominance.on('dominantspeaker', ({ producer }) => dominant.push(producer));
  let loudest: types.Producer | undefined;
  levels.on('volumes', ([volume]) => {
    loudest = volume?.producer;
  });

  const viewer = await openPeer(t, router);
  const [place] = selector.producers as [types.Producer];
  await watch(viewer, place);
  for (const speaker of [0, 1, 0]) {
    for (const [index, { page }] of speakers.entries()) {
      await page.evaluate((loudness) => window.layersPeer.speak(loudness), index === speaker ? 0.8 : 0);
    }
    const asked = performance.now();
    await untilPitch(viewer, PITCHES_HZ[speaker] as number);
    t.log(`the other is heard after ${Math.round(performance.now() - asked)} ms`);
    await until(() => loudest === producers[speaker] && dominant.at(-1) === producers[speaker]);
    t.is(selector.owners[0], producers[speaker]);
  }
  const [one, other] = producers;
  t.deepEqual(owners, [one, other, one], 'no more changes than speakers');
  t.deepEqual(dominant, [one, other, one]);
});

async function untilPitch(viewer: Peer, pitchHz: number): Promise<void> {
  await viewer.page.waitForFunction(
    ([pitchHz, error]) => Math.abs((window.layersPeer.pitchHz() ?? 0) - pitchHz) < error,
    [pitchHz, PITCH_ERROR_HZ] as const,
  );
}

async function until(holds: () => boolean): Promise<void> {
  for (let looks = 0; !holds(); looks += 1) {
    if (looks > 1000) {
      throw new Error('it does not come true');
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
