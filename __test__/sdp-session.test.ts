import test from 'ava';
import { InvalidStateError, LimitError, NotFoundError, SdpError, UnsupportedError } from '../ts/errors.js';
import type { types } from '../ts/index.js';
import {
  type ConsumeOptions,
  MEDIA_SECTIONS_MAX,
  type MediaSection,
  parseDescription,
  type SdpMedia,
  SdpSession,
  type SdpSessionOptions,
  type SessionDescription,
} from '../ts/sdp/index.js';
import { FIREFOX, hash, head, ROUTER, SAFARI, TRANSPORT, transportLines } from './fixtures/sdp.js';

const CHANNELS = { ...TRANSPORT, sctpParameters: { port: 5000, maxMessageSize: 262_144 } };

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

test('an offer of ours has all that was added, and its answer says what became of it', (t) => {
  const ours = session();
  const microphone = ours.addReceiver('audio');
  const picture = ours.addSender('video');
  ours.send(picture.mid, consumed('video', 101, { mid: picture.mid }));
  const offer = parseDescription(ours.createOffer());
  t.is(ours.signallingState, 'have-local-offer');
  t.deepEqual(offer.bundles, [['s0', 's1']]);
  t.like(offer.media[0], { mid: microphone.mid, direction: 'recvonly', formats: ['100'], setup: 'actpass' });
  t.like(offer.media[1], { mid: picture.mid, direction: 'sendonly', formats: ['101', '102'] });
  const { connect, media } = ours.receiveAnswer(answerTo(offer));
  t.is(connect?.dtlsParameters.role, 'client');
  t.like(media[0], { incoming: 'started', outgoing: 'none' });
  t.deepEqual(media[0]?.produceOptions?.rtpParameters.encodings, [{ ssrc: 1000 }]);
  t.like(media[1], { incoming: 'none', outgoing: 'started' });
  t.false(ours.negotiationNeeded);
});

test('simulcast that we ask for is what the answer names', (t) => {
  const ours = session();
  ours.addReceiver('video', ['low', 'high']);
  const offer = parseDescription(ours.createOffer());
  t.deepEqual(offer.media[0]?.simulcast?.receive.flat(), [
    { rid: 'low', paused: false },
    { rid: 'high', paused: false },
  ]);
  const lines = ['a=rid:low send max-br=200000', 'a=rid:high send', 'a=simulcast:send low;~high'];
  const { media } = ours.receiveAnswer(answerTo(offer, lines));
  t.deepEqual(media[0]?.produceOptions?.rtpParameters.encodings, [
    { rid: 'low', maxBitrate: 200_000 },
    { rid: 'high' },
  ]);
  t.throws(() => session().addReceiver('video', ['a b']), { instanceOf: TypeError });
});

test('simulcast by SSRC is read, and RTX with it', (t) => {
  const lines = ['a=ssrc-group:SIM 1 2', 'a=ssrc-group:FID 1 11', 'a=ssrc-group:FID 2 12', ...cnames(1, 2, 11, 12)];
  const { media } = session().receiveOffer(offerOf(['video 0 sendonly', ...lines]));
  t.deepEqual(media[0]?.produceOptions?.rtpParameters.encodings, [
    { ssrc: 1, rtx: { ssrc: 11 } },
    { ssrc: 2, rtx: { ssrc: 12 } },
  ]);
  const single = session({ enableSimulcast: false }).receiveOffer(offerOf(['video 0 sendonly', ...lines]));
  t.deepEqual(single.media[0]?.produceOptions?.rtpParameters.encodings, [{ ssrc: 1, rtx: { ssrc: 11 } }]);
});

test('simulcast that is refused leaves one stream that its MID names', (t) => {
  const { answer, description } = answered(FIREFOX, { enableSimulcast: false });
  t.deepEqual(description.media[1]?.produceOptions?.rtpParameters.encodings, [{}]);
  t.deepEqual(answer.media[1]?.rids, []);
  t.is(answer.media[1]?.simulcast, undefined);
});

