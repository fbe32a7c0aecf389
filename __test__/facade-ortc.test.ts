import test from 'ava';
import { createWorker, errors, getSupportedRtpCapabilities, ortc, type types } from '../ts/index.js';

test('capabilities and parameters are filled in where they are', (t) => {
  const caps: types.RtpCapabilities = {
    codecs: [{ kind: 'audio', mimeType: 'audio/opus', preferredPayloadType: 111, clockRate: 48_000 }],
  };
  t.is(ortc.validateAndNormalizeRtpCapabilities(caps), undefined);
  t.like(caps.codecs?.[0], { channels: 1, parameters: {}, rtcpFeedback: [] });
  t.deepEqual(caps.headerExtensions, []);
  const params = structuredClone(MICROPHONE);
  t.is(ortc.validateAndNormalizeRtpParameters(params), undefined);
  t.like(params, { headerExtensions: [], rtcp: { reducedSize: true }, encodings: [{ ssrc: 1, dtx: false }] });
  t.notThrows(() => ortc.validateAndNormalizeRtpCapabilities(getSupportedRtpCapabilities()));
});

test('what is malformed is a TypeError that names it', (t) => {
  const caps = { codecs: [{ kind: 'audio', mimeType: 'opus', preferredPayloadType: 1, clockRate: 1 }] };
  const refused = { instanceOf: TypeError, code: 'ERR_INVALID_ARGUMENT', message: /codecs\[0\]/ };
  t.throws(() => ortc.validateAndNormalizeRtpCapabilities(caps as types.RtpCapabilities), refused);
  const params = { codecs: [{ ...MICROPHONE.codecs[0], payloadType: 'x' }] };
  t.throws(() => ortc.validateAndNormalizeRtpParameters(params as never), refused);
  t.throws(() => ortc.generateRouterRtpCapabilities([{ mimeType: 'audio/opus' }] as never), { instanceOf: TypeError });
  const unknown = [{ kind: 'audio', mimeType: 'audio/chicken', clockRate: 8_000 }] as const;
  t.throws(() => ortc.generateRouterRtpCapabilities([...unknown]), { instanceOf: errors.UnsupportedError });
});

test('a negotiation without a worker comes to what a worker comes to', async (t) => {
  const caps = ortc.generateRouterRtpCapabilities([OPUS]);
  const params = structuredClone(MICROPHONE);
  ortc.validateAndNormalizeRtpParameters(params);
  const mapping = ortc.getProducerRtpParametersMapping(params, caps);
  t.like(mapping, { codecs: [{ payloadType: 109, mappedPayloadType: 100 }], encodings: [{ ssrc: 1 }] });
  const consumable = ortc.getConsumableRtpParameters('audio', params, caps, mapping);
  t.is(consumable.encodings?.[0]?.ssrc, mapping.encodings[0]?.mappedSsrc);
  t.true(ortc.canConsume(consumable, caps));

  const worker = await createWorker();
  t.teardown(() => worker.close());
  const router = await worker.createRouter({ mediaCodecs: [OPUS] });
  t.deepEqual(caps, router.rtpCapabilities);
  const transport = await router.createWebRtcTransport({ listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }] });
  const producer = await transport.produce({ kind: 'audio', rtpParameters: MICROPHONE });
  t.deepEqual(withoutSsrcs(consumable), withoutSsrcs(producer.consumableRtpParameters));
  const request = { consumableRtpParameters: consumable, remoteRtpCapabilities: caps, pipe: false, enableRtx: false };
  const ours = ortc.getConsumerRtpParameters(request);
  const consumer = await transport.consume({ producerId: producer.id, rtpCapabilities: caps });
  t.deepEqual(withoutSsrcs(ours), withoutSsrcs(consumer.rtpParameters));
  t.not(ours.encodings?.[0]?.ssrc, ortc.getConsumerRtpParameters(request).encodings?.[0]?.ssrc, 'SSRCs are random');
});

test('the profile of an H.264 codec becomes the one that both sides know', (t) => {
  const codec = { kind: 'video', mimeType: 'video/H264', clockRate: 90_000 } as const;
  const profile = (id: string) => ({ 'packetization-mode': 1, 'profile-level-id': id });
  const caps = ortc.generateRouterRtpCapabilities([{ ...codec, parameters: profile('42e01f') }]);
  const params: types.RtpParameters = {
    codecs: [{ mimeType: codec.mimeType, payloadType: 96, clockRate: 90_000, parameters: profile('42e034') }],
    encodings: [{ ssrc: 1 }],
  };
  ortc.validateAndNormalizeRtpParameters(params);
  ortc.getProducerRtpParametersMapping(params, caps);
  t.is(params.codecs[0]?.parameters?.['profile-level-id'], '42e01f');
});

test('who has no codec in common cannot consume', (t) => {
  const caps = ortc.generateRouterRtpCapabilities([OPUS]);
  const params = structuredClone(MICROPHONE);
  ortc.validateAndNormalizeRtpParameters(params);
  const mapping = ortc.getProducerRtpParametersMapping(params, caps);
  const consumableRtpParameters = ortc.getConsumableRtpParameters('audio', params, caps, mapping);
  const remoteRtpCapabilities = ortc.generateRouterRtpCapabilities([
    { kind: 'audio', mimeType: 'audio/PCMU', clockRate: 8_000 },
  ]);
  t.false(ortc.canConsume(consumableRtpParameters, remoteRtpCapabilities));
  const request = { consumableRtpParameters, remoteRtpCapabilities, pipe: false, enableRtx: false };
  t.throws(() => ortc.getConsumerRtpParameters(request), { instanceOf: errors.UnsupportedError });
  const pcmu = { ...MICROPHONE, codecs: [{ mimeType: 'audio/PCMU', payloadType: 0, clockRate: 8_000 }] };
  t.throws(() => ortc.getProducerRtpParametersMapping(pcmu, caps), { instanceOf: errors.UnsupportedError });
});

test('a pipe has the parameters that its function makes', async (t) => {
  const worker = await createWorker();
  t.teardown(() => worker.close());
  const router = await worker.createRouter({ mediaCodecs: [OPUS] });
  const transport = await router.createPipeTransport({ listenIp: '127.0.0.1', enableRtx: true });
  const producer = await transport.produce({ kind: 'audio', rtpParameters: structuredClone(MICROPHONE) });
  const { rtpParameters } = await transport.consume({ producerId: producer.id });
  const { consumableRtpParameters } = producer as unknown as { consumableRtpParameters: types.RtpParameters };
  const made = ortc.getPipeConsumerRtpParameters({ consumableRtpParameters, enableRtx: true });
  t.deepEqual(withoutSsrcs(rtpParameters), withoutSsrcs(made));
  t.is(rtpParameters.mid, undefined);
  t.not(made.encodings?.[0]?.ssrc, consumableRtpParameters.encodings?.[0]?.ssrc);
});

/** Parameters without what is random, or the transport's to choose. */
function withoutSsrcs({ mid: _, encodings = [], rtcp, ...rest }: types.RtpParameters): object {
  const streams = encodings.map(({ ssrc: _, rtx, ...stream }) => ({ ...stream, rtx: rtx !== undefined }));
  return { ...rest, streams, reducedSize: rtcp?.reducedSize };
}

const OPUS: types.RouterRtpCodecCapability = { kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2 };

const MICROPHONE: types.RtpParameters = {
  codecs: [{ mimeType: 'audio/opus', payloadType: 109, clockRate: 48_000, channels: 2 }],
  encodings: [{ ssrc: 1 }],
};
