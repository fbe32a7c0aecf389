import test from 'ava';
import { InvalidStateError, LimitError, SdpError, UnsupportedError } from '../ts/errors.js';
import { MEDIA_SECTIONS_MAX, parseDescription, SdpSession, type SdpSessionOptions } from '../ts/sdp/index.js';
import { hash, ROUTER, SAFARI, TRANSPORT } from './fixtures/sdp.js';
import { answered, answerTo, cnames, consumed, offerOf, session } from './fixtures/sdp-session.js';

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
