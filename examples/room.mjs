// A room in one file and without a client library: everybody who opens the page sees and hears everybody else. The page is
// examples/room.html. Each browser has one connection; the server offers whenever somebody comes or goes, so that offers
// never cross.

import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createWorker } from 'millrace';
import { SdpSession } from 'millrace/sdp';

const DESCRIPTION_BYTES_MAX = 200_000;
const PEOPLE_MAX = 16;

const page = readFileSync(new URL('room.html', import.meta.url));
const worker = await createWorker();
const webRtcServer = await worker.createWebRtcServer({ listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }] });
const router = await worker.createRouter({
  mediaCodecs: [
    { kind: 'audio', mimeType: 'audio/opus', clockRate: 48000, channels: 2 },
    { kind: 'video', mimeType: 'video/VP8', clockRate: 90000 },
  ],
});
const people = new Map();

/** One browser: a transport, its signalling, and a stream of server-sent events for our offers. */
class Person {
  id = randomUUID();
  producers = [];
  /** Consumers by the m-line that carries them. */
  #consumers = new Map();
  /** Ids of what it views: who joins while somebody publishes hears of the producer twice. */
  #viewed = new Set();
  #isAsked = false;

  static async join(events) {
    const person = new Person();
    person.events = events;
    person.transport = await router.createWebRtcTransport({ webRtcServer });
    person.session = new SdpSession({ transport: person.transport, rtpCapabilities: router.rtpCapabilities });
    person.session.addReceiver('audio');
    person.session.addReceiver('video');
    people.set(person.id, person);
    for (const other of people.values()) {
      if (other !== person) for (const producer of other.producers) await person.#view(producer);
    }
    person.offer();
    return person;
  }

  /** Offers what has changed, or waits for the answer that is on its way. */
  offer() {
    if (this.#isAsked || !this.session.negotiationNeeded) return;
    this.#isAsked = true;
    this.events.write(`data: ${JSON.stringify({ id: this.id, offer: this.session.createOffer() })}\n\n`);
  }

  async answer(sdp) {
    const { connect, media } = this.session.receiveAnswer(sdp);
    this.#isAsked = false;
    if (connect) await this.transport.connect(connect);
    for (const { mid, incoming, outgoing, produceOptions } of media) {
      if (incoming === 'started') await this.#publish(produceOptions);
      if (outgoing === 'started') await this.#consumers.get(mid)?.resume();
    }
    this.offer();
  }

  async #publish(produceOptions) {
    const producer = await this.transport.produce(produceOptions);
    this.producers.push(producer);
    for (const other of people.values()) {
      if (other === this) continue;
      await other.#view(producer);
      other.offer();
    }
  }

  async #view(producer) {
    if (this.#viewed.has(producer.id)) return;
    this.#viewed.add(producer.id);
    const { mid, consumeOptions } = this.session.addSender(producer.kind);
    // Paused until the browser has answered: what comes before would be lost, its key frame with it.
    const consumer = await this.transport.consume({ producerId: producer.id, ...consumeOptions, paused: true });
    this.session.send(mid, consumer.rtpParameters);
    this.#consumers.set(mid, consumer);
    consumer.on('producerclose', () => {
      this.#consumers.delete(mid);
      this.#viewed.delete(producer.id);
      this.session.closeMedia(mid);
      this.offer();
    });
  }

  leave() {
    people.delete(this.id);
    this.transport.close();
  }
}

const server = createServer(async (request, response) => {
  try {
    if (request.url === '/') response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(page);
    else if (request.url === '/join') await join(response);
    else if (request.method === 'POST') await answer(request, response);
    else response.writeHead(request.url === '/favicon.ico' ? 204 : 404).end();
  } catch (error) {
    console.error(error.message);
    if (!response.headersSent) response.writeHead(400, { 'Content-Type': 'text/plain' });
    response.end(error.message);
  }
});

async function join(response) {
  if (people.size >= PEOPLE_MAX) return response.writeHead(503).end('the room is full');
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
  const person = await Person.join(response);
  console.log(`${people.size} in the room`);
  response.on('close', () => {
    person.leave();
    console.log(`${people.size} in the room`);
  });
  if (response.destroyed) person.leave();
}

async function answer(request, response) {
  const person = people.get(request.url.slice('/answer/'.length));
  if (!person) return response.writeHead(404).end('nobody has this id');
  let sdp = '';
  for await (const chunk of request.setEncoding('utf8')) {
    sdp += chunk;
    if (sdp.length > DESCRIPTION_BYTES_MAX) return response.writeHead(413).end('the description is too long');
  }
  await person.answer(sdp);
  response.writeHead(204).end();
}

server.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  console.log(`open http://127.0.0.1:${server.address().port}/ in two tabs`);
});
