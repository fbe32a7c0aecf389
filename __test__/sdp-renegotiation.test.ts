import test from 'ava';
import { InvalidStateError, NotFoundError, UnsupportedError } from '../ts/errors.js';
import { parseDescription, type SdpMedia } from '../ts/sdp/index.js';
import { FIREFOX, SAFARI, TRANSPORT } from './fixtures/sdp.js';
import { answered, answerOurs, answerTo, cnames, consumed, offerOf, session } from './fixtures/sdp-session.js';

const CHANNELS = { ...TRANSPORT, sctpParameters: { port: 5000, maxMessageSize: 262_144 } };

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
