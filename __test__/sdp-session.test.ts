import test from 'ava';
import { NotFoundError } from '../ts/errors.js';
import { type ConsumeOptions, type MediaSection, parseDescription } from '../ts/sdp/index.js';
import { FIREFOX, hash, ROUTER, SAFARI } from './fixtures/sdp.js';
import { answered, capabilityNumbers, consumed, numbers, session } from './fixtures/sdp-session.js';

test('an offer of Firefox becomes what connect and produce take, under its own numbers', (t) => {
  const { connect, media, iceCandidates } = session().receiveOffer(FIREFOX);
  t.deepEqual(connect, {
    dtlsParameters: { role: 'client', fingerprints: [{ algorithm: 'sha-256', value: hash('A1') }] },
  });
  t.is(iceCandidates.length, 2);
  t.like(media[0], { mid: '0', kind: 'audio', incoming: 'started', outgoing: 'possible', closed: false });
  t.deepEqual(media[0]?.produceOptions?.rtpParameters, {
    mid: '0',
    codecs: [
      {
        mimeType: 'audio/opus',
        payloadType: 109,
        clockRate: 48_000,
        channels: 2,
        parameters: { maxplaybackrate: 48_000, stereo: 1, useinbandfec: 1 },
        rtcpFeedback: [],
      },
    ],
    headerExtensions: [
      { id: 1, uri: 'urn:ietf:params:rtp-hdrext:ssrc-audio-level' },
      { id: 3, uri: 'urn:ietf:params:rtp-hdrext:sdes:mid' },
    ],
    encodings: [{ ssrc: 1_503_204_891 }],
    rtcp: { cname: '{1f5d1b4e-7a35-4ce3-8f3b-1ee4b7a3dbbb}', reducedSize: false },
    msid: '{5d2a3b6f-1c2b-4a0e-9f4e-0a63c1b0c1a1} {aa2a3b6f-1c2b-4a0e-9f4e-0a63c1b0c1a1}',
  });
  t.deepEqual(media[1]?.produceOptions?.rtpParameters.encodings, [{ rid: 'low' }, { rid: 'high' }]);
  t.deepEqual(numbers(media[1]?.produceOptions?.rtpParameters), [
    [120, undefined],
    [124, 120],
    [126, undefined],
    [127, 126],
  ]);
  t.like(media[2], { kind: 'application', closed: true });
});

test('the answer takes what both know, in the order and with the numbers of the offer', (t) => {
  const { session: ours, answer } = answered(FIREFOX);
  const [audio, video, data] = answer.media as [MediaSection, MediaSection, MediaSection];
  t.true(answer.iceLite);
  t.false(answer.extmapAllowMixed, 'Firefox did not offer it');
  t.deepEqual(answer.bundles, [['0', '1']]);
  t.like(audio, { direction: 'recvonly', rtcpMux: true, rtcpReducedSize: false, setup: 'passive', port: 40_000 });
  t.like(video, { direction: 'recvonly', rtcpReducedSize: true, formats: ['120', '124', '126', '127'] });
  t.deepEqual(video.rids, [
    { id: 'low', direction: 'recv', restrictions: {} },
    { id: 'high', direction: 'recv', restrictions: {} },
  ]);
  t.deepEqual(video.simulcast?.receive, [[{ rid: 'low', paused: false }], [{ rid: 'high', paused: false }]]);
  t.deepEqual(
    video.headerExtensions.map(({ id }) => id),
    [3, 4, 7, 8, 9],
  );
  t.is(audio.address, '192.0.2.1');
  t.deepEqual(audio.iceOptions, ['ice2', 'renomination']);
  t.true(audio.endOfCandidates);
  t.deepEqual(
    audio.candidates.map(({ protocol, tcpType }) => [protocol, tcpType]),
    [
      ['udp', undefined],
      ['tcp', 'passive'],
    ],
  );
  t.like(data, { port: 0, kind: 'application', formats: ['webrtc-datachannel'] });
  t.is(ours.signallingState, 'stable');
  t.false(ours.negotiationNeeded);
});

test('the router says what publishers shall do beyond what they offer, but not which profile it is', (t) => {
  const codecs = structuredClone(ROUTER.codecs ?? []).map((codec) =>
    codec.mimeType === 'audio/opus' ? { ...codec, parameters: { usedtx: 1, stereo: 0 } } : codec,
  );
  const { answer } = answered(`${FIREFOX}`.replace('stereo=1', 'stereo=1;sprop-stereo=1'), {
    rtpCapabilities: { ...ROUTER, codecs },
  });
  const [audio, video] = answer.media;
  t.deepEqual(audio?.codecs[0]?.parameters, { maxplaybackrate: 48_000, stereo: 0, useinbandfec: 1, usedtx: 1 });
  t.is(video?.codecs[2]?.parameters?.['profile-level-id'], '42e01f');
});

test('H.264 matches by profile and packetization mode alone', (t) => {
  const { media } = session().receiveOffer(SAFARI);
  t.deepEqual(numbers(media[1]?.produceOptions?.rtpParameters), [
    [98, undefined],
    [99, 98],
    [100, undefined],
    [101, 100],
  ]);
  t.deepEqual(media[1]?.produceOptions?.rtpParameters.encodings, [{ ssrc: 2_231_627_014, rtx: { ssrc: 632_943_048 } }]);
  t.is(media[1]?.produceOptions?.rtpParameters.msid, '3MACALL 90a1b6c8');
  t.like(media[0], { incoming: 'none', outgoing: 'possible' });
});

