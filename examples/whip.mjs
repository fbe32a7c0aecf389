// WHIP and WHEP in a page of code: an offer comes by HTTP, the answer goes back. Two offers as browsers write them stand in
// for the browsers.

import { createServer } from 'node:http';
import { createWorker } from 'millrace';
import { SdpSession } from 'millrace/sdp';

const worker = await createWorker();
const router = await worker.createRouter({
  mediaCodecs: [
    { kind: 'audio', mimeType: 'audio/opus', clockRate: 48000, channels: 2 },
    { kind: 'video', mimeType: 'video/VP8', clockRate: 90000 },
  ],
});
const producers = [];

async function open() {
  const transport = await router.createWebRtcTransport({ listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }] });
  const session = new SdpSession({ transport, rtpCapabilities: router.rtpCapabilities });
  return { transport, session };
}

async function publish(offer) {
  const { transport, session } = await open();
  const { connect, media } = session.receiveOffer(offer);
  await transport.connect(connect);
  for (const { produceOptions } of media) {
    if (produceOptions) producers.push(await transport.produce(produceOptions));
  }
  return session.createAnswer();
}

async function view(offer) {
  const { transport, session } = await open();
  const { connect, media } = session.receiveOffer(offer);
  await transport.connect(connect);
  for (const { mid, kind, consumeOptions } of media) {
    const producer = producers.find((one) => one.kind === kind);
    if (!consumeOptions || !producer) continue;
    const consumer = await transport.consume({ producerId: producer.id, ...consumeOptions });
    session.send(mid, consumer.rtpParameters);
  }
  return session.createAnswer();
}

async function offerToView() {
  const { transport, session } = await open();
  const consumers = [];
  for (const { id, kind } of producers) {
    const { mid, consumeOptions } = session.addSender(kind);
    const consumer = await transport.consume({ producerId: id, ...consumeOptions, paused: true });
    session.send(mid, consumer.rtpParameters);
    consumers.push(consumer);
  }
  const takeAnswer = async (answer) => {
    const { connect } = session.receiveAnswer(answer);
    await transport.connect(connect);
    for (const consumer of consumers) await consumer.resume();
  };
  return { offer: session.createOffer(), takeAnswer };
}

const server = createServer(async (request, response) => {
  try {
    const offer = await textOf(request);
    const answer = await (request.url === '/whip' ? publish(offer) : view(offer));
    response.writeHead(201, { 'Content-Type': 'application/sdp', Location: request.url }).end(answer);
  } catch (error) {
    // A bad description is the peer's fault, and the message says what is wrong with it.
    const status = { SdpError: 400, LimitError: 413, UnsupportedError: 406 }[error.name] ?? 500;
    response.writeHead(status, { 'Content-Type': 'text/plain' }).end(status === 500 ? '' : error.message);
  }
});

async function textOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

server.listen(0, '127.0.0.1', async () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  for (const [path, offer] of [
    ['/whip', browserOffer('sendonly')],
    ['/whep', browserOffer('recvonly')],
    ['/whip', 'hello'],
  ]) {
    const response = await fetch(url + path, { method: 'POST', body: offer });
    const text = await response.text();
    console.log(path, response.status, text.match(/^(m=.*|a=(send|recv)only)/gm) ?? text);
  }
  const { offer } = await offerToView();
  console.log('or an offer to a viewer:', offer.match(/^(m=.*|a=(send|recv)only)/gm));
  server.close();
  worker.close();
});

function browserOffer(direction) {
  const transport = [
    'c=IN IP4 0.0.0.0',
    'a=ice-ufrag:c7Xz',
    'a=ice-pwd:7ggoBKCFCtHZFoBirBu6TuZM',
    `a=fingerprint:sha-256 ${Array(32).fill('C7').join(':')}`,
    'a=setup:actpass',
    'a=rtcp-mux',
    'a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid',
    `a=${direction}`,
  ];
  const own = (ssrc) => (direction === 'sendonly' ? [`a=ssrc:${ssrc} cname:browser`] : []);
  return [
    ...['v=0', 'o=- 8528125828436390442 2 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=group:BUNDLE 0 1'],
    ...['m=audio 9 UDP/TLS/RTP/SAVPF 111', 'a=mid:0', 'a=rtpmap:111 opus/48000/2', ...transport, ...own(1)],
    ...['m=video 9 UDP/TLS/RTP/SAVPF 96 97', 'a=mid:1', 'a=rtpmap:96 VP8/90000', ...transport, ...own(2)],
    ...['a=rtpmap:97 rtx/90000', 'a=fmtp:97 apt=96', ''],
  ].join('\r\n');
}
