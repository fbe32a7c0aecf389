// Case P04 of hostile-cases.md: any JSON into any method in any order, a million calls. MILLRACE_RANDOM_CALLS makes fewer or
// more, MILLRACE_RANDOM_SEED others; a failure tells the seed of its worker.
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { createWorker, type types } from '../ts/index.js';
import { Chance } from './chance.js';
import { CAPTURES, type Call, METHODS, Model, type Outcome } from './random-api.js';

const CALLS = Number(process.env.MILLRACE_RANDOM_CALLS ?? 1_000_000);
const SEED = Number(process.env.MILLRACE_RANDOM_SEED ?? 1);

/** Calls on one worker; then it goes and another one comes. */
const CALLS_PER_WORKER = 3_000;

/** Workers at once, each with a model of its own: while one of them works, the calls of others are drawn and judged. */
const WORKERS = 8;

/** Calls that are under way at once, at most. */
const BATCH_MAX = 6;

/** Round trips until an end is known everywhere: one, and one for each pipe in a chain. */
const HOPS_MAX = 8;

/** What is not answered by then never will be. */
const HANG_MS = 60_000;

/** How much larger the process may be at the end of a long run than at its middle, in bytes. */
const GROWTH_MAX = 96 * 1024 * 1024;

/** Calls after which each method must have succeeded once. */
const CALLS_FOR_ALL = 20_000;

/**
 * Calls after which memory should have settled: threads come and go, and each of the C library's pools, of which there are
 * many, grows to what its most demanding one needed.
 */
const SETTLED_CALLS = Math.max(30_000, CALLS / 2);

test.serial('p04 any JSON into any method in any order succeeds or is a typed error, and nothing leaks', async (t) => {
  t.timeout(Math.max(120_000, CALLS * 2));
  t.teardown(() => rmSync(CAPTURES, { recursive: true, force: true }));
  const tally = new Tally();
  const started = performance.now();
  const descriptors = openDescriptors();
  let settled: number | undefined;
  let life = 0;
  const lives = async () => {
    while (life * CALLS_PER_WORKER < CALLS) {
      const seed = SEED * 1_000_003 + life;
      life += 1;
      await live(t, tally, seed);
      if (tally.calls >= SETTLED_CALLS) {
        settled ??= process.memoryUsage().rss;
      }
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, lives));
  await until(() => openDescriptors() <= descriptors, `${openDescriptors()} descriptors, ${descriptors} at first`);
  const grown = settled === undefined ? 0 : process.memoryUsage().rss - settled;
  const seconds = (performance.now() - started) / 1000;
  t.log(
    `seed ${SEED}: ${tally.calls} calls in ${seconds.toFixed(0)} s, grown by ${(grown / 2 ** 20).toFixed(1)} MB`,
    tally.toString(),
  );
  if (tally.calls >= CALLS_FOR_ALL) {
    const missing = METHODS.filter((method) => !tally.succeeded.has(method));
    t.deepEqual(missing, [], 'each method came to its turn');
  }
  t.true(grown < GROWTH_MAX, `grown by ${grown} bytes`);
  t.true(
    tally.of('success') > tally.calls / 5 && tally.of('ERR_INVALID_ARGUMENT') > tally.calls / 20,
    tally.toString(),
  );
});

/** What calls gave, counted. */
class Tally {
  calls = 0;
  /** Methods that succeeded once at least. */
  readonly succeeded = new Set<string>();
  readonly #outcomes = new Map<string, number>();

  add(outcome: string): void {
    this.calls += 1;
    this.#outcomes.set(outcome, this.of(outcome) + 1);
  }

  of(outcome: string): number {
    return this.#outcomes.get(outcome) ?? 0;
  }

