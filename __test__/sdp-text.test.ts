import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import test from 'ava';
import { LimitError, MillraceError, SdpError } from '../ts/errors.js';
import {
  CANDIDATES_MAX,
  MEDIA_SECTIONS_MAX,
  type MediaSection,
  parseCandidate,
  parseDescription,
  SDP_LENGTH_MAX,
  SDP_LINE_LENGTH_MAX,
  SDP_LINES_MAX,
  SdpSession,
  type SessionDescription,
  writeDescription,
} from '../ts/sdp/index.js';
import { FIREFOX, hash, head, ROUTER, SAFARI, TRANSPORT, transportLines } from './fixtures/sdp.js';

/** Ten megabytes are refused in this time in ms, also on a busy machine; to parse them would take seconds. */
const REFUSED_WITHIN_MS = 500;

/** What is within the bounds is read in this time in ms: about 0.2 s on a machine that has nothing else to do. */
const READ_WITHIN_MS = 4_000;

/** What is left of refused descriptions, in bytes. */
const LEFT_BYTES_MAX = 2 << 20;

const P01: readonly [string, () => string, string][] = [
  ['10 MB', () => head(`a=x:${'y'.repeat(10 << 20)}`), 'SDP_LENGTH_MAX'],
  ['10 MB of empty lines', () => head() + '\n'.repeat(10 << 20), 'SDP_LENGTH_MAX'],
  ['100,000 lines', () => head(...Array<string>(100_000).fill('a=x')), 'SDP_LINES_MAX'],
  ['10,000 m-lines', () => head(...Array<string>(10_000).fill('m=audio 9 UDP/TLS/RTP/SAVPF 0')), 'MEDIA_SECTIONS_MAX'],
  [
    '10,000 candidates',
    () =>
      head(
        'm=audio 9 UDP/TLS/RTP/SAVPF 0',
        ...Array<string>(10_000).fill('a=candidate:1 1 udp 1 192.0.2.1 1 typ host'),
      ),
    'CANDIDATES_MAX',
  ],
  [
    '10,000 names of streams',
    () => head('m=video 9 UDP/TLS/RTP/SAVPF 96', ...Array<string>(10_000).fill('a=rid:1 send')),
    'RIDS_MAX',
  ],
  ['a line of 100,000 characters', () => head(`a=fmtp:1 ${'x'.repeat(100_000)}`), 'SDP_LINE_LENGTH_MAX'],
];

for (const [what, make, bound] of P01) {
  test(`P01: ${what} are refused at once, by name, and leave nothing behind`, (t) => {
    const text = make();
    const session = new SdpSession({ transport: TRANSPORT, rtpCapabilities: ROUTER });
    const before = usedBytes();
    const started = performance.now();
    const error = t.throws(() => session.receiveOffer(text), { instanceOf: LimitError });
    t.true(performance.now() - started < REFUSED_WITHIN_MS);
    t.regex(error?.message ?? '', new RegExp(bound));
    t.is(error?.code, 'ERR_LIMIT_EXCEEDED');
    t.true(usedBytes() - before < LEFT_BYTES_MAX);
    t.is(session.signallingState, 'stable');
    t.is(session.receiveOffer(SAFARI).media.length, 2);
  });
}

test('I14: candidates that are names are read as text, too many are refused, and no name is looked up', (t) => {
  const [names, many] = [
    ['f2ba5c2e-4b0e-4c5e-9a0d-0d7f0a1e2b3c.local', 'internal.example', 'localhost'],
    Array<string>(10_000).fill('a=candidate:1 1 udp 1 x.local 1 typ host'),
  ];
  const loaded = process.getActiveResourcesInfo();
  const lines = names.map((name) => `candidate:1 1 udp 2113937151 ${name} 9 typ host`);
  t.deepEqual(
    lines.map((line) => parseCandidate(line).address),
    names,
  );
  const session = new SdpSession({ transport: TRANSPORT, rtpCapabilities: ROUTER });
  const { iceCandidates } = session.receiveOffer(SAFARI + lines.map((line) => `a=${line}\r\n`).join(''));
  t.deepEqual(
    iceCandidates.slice(-3).map(({ address }) => address),
    names,
  );
  t.throws(() => parseDescription(head('m=audio 9 UDP/TLS/RTP/SAVPF 0', ...many)), { message: /CANDIDATES_MAX/ });
  // A look-up would wait in Node's pool (`GetAddrInfoReqWrap`).
  t.deepEqual(process.getActiveResourcesInfo(), loaded);
});