test('data channels are answered and offered where the transport has SCTP', (t) => {
  const { answer, description } = answered(FIREFOX, { transport: CHANNELS });
  t.like(description.media[2], {
    kind: 'application',
    closed: false,
    sctp: { port: 5000, maxMessageSize: 1_073_741_823 },
  });
  t.like(answer.media[2], {
    protocol: 'UDP/DTLS/SCTP',
    formats: ['webrtc-datachannel'],
    sctp: { port: 5000, maxMessageSize: 262_144 },
  });
  const ours = session({ transport: CHANNELS });
  const { mid } = ours.addDataChannels();
  t.throws(() => ours.addDataChannels(), { instanceOf: InvalidStateError });
  const offer = parseDescription(ours.createOffer());
  t.like(offer.media[0], { mid, kind: 'application', sctp: { port: 5000, maxMessageSize: 262_144 } });
  t.deepEqual(ours.receiveAnswer(answerTo(offer)).media[0]?.sctp, { port: 5000, maxMessageSize: 65_536 });
  t.throws(() => session().addDataChannels(), { instanceOf: UnsupportedError });
});

test('an m-line without a codec in common is refused alone, with the reason', (t) => {
  const { media } = session().receiveOffer(
    offerOf(['audio 0 sendrecv', ...cnames(1)], ['video 1 sendonly', 'VP9', ...cnames(2)], ['text 2 sendrecv']),
  );
  t.deepEqual(
    media.map(({ closed, refusal }) => [closed, refusal?.slice(0, 12)]),
    [
      [false, undefined],
      [true, 'none of its '],
      [true, '"text" is ne'],
    ],
  );
});

test('m-lines that the application refuses or stops are so in the answer, and closed ones are used again', (t) => {
  const ours = session();
  ours.receiveOffer(offerOf(['audio 0 sendrecv', ...cnames(1)], ['video 1 sendrecv', ...cnames(2)]));
  ours.closeMedia('0');
  ours.stopReceiving('1');
  const answer = parseDescription(ours.createAnswer());
  t.like(answer.media[0], { port: 0, direction: 'inactive' });
  t.like(answer.media[1], { direction: 'inactive' });
  t.deepEqual(answer.bundles, [['1']]);
  const { mid } = ours.addReceiver('audio');
  const offer = parseDescription(ours.createOffer());
  t.deepEqual(
    offer.media.map((section) => section.mid),
    [mid, '1'],
  );
  t.is(offer.version, '2');
  t.is(offer.id, answer.id);
});

test('what is sent is stopped, sent again and closed by offers of ours', (t) => {
  const ours = session();
  const { mid } = ours.addSender('video');
  ours.send(mid, consumed('video', 101, { mid }));
  t.is(answerOurs(ours).media[0]?.outgoing, 'started');
  ours.stopSending(mid);
  t.true(ours.negotiationNeeded);
  t.is(answerOurs(ours).media[0]?.outgoing, 'none');
  ours.send(mid, consumed('video', 101, { mid }));
  t.is(answerOurs(ours).media[0]?.outgoing, 'started');
  t.is(answerOurs(ours).media[0]?.outgoing, 'same');
  ours.closeMedia(mid);
  t.true(ours.negotiationNeeded);
  t.like(answerOurs(ours).media[0], { closed: true, outgoing: 'stopped' });
  t.false(ours.negotiationNeeded);
  t.throws(() => ours.stopSending(mid), { instanceOf: NotFoundError });
});

