// What tests of mixers that fail have in common, whatever they mix.

import { randomUUID } from 'node:crypto';
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

type Kind = 'audio' | 'video';

/** Asks for what the facade would not. */
function asker(worker: types.Worker): { request(method: string, params: object): Promise<unknown> } {
  return worker as never;
}

/** Makes a mixer whose process cannot be had. */
export async function orphan(worker: types.Worker, kind: Kind, id: string): Promise<void> {
  const create = { audio: 'worker.createAudioMixer', video: 'worker.createVideoMixer' }[kind];
  const program = ['/nowhere/to/be/found'];
  await asker(worker).request(create, { [`${kind}MixerId`]: id, isolation: 'process', program });
}

/** Makes a mixer whose process cannot be had, and waits until it dies of that. */
export async function dies(t: ExecutionContext, worker: types.Worker, kind: Kind, input: object): Promise<void> {
  const id = randomUUID();
  await orphan(worker, kind, id);
  const wanted = { [`${kind}MixerId`]: id, inputId: id, ...input };
  await until(t, () =>
    asker(worker)
      .request(`${kind}Mixer.addInput`, wanted)
      .then(
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
