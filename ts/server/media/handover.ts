import { setTimeout as wait } from 'node:timers/promises';
import type { Consumer } from '../../consumer.js';

/** Longest time in ms for which a viewer gets what is to go beside what comes in its place. */
export const HANDOVER_MS_MAX = 1_000;

/** Time in ms from one look to the next. */
const LOOK_INTERVAL_MS = 40;

/** Waits until something is so, or for {@link HANDOVER_MS_MAX}. */
export async function settled(isSo: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + HANDOVER_MS_MAX;
  while (performance.now() < end && !(await isSo())) {
    await wait(LOOK_INTERVAL_MS);
  }
}

/** How many packets each was sent. */
export async function sentTo(consumers: readonly Consumer[]): Promise<number[]> {
  return await Promise.all(
    consumers.map(async (consumer) => {
      // One that was closed meanwhile gets no more.
      const stats = await consumer.getStats().catch(() => []);
      return stats.find(({ type }) => type === 'outbound-rtp')?.packetCount ?? 0;
    }),
  );
}

/** Tells whether each of those that flow was sent more than that, which begins with a key frame. */
export async function haveBegun(consumers: readonly Consumer[], before: readonly number[]): Promise<boolean> {
  const counts = await sentTo(consumers);
  return consumers.every(
    ({ closed, producerPaused }, at) => closed || producerPaused || (counts[at] as number) > (before[at] as number),
  );
}