test('what is sent instead of something else is offered, and started by the answer that follows', (t) => {
  const ours = session();
  const { mid } = ours.addSender('video');
  const from = (ssrc: number) => consumed('video', 101, { mid, encodings: [{ ssrc, rtx: { ssrc: ssrc + 1 } }] });
  ours.send(mid, from(10));
  const offer = parseDescription(ours.createOffer());
  // Too late for the offer that is under way.
  ours.send(mid, from(20));
  t.is(ours.receiveAnswer(answerTo(offer)).media[0]?.outgoing, 'stopped');
  t.true(ours.negotiationNeeded);
  const again = parseDescription(ours.createOffer());
  t.deepEqual(again.media[0]?.sourceGroups, [{ semantics: 'FID', ssrcs: [20, 21] }]);
  t.is(ours.receiveAnswer(answerTo(again)).media[0]?.outgoing, 'started');
  ours.send(mid, from(30));
  t.true(ours.negotiationNeeded);
  t.is(answerOurs(ours).media[0]?.outgoing, 'started');
  t.false(ours.negotiationNeeded);
});

test('an m-line that is closed while its offer is under way is closed by the next one', (t) => {
  const ours = session();
  const { mid } = ours.addReceiver('audio');
  const offer = parseDescription(ours.createOffer());
  ours.closeMedia(mid);
  t.is(ours.receiveAnswer(answerTo(offer)).media[0]?.closed, false);
  t.true(ours.negotiationNeeded);
  t.is(answerOurs(ours).media[0]?.closed, true);
});

test('a peer that holds, changes and closes what it sends is told apart', (t) => {
  const ours = session();
  const steps: readonly [SdpMedia['incoming'], string[]][] = [
    ['started', ['audio 0 sendonly', ...cnames(1)]],
    ['same', ['audio 0 sendonly', ...cnames(1)]],
    ['changed', ['audio 0 sendonly', ...cnames(2)]],
    ['stopped', ['audio 0 inactive']],
    ['none', ['audio 0 inactive']],
    ['started', ['audio 0 sendonly', ...cnames(2)]],
  ];
  for (const [expected, lines] of steps) {
    t.is(ours.receiveOffer(offerOf(lines)).media[0]?.incoming, expected);
    ours.createAnswer();
  }
  const { media } = ours.receiveOffer(offerOf(['audio 0 sendonly', ...cnames(2)]).replace('m=audio 9', 'm=audio 0'));
  t.like(media[0], { incoming: 'stopped', closed: true });
});

test('a peer that holds what we send is told apart, and where it goes on', (t) => {
  const ours = session();
  const step = (direction: string): string | undefined => {
    const { media } = ours.receiveOffer(offerOf([`video 0 ${direction}`]));
    if (media[0]?.outgoing === 'possible') ours.send('0', consumed('video', 96, { mid: '0' }));
    const answer = parseDescription(ours.createAnswer());
    return `${media[0]?.outgoing} ${answer.media[0]?.direction}`;
  };
  t.deepEqual(['recvonly', 'recvonly', 'inactive', 'recvonly'].map(step), [
    'possible sendonly',
    'same sendonly',
    'stopped inactive',
    'started sendonly',
  ]);
});

test('when both offer at once, a polite session yields and offers again, and another one refuses', (t) => {
  const polite = answered(offerOf(['audio 0 sendrecv', ...cnames(1)])).session;
  const { mid } = polite.addSender('audio');
  polite.send(mid, consumed('audio', 111, { mid }));
  polite.createOffer();
  const both = offerOf(['audio 0 sendrecv', ...cnames(1)], ['audio 1 recvonly']);
  t.is(polite.receiveOffer(both).media.length, 2);
  polite.createAnswer();
  t.true(polite.negotiationNeeded);
  const again = parseDescription(polite.createOffer());
  t.deepEqual(
    again.media.map((section) => section.mid),
    ['0', '1', mid],
  );
  t.like(again.media[2], { direction: 'sendonly' });
  const impolite = session({ polite: false });
  impolite.addReceiver('audio');
  const offer = parseDescription(impolite.createOffer());
  t.throws(() => impolite.receiveOffer(both), { instanceOf: InvalidStateError, code: 'ERR_SDP_GLARE' });
  t.notThrows(() => impolite.receiveAnswer(answerTo(offer)));
});

