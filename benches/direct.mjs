// RTP to JavaScript and back, as fast as one JavaScript thread can, beside a call of the same worker. Prints JSON.
//
//     node benches/direct.mjs [seconds]
//
// Some hundred packets circle: out of a consumer, changed in three fields, into the producer that it consumes. The call beside
// it is made of packets of a process of its own, from one PlainTransport to another; each has the time of its sending in it.
// Peers have machines of their own, so that process goes first where it may (chrt): else, with two busy threads on two
// cores, it would measure how long it waits for a core itself.

import { fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createWorker } from '../dist/index.js';

const SECONDS = Number(process.argv[2] ?? 5);
/** Packets that are under way at a time, and the bytes of each. */
const CIRCLING = 512;
const PACKET_BYTES = 1_200;
/** How long the busy loop holds the thread at a time: about as long as a batch of packets does. */
const SPIN_MS = 0.5;
const SSRC = 1_234;
const OPUS = { mimeType: 'audio/opus', payloadType: 111, clockRate: 48_000, channels: 2 };

const worker = await createWorker();
const router = await worker.createRouter({
  mediaCodecs: [{ kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2 }],
});
const { rtpCapabilities } = router;
const call = await startCall();
const transport = await router.createDirectTransport();
const rtpParameters = { codecs: [OPUS], encodings: [{ ssrc: SSRC }] };
const producer = await transport.produce({ kind: 'audio', rtpParameters });
const consumer = await transport.consume({ producerId: producer.id, rtpCapabilities });

const idle = await call.measure(SECONDS);
const busy = await besideBusyLoop(() => call.measure(SECONDS));
const circling = circle();
const before = await counters();
const [beside, circled] = await Promise.all([call.measure(SECONDS), circling.measure(SECONDS)]);
const after = await counters();
process.stdout.write(
  JSON.stringify({
    roundTripsPerSecond: circled.count / circled.seconds,
    javascriptCoreShare: circled.cpuSeconds / circled.seconds,
    roundTripsPerCoreSecond: circled.count / circled.cpuSeconds,
    dropped: after - before,
    callLost: beside.lost,
    callDelayP99Ms: beside.p99Ms,
    callDelayP99IdleMs: idle.p99Ms,
    callDelayP99BusyMs: busy.p99Ms,
  }),
);
await call.end();
worker.close();

/** Packets out of the consumer and back into the producer, for ever. */
function circle() {
  let count = 0;
  const send = (packet) => {
    count += 1;
    packet.writeUInt8(OPUS.payloadType, 1);
    packet.writeUInt16BE(count & 0xffff, 2);
    packet.writeUInt32BE(SSRC, 8);
    producer.send(packet);
  };
  consumer.on('rtp', send);
  const packet = Buffer.alloc(PACKET_BYTES);
  packet.writeUInt8(0x80, 0);
  for (let index = 0; index < CIRCLING; index += 1) send(packet);
  return {
    async measure(seconds) {
      const [from, began, used] = [count, performance.now(), cpuSeconds()];
      await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
      return {
        count: count - from,
        seconds: (performance.now() - began) / 1_000,
        cpuSeconds: cpuSeconds() - used,
      };
    },
  };
}

/** Runs `work` while this thread is as busy as with packets, of which there are none: what is late then, the system made late. */
async function besideBusyLoop(work) {
  let isOver = false;
  const spin = () => {
    const end = performance.now() + SPIN_MS;
    while (performance.now() < end);
    if (!isOver) setImmediate(spin);
  };
  spin();
  const figures = await work();
  isOver = true;
  return figures;
}

/** CPU time that this thread has used (proc(5), schedstat). */
function cpuSeconds() {
  return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]) / 1e9;
}

/** Packets of this worker that were dropped on the way to JavaScript or back. */
async function counters() {
  const { worker: counted } = await worker.getMetrics();
  return counted.application_packets_dropped + counted.packets_to_application_dropped;
}

async function startCall() {
  const listenInfo = { protocol: 'udp', ip: '127.0.0.1' };
  const sending = await router.createPlainTransport({ listenInfo, comedia: true });
  const receiving = await router.createPlainTransport({ listenInfo });
  const codecs = [{ ...OPUS, payloadType: 100 }];
  const source = await sending.produce({ kind: 'audio', rtpParameters: { codecs, encodings: [{ ssrc: 4_321 }] } });
  const peer = first('call-beside.mjs', [sending.tuple.localPort, 4_321, 100]);
  const [port] = await once(peer, 'message');
  await receiving.connect({ ip: '127.0.0.1', port });
  await receiving.consume({ producerId: source.id, rtpCapabilities });
  return {
    async measure(seconds) {
      peer.send(seconds);
      const [figures] = await once(peer, 'message');
      return figures;
    },
    end: () => peer.kill(),
  };
}

/** A process that goes before all others, where that is allowed. */
function first(module, args) {
  const rank = ['-f', '50'];
  const mayGoFirst = spawnSync('chrt', [...rank, 'true']).status === 0;
  const command = mayGoFirst ? { execPath: 'chrt', execArgv: [...rank, process.execPath] } : { execArgv: [] };
  return fork(fileURLToPath(new URL(module, import.meta.url)), args.map(String), command);
}
