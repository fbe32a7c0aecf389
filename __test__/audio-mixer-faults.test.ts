// What is left when codecs hang. In a process of its own: threads that are stuck are those of all mixers of a process.

import { once } from 'node:events';
import test, { type ExecutionContext } from 'ava';
import type { types } from '../ts/index.js';
import { admits, DEATHS, dies, HANG_MS, isAlive, LONG_HANG_MS, refuses } from './mixer-faults.js';
import { fail, hears, listen, open, talk, until, write } from './sound-room.js';

const [PITCH_HZ, OTHER_PITCH_HZ] = [437.3, 1103.7];

test.serial(
  'with two threads stuck the mixer that hung is given up and new ones are refused, until a thread is back',
  async (t) => {
    const { worker, router } = await open(t);
    const other = await worker.createAudioMixer();
    const talker = await talk(t, router, PITCH_HZ, 0);
    await other.addInput({ producerId: talker.id });
    const ear = await listen(router, (await other.createOutput({ router, codec: 'pcmu' })).producer);
    const [first, second] = [await worker.createAudioMixer(), await worker.createAudioMixer()];
    const output = await second.createOutput({ router, codec: 'pcmu' });
    const restarted = once(first, 'restart');
    await fail(worker, first, LONG_HANG_MS);
    const [restart] = (await restarted) as [types.AudioMixerRestart];
    t.is(restart.reason, 'hang');
    const died = once(second, 'died');
    await fail(worker, second, HANG_MS);
    const [error] = (await died) as [Error];
    t.regex(error.message, /stuck/);
    t.true(second.closed && output.closed && output.producer.closed);
    await refuses(t, () => worker.createAudioMixer());
    const isolated = await worker.createAudioMixer({ isolation: 'process' });
    await until(t, async () => (await isolated.getStats()).ticks > 0);
    t.is(worker.closed || first.closed || other.closed, false);
    ear.samples.length = 0;
    await hears(t, ear, [PITCH_HZ]);
    await admits(t, () => worker.createAudioMixer());
    t.true((await first.getStats()).ticks > 0);
  },
);

for (const [reason, signal] of DEATHS) {
  test.serial(
    `a mixer whose own process ends by ${signal ?? 'a panic'} goes on in another, with the same inputs and outputs`,
    async (t) => {
      const call = await isolated(t);
      const before = await call.pid();
      t.not(before, process.pid);
      const restarted = once(call.mixer, 'restart');
      const asked = performance.now();
      if (signal) {
        process.kill(before, signal);
      } else {
        await fail(call.worker, call.mixer);
      }
      const [restart] = (await restarted) as [types.AudioMixerRestart];
      t.is(restart.reason, reason);
      await call.goesOn(asked);
      t.false([before, process.pid].includes(await call.pid()));
    },
  );
}

test.serial('a mixer whose own process hangs goes on in another within seconds, and no thread is stuck', async (t) => {
  const call = await isolated(t);
  const restarted = once(call.mixer, 'restart');
  const asked = performance.now();
  // Longer than this test may take.
  await fail(call.worker, call.mixer, 600_000);
  const [restart] = (await restarted) as [types.AudioMixerRestart];
  t.is(restart.reason, 'hang');
  await call.goesOn(asked);
});

test.serial('a mixer whose process cannot be had dies, and a worker that ends takes the processes along', async (t) => {
  const call = await isolated(t);
  const pid = await call.pid();
  t.true(isAlive(pid));
  await dies(t, call.worker, 'audio', { pcm: { sampleRate: 8_000 } });
  call.worker.close();
  await until(t, () => !isAlive(pid));
});

/** A mixer with a process of its own: somebody talks, somebody listens, and another mixer of the same worker. */
async function isolated(t: ExecutionContext) {
  const { worker, router } = await open(t);
  const mixer = await worker.createAudioMixer({ isolation: 'process' });
  const talker = await talk(t, router, PITCH_HZ, 0);
  const [input, written] = [
    await mixer.addInput({ producerId: talker.id }),
    await mixer.addInput({ pcm: { sampleRate: 8_000 } }),
  ];
  write(t, written, 8_000, OTHER_PITCH_HZ);
  const output = await mixer.createOutput({ router, codec: 'pcmu' });
  const alone = await mixer.createOutput({ router, codec: 'pcmu', exclude: [written] });
  const sequences: number[] = [];
  const ear = await listen(router, output.producer, (sequence) => sequences.push(sequence));
  const other = await worker.createAudioMixer();
  const pid = async () => (await mixer.getStats()).pid;
  await hears(t, ear, [PITCH_HZ, OTHER_PITCH_HZ]);
  await hears(t, await listen(router, alone.producer), [PITCH_HZ]);
  const goesOn = async (since: number) => {
    const heard = sequences.length;
    await until(t, () => sequences.length > heard + 5);
    t.log(`five packets ${Math.round(performance.now() - since)} ms after the fault`);
    ear.samples.length = 0;
    await hears(t, ear, [PITCH_HZ, OTHER_PITCH_HZ]);
    t.true(sequences.every((sequence, at) => at === 0 || sequence === (((sequences[at - 1] as number) + 1) & 0xffff)));
    const { restarts, inputs, outputs } = await mixer.getStats();
    t.deepEqual([restarts, inputs.length, outputs.length], [1, 2, 2]);
    t.is((await other.getStats()).restarts, 0);
    t.false(mixer.closed || input.closed || output.closed || output.producer.closed);
  };
  return { worker, mixer, pid, goesOn };
}