test('an offer is rolled back without a trace, and what was added stays', (t) => {
  const ours = session();
  ours.receiveOffer(SAFARI);
  ours.rollback();
  t.is(ours.signallingState, 'stable');
  ours.addReceiver('audio');
  ours.createOffer();
  ours.rollback();
  ours.rollback();
  t.is(parseDescription(ours.createOffer()).media.length, 1);
});

test('ICE restarts are told, and answered with what the transport has by then', (t) => {
  const transport = { ...TRANSPORT };
  const ours = session({ transport });
  ours.receiveOffer(SAFARI);
  ours.createAnswer();
  t.false(ours.receiveOffer(SAFARI).iceRestart);
  ours.createAnswer();
  const { iceRestart, connect } = ours.receiveOffer(SAFARI.replaceAll('nVWx', 'nVWy'));
  t.true(iceRestart);
  t.is(connect, undefined, 'once is enough');
  transport.iceParameters = { usernameFragment: 'restarted', password: 'restartedrestartedrestarted', iceLite: true };
  t.is(parseDescription(ours.createAnswer()).media[0]?.ice?.usernameFragment, 'restarted');
});

test('a=setup decides who begins the handshake', (t) => {
  for (const [setup, role, answer] of [
    ['actpass', 'client', 'passive'],
    ['active', 'client', 'passive'],
    ['passive', 'server', 'active'],
  ] as const) {
    const made = answered(SAFARI.replaceAll('setup:actpass', `setup:${setup}`));
    t.is(made.description.connect?.dtlsParameters.role, role);
    t.is(made.answer.media[0]?.setup, answer);
  }
  for (const [setup, role, answer] of [
    ['actpass', 'server', 'active'],
    ['active', 'client', 'passive'],
    ['passive', 'server', 'active'],
  ] as const) {
    const eager = session({ dtlsRole: 'client' });
    const { connect } = eager.receiveOffer(SAFARI.replaceAll('setup:actpass', `setup:${setup}`));
    t.is(connect?.dtlsParameters.role, role);
    t.is(parseDescription(eager.createAnswer()).media[0]?.setup, answer);
  }
  t.throws(() => session({ dtlsRole: 'both' as 'client' }), { message: /dtlsRole/ });
  t.throws(() => session().receiveOffer(SAFARI.replaceAll('setup:actpass', 'setup:holdconn')), { message: /a=setup/ });
  t.throws(() => session().receiveOffer(SAFARI.replace(/a=setup:.*\r\n/g, '')), { message: /a=setup/ });
});

test('one m-line may come without MID and group, as old peers write it', (t) => {
  const lines = ['audio 0 sendrecv', ...cnames(1)];
  const offer = offerOf(lines)
    .replace(/a=group.*\r\n/, '')
    .replace(/a=mid.*\r\n/, '');
  const { answer, description, session: ours } = answered(offer);
  t.like(description.media[0], { mid: '0', incoming: 'started' });
  t.is(description.media[0]?.produceOptions?.rtpParameters.mid, undefined);
  t.deepEqual([answer.bundles, answer.media[0]?.mid], [[], undefined]);
  ours.addReceiver('video');
  t.throws(() => ours.createOffer(), { instanceOf: UnsupportedError, message: /MID/ });
});

