// Layers of a VP9 stream that carries three sizes and three frame rates in itself (SVC), and a stream whose payload only the
// endpoints can read. What the cameras would send is left out: this shows what is asked for.

import { createWorker } from 'millrace';

const worker = await createWorker();
const router = await worker.createRouter({
  mediaCodecs: [{ kind: 'video', mimeType: 'video/VP9', clockRate: 90000, parameters: { 'profile-id': 0 } }],
});
const { rtpCapabilities } = router;
const transport = await router.createDirectTransport();
const viewer = await router.createDirectTransport();

const kind = 'video';
const codecs = [{ mimeType: 'video/VP9', payloadType: 98, clockRate: 90000, parameters: { 'profile-id': 0 } }];
let rtpParameters = { codecs, encodings: [{ ssrc: 1, scalabilityMode: 'L3T3_KEY' }] };

const producer = await transport.produce({ kind, rtpParameters });
const consumer = await viewer.consume({
  producerId: producer.id,
  rtpCapabilities,
  preferredLayers: { spatialLayer: 1 },
});
consumer.on('layerschange', (layers) => console.log(layers));
console.log(consumer.type, consumer.preferredLayers);
await consumer.setPreferredLayers({ spatialLayer: 2, temporalLayer: 0 });
console.log(consumer.type, consumer.preferredLayers);

rtpParameters = { codecs, encodings: [{ ssrc: 2 }] };
const secret = await produceEncrypted();
console.log(secret.type, secret.encrypted);
worker.close();

async function produceEncrypted() {
  return await transport.produce({ kind: 'video', rtpParameters, encrypted: true });
}
