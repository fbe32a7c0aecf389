// The command and the server of the tarball: the page, the signalling, HTTPS, the end.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:https';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { environment, install, run, runtimes, withoutBinary } from './installed.mjs';

const CLI = join('node_modules', 'millrace', 'dist', 'server', 'cli.js');

for (const [version, node] of runtimes) {
  test(`Node ${version}`, async (t) => {
    const folder = await install(t, node);

    await t.test('millrace --help and --version answer', async () => {
      assert.match((await run(node, folder, [CLI, '--help'])).stdout, /^Usage: millrace \[options\]\n/);
      assert.match((await run(node, folder, [CLI, '--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
    });

    await t.test('the command that npm links is found and runs', { skip: process.platform === 'win32' }, async () => {
      const linked = join(folder, 'node_modules', '.bin', 'millrace');
      assert.match((await run(linked, folder, ['--help'])).stdout, /^Usage: millrace/);
    });

    await t.test('without the platform package the command prints one line', async () => {
      const without = withoutBinary(t, folder);
      const { code, stderr } = await run(node, without, [CLI, '--port', '0'], { mayFail: true });
      assert.equal(code, 1);
      assert.match(stderr, /^millrace[^\n]* which is not installed: [^\n]*\n$/);
    });

    await t.test('the server serves the page and the signalling, and ends on a signal', async (s) => {
      const { child, url } = await serve(s, node, folder, ['--host', '127.0.0.1']);
      const page = await fetch(new URL('/meet/packed', url));
      assert.equal(page.status, 200);
      const [, script] = /<script[^>]* src="([^"]+)"/.exec(await page.text());
      const code = await fetch(new URL(script, url));
      assert.equal(code.status, 200);
      assert.match(code.headers.get('content-type'), /javascript/);
      assert.equal((await (await fetch(new URL('/healthz', url))).json()).status, 'ok');
      assert.ok((await capabilities(url)).codecs.length > 0);
      child.kill('SIGTERM');
      const [exitCode] = await once(child, 'exit');
      if (process.platform !== 'win32') assert.equal(exitCode, 0);
    });

    await t.test('the server makes a certificate for HTTPS', async (s) => {
      const { url } = await serve(s, node, folder, ['--host', '127.0.0.1', '--tls', 'on']);
      const [response] = await once(get(new URL('/meet/packed', url), { rejectUnauthorized: false }), 'response');
      assert.equal(response.statusCode, 200);
      response.resume();
    });
  });
}

/** Starts the server and waits for its address. */
async function serve(t, node, folder, args) {
  const ports = ['--port', '0', '--media-port', '0'];
  const stdio = ['ignore', 'pipe', 'inherit'];
  const child = spawn(node, [CLI, ...ports, ...args], { cwd: folder, env: environment(node, folder), stdio });
  t.after(() => child.kill('SIGKILL'));
  for await (const line of createInterface({ input: child.stdout })) {
    const [url] = /https?:\/\/[^\s]+/.exec(stripColour(line)) ?? [];
    if (url) {
      child.stdout.resume();
      return { child, url };
    }
  }
  throw new Error('the server ended before it told its address');
}

function stripColour(line) {
  return line.replaceAll(new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, 'g'), '');
}

/** Asks the signalling for what the router can do. */
async function capabilities(url) {
  const address = new URL('/protoo?roomId=packed&peerId=ada', url);
  address.protocol = 'ws:';
  const socket = new WebSocket(address, 'protoo');
  await once(socket, 'open');
  socket.send(JSON.stringify({ request: true, id: 1, method: 'getRouterRtpCapabilities', data: {} }));
  for await (const [text] of onMessages(socket)) {
    const message = JSON.parse(text);
    if (message.response && message.id === 1) {
      assert.ok(message.ok, text.toString());
      socket.terminate();
      return message.data;
    }
  }
}

async function* onMessages(socket) {
  while (true) yield await once(socket, 'message');
}