const REFUSED: readonly [string, string, typeof SdpError | typeof UnsupportedError, RegExp][] = [
  [
    'm-lines outside of the group',
    offerOf(['audio 0 sendrecv'], ['audio 1 sendrecv']).replace('BUNDLE 0 1', 'BUNDLE 0'),
    UnsupportedError,
    /m-line "1" \(audio\) is outside of the BUNDLE group/,
  ],
  [
    'm-lines without any group',
    offerOf(['audio 0 sendrecv'], ['audio 1 sendrecv']).replace(/a=group.*\r\n/, ''),
    UnsupportedError,
    /BUNDLE/,
  ],
  [
    'two groups',
    offerOf(['audio 0 sendrecv'], ['audio 1 sendrecv']).replace('a=group', 'a=group:BUNDLE x\r\na=group'),
    UnsupportedError,
    /BUNDLE/,
  ],
  [
    'several m-lines without MID',
    offerOf(['audio 0 sendrecv'], ['audio 1 sendrecv']).replace(/a=mid.*\r\n/g, ''),
    UnsupportedError,
    /without MID/,
  ],
  [
    'a MID twice',
    offerOf(['audio 0 sendrecv'], ['audio 1 sendrecv']).replace('a=mid:1', 'a=mid:0'),
    SdpError,
    /a=mid:0 stands in two/,
  ],
  ['RTCP on a port of its own', SAFARI.replace('a=rtcp-mux\r\n', ''), UnsupportedError, /rtcp-mux/],
  [
    'media without DTLS',
    SAFARI.replaceAll('UDP/TLS/RTP/SAVPF', 'RTP/AVP'),
    UnsupportedError,
    /"RTP\/AVP" is not DTLS-SRTP/,
  ],
  ['ICE-lite on both sides', SAFARI.replace('t=0 0', 't=0 0\r\na=ice-lite'), UnsupportedError, /ice-lite/],
  ['no fingerprint', SAFARI.replace(/a=fingerprint.*\r\n/g, ''), SdpError, /fingerprint/],
  ['no ICE', SAFARI.replace(/a=ice-pwd.*\r\n/g, ''), SdpError, /ice-ufrag/],
  ['several tracks in one m-line', offerOf(['audio 0 sendonly', ...cnames(1, 2)]), UnsupportedError, /Plan B/],
  [
    'packets that nothing names',
    offerOf(['audio 0 sendonly']).replace(/a=extmap.*\r\n/, ''),
    SdpError,
    /could not be recognised/,
  ],
  [
    'too many simulcast streams',
    offerOf(['video 0 sendonly', ...Array.from({ length: 17 }, (_, at) => `a=rid:${at} send`)]),
    LimitError as never,
    /ENCODINGS_MAX/,
  ],
];

for (const [what, offer, instanceOf, message] of REFUSED) {
  test(`an offer with ${what} is refused and changes nothing`, (t) => {
    const ours = session();
    t.throws(() => ours.receiveOffer(offer), { instanceOf, message });
    t.is(ours.signallingState, 'stable');
    t.is(ours.receiveOffer(SAFARI).media.length, 2);
  });
}

test('later offers that contradict earlier ones are refused and change nothing', (t) => {
  const { session: ours } = answered(SAFARI);
  for (const [offer, message] of [
    [SAFARI.replaceAll(hash('B2'), hash('D4')), /another one than before/],
    [SAFARI.replaceAll('audio-1', 'audio-2'), /m-line 0 was audio with MID "audio-1"/],
    [SAFARI.slice(0, SAFARI.indexOf('m=video')).replace(' video-1', ''), /has 1 m-lines, and there are 2/],
    [SAFARI.replace('a=rtpmap:100 VP8', 'a=rtpmap:100 H264'), /payload type 100 was video\/VP8/],
  ] as const) {
    t.throws(() => ours.receiveOffer(offer), { message });
  }
  t.is(ours.receiveOffer(SAFARI).media[1]?.incoming, 'same');
});

test('answers that do not fit their offer are refused and change nothing', (t) => {
  const ours = session();
  ours.addReceiver('audio');
  ours.addReceiver('video');
  const offer = parseDescription(ours.createOffer());
  const answer = answerTo(offer);
  for (const [bad, message] of [
    [answer.slice(0, answer.indexOf('m=video')), /has 1 m-lines, the offer 2/],
    [answer.replace('a=mid:s1', 'a=mid:s7'), /m-line 1 was offered as video with MID "s1"/],
    [answer.replace('m=audio', 'm=video'), /m-line 0/],
    [answer.replaceAll('setup:active', 'setup:actpass'), /no a=setup that fits an answer/],
    [
      answer.replace(/m=audio 9 (\S+) 100/, 'm=audio 9 $1 77').replaceAll(':100 ', ':77 '),
      /none of the offered payload types/,
    ],
    [answer.replace('BUNDLE s0 s1', 'BUNDLE s0'), /outside of the BUNDLE group/],
  ] as const) {
    t.throws(() => ours.receiveAnswer(bad), { message });
    t.is(ours.signallingState, 'have-local-offer');
  }
  t.deepEqual(
    ours.receiveAnswer(answer).media.map(({ incoming }) => incoming),
    ['started', 'started'],
  );
});