test('what is just within the bounds is read', (t) => {
  const media = Array<string>(MEDIA_SECTIONS_MAX).fill('m=audio 0 UDP/TLS/RTP/SAVPF 0');
  t.is(parseDescription(head(...media)).media.length, MEDIA_SECTIONS_MAX);
  const candidates = Array<string>(CANDIDATES_MAX).fill('a=candidate:1 1 udp 1 192.0.2.1 1 typ host');
  t.is(parseDescription(head(media[0] as string, ...candidates)).media[0]?.candidates.length, CANDIDATES_MAX);
  const lines = head(...Array<string>(SDP_LINES_MAX - 4).fill('a=x'), `a=x:${'y'.repeat(SDP_LINE_LENGTH_MAX - 4)}`);
  t.throws(() => parseDescription(lines), { message: /SDP_LINES_MAX/ });
  t.notThrows(() => parseDescription(lines.replace('a=x\r\n', '')));
  t.true(lines.length < SDP_LENGTH_MAX);
});

for (const [what, line] of [
  ['codec parameters', (at: number) => `a=fmtp:${at % 128} x${at}=1`],
  ['feedback', (at: number) => `a=rtcp-fb:${at % 128} x${at}`],
  ['sources', (at: number) => `a=ssrc:${at + 1} cname:x`],
  ['groups of sources', (at: number) => `a=ssrc-group:FID ${at + 1} ${at + 2}`],
  ['header extensions', (at: number) => `a=extmap:${at} urn:${at}`],
  ['what nobody knows', (at: number) => `a=x${at}:`],
] as const) {
  test(`P01: as many lines of ${what} as the bounds allow are read or refused in time`, (t) => {
    const formats = Array.from({ length: 128 }, (_, at) => at);
    const text = head(
      `m=video 9 UDP/TLS/RTP/SAVPF ${formats.join(' ')}`,
      ...transportLines(),
      'a=rtcp-mux',
      ...formats.map((format) => `a=rtpmap:${format} VP8/90000`),
      ...Array.from({ length: SDP_LINES_MAX - 200 }, (_, at) => line(at)),
    );
    const session = new SdpSession({ transport: TRANSPORT, rtpCapabilities: ROUTER });
    const started = performance.now();
    try {
      session.receiveOffer(text);
      session.createAnswer();
    } catch (error) {
      t.true(error instanceof MillraceError, String(error));
    }
    const took = performance.now() - started;
    t.log(`${took.toFixed(0)} ms`);
    t.true(took < READ_WITHIN_MS);
  });
}

test('what is no SDP is refused with what is wrong', (t) => {
  for (const [text, message] of [
    [undefined, /not undefined/],
    [null, /not null/],
    [{}, /not object/],
    ['', /v=0/],
    ['{"type":"offer"}', /v=0/],
    ['v=0\r\ns=-\r\n', /o=/],
    [head('m=audio'), /m-line 0: "m=audio" is malformed/],
    [head('m=audio nine UDP/TLS/RTP/SAVPF 0'), /m-line 0/],
  ] as const) {
    const error = t.throws(() => parseDescription(text as string), { instanceOf: SdpError });
    t.regex(error?.message ?? '', message);
    t.is(error?.code, 'ERR_INVALID_SDP');
  }
});

test('lines end as they like', (t) => {
  const expected = parseDescription(SAFARI);
  t.deepEqual(parseDescription(SAFARI.replaceAll('\r\n', '\n')), expected);
  t.deepEqual(parseDescription(SAFARI.replaceAll('\r\n', '\r')), expected);
});

