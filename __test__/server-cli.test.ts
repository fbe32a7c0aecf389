import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { WebSocket } from 'ws';

/** What the issue of the project promises: a signal ends everything in this time, in ms. */
const SHUTDOWN_MS = 2000;

test('--help and --version print and exit with 0', async (t) => {
  const help = await finished(start(t, ['--help']));
  t.is(help.code, 0);
  t.regex(help.output, /^Usage: millrace \[options\]\n/);
  const version = await finished(start(t, ['--version']));
  t.is(version.code, 0);
  t.regex(version.output, /^\d+\.\d+\.\d+\n$/);
});

test('a wrong option is one line on standard error and exit code 64', async (t) => {
  const { code, output, errors } = await finished(start(t, ['--port', 'http']));
  t.is(code, 64);
  t.is(output, '');
  t.is(errors, 'millrace: --port: expected an integer from 0 to 65535, got "http"\n');
});

test('a taken port is one line and exit code 64', async (t) => {
  const first = await listening(t);
  const { port } = new URL(first.url);
  const { code, errors } = await finished(start(t, ['--host', '127.0.0.1', '--port', port, '--media-port', '0']));
  t.is(code, 64);
  t.is(
    errors,
    `millrace: port ${port} is taken by another program: stop it, or start with --port ${Number(port) + 1}\n`,
  );
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} tells every client, and ends the process with 0 within 2 s`, async (t) => {
    const { child, url } = await listening(t);
    const clients = await Promise.all([enter(url, 'ada'), enter(url, 'grace')]);
    const closed = clients.map((client) => once(client, 'close'));
    const started = performance.now();
    child.kill(signal);
    const { code } = await finished(child);
    t.is(code, 0);
    t.true(performance.now() - started < SHUTDOWN_MS);
    for (const [closeCode, reason] of await Promise.all(closed)) {
      t.is(closeCode, 1001);
      t.is(String(reason), 'the server is shutting down');
    }
  });
}

test('a client that does not answer does not hold up the end', async (t) => {
  const { child, url } = await listening(t);
  const frozen = await enter(url, 'frozen');
  frozen.pause();
  const started = performance.now();
  child.kill('SIGTERM');
  t.is((await finished(child)).code, 0);
  t.true(performance.now() - started < SHUTDOWN_MS);
  frozen.terminate();
});

type Child = ChildProcessByStdio<null, Readable, Readable>;

function start(t: ExecutionContext, args: readonly string[]): Child {
  const cli = fileURLToPath(new URL('../ts/server/cli.ts', import.meta.url));
  const loader = new URL('../ava-ts.mjs', import.meta.url).href;
  const child = spawn(process.execPath, [`--import=${loader}`, cli, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.teardown(() => child.kill('SIGKILL'));
  return child;
}

async function finished(child: Child): Promise<{ code: number | null; output: string; errors: string }> {
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const [code] = await once(child, 'close');
  return { code, output, errors };
}

/** Starts a server on a free port, and resolves once it has printed its address. */
async function listening(t: ExecutionContext): Promise<{ child: Child; url: string }> {
  const child = start(t, ['--host', '127.0.0.1', '--port', '0', '--media-port', '0']);
  let output = '';
  for await (const chunk of child.stdout) {
    output += chunk;
    const [, url] = /(http:\S+)\/\n/.exec(output) ?? [];
    if (url) {
      return { child, url };
    }
  }
  throw new Error(`no address was printed: ${output}`);
}

async function enter(url: string, peerId: string): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/protoo?roomId=cli&peerId=${peerId}`, 'protoo');
  await once(socket, 'open');
  socket.send(JSON.stringify({ request: true, id: 1, method: 'join', data: { displayName: peerId } }));
  await once(socket, 'message');
  return socket;
}
