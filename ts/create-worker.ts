import { addon } from './addon.js';
import type { AppData } from './remote-object.js';
import { startWorker, type Worker, type WorkerSettings } from './worker.js';

/**
 * Creates a Worker: a thread that forwards media.
 *
 * @throws `TypeError` when a setting is malformed, a certificate file that cannot be read included.
 */
export async function createWorker<WorkerAppData extends AppData = AppData>(
  settings: WorkerSettings<WorkerAppData> = {},
): Promise<Worker<WorkerAppData>> {
  return await startWorker(addon, settings);
}