test('methods out of turn are refused by name', (t) => {
  const ours = session();
  t.throws(() => ours.createAnswer(), { instanceOf: InvalidStateError, message: /createAnswer.*"stable"/ });
  t.throws(() => ours.receiveAnswer(SAFARI), { instanceOf: InvalidStateError });
  ours.receiveOffer(SAFARI);
  t.throws(() => ours.createOffer(), { instanceOf: InvalidStateError });
  t.throws(() => ours.receiveOffer(SAFARI), { instanceOf: InvalidStateError });
  ours.close();
  ours.close();
  t.throws(() => ours.createAnswer(), { instanceOf: InvalidStateError });
  t.throws(() => ours.addSender('audio'), { instanceOf: InvalidStateError });
});

test('a session takes so many m-lines and no more', (t) => {
  const ours = session();
  for (let count = 0; count < MEDIA_SECTIONS_MAX; count += 1) ours.addReceiver('audio');
  t.throws(() => ours.addReceiver('audio'), { instanceOf: LimitError, message: /MEDIA_SECTIONS_MAX/ });
  t.is(parseDescription(ours.createOffer()).media.length, MEDIA_SECTIONS_MAX);
});

test('names that a publisher chose become no lines of a viewer’s description', (t) => {
  const ours = session();
  const { mid } = ours.addSender('video');
  const evil = 'x\r\na=ice-ufrag:evil';
  ours.send(mid, { ...consumed('video', 101, { mid }), rtcp: { cname: evil }, msid: `${evil} y` });
  const [section] = parseDescription(ours.createOffer()).media;
  t.is(section?.ice?.usernameFragment, TRANSPORT.iceParameters.usernameFragment);
  t.deepEqual(
    section?.sources.map(({ cname }) => cname),
    ['-', '-'],
  );
});

test('options that are missing or malformed are named', (t) => {
  const make = (options: object) => () => new SdpSession(options as SdpSessionOptions);
  t.throws(make({}), { instanceOf: TypeError, message: /^transport:/ });
  t.throws(make({ transport: TRANSPORT }), { instanceOf: TypeError, message: /^rtpCapabilities:/ });
  const sessionId = 'one';
  t.throws(make({ transport: TRANSPORT, rtpCapabilities: ROUTER, sessionId }), { message: /^sessionId:/ });
});

function session(options: Partial<SdpSessionOptions> = {}): SdpSession {
  return new SdpSession({ transport: TRANSPORT, rtpCapabilities: ROUTER, ...options });
}

/** A session that answered an offer. */
function answered(offer: string, options: Partial<SdpSessionOptions> = {}) {
  const made = session(options);
  const description = made.receiveOffer(offer);
  return { session: made, description, answer: parseDescription(made.createAnswer()) };
}

/** Offers and takes the answer of a peer that agrees to everything. */
function answerOurs(ours: SdpSession) {
  return ours.receiveAnswer(answerTo(parseDescription(ours.createOffer())));
}

function numbers(parameters: types.RtpParameters | undefined): unknown[] {
  return (parameters?.codecs ?? []).map((codec) => [codec.payloadType, codec.parameters?.apt]);
}

function capabilityNumbers(options: ConsumeOptions | undefined): unknown[] {
  return (options?.rtpCapabilities.codecs ?? []).map((codec) => codec.preferredPayloadType);
}

