// mediasoup-client with its own fake of a browser, against a real worker: what the two hand to each other fits.

import test, { type ExecutionContext } from 'ava';
import { type types as client, Device } from 'mediasoup-client';
import * as fakeParameters from 'mediasoup-client/fakeParameters';
import { FakeHandler } from 'mediasoup-client/handlers/FakeHandler';
import { createWorker, type types } from '../ts/index.js';

test('a client produces and consumes audio and simulcast', async (t) => {
  const { device, sender, receiver, transports } = await join(t);
  const audio = await sender.produce({ track: track('audio') });
  const video = await sender.produce({ track: track('video'), encodings: [{ maxBitrate: 1e5 }, { maxBitrate: 5e5 }] });
  for (const [producer, type] of [[audio, 'simple'] as const, [video, 'simulcast'] as const]) {
    const rtpCapabilities = device.recvRtpCapabilities as types.RtpCapabilities;
    const consumer = await transports.receiving.consume({ producerId: producer.id, rtpCapabilities, paused: true });
    t.is(consumer.type, type);
    const { id, kind } = consumer;
    const rtpParameters = consumer.rtpParameters as client.RtpParameters;
    const consumed = await receiver.consume({ id, producerId: producer.id, kind, rtpParameters });
    t.is(consumed.kind, kind);
    await consumer.resume();
  }
  await sender.restartIce({ iceParameters: await transports.sending.restartIce() });
  t.not(transports.sending.dtlsParameters.role, 'auto');
});

test('a client produces and consumes data of every reliability that it can ask for', async (t) => {
  const { sender, receiver, transports } = await join(t);
  const asked: [client.DataProducerOptions, Partial<types.SctpStreamParameters>][] = [
    [{}, { ordered: true }],
    [
      { ordered: false, maxRetransmits: 0 },
      { ordered: false, maxRetransmits: 0 },
    ],
    [{ maxRetransmits: 0 }, { ordered: true, maxRetransmits: 0 }],
    [{ maxPacketLifeTime: 5000 }, { ordered: false, maxPacketLifeTime: 5000 }],
  ];
  for (const [options, expected] of asked) {
    const producer = await sender.produceData({ ...options, label: 'chat', protocol: 'json' });
    const { id, sctpStreamParameters, label, protocol } = await transports.receiving.consumeData({
      dataProducerId: producer.id,
    });
    const { streamId, ...reliability } = sctpStreamParameters as types.SctpStreamParameters;
    t.deepEqual(reliability, expected);
    const consumed = { id, dataProducerId: producer.id, sctpStreamParameters: { streamId, ...reliability } };
    t.is((await receiver.consumeData({ ...consumed, label, protocol })).label, 'chat');
  }
});

/** A client with a transport each way. */
async function join(t: ExecutionContext) {
  const worker = await createWorker();
  t.teardown(() => worker.close());
  const router = await worker.createRouter({
    mediaCodecs: [
      { kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2 },
      { kind: 'video', mimeType: 'video/VP8', clockRate: 90_000 },
    ],
  });
  const device = new Device({ handlerFactory: FakeHandler.createFactory(fakeParameters) });
  await device.load({ routerRtpCapabilities: router.rtpCapabilities as client.RtpCapabilities });
  t.true(device.canProduce('audio') && device.canProduce('video'));
  const options = { listenInfos: [{ protocol: 'udp' as const, ip: '127.0.0.1' }], enableSctp: true };
  const sending = await router.createWebRtcTransport(options);
  const receiving = await router.createWebRtcTransport(options);
  const sender = device.createSendTransport(toldOf(sending));
  const receiver = device.createRecvTransport(toldOf(receiving));
  sender.on('connect', (told, done, failed) => void sending.connect(told).then(done, failed));
  receiver.on('connect', (told, done, failed) => void receiving.connect(told).then(done, failed));
  sender.on('produce', (told, done, failed) => void sending.produce(told as types.ProducerOptions).then(done, failed));
  sender.on(
    'producedata',
    (told, done, failed) => void sending.produceData(told as types.DataProducerOptions).then(done, failed),
  );
  return { device, sender, receiver, transports: { sending, receiving } };
}

function toldOf(transport: types.WebRtcTransport): client.TransportOptions {
  const { id, iceParameters, iceCandidates, dtlsParameters, sctpParameters } = transport;
  return { id, iceParameters, iceCandidates, dtlsParameters, sctpParameters } as client.TransportOptions;
}

/** What mediasoup-client looks at of a track. */
function track(kind: 'audio' | 'video'): NonNullable<client.ProducerOptions['track']> {
  const like = { kind, id: kind, readyState: 'live', enabled: true, stop() {}, getSettings: () => ({}) };
  return Object.assign(new EventTarget(), like) as never;
}
