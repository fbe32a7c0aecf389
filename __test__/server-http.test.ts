import { once } from 'node:events';
import { request } from 'node:http';
import { request as requestTls } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import anyTest, { type TestFn } from 'ava';
import { createServer as createConferenceServer, OptionError, type Server } from '../ts/server/index.js';
import { SignallingClient } from './signalling-client.js';

const test = anyTest as TestFn<{ server: Server }>;

test.before(async (t) => {
  t.context.server = await createConferenceServer({ host: '127.0.0.1', port: 0, mediaPort: 0 });
});

test.after.always(async (t) => {
  await t.context.server.close();
});

test('the health check counts rooms and participants', async (t) => {
  const { status, headers, body } = await get(t.context.server, '/healthz');
  t.is(status, 200);
  t.is(headers['cache-control'], 'no-store');
  t.deepEqual(JSON.parse(body), { status: 'ok', rooms: 0, participants: 0 });
});

test('the start page leads to a new room each time', async (t) => {
  const rooms = await Promise.all([1, 2].map(() => get(t.context.server, '/')));
  const [first, second] = rooms.map(({ headers }) => headers.location);
  t.regex(String(first), /^\/meet\/[a-z]+-[a-z]+-[a-z]+-\d{4}$/);
  t.not(first, second);
});

test('the meet page may load nothing from elsewhere, and says where it came from to nobody', async (t) => {
  const { status, headers, body } = await get(t.context.server, '/meet/demo');
  t.is(status, 200);
  t.regex(String(headers['content-security-policy']), /^default-src 'none'; script-src 'self'; /);
  t.is(headers['referrer-policy'], 'no-referrer');
  t.is(headers['x-content-type-options'], 'nosniff');
  t.is(headers['cache-control'], 'no-cache');
  t.regex(body, /<script type="module" crossorigin src="\/assets\//);
});

test('what the page loads is kept for good, because its name changes with it', async (t) => {
  const { body } = await get(t.context.server, '/meet/demo');
  const [, script = ''] = /src="(\/assets\/[^"]+)"/.exec(body) ?? [];
  const { status, headers } = await get(t.context.server, script);
  t.is(status, 200);
  t.is(headers['cache-control'], 'public, max-age=31536000, immutable');
});

for (const path of [
  '/assets/../index.html',
  '/assets/%2e%2e/%2e%2e/%2e%2e/package.json',
  '/assets/..%2f..%2f..%2fpackage.json',
  '/assets/%5c..%5c..%5cpackage.json',
  '/assets//etc/passwd',
  '/assets/%00',
  '/assets/',
]) {
  test(`there is no way out of the assets by ${path}`, async (t) => {
    const { status, body } = await get(t.context.server, path);
    t.true([400, 403, 404].includes(status), `${status}`);
    t.notRegex(body, /"name": "millrace"|root:|<html/);
  });
}

test('what does not exist is answered with 404', async (t) => {
  for (const path of ['/nothing', '/meet/', '/meet/a%20b', `/meet/${'a'.repeat(65)}`]) {
    t.is((await get(t.context.server, path)).status, 404, path);
  }
});

test('a head that is too long is answered with 431', async (t) => {
  const { status } = await get(t.context.server, '/healthz', { 'x-long': 'a'.repeat(20_000) });
  t.is(status, 431);
});

test('localhost is reached by both families of addresses, on one port', async (t) => {
  const server = await createConferenceServer({ port: 0, mediaPort: 0 });
  t.teardown(() => server.close());
  const [url] = server.urls.start;
  t.regex(url ?? '', /^http:\/\/localhost:\d+\/$/);
  const { port } = new URL(url as string);
  for (const host of ['127.0.0.1', '[::1]']) {
    t.is((await fetch(`http://${host}:${port}/healthz`)).status, 200);
  }
});

test('an address that others reach is served over HTTPS with a certificate made for it', async (t) => {
  const server = await createConferenceServer({ host: '0.0.0.0', port: 0, mediaPort: 0 });
  t.teardown(() => server.close());
  const [url] = server.urls.health;
  t.regex(url ?? '', /^https:\/\/127\.0\.0\.1:/);
  const sent = requestTls(url as string, { rejectUnauthorized: false }).end();
  const [response] = await once(sent, 'response');
  t.is(response.statusCode, 200);
  t.regex(response.socket.getPeerCertificate().subjectaltname, /DNS:localhost.*IP Address:127\.0\.0\.1/);
  response.destroy();
});

test('a port that is taken is an error that names the fix, and leaves nothing open', async (t) => {
  const blocker = createServer().listen(0, '127.0.0.1');
  await once(blocker, 'listening');
  t.teardown(() => blocker.close());
  const { port } = blocker.address() as AddressInfo;
  await t.throwsAsync(createConferenceServer({ host: '127.0.0.1', port, mediaPort: 0 }), {
    instanceOf: OptionError,
    message: `port ${port} is taken by another program: stop it, or start with --port ${port + 1}`,
  });
});

test('a media port that is taken is an error when it was asked for, and passed over when not', async (t) => {
  const first = await createConferenceServer({ host: '127.0.0.1', port: 0 });
  t.teardown(() => first.close());
  const [taken] = first.mediaPorts as [number];
  const second = await createConferenceServer({ host: '127.0.0.1', port: 0 });
  t.teardown(() => second.close());
  t.true((second.mediaPorts[0] as number) > taken);
  const wanted = second.mediaPorts[0] as number;
  if (wanted !== 44_444) {
    await t.throwsAsync(createConferenceServer({ host: '127.0.0.1', port: 0, mediaPort: wanted }), {
      instanceOf: OptionError,
      message: `mediaPort: ${wanted} is taken by another program: stop it, or start with --media-port ${wanted + 1}`,
    });
  }
});

test('an address that this machine does not have is an error', async (t) => {
  await t.throwsAsync(createConferenceServer({ host: '198.51.100.1', port: 0, mediaPort: 0 }), {
    instanceOf: OptionError,
  });
});

test('rooms are spread over the workers', async (t) => {
  const server = await createConferenceServer({ host: '127.0.0.1', port: 0, mediaPort: 0, workers: 2 });
  t.teardown(() => server.close());
  const ports = await Promise.all(
    ['one', 'two'].map(async (room) => {
      const ada = await SignallingClient.join(server, room, 'ada');
      const { iceCandidates } = await ada.ask<{ iceCandidates: { port: number }[] }>('createWebRtcTransport');
      return iceCandidates[0]?.port;
    }),
  );
  t.is(new Set(ports).size, 2);
});

test('a server is closed by leaving its scope, and closing it twice is one closing', async (t) => {
  const server = await createConferenceServer({ host: '127.0.0.1', port: 0, mediaPort: 0 });
  const [url] = server.urls.health as [string];
  await server[Symbol.asyncDispose]();
  await server.close();
  t.true(server.closed);
  await t.throwsAsync(fetch(url));
});

type Answer = {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
};

/** Asks for a path exactly as it is written; `fetch` would tidy it up first. */
async function get(server: Server, path: string, headers: Record<string, string> = {}): Promise<Answer> {
  const { hostname, port } = new URL(server.urls.start[0] as string);
  const sent = request({ hostname, port, path, headers }).end();
  const [response] = await once(sent, 'response');
  let body = '';
  for await (const chunk of response) {
    body += chunk;
  }
  return { status: response.statusCode, headers: response.headers, body };
}