  toString(): string {
    const byCount = [...this.#outcomes].sort(([, a], [, b]) => b - a);
    return byCount.map(([outcome, count]) => `${outcome} ${count}`).join(', ');
  }
}

/** The life of one worker. At its end either everything on it is closed one by one, or the worker closes it. */
async function live(t: ExecutionContext, tally: Tally, seed: number): Promise<void> {
  const worker = await createWorker({ logLevel: 'none' });
  const baseline = await held(worker);
  const chance = new Chance(seed);
  const model = new Model(worker, chance);
  for (let calls = 0; calls < CALLS_PER_WORKER; ) {
    const batch = model.batch(BATCH_MAX);
    const first = `seed ${seed}, call ${calls}`;
    calls += batch.length;
    for (const { call, outcome } of batch) {
      judge(t, `${first}: ${shown(call)}`, model, call, await answered(outcome, `${first}: ${shown(call)}`), tally);
    }
    if (worker.died) {
      t.fail(`${first}: the worker died after ${batch.map(({ call }) => shown(call)).join('; ')}`);
    }
    await settle(worker);
    let wrong = model.disagreements();
    // What is closed at one end of a pipe closes at the other one by a call of its own, and so on along a chain of pipes.
    for (let hops = 1; wrong.length > 0 && hops < HOPS_MAX; hops += 1) {
      await settle(worker);
      wrong = model.disagreements();
    }
    if (wrong.length > 0) {
      t.fail(`${first}: ${wrong.join(', ')} after ${batch.map(({ call }) => shown(call)).join('; ')}`);
    }
    model.forget();
  }
  if (seed % 2 === 0) {
    model.closeAll();
    t.deepEqual(await held(worker), baseline, `seed ${seed}`);
  }
  worker.close();
  model.closedWorker();
  t.deepEqual(model.disagreements(), [], `seed ${seed}, the worker's end`);
}

function judge(t: ExecutionContext, name: string, model: Model, call: Call, outcome: Outcome, tally: Tally): void {
  if ('value' in outcome) {
    tally.add('success');
    tally.succeeded.add(`${call.entry.kind}.${call.method}`);
    if (call.mustFail) {
      t.fail(`${name} succeeded on a closed object`);
    }
    model.made(call, outcome.value);
    return;
  }
  const { error } = outcome;
  const code = error.code ?? '';
  tally.add(code);
  if (!(error instanceof Error) || !CODES.has(code) || code === 'ERR_INTERNAL') {
    t.fail(`${name} failed with ${error?.stack ?? error}`);
  }
  // It may have been closed since, by itself or with its parent.
  if (call.mustSucceed && !call.entry.closed) {
    t.fail(`${name} should have succeeded: ${error.message}`);
  }
}

/** Waits until the worker has told of what it closed. */
async function settle(worker: types.Worker): Promise<void> {
  await worker.dump();
  await turn();
  await turn();
}

async function answered(outcome: Promise<Outcome>, name: string): Promise<Outcome> {
  let timer: NodeJS.Timeout | undefined;
  const hang = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${name} hangs`)), HANG_MS);
  });
  try {
    return await Promise.race([outcome, hang]);
  } finally {
    clearTimeout(timer);
  }
}

function shown({ entry, method, args, mustSucceed }: Call): string {
  const text =
    JSON.stringify(args, (key, value) => (key === 'webRtcServer' || key === 'router' ? value?.id : value)) ?? '';
  return `${entry.kind}.${method}(${text.slice(0, 500)})${mustSucceed ? '' : '?'}`;
}

/** What a worker holds: everything that a leak would show in. */
async function held(worker: types.Worker): Promise<unknown> {
  const { webRtcServerIds, routerIds, channelMessageHandlers } = await worker.dump();
  return { webRtcServerIds, routerIds, channelMessageHandlers, transports: (await worker.getMetrics()).transports };
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

async function until(met: () => boolean, complaint: string): Promise<void> {
  const deadline = performance.now() + HANG_MS;
  while (!met()) {
    if (performance.now() > deadline) throw new Error(complaint);
    await turn();
  }
}

/** The codes that docs/internals/errors.md promises. */
const CODES = new Set(
  [...readFileSync(new URL('../docs/internals/errors.md', import.meta.url), 'utf8').matchAll(/^\| `(ERR_\w+)`/gm)].map(
    ([, code]) => code as string,
  ),
);
