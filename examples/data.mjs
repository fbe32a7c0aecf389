// Data channels: what one endpoint sends reaches others, by any client. An offer as a browser writes it stands in for one.

import { createWorker } from 'millrace';
import { SdpSession } from 'millrace/sdp';

const worker = await createWorker();
const router = await worker.createRouter();

// For mediasoup-client: signalling carries what both sides say, as with media.

async function open() {
  return router.createWebRtcTransport({
    listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }],
    enableSctp: true,
    maxReceiveMessageSize: 100_000,
  });
}

async function publish(transport, { sctpStreamParameters, label, protocol }) {
  return transport.produceData({ sctpStreamParameters, label, protocol });
}

async function receive(transport, dataProducer) {
  const consumer = await transport.consumeData({ dataProducerId: dataProducer.id, subchannels: [1] });
  consumer.on('sctpsendbufferfull', () => console.log('it reads too slowly; a message was dropped'));
  consumer.on('bufferedamountlow', (bytes) => console.log(`${bytes} bytes wait`));
  return consumer;
}

// For a plain RTCPeerConnection: a channel that it opens is told, and may be answered on the same stream.

async function join(offer, greeting) {
  const transport = await open();
  const session = new SdpSession({ transport, rtpCapabilities: router.rtpCapabilities });
  transport.on('datachannel', async (channel) => {
    await transport.produceData(channel);
    const { streamId } = channel.sctpStreamParameters;
    await transport.consumeData({ dataProducerId: greeting.id, streamId });
  });
  transport.on('datachannelclose', (streamId) => console.log(`channel ${streamId} was closed`));
  const { connect } = session.receiveOffer(offer);
  await transport.connect(connect);
  return session.createAnswer();
}

// The application as an endpoint: it publishes, and reads what others say.

async function announce(router, chat) {
  const transport = await router.createDirectTransport();
  const producer = await transport.produceData({ label: 'news' });
  producer.send('for all');
  producer.send('for those who subscribe to 1', undefined, [1]);
  const consumer = await transport.consumeData({ dataProducerId: chat.id });
  consumer.on('message', (message, ppid) => console.log(ppid === 51 ? message.toString() : message));
  return producer;
}

const source = await open();
const producer = await publish(source, {
  sctpStreamParameters: { streamId: 0, ordered: false, maxRetransmits: 0 },
  label: 'positions',
});
const consumer = await receive(await open(), producer);
console.log(source.sctpState, source.sctpParameters.port, source.sctpParameters.maxMessageSize);
console.log(producer.label, producer.sctpStreamParameters);
console.log(consumer.label, consumer.sctpStreamParameters, consumer.subchannels);

const offer = [
  'v=0',
  'o=- 1 1 IN IP4 127.0.0.1',
  's=-',
  't=0 0',
  'a=group:BUNDLE 0',
  'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
  'c=IN IP4 0.0.0.0',
  'a=ice-ufrag:browser',
  'a=ice-pwd:0123456789abcdefghijklmn',
  `a=fingerprint:sha-256 ${'AB:'.repeat(31)}AB`,
  'a=setup:actpass',
  'a=mid:0',
  'a=sctp-port:5000',
  'a=max-message-size:262144',
  '',
].join('\r\n');
const answer = await join(offer, producer);
console.log(answer.split('\r\n').filter((line) => /^(m=|a=sctp-port|a=max-message-size)/.test(line)));

const diary = await (await router.createDirectTransport()).produceData();
const news = await announce(router, diary);
console.log(news.type, news.label);
diary.send('it rains');
// A worker keeps no process alive, a timer does: until the message has been told.
while ((await diary.getStats())[0].messagesReceived === 0) await new Promise((resolve) => setTimeout(resolve, 5));
setImmediate(() => worker.close());
