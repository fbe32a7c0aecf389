// Cases of hostile-cases.md that need a process of their own: what is let go, torn down or starved of descriptors,
// with real peers and media.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import test from 'ava';

/** Long enough for a busy machine; only a process that hangs takes so long. */
const HANG_MS = 100_000;

/** An application that ends must not be held up longer than this. */
const END_MS_MAX = 2000;

/** Seconds that calls come and go, and ms that JavaScript stands still; the nightly run takes longer. */
const CHURN_SECONDS = Number(process.env.MILLRACE_CHURN_SECONDS ?? 30);
const BLOCKED_MS = Number(process.env.MILLRACE_BLOCKED_MS ?? 3000);

/**
 * What calls of two connected peers may leave behind: once, while pools and caches fill, and for each call. Leaking the
 * transports of a call would leave 80 kB each time.
 */
const LEFT_MAX = {
  rss: { once: 3_000_000, perCall: 5000 },
  heap: { once: 500_000, perCall: 500 },
  descriptors: { once: 1, perCall: 0 },
  threads: { once: 1, perCall: 0 },
  timers: { once: 1, perCall: 0 },
};

/** Opus packets that a peer sends a second. */
const PACKETS_PER_SECOND = 50;

const testOnLinux = process.platform === 'linux' ? test.serial : test.serial.skip;

testOnLinux('n02 one held object keeps a call, and a call that nobody holds ends although media flows', async (t) => {
  const { code, output } = await ended(start('abandoned-media.mjs', [], ['--expose-gc']));
  t.deepEqual({ code, output }, { code: 0, output: 'held\ncollected\n' });
});

testOnLinux('n03 fifty threads are terminated in mid-call, mid-event and mid-media and leave nothing', async (t) => {
  const { code, output } = await ended(start('terminated.mjs'));
  t.deepEqual({ code, output }, { code: 0, output: 'terminated 50\n' });
});

const ENDINGS = [
  ['exit', 'process.exit', { code: 7 }],
  ['throw', 'an uncaught error', { code: 1 }],
  ['sigterm', 'SIGTERM', { code: 'SIGTERM' }],
  ['handled', 'SIGTERM with a handler that exits', { code: 3 }],
] as const;
for (const [mode, what, expected] of ENDINGS) {
  testOnLinux(`n04 ${what} with a hundred live transports keeps its exit code and does not hang`, async (t) => {
    const child = start('ending.mjs', [mode]);
    await said(child, 'ending');
    const began = performance.now();
    if (mode === 'sigterm' || mode === 'handled') {
      child.kill('SIGTERM');
    }
    t.like(await ended(child), expected);
    t.true(performance.now() - began < END_MS_MAX, `${performance.now() - began} ms`);
  });
}

testOnLinux('n05 media flows while JavaScript stands still', async (t) => {
  const { code, output } = await ended(start('blocked.mjs', [String(BLOCKED_MS)]));
  t.is(code, 0);
  const { heard, traces, dropped } = JSON.parse(output);
  t.true(heard > (BLOCKED_MS / 1000) * PACKETS_PER_SECOND * 0.5, output);
  t.true(traces > 0 && traces + dropped <= heard + PACKETS_PER_SECOND, output);
});

testOnLinux('n08 fork and cluster use the addon side by side with their parent', async (t) => {
  const { code, output } = await ended(start('forked.mjs'));
  t.deepEqual({ code, output }, { code: 0, output: '5 processes, 4 ports\n' });
});

testOnLinux('p05 no log line and no error holds an address or a secret, and a flood of lines is cut', async (t) => {
  const { code, output } = await ended(start('secrets.mjs'));
  t.is(code, 0);
  const { lines, warnings, refusals, dropped, leaks } = JSON.parse(output);
  t.deepEqual(leaks, []);
  t.true(lines > 10 && warnings > 0 && dropped > 0, output);
  t.is(refusals, 3);
});

testOnLinux('k11 without a descriptor left calls are refused by name, nothing spins and media flows', async (t) => {
  const script = `ulimit -n 64; exec "${process.execPath}" "${fixture('descriptors.mjs')}"`;
  const child = watched(spawn('sh', ['-c', script], { stdio: ['pipe', 'pipe', 'inherit'] }));
  const { port } = JSON.parse(await said(child, 'port'));
  // One connects for which no descriptor is left: the listener stays readable until there is one.
  const stranger = connect(port, '127.0.0.1');
  t.teardown(() => stranger.destroy());
  await once(stranger, 'connect');
  child.stdin?.write('connected\n');
  const { code, output } = await ended(child);
  t.is(code, 0);
  const { refused, made, watched: seen, again } = JSON.parse(output.trim().split('\n').at(-1) as string);
  t.deepEqual(refused, { name: 'MillraceError', code: 'ERR_SYSTEM', transports: made });
  t.true(made > 0 && made < 64 && again);
  // Ten tries a second; without a pause there are more than a thousand.
  t.true(seen.errors >= 1 && seen.errors <= 100, `${seen.errors} tries to accept`);
  t.true(seen.cores < 0.6, `${seen.cores} cores`);
  t.true(seen.heard > PACKETS_PER_SECOND, `${seen.heard} packets`);
});

testOnLinux('k16 calls that come and go leave no memory, descriptor, thread or timer behind', async (t) => {
  t.timeout(CHURN_SECONDS * 1000 + HANG_MS);
  const child = start('churn.mjs', [String(CHURN_SECONDS)], ['--expose-gc'], CHURN_SECONDS * 1000 + HANG_MS);
  const { code, output } = await ended(child);
  t.is(code, 0);
  t.log(output.trim());
  const left = JSON.parse(output);
  t.true(left.samples >= 10, 'there is enough to tell');
  // AddressSanitizer keeps freed memory on purpose.
  const { rss, ...others } = LEFT_MAX;
  for (const [what, { once, perCall }] of Object.entries(process.env.ASAN_OPTIONS ? others : { rss, ...others })) {
    t.true(left[what] * left.measured <= once + perCall * left.measured, `${what}: ${left[what]} a call`);
  }
});

function fixture(name: string): string {
  return fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
}

const outputs = new WeakMap<ChildProcess, string>();

function start(name: string, args: string[] = [], flags: string[] = [], hangMs = HANG_MS): ChildProcess {
  const stdio = ['pipe', 'pipe', process.env.MILLRACE_SHOW_ERRORS ? 'inherit' : 'ignore'] as const;
  return watched(spawn(process.execPath, [...flags, fixture(name), ...args], { stdio: [...stdio], timeout: hangMs }));
}

function watched(child: ChildProcess): ChildProcess {
  outputs.set(child, '');
  child.stdout?.on('data', (chunk) => outputs.set(child, outputs.get(child) + String(chunk)));
  return child;
}

/** Resolves with the output so far once `text` is in it. */
async function said(child: ChildProcess, text: string): Promise<string> {
  while (!outputs.get(child)?.includes(text)) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`ended before it said '${text}': ${outputs.get(child)}`);
    }
    await Promise.race([once(child.stdout as NodeJS.ReadableStream, 'data'), once(child, 'exit')]);
  }
  return outputs.get(child) as string;
}

async function ended(child: ChildProcess): Promise<{ code: number | string | null; output: string }> {
  if (child.exitCode === null && child.signalCode === null) {
    await once(child, 'close');
  }
  return { code: child.exitCode ?? child.signalCode, output: outputs.get(child) as string };
}
