import { randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import { type FastifyInstance, fastify } from 'fastify';
import { ROOM_ID } from '../conference/ids.js';
import { HTTP_BODY_BYTES_MAX } from '../limits.js';

/** What `/healthz` tells besides that the server lives. */
export type Health = { readonly rooms: number; readonly participants: number };

/** The HTTP side of the server: the meet page and the health check. It is ready to route requests, but listens nowhere. */
export async function httpApp(health: () => Health): Promise<FastifyInstance> {
  const app = fastify({ bodyLimit: HTTP_BODY_BYTES_MAX, logger: false });
  app.addHook('onSend', async (_request, reply) => {
    reply.headers(HEADERS);
  });
  app.get('/healthz', async (_request, reply) => {
    reply.header('cache-control', 'no-store');
    return { status: 'ok', ...health() };
  });
  app.get('/', async (_request, reply) => reply.redirect(`/meet/${roomName()}`));
  await servePage(app);
  app.setNotFoundHandler(async (_request, reply) =>
    reply.code(404).type(TEXT).send('There is nothing at this address.\n'),
  );
  await app.ready();
  return app;
}

async function servePage(app: FastifyInstance): Promise<void> {
  if (!existsSync(join(PAGE, 'index.html'))) {
    app.get('/meet/:room', async (_request, reply) =>
      reply.code(503).type(TEXT).send('The meet page is not built. Build it with: npm run build:web\n'),
    );
    return;
  }
  app.get<{ Params: { room: string } }>('/meet/:room', async (request, reply) => {
    if (!ROOM_ID.test(request.params.room)) {
      return reply.code(404).type(TEXT).send('A room name has 1 to 64 letters, digits, "-" and "_".\n');
    }
    reply.header('cache-control', 'no-cache').header('content-security-policy', PAGE_POLICY);
    // Read each time, so that a page that is built anew while the server runs works at once.
    return reply.type('text/html; charset=utf-8').send(await readFile(join(PAGE, 'index.html')));
  });
  // Names in this folder contain a hash of the content, so a file never changes under its name.
  await app.register(fastifyStatic, {
    root: join(PAGE, 'assets'),
    prefix: '/assets/',
    index: false,
    immutable: true,
    maxAge: '365d',
  });
}

/** A room name that is easy to say and hard to guess: three words of 32 and four digits, 28 bits. */
function roomName(): string {
  const words = [ADJECTIVES, NOUNS, VERBS].map((list) => list[randomInt(list.length)]);
  return `${words.join('-')}-${randomInt(10_000).toString().padStart(4, '0')}`;
}

/** The built page, as seen from `ts/server/http` and from `dist/server/http` alike. */
const PAGE = fileURLToPath(new URL('../../../dist/app', import.meta.url));

const TEXT = 'text/plain; charset=utf-8';

const HEADERS = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  // The name of a room is its only key, so it must not leave in a Referer.
  'referrer-policy': 'no-referrer',
  'permissions-policy': 'camera=(self), microphone=(self), display-capture=(self), geolocation=()',
  'cross-origin-opener-policy': 'same-origin',
};

const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  'media-src blob: mediastream:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const ADJECTIVES = words(
  'amber bold brisk calm clear coral crisp early fair fleet fresh gentle golden green happy jolly keen light lively lucky mellow misty noble quick quiet rapid silver sunny swift tidal warm wild',
);
const NOUNS = words(
  'beaver bridge brook canal cedar crane creek delta falcon ferry finch harbor heron island lake lily maple meadow mill otter pebble pine pond reed ripple river salmon spring stream swan tide willow',
);
const VERBS = words(
  'bends builds carries climbs dances drifts drives dives falls flies floats flows glides grows jumps leaps meets mills paints plays rests rises rolls runs rushes sails sings skips spins swims turns wades',
);

function words(list: string): string[] {
  return list.split(' ');
}
