// One source, an audience that is too large for one worker: each worker is a thread and uses one core, and what is published
// crosses once to each, however many watch there. Publisher and viewers are sockets here; they might as well be browsers.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createWorker } from 'millrace';

const WORKERS = 3;
const VIEWERS = 12;
const PACKETS = 50;

const mediaCodecs = [{ kind: 'audio', mimeType: 'audio/opus', clockRate: 48000, channels: 2 }];
const listenInfo = { protocol: 'udp', ip: '127.0.0.1' };

const stage = await openRouter();
const halls = [];
for (let count = 0; count < WORKERS; count += 1) halls.push(await openRouter());

const input = await stage.router.createPlainTransport({ listenInfo, comedia: true, rtcpMux: true });
const producer = await input.produce({
  kind: 'audio',
  rtpParameters: {
    codecs: [{ mimeType: 'audio/opus', payloadType: 111, clockRate: 48000, channels: 2 }],
    encodings: [{ ssrc: 1111 }],
  },
});
for (const { router } of halls) await stage.router.pipeToRouter({ producerId: producer.id, router });

const viewers = [];
for (let number = 0; number < VIEWERS; number += 1) viewers.push(await watch(halls[number % WORKERS], number));

const publisher = createSocket('udp4');
for (let sequence = 0; sequence < PACKETS; sequence += 1) {
  publisher.send(packet(sequence), input.tuple.localPort, '127.0.0.1');
  await new Promise((resolve) => setTimeout(resolve, 20));
}
await Promise.all(viewers.map(({ complete }) => complete));
for (const { number, hall, heard } of viewers) {
  console.log(`viewer ${number} in hall ${halls.indexOf(hall)} heard ${heard.size} packets`);
}

publisher.close();
for (const { socket } of viewers) socket.close();
for (const { worker } of [stage, ...halls]) worker.close();

async function openRouter() {
  const worker = await createWorker();
  return { worker, router: await worker.createRouter({ mediaCodecs }) };
}

async function watch(hall, number) {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const transport = await hall.router.createPlainTransport({ listenInfo, rtcpMux: true });
  await transport.connect({ ip: '127.0.0.1', port: socket.address().port });
  // A piped producer has the id of its source.
  await transport.consume({ producerId: producer.id, rtpCapabilities: hall.router.rtpCapabilities });
  const heard = new Set();
  const complete = new Promise((resolve) => {
    socket.on('message', (bytes) => {
      // RTCP goes to the same port; its packet types cannot be mistaken for the payload type of Opus (RFC 5761).
      if ((bytes[1] & 0x7f) < 96) return;
      heard.add(bytes.toString('latin1', 12));
      if (heard.size === PACKETS) resolve();
    });
  });
  return { number, hall, socket, heard, complete };
}

/** An RTP packet (RFC 3550 §5.1) with its number as payload. */
function packet(sequence) {
  const header = Buffer.from([0x80, 111, 0, 0, 0, 0, 0, 0, 0, 0, 0x04, 0x57]);
  header.writeUInt16BE(sequence, 2);
  header.writeUInt32BE(sequence * 960, 4);
  return Buffer.concat([header, Buffer.from(`part ${sequence}`)]);
}
