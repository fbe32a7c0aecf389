// The media side of a call with one publisher and one viewer. Your own signalling carries what is printed to the
// browsers; what they would answer is written out below, so that this runs without one.

import { createWorker } from 'millrace';

const worker = await createWorker();
const webRtcServer = await worker.createWebRtcServer({ listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }] });
const router = await worker.createRouter({ mediaCodecs: [{ kind: 'video', mimeType: 'video/VP8', clockRate: 90000 }] });
const transport = await router.createWebRtcTransport({ webRtcServer });
console.log(transport.id, transport.iceParameters, transport.iceCandidates, transport.dtlsParameters);

/** What the publishing browser says of itself; mediasoup-client makes both from its `RTCPeerConnection`. */
const publisher = {
  dtlsParameters: { role: 'client', fingerprints: [{ algorithm: 'sha-256', value: Array(32).fill('7F').join(':') }] },
  rtpParameters: {
    codecs: [{ mimeType: 'video/VP8', payloadType: 96, clockRate: 90000, rtcpFeedback: [{ type: 'nack' }] }],
    encodings: [{ ssrc: 11223344 }],
  },
};

await transport.connect({ dtlsParameters: publisher.dtlsParameters });
const producer = await transport.produce({ kind: 'video', rtpParameters: publisher.rtpParameters });

/** What the viewing browser can receive; here, all that the router can send. */
const rtpCapabilities = router.rtpCapabilities;

const viewing = await router.createWebRtcTransport({ webRtcServer });
const consumer = await viewing.consume({ producerId: producer.id, rtpCapabilities, paused: true });
console.log(consumer.id, consumer.kind, consumer.rtpParameters);
await consumer.resume();

consumer.on('producerclose', () => console.log('the publisher has left'));
producer.close();

const { transports } = await worker.getMetrics();
console.log(`${transports.length} transports, ${transports[0].counters.rtp_packets_received} packets received`);
worker.close();
