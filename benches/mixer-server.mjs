// Our side of benches/mix.mjs: a process with a mixer that everybody in it talks to and hears without themselves. Its argument is
// where the mixer works: `thread` or `process`.

import { createWorker } from '../dist/index.js';
import { OPUS_PAYLOAD_TYPE } from './talkers.mjs';

const mimeType = 'audio/opus';
const worker = await createWorker();
const router = await worker.createRouter({
  mediaCodecs: [{ kind: 'audio', mimeType, clockRate: 48_000, channels: 2 }],
});
const mixer = await worker.createAudioMixer({ isolation: process.argv[2] });

process.on('message', async ({ ssrc, port }) => {
  const transport = await router.createPlainTransport({ listenInfo: { protocol: 'udp', ip: '127.0.0.1' } });
  await transport.connect({ ip: '127.0.0.1', port });
  const codecs = [{ mimeType, payloadType: OPUS_PAYLOAD_TYPE, clockRate: 48_000, channels: 2 }];
  const voice = await transport.produce({ kind: 'audio', rtpParameters: { codecs, encodings: [{ ssrc }] } });
  const input = await mixer.addInput({ producerId: voice.id });
  const output = await mixer.createOutput({ router, codec: 'opus', bitrate: 32_000, complexity: 5, exclude: [input] });
  const consumer = await transport.consume({ producerId: output.producer.id, rtpCapabilities: router.rtpCapabilities });
  process.send({ sendTo: transport.tuple.localPort, payloadType: consumer.rtpParameters.codecs[0].payloadType });
});
process.send('ready');
