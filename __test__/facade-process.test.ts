import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test from 'ava';

/** What Node exits with when the loop is empty and a top-level await has not settled. */
const UNSETTLED_AWAIT = 13;

/** Long enough for a busy machine; only a process that hangs takes so long. */
const HANG_MS = 60_000;

test('a pending call keeps the process alive until it is answered, an open worker does not', async (t) => {
  t.deepEqual(await run('pending-call.ts'), { code: 0, output: 'answered\n' });
});

test('waiting for an event does not keep the process alive', async (t) => {
  t.like(await run('listening-only.ts'), { code: UNSETTLED_AWAIT, output: 'started\n' });
});

function run(fixture: string): Promise<{ code: unknown; output: string }> {
  const path = fileURLToPath(new URL(`fixtures/${fixture}`, import.meta.url));
  const loader = new URL('../ava-ts.mjs', import.meta.url).href;
  return new Promise((resolve) => {
    execFile(process.execPath, [`--import=${loader}`, path], { timeout: HANG_MS }, (error, stdout) => {
      resolve({ code: error ? (error.code ?? error.signal) : 0, output: stdout });
    });
  });
}