test('what stands before all m-lines holds for each, unless it says otherwise', (t) => {
  const [audio, video, data] = parseDescription(FIREFOX).media;
  for (const section of [audio, video, data]) {
    t.deepEqual(section?.fingerprints, [{ algorithm: 'sha-256', value: hash('A1') }]);
  }
  const both = head(
    `a=fingerprint:SHA-256 ${hash('a1')}`,
    'm=audio 9 X 0',
    'a=fingerprint:md5 00',
    'a=fingerprint:sha-1 ab:cd',
  );
  t.deepEqual(parseDescription(both).media[0]?.fingerprints, [{ algorithm: 'sha-1', value: 'AB:CD' }]);
});

test('codecs have their channels, parameters and feedback, and those without a name are passed over', (t) => {
  const [audio, video] = parseDescription(FIREFOX).media;
  t.deepEqual(
    audio?.codecs.map(({ mimeType, payloadType, channels }) => [mimeType, payloadType, channels]),
    [
      ['audio/opus', 109, 2],
      ['audio/G722', 9, 1],
      ['audio/PCMU', 0, 1],
      ['audio/PCMA', 8, 1],
      ['audio/telephone-event', 101, 1],
    ],
  );
  t.deepEqual(audio?.codecs[4]?.parameters, { '0-15': '' });
  t.deepEqual(video?.codecs[4]?.parameters, {
    'profile-level-id': '42e01f',
    'level-asymmetry-allowed': 1,
    'packetization-mode': 1,
  });
  t.deepEqual(video?.codecs[0]?.rtcpFeedback?.at(1), { type: 'nack', parameter: 'pli' });
  const odd = head(
    'm=video 9 UDP/TLS/RTP/SAVPF 96 97 128 0 x',
    'a=rtpmap:96 VP8/90000',
    'a=rtcp-fb:* nack',
    'a=fmtp:96 __proto__=1',
  );
  const [vp8, pcmu] = parseDescription(odd).media[0]?.codecs ?? [];
  t.deepEqual(vp8?.rtcpFeedback, [{ type: 'nack', parameter: '' }]);
  t.deepEqual(Object.keys(vp8?.parameters ?? {}), ['__proto__']);
  t.is(pcmu?.mimeType, 'video/PCMU');
});

test('digits in a profile-level-id stay text, and names that are numbers stay names', (t) => {
  const text = head(
    'm=video 9 UDP/TLS/RTP/SAVPF 96',
    'a=mid:007',
    'a=ice-ufrag:1234',
    'a=ice-pwd:1e400',
    'a=rtpmap:96 H264/90000',
    'a=fmtp:96 profile-level-id=640032;x=1e400;y=Infinity;z=-5',
  );
  const [section] = parseDescription(text).media;
  t.deepEqual(section?.codecs[0]?.parameters, { 'profile-level-id': '640032', x: '1e400', y: 'Infinity', z: -5 });
  t.like(section, { mid: '007', ice: { usernameFragment: '1234', password: '1e400' } });
});

test('a trickled candidate is read with and without its prefix', (t) => {
  const candidate = 'candidate:1 1 UDP 2122252543 192.0.2.7 54609 typ host generation 0 ufrag abcd network-id 1';
  const expected = {
    foundation: '1',
    component: 1,
    protocol: 'udp',
    priority: 2_122_252_543,
    address: '192.0.2.7',
    port: 54_609,
    type: 'host',
  };
  t.deepEqual(parseCandidate(candidate), expected);
  t.deepEqual(parseCandidate(`a=${candidate}`), expected);
  for (const bad of ['', 'candidate:', 'candidate:1 1 udp x y z', `${candidate}\r\na=x`, null]) {
    t.throws(() => parseCandidate(bad as string), { instanceOf: SdpError });
  }
  t.throws(() => parseCandidate(`${candidate} ${'x'.repeat(SDP_LINE_LENGTH_MAX)}`), { instanceOf: LimitError });
});