test('what is consumed for an offered m-line is announced in the answer', (t) => {
  const ours = session();
  const { media } = ours.receiveOffer(SAFARI);
  const [audio, video] = media;
  t.deepEqual(capabilityNumbers(video?.consumeOptions), [98, 99, 100, 101]);
  t.like(video?.consumeOptions, { mid: 'video-1', numbering: 'endpoint' });
  ours.send('audio-1', consumed('audio', 111, { mid: 'audio-1' }));
  ours.send('video-1', consumed('video', 100, { mid: 'video-1' }));
  t.truthy(audio?.consumeOptions);
  const [sound, picture] = parseDescription(ours.createAnswer()).media;
  t.deepEqual(
    sound?.codecs[0]?.rtcpFeedback,
    [{ type: 'transport-cc', parameter: '' }],
    'what the consumer understands',
  );
  t.like(sound, { direction: 'sendonly', formats: ['111'], msids: [{ stream: 'stream', track: 'track' }] });
  t.deepEqual(sound?.sources, [{ ssrc: 5000, cname: 'cname' }]);
  t.like(picture, { direction: 'sendrecv', formats: ['98', '99', '100', '101'] });
  t.deepEqual(picture?.sourceGroups, [{ semantics: 'FID', ssrcs: [5000, 5001] }]);
  t.false(ours.negotiationNeeded);
});

test('an id that two m-lines use for different header extensions is answered in the first one only', (t) => {
  const { answer } = answered(SAFARI.replace('extmap:2 ', 'extmap:1 '));
  t.deepEqual(
    answer.media.map(({ headerExtensions }) => headerExtensions.map(({ id }) => id)),
    [
      [1, 3, 4],
      [3, 4],
    ],
  );
});

test('an answer names no header extension that its offer does not, whatever is sent', (t) => {
  const ours = session();
  ours.receiveOffer(SAFARI);
  const abs = { id: 9, uri: 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time' } as const;
  const mid = { id: 4, uri: 'urn:ietf:params:rtp-hdrext:sdes:mid' } as const;
  ours.send('audio-1', consumed('audio', 111, { mid: 'audio-1', headerExtensions: [mid, abs] }));
  t.deepEqual(parseDescription(ours.createAnswer()).media[0]?.headerExtensions, [mid]);
});

test('a consumer with numbers that mean something else here is refused', (t) => {
  const ours = session();
  ours.receiveOffer(SAFARI);
  t.throws(() => ours.send('video-1', consumed('video', 98, { mid: 'video-1' })), {
    instanceOf: TypeError,
    message: /payload type 98 is video\/H264 in this connection/,
  });
  t.throws(() => ours.send('video-1', consumed('video', 100, { mid: '7' })), { message: /mid: is "7"/ });
  t.throws(() => ours.send('video-1', consumed('audio', 111)), { message: /of video/ });
  t.throws(() => ours.send('nobody', consumed('audio', 111)), { instanceOf: NotFoundError });
});

test('an m-line that is offered later has the peer’s numbers where it gave some, and no taken ones', (t) => {
  const { session: ours } = answered(SAFARI.replace('a=sendrecv', 'a=sendonly'));
  const { mid, consumeOptions } = ours.addSender('video');
  t.is(mid, 's0');
  t.true(ours.negotiationNeeded);
  t.deepEqual(capabilityNumbers(consumeOptions), [98, 99, 100, 101]);
  const ids = consumeOptions.rtpCapabilities.headerExtensions?.map(({ preferredId }) => preferredId);
  t.deepEqual(
    ids,
    [4, 5, 6, 2, 3],
    'mid as Safari has it, names of streams where it has nothing, the rest as Safari has it',
  );
  const fresh = session();
  t.deepEqual(capabilityNumbers(fresh.addSender('video').consumeOptions), [101, 102, 103, 104]);
});

test('the router’s number gives way where the peer uses it for something else', (t) => {
  const offer = SAFARI.replace('a=sendrecv', 'a=sendonly').replace(
    /a=rtpmap:100 VP8.*?\r\n/,
    'a=rtpmap:100 VP9/90000\r\n',
  );
  const { session: ours } = answered(offer);
  const { rtpCapabilities } = ours.addSender('video').consumeOptions;
  const vp8 = rtpCapabilities.codecs?.find(({ mimeType }) => mimeType === 'video/VP8');
  t.is(vp8?.preferredPayloadType, 102, '101 is RTX of VP9 there, and 102 is free');
  const rtx = rtpCapabilities.codecs?.find(({ parameters }) => parameters?.apt === 102);
  t.is(rtx?.preferredPayloadType, 103, '102 went to VP8');
});

test('a MID that fits into no header extension is left out, and packets go by SSRC', (t) => {
  const mid = 'a-very-long-media-identification';
  const ours = session();
  const { media } = ours.receiveOffer(SAFARI.replaceAll('audio-1', mid));
  const options = media[0]?.consumeOptions as ConsumeOptions;
  t.is(options.mid, undefined);
  t.false(options.rtpCapabilities.headerExtensions?.some(({ uri }) => uri.endsWith('sdes:mid')));
  ours.send(mid, consumed('audio', 111, { headerExtensions: [], mid: '0' }));
  t.like(parseDescription(ours.createAnswer()).media[0], { mid, direction: 'sendonly' });
});
