// What tests of mixers that fail have in common, whatever they mix.

import type { ExecutionContext } from 'ava';
import type { types } from '../ts/index.js';
import { until } from './sound-room.js';

/** Longer than two hangs in a row take to be noticed, and one, by as much as a busy machine may need. */
export const [LONG_HANG_MS, HANG_MS] = [12_000, 8_000];

/** How a mixer's own process may end: what `restart` says, and the signal. */
export const DEATHS = [
  ['exit', 'SIGKILL'],
  ['exit', 'SIGSEGV'],
  ['panic', undefined],
] as const;

/** Two threads are stuck: one more mixer is refused. */
export async function refuses(t: ExecutionContext, create: () => Promise<unknown>): Promise<void> {
  const refusal = await t.throwsAsync(create(), { message: /stuck/ });
  t.deepEqual([refusal?.name, (refusal as { code?: string }).code], ['LimitError', 'ERR_LIMIT_EXCEEDED']);
}

/** A thread is back: one more mixer is made. */
export async function admits(t: ExecutionContext, create: () => Promise<unknown>): Promise<void> {
  await until(t, () =>
    create().then(
      () => true,
      () => false,
    ),
  );
}

/** Makes a mixer whose process cannot be had, and waits until it dies of that. */
export async function dies(
  t: ExecutionContext,
  worker: types.Worker,
  kind: 'audio' | 'video',
  input: object,
): Promise<void> {
  const asked = worker as unknown as { request(method: string, params: object): Promise<unknown> };
  const id = '67e55044-10b1-426f-9247-bb680e5fe0c8';
  const [create, reference] = {
    audio: ['worker.createAudioMixer', { audioMixerId: id }] as const,
    video: ['worker.createVideoMixer', { videoMixerId: id }] as const,
  }[kind];
  await asked.request(create, { ...reference, isolation: 'process', program: ['/nowhere/to/be/found'] });
  await until(t, () =>
    asked.request(`${kind}Mixer.addInput`, { ...reference, inputId: id, ...input }).then(
      () => false,
      (error: Error) => /died/.test(error.message),
    ),
  );
}

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