test('a text with a line break is refused by the writer, wherever it stands', (t) => {
  const description = parseDescription(SAFARI);
  const [audio, video] = description.media as [MediaSection, MediaSection];
  const poisons: Partial<MediaSection>[] = [
    { mid: 'a\r\na=x' },
    { msids: [{ stream: 'a\nb', track: '' }] },
    { sources: [{ ssrc: 1, cname: 'a\0' }] },
    { codecs: [{ ...(video.codecs[0] as MediaSection['codecs'][number]), parameters: { 'x\r\nb=AS:1': 1 } }] },
  ];
  for (const poison of poisons) {
    const poisoned = { ...description, media: [audio, { ...video, ...poison }] };
    t.throws(() => writeDescription(poisoned), { instanceOf: TypeError, message: /line break/ });
  }
});

for (const [browser, text] of [
  ['Firefox', FIREFOX],
  ['Safari', SAFARI],
] as const) {
  test(`what ${browser} offers is read and written without a loss`, (t) => {
    const description = parseDescription(text);
    t.deepEqual(parseDescription(writeDescription(description)), description);
  });
}

test('any description is read as it was written', (t) => {
  const random = new Random(20_261_121);
  for (let round = 0; round < 400; round += 1) {
    const description = random.description();
    t.deepEqual(parseDescription(writeDescription(description)), description, `round ${round}`);
  }
});

test('a description that was cut, mixed or mutated is taken or refused, but never a fault', (t) => {
  const random = new Random(8);
  let taken = 0;
  for (let round = 0; round < 1500; round += 1) {
    const session = new SdpSession({ transport: TRANSPORT, rtpCapabilities: ROUTER });
    const text = random.mutated(random.of([FIREFOX, SAFARI]), random.of([FIREFOX, SAFARI]));
    try {
      session.receiveOffer(text);
      const answer = parseDescription(session.createAnswer());
      taken += 1;
      session.addSender('video');
      session.createOffer();
      t.true(answer.media.length > 0 || !text.includes('m='));
    } catch (error) {
      t.true(error instanceof MillraceError, `round ${round}: ${(error as Error).stack}`);
    }
  }
  t.true(taken > 300 && taken < 1500, `${taken} were taken`);
});

