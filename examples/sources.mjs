// Streams whose source changes: a consumer that goes to another producer, observers of loudness, and the few voices of a
// room that are heard. The people are bots that send packets which say how loud they are, and nothing else.

import { createWorker } from 'millrace';
import { ExtensionIds, packets, RtpPacket } from 'millrace/rtp';

const PACKET_MS = 20;
const LOUD = -20;
const QUIET = -127;
const OPUS = { mimeType: 'audio/opus', payloadType: 111, clockRate: 48000, channels: 2 };
const LEVEL = { uri: 'urn:ietf:params:rtp-hdrext:ssrc-audio-level', id: 10 };

const worker = await createWorker();
const router = await worker.createRouter({
  mediaCodecs: [{ kind: 'audio', mimeType: 'audio/opus', clockRate: 48000, channels: 2 }],
});
const { rtpCapabilities } = router;
const transport = await router.createDirectTransport();
const microphones = [];
for (const name of ['Ada', 'Grace', 'Joan', 'Radia']) microphones.push(await enter(name));
const [ada, grace] = microphones;
let speaking = 'Ada';
const ticks = setInterval(() => microphones.forEach(send), PACKET_MS);

const said = new Set();
const producerId = ada.id;
const levels = await router.createAudioLevelObserver({ maxEntries: 3, threshold: -70, interval: 500 });
await levels.addProducer({ producerId });
levels.on('volumes', (volumes) => {
  for (const { producer, volume } of volumes) show(producer, volume);
});
levels.on('silence', () => showNobody());

const speaker = await router.createActiveSpeakerObserver();
await speaker.addProducer({ producerId });
speaker.on('dominantspeaker', ({ producer }) => spotlight(producer));

const selector = await router.createActiveAudioSelector({ k: 3 });
for (const microphone of microphones) {
  await selector.addProducer({ producerId: microphone.id });
}
for (const { id } of selector.producers) {
  await transport.consume({ producerId: id, rtpCapabilities });
}
selector.on('ownerchange', ({ producer, owner }) => label(producer.id, owner?.appData.name));

const consumer = await transport.consume({ producerId: ada.id, rtpCapabilities });
let presenter = ada;
let last;
for await (const { payload, sequenceNumber } of packets(consumer)) {
  const name = Buffer.from(payload).toString();
  if (last && sequenceNumber !== ((last.sequenceNumber + 1) & 0xffff)) console.log('a gap');
  if (last?.name !== name) console.log(`the viewer of ${presenter.appData.name} hears ${name}`);
  last = { name, sequenceNumber };
  if (name === 'Ada' && presenter === ada && said.size === 3) {
    presenter = grace;
    speaking = 'Grace';
    await consumer.replaceProducer({ producerId: presenter.id });
  }
  if (said.size === 5) break;
}
clearInterval(ticks);
worker.close();

async function enter(name) {
  const own = await router.createDirectTransport();
  const ssrc = 1000 + microphones.length;
  const rtpParameters = { codecs: [OPUS], headerExtensions: [LEVEL], encodings: [{ ssrc }] };
  return await own.produce({ kind: 'audio', rtpParameters, appData: { name, ssrc, number: 0 } });
}

function send(microphone) {
  const { name, ssrc } = microphone.appData;
  const number = microphone.appData.number++;
  const level = name === speaking ? LOUD : QUIET;
  const packet = new RtpPacket({
    payloadType: OPUS.payloadType,
    sequenceNumber: number & 0xffff,
    timestamp: number * 960,
    ssrc,
    payload: Buffer.from(name),
    ids: new ExtensionIds([LEVEL]),
    extensions: { audioLevel: { level, voice: name === speaking } },
  });
  microphone.send(packet.toBuffer());
}

function show({ appData }, volume) {
  say(`${appData.name} speaks at ${volume} dBov`);
}

function showNobody() {
  say('Ada is silent');
}

function spotlight({ appData }) {
  say(`${appData.name} is the dominant speaker`);
}

function label(_, name) {
  say(`one of the three that are heard is ${name}`);
}

/** Everything is said once: levels are told again and again. */
function say(text) {
  if (!said.has(text)) console.log(text);
  said.add(text);
}
