// What the facade costs: time of calls from JavaScript, and memory of its objects. Runs with --expose-gc and prints JSON.

import { createWorker } from '../dist/index.js';

const COUNT = Number(process.argv[2] ?? 1_000);
/** Calls made before the measured ones, so that code is compiled. */
const WARM_UP = 2_000;

const mediaCodecs = [{ kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2 }];
const worker = await createWorker();
const webRtcServer = await worker.createWebRtcServer({ listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }] });
const router = await worker.createRouter({ mediaCodecs });
const { rtpCapabilities } = router;

const [host] = await timed(1, () => router.createWebRtcTransport({ webRtcServer })).then(({ made }) => made);
const producer = await host.produce({
  kind: 'audio',
  rtpParameters: {
    codecs: [{ mimeType: 'audio/opus', payloadType: 111, clockRate: 48_000, channels: 2 }],
    encodings: [{ ssrc: 1 }],
  },
});
const warm = await timed(WARM_UP, () => router.createWebRtcTransport({ webRtcServer }));
await timed(WARM_UP, (index) => warm.made[index].consume({ producerId: producer.id, rtpCapabilities }));

const transports = await timed(COUNT, () => router.createWebRtcTransport({ webRtcServer }));
const consumers = await timed(COUNT, (index) =>
  transports.made[index].consume({ producerId: producer.id, rtpCapabilities }),
);
process.stdout.write(
  JSON.stringify({
    createWebRtcTransportMs: transports.ms,
    consumeMs: consumers.ms,
    transportBytes: transports.bytes,
    consumerBytes: consumers.bytes,
  }),
);
worker.close();

/** Makes `count` objects one after the other; tells the time and the heap that each took. */
async function timed(count, make) {
  const before = heap();
  const made = new Array(count);
  const started = performance.now();
  for (let index = 0; index < count; index += 1) made[index] = await make(index);
  const ms = (performance.now() - started) / count;
  return { made, ms, bytes: (heap() - before) / count };
}

function heap() {
  globalThis.gc();
  return process.memoryUsage().heapUsed;
}