/** Chance with a seed (mulberry32). */
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % end;
  }

  of<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }

  some<T>(max: number, make: (index: number) => T): T[] {
    return Array.from({ length: this.below(max + 1) }, (_, index) => make(index));
  }

  maybe<T extends object>(make: () => T): Partial<T> {
    return this.below(2) === 0 ? make() : {};
  }

  token(length = 8): string {
    const letters = 'abcdefghijklmnopqrstuvwxyzABCXYZ-_0123456789';
    return Array.from({ length: 1 + this.below(length) }, () => this.of([...letters])).join('');
  }

  description(): SessionDescription {
    return {
      id: String(this.below(2 ** 31)),
      version: String(this.below(1000)),
      iceLite: this.below(2) === 0,
      extmapAllowMixed: this.below(2) === 0,
      bundles: this.some(2, () => [this.token(), this.token()]),
      media: this.some(4, () => this.section()),
    };
  }

  section(): MediaSection {
    const kind = this.of(['audio', 'video', 'application']);
    const codecs = kind === 'application' ? [] : this.some(5, (index) => this.codec(kind, 96 + index));
    return {
      kind,
      port: this.below(65_536),
      protocol: this.of(['UDP/TLS/RTP/SAVPF', 'UDP/DTLS/SCTP']),
      formats: kind === 'application' ? ['webrtc-datachannel'] : codecs.map(({ payloadType }) => String(payloadType)),
      ...this.maybe(() => ({ address: this.of(['192.0.2.1', '2001:db8::1', 'media.example.org']) })),
      ...this.maybe(() => ({ mid: this.token(16) })),
      direction: this.of(['sendrecv', 'sendonly', 'recvonly', 'inactive']),
      bundleOnly: this.below(2) === 0,
      rtcpMux: this.below(2) === 0,
      rtcpReducedSize: this.below(2) === 0,
      ...this.maybe(() => ({ ice: { usernameFragment: this.token(), password: this.token(30) } })),
      iceOptions: this.some(3, () => this.token()),
      candidates: this.some(3, () => ({
        foundation: this.token(),
        component: 1 + this.below(2),
        protocol: this.of(['udp', 'tcp']),
        priority: this.below(2 ** 31),
        address: this.of(['192.0.2.1', '2001:db8::1', 'abc.local']),
        port: this.below(65_536),
        type: this.of(['host', 'srflx', 'relay']),
        ...this.maybe(() => ({ tcpType: this.of(['active', 'passive']) })),
      })),
      endOfCandidates: this.below(2) === 0,
      ...this.maybe(() => ({ setup: this.of(['active', 'passive', 'actpass', 'holdconn'] as const) })),
      fingerprints: this.some(2, () => ({ algorithm: this.of(['sha-1', 'sha-256'] as const), value: hash('0F') })),
      codecs,
      headerExtensions: this.some(4, (index) => ({
        id: 1 + index,
        uri: `urn:x:${this.token()}`,
        ...this.maybe(() => ({ direction: 'recvonly' })),
      })),
      msids: this.some(2, () => ({ stream: this.token(), track: this.of(['', this.token()]) })),
      ...this.streams(),
      ...this.maybe(() => ({ sctp: { port: 1 + this.below(65_535), maxMessageSize: this.below(2 ** 30) } })),
    };
  }

  codec(kind: string, payloadType: number): MediaSection['codecs'][number] {
    const values = this.some(3, (): [string, string | number] => [
      `p${this.token()}`,
      this.of<string | number>([this.below(10_000), `v${this.token()}`, '', -3]),
    ]);
    return {
      mimeType: `${kind}/x${this.token().replaceAll('_', '')}`,
      payloadType,
      clockRate: 1 + this.below(96_000),
      ...(kind === 'audio' ? { channels: 1 + this.below(8) } : {}),
      parameters: Object.fromEntries(values),
      rtcpFeedback: this.some(3, () => ({ type: this.of(['nack', 'ccm']), parameter: this.of(['', 'pli', 'fir']) })),
    };
  }

  streams(): Pick<MediaSection, 'rids' | 'simulcast' | 'sources' | 'sourceGroups'> {
    const lists = (min: number) =>
      Array.from({ length: min + this.below(2) }, () =>
        Array.from({ length: 1 + this.below(2) }, () => ({ rid: this.token(), paused: this.below(2) === 0 })),
      );
    return {
      rids: this.some(3, () => ({
        id: this.token(),
        direction: this.of(['send', 'recv'] as const),
        restrictions: Object.fromEntries(this.some(2, () => [`max-${this.token()}`, this.of(['', '5'])])),
      })),
      ...this.maybe(() => ({ simulcast: { send: lists(1), receive: lists(0) } })),
      sources: this.some(3, (index) => ({
        ssrc: 1 + index + 10 * this.below(2 ** 27),
        // RFC 5576 §4.1: a source has an attribute.
        ...this.of([{ cname: this.token() }, { msid: this.token() }, { cname: this.token(), msid: this.token() }]),
      })),
      sourceGroups: this.some(2, () => ({
        semantics: this.of(['FID', 'SIM']),
        ssrcs: [1 + this.below(9), 10 + this.below(9)],
      })),
    };
  }

  /** A text with lines of another one, and with some of its own gone, doubled, exchanged or spoilt. */
  mutated(text: string, other: string): string {
    const lines = text.split('\r\n');
    const others = other.split('\r\n');
    for (let change = this.below(6); change > 0; change -= 1) {
      const at = 1 + this.below(lines.length - 1);
      const line = lines[at] as string;
      const spoilt =
        line.slice(0, this.below(line.length + 1)) + this.token() + line.slice(this.below(line.length + 1));
      const replacement = this.of([[], [line, line], [this.of(others)], [spoilt], [lines.at(-at) ?? '', line]]);
      lines.splice(at, 1, ...replacement);
    }
    return lines.join('\r\n');
  }
}

/** Bytes of the heap after everything that nobody holds is gone. */
function usedBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  return process.memoryUsage().heapUsed;
}
