// Records a call: FFmpeg gets each Producer over a PlainTransport and writes a WebM file, without decoding anything.
// Another FFmpeg stands in for the browser of a publisher, so that this runs without one.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createWorker } from 'millrace';

const worker = await createWorker();
const router = await worker.createRouter({
  mediaCodecs: [
    { kind: 'audio', mimeType: 'audio/opus', clockRate: 48000, channels: 2 },
    { kind: 'video', mimeType: 'video/VP8', clockRate: 90000 },
  ],
});

/** A publisher: who sends first to a transport with `comedia` is its endpoint. */
async function publish(kind, ssrc, source, encoder) {
  const transport = await router.createPlainTransport({
    listenInfo: { protocol: 'udp', ip: '127.0.0.1' },
    // FFmpeg sends RTCP from a port of its own.
    rtcpMux: false,
    comedia: true,
  });
  const codec = router.rtpCapabilities.codecs.find((known) => known.kind === kind);
  const { mimeType, preferredPayloadType: payloadType, clockRate, channels } = codec;
  const producer = await transport.produce({
    kind,
    rtpParameters: { codecs: [{ mimeType, payloadType, clockRate, channels }], encodings: [{ ssrc }] },
  });
  const endpoint = `rtp://127.0.0.1:${transport.tuple.localPort}?rtcpport=${transport.rtcpTuple.localPort}&pkt_size=1200`;
  const output = ['-f', 'rtp', '-payload_type', payloadType, '-ssrc', ssrc, endpoint];
  const started = new Promise((resolve) => transport.once('tuple', resolve));
  const sender = spawn('ffmpeg', ['-loglevel', 'error', '-re', '-f', 'lavfi', '-i', source, ...encoder, ...output], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await started;
  return { producer, stop: () => sender.kill('SIGKILL') };
}

/** Sends a Producer to a port of this machine, RTCP to the next one, and describes it as FFmpeg wants to be told. */
async function send(producer, port) {
  const transport = await router.createPlainTransport({
    listenInfo: { protocol: 'udp', ip: '127.0.0.1' },
    rtcpMux: false,
  });
  await transport.connect({ ip: '127.0.0.1', port, rtcpPort: port + 1 });
  const consumer = await transport.consume({
    producerId: producer.id,
    rtpCapabilities: router.rtpCapabilities,
    paused: true,
  });
  const [{ mimeType, payloadType, clockRate, channels }] = consumer.rtpParameters.codecs;
  const name = mimeType.split('/')[1];
  const description = [
    `m=${consumer.kind} ${port} RTP/AVP ${payloadType}`,
    `a=rtpmap:${payloadType} ${name}/${clockRate}${channels ? `/${channels}` : ''}`,
  ];
  return { consumer, description };
}

const publishers = [
  await publish('audio', 1111, 'sine=frequency=440:sample_rate=48000', ['-c:a', 'libopus', '-ac', '2']),
  await publish('video', 2222, 'testsrc=size=320x240:rate=25', ['-c:v', 'libvpx', '-deadline', 'realtime', '-g', '12']),
];
const sent = [await send(publishers[0].producer, 5004), await send(publishers[1].producer, 5006)];

const folder = mkdtempSync(join(tmpdir(), 'recorder-'));
const file = join(folder, 'call.webm');
const recorder = spawn(
  'ffmpeg',
  [
    '-loglevel',
    'error',
    '-protocol_whitelist',
    'pipe,udp,rtp',
    '-f',
    'sdp',
    '-i',
    'pipe:0',
    '-c',
    'copy',
    '-t',
    3,
    file,
  ],
  { stdio: ['pipe', 'ignore', 'inherit'] },
);
const session = ['v=0', 'o=- 0 0 IN IP4 127.0.0.1', 's=call', 'c=IN IP4 127.0.0.1', 't=0 0'];
recorder.stdin.end([...session, ...sent.flatMap(({ description }) => description), ''].join('\r\n'));
for (const { consumer } of sent) {
  await consumer.resume();
}
const code = await new Promise((resolve) => recorder.once('exit', resolve));

const probe = spawn(
  'ffprobe',
  ['-loglevel', 'error', '-show_entries', 'stream=codec_name:format=duration', '-of', 'csv', file],
  {
    stdio: ['ignore', 'inherit', 'inherit'],
  },
);
await new Promise((resolve) => probe.once('exit', resolve));
console.log(`the recorder ended with ${code}`);

for (const { stop } of publishers) {
  stop();
}
worker.close();
rmSync(folder, { recursive: true });
