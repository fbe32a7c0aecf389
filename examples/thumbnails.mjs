// A server of thumbnails: a small JPEG of whoever is asked for, as a list of rooms or a moderator's wall shows them.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { createWorker } from 'millrace';

const worker = await createWorker();
const router = await worker.createRouter({
  mediaCodecs: [{ kind: 'video', mimeType: 'video/VP8', clockRate: 90_000 }],
});
// Whoever publishes video into the router can be asked for. Here mixers stand in for cameras.
const cameras = new Map([
  ['ada', await filming('#28b446')],
  ['grace', await filming('#2878dc')],
]);

const server = createServer(async (request, response) => {
  const camera = cameras.get(/^\/(\w+)\.jpg$/.exec(request.url)?.[1]);
  if (!camera) {
    response.writeHead(404).end();
    return;
  }
  try {
    const file = await thumbnail(camera);
    // Each snapshot asks the publisher for a key frame: browsers may show it for some seconds.
    response.writeHead(200, { 'content-type': 'image/jpeg', 'cache-control': 'max-age=5' }).end(file);
  } catch (error) {
    response.writeHead(503).end(error.message);
  }
});
await once(server.listen(0, '127.0.0.1'), 'listening');

for (const name of ['ada', 'grace', 'nobody']) {
  const answer = await fetch(`http://127.0.0.1:${server.address().port}/${name}.jpg`);
  const file = Buffer.from(await answer.arrayBuffer());
  console.log(name, answer.status, file.subarray(0, 3).toString('hex'));
}
server.closeAllConnections();
server.close();
worker.close();

/** A small picture of what a producer sends now. */
async function thumbnail({ id }) {
  return await worker.snapshot({ producerId: id, format: 'jpeg', width: 160, height: 90 });
}

/** A producer of a picture of one colour. */
async function filming(background) {
  const source = await worker.createVideoMixer({ width: 320, height: 180, background });
  return (await source.createOutput({ router, codec: 'vp8' })).producer;
}