/** What a consumer sends. */
function consumed(
  kind: types.MediaKind,
  payloadType: number,
  rest: Partial<types.RtpParameters> = {},
): types.RtpParameters {
  const video: types.RtpCodecParameters[] = [
    { mimeType: 'video/VP8', payloadType, clockRate: 90_000 },
    { mimeType: 'video/rtx', payloadType: payloadType + 1, clockRate: 90_000, parameters: { apt: payloadType } },
  ];
  const rtcpFeedback = [{ type: 'nack' }, { type: 'transport-cc' }];
  const audio = [{ mimeType: 'audio/opus', payloadType, clockRate: 48_000, channels: 2, rtcpFeedback }];
  return {
    codecs: kind === 'audio' ? audio : video,
    headerExtensions: [{ id: 4, uri: 'urn:ietf:params:rtp-hdrext:sdes:mid' }],
    encodings: [{ ssrc: 5000, ...(kind === 'video' ? { rtx: { ssrc: 5001 } } : {}) }],
    rtcp: { cname: 'cname', reducedSize: true },
    msid: 'stream track',
    ...rest,
  };
}

function cnames(...ssrcs: number[]): string[] {
  return ssrcs.map((ssrc) => `a=ssrc:${ssrc} cname:peer`);
}

/** An offer of m-lines, each `kind mid direction`, another codec than Opus or VP8, and lines of its own. */
function offerOf(...sections: string[][]): string {
  const mids = sections.map(([first = '']) => first.split(' ')[1]);
  const lines = sections.flatMap(([first = '', ...rest]) => {
    const [kind, mid, direction] = first.split(' ');
    const [name] = rest.filter((line) => !line.startsWith('a='));
    const formats =
      kind === 'video'
        ? ['96 97', `a=rtpmap:96 ${name ?? 'VP8'}/90000`, 'a=rtpmap:97 rtx/90000', 'a=fmtp:97 apt=96']
        : ['111', 'a=rtpmap:111 opus/48000/2'];
    return [
      `m=${kind} 9 UDP/TLS/RTP/SAVPF ${formats[0]}`,
      ...formats.slice(1),
      ...transportLines(),
      `a=mid:${mid}`,
      `a=${direction}`,
      'a=rtcp-mux',
      'a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid',
      ...rest.filter((line) => line.startsWith('a=')),
    ];
  });
  return head(`a=group:BUNDLE ${mids.join(' ')}`, ...lines);
}

/** The answer of a peer that agrees to everything. */
function answerTo(offer: SessionDescription, more: readonly string[] = []): string {
  const opposite = { sendonly: 'recvonly', recvonly: 'sendonly', sendrecv: 'sendrecv', inactive: 'inactive' };
  const lines = offer.media.flatMap((section, index) => [
    `m=${section.kind} ${section.port === 0 ? 0 : 9} ${section.protocol} ${section.formats.join(' ')}`,
    ...transportLines('active'),
    `a=mid:${section.mid}`,
    `a=${opposite[section.direction]}`,
    ...(section.kind === 'application' ? ['a=sctp-port:5000'] : ['a=rtcp-mux']),
    ...section.codecs.map(({ payloadType, mimeType, clockRate, channels }) => {
      return `a=rtpmap:${payloadType} ${mimeType.split('/')[1]}/${clockRate}${channels === 2 ? '/2' : ''}`;
    }),
    ...section.codecs.flatMap(({ payloadType, parameters }) =>
      parameters?.apt === undefined ? [] : [`a=fmtp:${payloadType} apt=${parameters.apt}`],
    ),
    ...section.codecs.flatMap(({ payloadType, parameters }) =>
      parameters?.['profile-level-id'] === undefined
        ? []
        : [`a=fmtp:${payloadType} packetization-mode=1;profile-level-id=${parameters['profile-level-id']}`],
    ),
    ...section.headerExtensions.map(({ id, uri }) => `a=extmap:${id} ${uri}`),
    ...(section.direction.includes('recv') && more.length === 0 ? cnames(1000 + index) : []),
    ...more,
  ]);
  const open = offer.media.filter(({ port }) => port !== 0).map(({ mid }) => mid);
  return head(`a=group:BUNDLE ${open.join(' ')}`, ...lines);
}
