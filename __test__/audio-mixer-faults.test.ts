// What is left when codecs hang. In a process of its own: threads that are stuck are those of all mixers of a process.

import { once } from 'node:events';
import test from 'ava';
import type { types } from '../ts/index.js';
import { fail, hears, listen, open, talk, until } from './sound-room.js';

const PITCH_HZ = 437.3;

/** Longer than two hangs in a row take to be noticed, and one, by as much as a busy machine may need. */
const [LONG_HANG_MS, HANG_MS] = [12_000, 8_000];

test('with two threads stuck the mixer that hung is given up and new ones are refused, until a thread is back', async (t) => {
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
  const refusal = await t.throwsAsync(worker.createAudioMixer(), { message: /stuck/ });
  t.deepEqual([refusal?.name, (refusal as { code?: string }).code], ['LimitError', 'ERR_LIMIT_EXCEEDED']);
  t.is(worker.closed || first.closed || other.closed, false);
  ear.samples.length = 0;
  await hears(t, ear, [PITCH_HZ]);
  await until(t, async () => {
    const made = await worker.createAudioMixer().catch(() => undefined);
    return made !== undefined;
  });
  t.true((await first.getStats()).ticks > 0);
});
