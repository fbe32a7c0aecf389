import test from 'ava';
import { startServer } from '../ts/server/server.js';
import { observer, type Worker } from '../ts/worker.js';
import { HANG_MS, SignallingClient } from './signalling-client.js';

test('when a worker dies its rooms are closed with a message, and the next rooms find a new one', async (t) => {
  const workers: Worker[] = [];
  observer.on('newworker', (worker) => workers.push(worker));
  const server = await startServer({ host: '127.0.0.1', port: 0, mediaPort: 0 });
  t.teardown(() => server.close());
  const [doomed] = workers as [Worker];
  const ada = await SignallingClient.join(server, 'doomed', 'ada');
  doomed.close();
  doomed.safeEmit('died', new Error('for a test'));
  t.deepEqual(await ada.closed, { code: 1001, reason: 'the media worker ended; join again' });
  await until(() => workers.length === 2);
  const back = await joined();
  t.truthy(await back.openTransport('producing'));

  /** Joins as soon as there is a worker again; until then the server says that it cannot. */
  async function joined(): Promise<SignallingClient> {
    const deadline = performance.now() + HANG_MS;
    for (;;) {
      try {
        return await SignallingClient.join(server, 'doomed', 'ada');
      } catch (error) {
        if (performance.now() > deadline) {
          throw error;
        }
      }
    }
  }
});

async function until(met: () => boolean): Promise<void> {
  while (!met()) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}
