import test, { type ExecutionContext } from 'ava';
import {
  type ExtensionId,
  ExtensionIds,
  type ExtensionValues,
  isRtcp,
  PacketError,
  RtpPacket,
} from '../ts/rtp/index.js';
import { Chance } from './chance.js';

test('a packet gives its parts, and its payload without a copy', (t) => {
  const bytes = Buffer.from(
    'b2e0fffe0000000a0000000b' + '0000000c0000000d' + 'bede0001' + '10610000' + 'aabbcc' + '000003',
    'hex',
  );
  const packet = RtpPacket.parse(bytes, IDS);
  t.like(packet, { marker: true, payloadType: 96, sequenceNumber: 65_534, timestamp: 10, ssrc: 11, paddingLength: 3 });
  t.deepEqual(packet.csrcs, [12, 13]);
  t.is(packet.extension('mid'), 'a');
  t.deepEqual([...packet.payload], [0xaa, 0xbb, 0xcc]);
  t.is(packet.payload.buffer, bytes.buffer);
  t.is(packet.length, bytes.length);
  t.deepEqual(packet.toBuffer(), bytes);
});

test('numbers that are set wrap as they do on the wire', (t) => {
  const packet = new RtpPacket({ payloadType: 0, sequenceNumber: 65_535, timestamp: 0xffff_ffff, ssrc: 1 });
  packet.sequenceNumber += 1;
  packet.timestamp += 160;
  t.like(packet, { sequenceNumber: 0, timestamp: 159 });
  packet.sequenceNumber -= 1;
  packet.timestamp -= 160;
  t.like(packet, { sequenceNumber: 65_535, timestamp: 0xffff_ffff });
});

test('what cannot be written is a TypeError with a code that names it', (t) => {
  const packet = new RtpPacket();
  const wrong: [keyof RtpPacket, unknown][] = [
    ['payloadType', 128],
    ['payloadType', -1],
    ['sequenceNumber', 0.5],
    ['timestamp', Number.NaN],
    ['timestamp', '1'],
    ['ssrc', 2 ** 32],
    ['csrcs', Array(16).fill(1)],
    ['csrcs', [-1]],
    ['payload', [1, 2]],
    ['paddingLength', 256],
    ['opaqueExtension', { profile: 0xbede, bytes: new Uint8Array(4) }],
    ['opaqueExtension', { profile: 1, bytes: new Uint8Array(3) }],
  ];
  for (const [name, value] of wrong) {
    const error = t.throws(() => Object.assign(packet, { [name]: value }), { instanceOf: TypeError }, name);
    t.is((error as { code?: string }).code, 'ERR_INVALID_ARGUMENT');
    t.true(error?.message.startsWith(name), error?.message);
  }
  packet.payload = new Uint8Array(65_524);
  t.throws(() => packet.toBuffer(), { instanceOf: TypeError });
  packet.payload = new Uint8Array(65_523);
  t.is(packet.toBuffer().length, 65_535);
  t.throws(() => packet.writeTo(new Uint8Array(65_535), 1), { instanceOf: TypeError });
});

test('a packet is written into memory of the caller', (t) => {
  const packet = new RtpPacket({
    payloadType: 1,
    sequenceNumber: 2,
    timestamp: 3,
    ssrc: 4,
    payload: Buffer.from('hey'),
  });
  const target = Buffer.alloc(20, 0xee);
  t.is(packet.writeTo(target, 3), 15);
  t.deepEqual(target.subarray(3, 18), packet.toBuffer());
  t.deepEqual([...target.subarray(0, 3), ...target.subarray(18)], Array(5).fill(0xee));
});

test('every extension with a name reads back as it was set, in both forms of elements', (t) => {
  for (const shift of [0, 100]) {
    const ids = new ExtensionIds(KNOWN.map(({ uri, id }) => ({ uri, id: id + shift })));
    const packet = new RtpPacket({ payloadType: 1, sequenceNumber: 2, timestamp: 3, ssrc: 4, ids, extensions: VALUES });
    const read = RtpPacket.parse(packet.toBuffer(), ids);
    t.deepEqual(valuesOf(read), VALUES);
    t.is(read.toBuffer().readUInt16BE(12), shift === 0 ? 0xbede : 0x1000);
  }
});

test('extensions at the ends of their ranges read back as they were set', (t) => {
  const packet = new RtpPacket({ payloadType: 1, sequenceNumber: 2, timestamp: 3, ssrc: 4, ids: IDS });
  const values: { [Name in keyof ExtensionValues]?: ExtensionValues[Name][] } = {
    absSendTime: [0, 63.5, 2 ** -18],
    transportWideCc: [0, 65_535],
    audioLevel: [
      { voice: false, level: -127 },
      { voice: true, level: 0 },
    ],
    timestampOffset: [-0x80_0000, 0x7f_ffff, -1],
    playoutDelay: [{ minMs: 0, maxMs: 40_950 }],
    absCaptureTime: [{ ntpTimestamp: 2n ** 64n - 1n, clockOffset: -(2n ** 63n) }, { ntpTimestamp: 0n }],
    packetId: [0xffff_ffff],
    mid: ['größe', '', 'x'.repeat(255)],
  };
  for (const [name, list] of Object.entries(values) as [keyof ExtensionValues, never[]][]) {
    for (const value of list) {
      packet.setExtension(name, value);
      t.deepEqual(RtpPacket.parse(packet.toBuffer(), IDS).extension(name), value, name);
    }
  }
  packet.setExtension('absSendTime', 64.25);
  t.is(packet.extension('absSendTime'), 0.25);
});

test('values that an extension cannot have are refused', (t) => {
  const packet = new RtpPacket({ payloadType: 1, sequenceNumber: 2, timestamp: 3, ssrc: 4, ids: IDS });
  const wrong: { [Name in keyof ExtensionValues]?: unknown[] } = {
    mid: [1, 'x'.repeat(256)],
    absSendTime: [-1, Number.NaN],
    transportWideCc: [65_536, -1],
    audioLevel: [
      { voice: true, level: 1 },
      { voice: true, level: -128 },
    ],
    videoOrientation: [{ camera: true, flip: true, rotation: 45 }],
    timestampOffset: [0x80_0000],
    playoutDelay: [
      { minMs: -10, maxMs: 0 },
      { minMs: 0, maxMs: 40_960 },
    ],
    absCaptureTime: [{ ntpTimestamp: 2n ** 64n }, { ntpTimestamp: 1n, clockOffset: 2n ** 63n }],
    packetId: [2 ** 32],
    dependencyDescriptor: ['text'],
  };
  for (const [name, list] of Object.entries(wrong) as [keyof ExtensionValues, never[]][]) {
    for (const value of list) {
      t.throws(() => packet.setExtension(name, value), { instanceOf: TypeError }, name);
    }
  }
  t.is(packet.length, 12, 'nothing of it was kept');
  t.throws(() => packet.setExtensionBytes(0, new Uint8Array(1)), { instanceOf: TypeError });
  t.throws(() => packet.setExtensionBytes(256, new Uint8Array(1)), { instanceOf: TypeError });
  t.throws(() => packet.setExtensionBytes('urn:unknown', new Uint8Array(1)), { instanceOf: TypeError });
});

test('bytes that are no value of their extension are no value', (t) => {
  const packet = new RtpPacket({ payloadType: 1, sequenceNumber: 2, timestamp: 3, ssrc: 4, ids: IDS });
  for (const { id } of KNOWN) {
    packet.setExtensionBytes(id, Uint8Array.of(0xff, 0xfe, 1, 2, 3));
  }
  const { dependencyDescriptor, ...others } = valuesOf(packet);
  t.deepEqual([...(dependencyDescriptor ?? [])], [0xff, 0xfe, 1, 2, 3]);
  t.deepEqual(others, {});
  t.deepEqual([...(packet.extensionBytes('mid') ?? [])], [0xff, 0xfe, 1, 2, 3]);
});

test('extensions are found by number, URI and name, and go when they are removed', (t) => {
  const packet = new RtpPacket({ payloadType: 1, sequenceNumber: 2, timestamp: 3, ssrc: 4, ids: IDS });
  packet.setExtension('mid', 'a');
  packet.setExtensionBytes(14, Buffer.from('x'));
  t.deepEqual(
    packet.extensions.map(({ id, uri, bytes }) => [id, uri, Buffer.from(bytes).toString()]),
    [
      [1, 'urn:ietf:params:rtp-hdrext:sdes:mid', 'a'],
      [14, undefined, 'x'],
    ],
  );
  t.deepEqual([...(packet.extensionBytes('urn:ietf:params:rtp-hdrext:sdes:mid') ?? [])], [97]);
  t.true(packet.removeExtension('mid'));
  t.false(packet.removeExtension('mid'));
  t.true(packet.removeExtension(14));
  t.is(packet.toBuffer()[0], 0x80, 'without extensions there is no block');
});

test('an extension keeps its value when the numbers are those of another peer', (t) => {
  const theirs = new ExtensionIds([{ uri: 'urn:ietf:params:rtp-hdrext:sdes:mid', id: 9 }]);
  const packet = new RtpPacket({ payloadType: 1, sequenceNumber: 2, timestamp: 3, ssrc: 4, ids: IDS });
  packet.setExtension('mid', 'a');
  const mid = packet.extension('mid') ?? '';
  packet.removeExtension('mid');
  packet.ids = theirs;
  packet.setExtension('mid', mid);
  t.is(RtpPacket.parse(packet.toBuffer(), theirs).extension('mid'), 'a');
});

test('an extension from before RFC 8285 is carried as it is', (t) => {
  const packet = new RtpPacket({ payloadType: 1, sequenceNumber: 2, timestamp: 3, ssrc: 4, payload: Buffer.from('p') });
  packet.opaqueExtension = { profile: 0xabac, bytes: Buffer.from('12345678') };
  const read = RtpPacket.parse(packet.toBuffer());
  t.deepEqual(read.opaqueExtension, { profile: 0xabac, bytes: Buffer.from('12345678') });
  t.deepEqual(read.extensions, []);
  const refused = t.throws(() => read.setExtensionBytes(1, Buffer.from('x')));
  t.is((refused as { code?: string }).code, 'ERR_INVALID_STATE');
  read.opaqueExtension = undefined;
  t.is(read.toBuffer().length, 13);
});

test('a copy is changed without the original', (t) => {
  const packet = new RtpPacket({ payloadType: 1, sequenceNumber: 2, timestamp: 3, ssrc: 4, ids: IDS });
  packet.setExtension('mid', 'a');
  const before = packet.toBuffer();
  const copy = packet.clone();
  copy.setExtension('mid', 'b');
  copy.setExtension('transportWideCc', 1);
  copy.ssrc = 9;
  t.deepEqual(packet.toBuffer(), before);
  t.is(copy.extension('mid'), 'b');
});

test('numbers of extensions are from 1 to 255 and given once', (t) => {
  for (const list of [[{ uri: 'a', id: 0 }], [{ uri: 'a', id: 256 }], [{ uri: 'a', id: 1.5 }]]) {
    t.throws(() => new ExtensionIds(list), { instanceOf: TypeError });
  }
  const twice = [
    { uri: 'a', id: 1 },
    { uri: 'b', id: 1 },
  ];
  t.throws(() => new ExtensionIds(twice), { instanceOf: TypeError });
  t.is(IDS.id('mid'), 1);
  t.is(IDS.uri(1), 'urn:ietf:params:rtp-hdrext:sdes:mid');
  t.is(IDS.name(1), 'mid');
  t.is(IDS.name(200), undefined);
});

test('RTP and RTCP on one port are told apart by the second byte', (t) => {
  t.deepEqual(
    [[0x80, 191], [0x80, 192], [0x80, 223], [0x80, 224], [0x40, 200], [0x80], []].map((bytes) =>
      isRtcp(Uint8Array.from(bytes)),
    ),
    [false, true, true, false, false, false, false],
  );
});

test('r03 an extension block of 65,535 words is refused', (t) => {
  refused(t, `${HEAD_X}bedeffff00000000`, 'extension', 12);
  refused(t, `${HEAD_X}1000ffff00000000`, 'extension', 12);
  refused(t, `${HEAD_X}abcdffff00000000`, 'extension', 12);
  refused(t, `${HEAD_X}bede`, 'extension', 12);
  refused(t, HEAD_X, 'extension', 12);
});

test('r03 the numbers 15 and 0 with a length end a block of one-byte elements', (t) => {
  for (const end of ['f0ff', '05ff']) {
    const bytes = Buffer.from(`${HEAD_X}bede00021061${end}21ffff00aa`, 'hex');
    const packet = RtpPacket.parse(bytes, IDS);
    t.deepEqual(
      packet.extensions.map(({ id }) => id),
      [1],
    );
    t.deepEqual(packet.toBuffer(), bytes, 'what nobody changed stays as it is');
    packet.setExtension('mid', 'b');
    t.is(packet.toBuffer().length, bytes.length - 4);
  }
});

test('r03 elements that run past the block are refused', (t) => {
  refused(t, `${HEAD_X}bede000113000000`, 'extension', 17);
  refused(t, `${HEAD_X}bede000100000010`, 'extension', 20);
  refused(t, `${HEAD_X}1000000101030000`, 'extension', 18);
  refused(t, `${HEAD_X}1000000100000001`, 'extension', 19);
});

test('r03 255 elements are read, and one more is refused', (t) => {
  const elements = (count: number) => '0100'.repeat(count) + '0000'.repeat(count % 2);
  const bytes = Buffer.from(`${HEAD_X}10000080${elements(255)}`, 'hex');
  const packet = RtpPacket.parse(bytes, IDS);
  t.is(packet.extensions.length, 255);
  t.deepEqual(packet.toBuffer(), bytes);
  packet.setExtensionBytes(1, Buffer.from('x'));
  t.is(packet.extensions.length, 1, 'what was said 255 times is said once');
  refused(t, `${HEAD_X}10000080${elements(256)}`, 'extension', 16 + 2 * 256);
});

test('r03 contributing sources that run past the end are refused', (t) => {
  refused(t, '8f60000100000002000000030000000400', 'csrc', 12);
  t.is(RtpPacket.parse(Buffer.from(`8f6000010000000200000003${'00000009'.repeat(15)}`, 'hex')).csrcs.length, 15);
});

test('r03 padding that cannot be is refused, and payloads may be empty', (t) => {
  const head = 'a06000010000000200000003';
  refused(t, head, 'padding', 11);
  refused(t, `${head}aabb00`, 'padding', 14);
  refused(t, `${head}aabb04`, 'padding', 14);
  const onlyPadding = RtpPacket.parse(Buffer.from(`${head}000003`, 'hex'));
  t.like(onlyPadding, { payloadLength: 0, paddingLength: 3 });
  t.is(RtpPacket.parse(Buffer.from(`80${head.slice(2)}`, 'hex')).payloadLength, 0);
});

test('packets that are too short, too long or of another version are refused', (t) => {
  for (let length = 0; length < 12; length += 1) {
    refused(t, Buffer.alloc(length, 0x80).toString('hex'), 'length', length);
  }
  t.throws(() => RtpPacket.parse(Buffer.alloc(65_536, 0x80)), { instanceOf: PacketError });
  refused(t, '406000010000000200000003', 'version', 0);
  t.throws(() => RtpPacket.parse('text' as never), { instanceOf: TypeError });
});

test('any packet that can be made reads back as it was made', (t) => {
  const chance = new Chance(71);
  for (let round = 0; round < 2_000; round += 1) {
    const packet = randomPacket(chance);
    const bytes = packet.toBuffer();
    const read = RtpPacket.parse(bytes, IDS);
    t.is(bytes.length, packet.length);
    t.deepEqual(summary(read), summary(packet), `seed 71, round ${round}`);
    t.deepEqual(read.toBuffer(), bytes);
  }
});

test('mutated packets are refused with a PacketError or read back as they were, byte for byte', (t) => {
  const chance = new Chance(72);
  let accepted = 0;
  for (let round = 0; round < 20_000; round += 1) {
    const bytes = chance.mutated(randomPacket(chance).toBuffer());
    const packet = parsed(bytes);
    if (packet !== undefined) {
      accepted += 1;
      const written = packet.toBuffer();
      const payloadEnd = bytes.length - packet.paddingLength;
      t.true(written.subarray(0, payloadEnd).equals(bytes.subarray(0, payloadEnd)), `seed 72, round ${round}`);
      t.is(written.length, bytes.length);
      valuesOf(packet);
      packet.setExtension('transportWideCc', 1);
      t.is(RtpPacket.parse(packet.toBuffer(), IDS).extension('transportWideCc'), 1, `seed 72, round ${round}`);
    }
  }
  t.true(accepted > 2_000 && accepted < 19_000, `${accepted} were accepted: both ways must be walked`);
});

/** A packet; `undefined` for bytes that are refused as they should be, or that carry an extension of another kind. */
function parsed(bytes: Uint8Array): RtpPacket | undefined {
  try {
    const packet = RtpPacket.parse(bytes, IDS);
    return packet.opaqueExtension === undefined ? packet : undefined;
  } catch (error) {
    if (error instanceof PacketError && error.offset <= bytes.length) {
      return undefined;
    }
    throw error;
  }
}

function refused(t: ExecutionContext, hex: string, reason: string, offset: number): void {
  const error = t.throws(() => RtpPacket.parse(Buffer.from(hex, 'hex')), { instanceOf: PacketError }) as PacketError;
  t.deepEqual(
    [error.code, error.protocol, error.reason, error.offset],
    ['ERR_MALFORMED_PACKET', 'rtp', reason, offset],
  );
}

function randomPacket(chance: Chance): RtpPacket {
  const packet = new RtpPacket({
    payloadType: chance.below(128),
    sequenceNumber: chance.below(65_536),
    timestamp: chance.below(2 ** 32),
    ssrc: chance.below(2 ** 32),
    marker: chance.oneIn(2),
    csrcs: chance.list(15, () => chance.below(2 ** 32)),
    payload: chance.bytes(chance.below(60)),
    paddingLength: chance.oneIn(3) ? chance.below(256) : 0,
    ids: IDS,
  });
  for (let count = chance.below(5); count > 0; count -= 1) {
    const long = chance.oneIn(5);
    packet.setExtensionBytes(
      1 + chance.below(long ? 255 : 14),
      chance.bytes(long ? chance.below(256) : 1 + chance.below(16)),
    );
  }
  return packet;
}

function summary(packet: RtpPacket): object {
  const { marker, payloadType, sequenceNumber, timestamp, ssrc, csrcs, payload, paddingLength } = packet;
  const extensions = packet.extensions.map(({ id, bytes }) => [id, Buffer.from(bytes).toString('hex')]);
  const text = Buffer.from(payload).toString('hex');
  return { marker, payloadType, sequenceNumber, timestamp, ssrc, csrcs: [...csrcs], text, paddingLength, extensions };
}

function valuesOf(packet: RtpPacket): Partial<ExtensionValues> {
  const names = Object.keys(VALUES) as (keyof ExtensionValues)[];
  const values = names.map((name) => [name, packet.extension(name)] as const);
  return Object.fromEntries(values.filter(([, value]) => value !== undefined));
}

const VALUES: ExtensionValues = {
  mid: '0',
  rtpStreamId: 'hi',
  repairedRtpStreamId: 'lo',
  absSendTime: 12.25,
  transportWideCc: 4_711,
  audioLevel: { voice: true, level: -35 },
  dependencyDescriptor: Buffer.of(0x80, 0, 1),
  videoOrientation: { camera: true, flip: false, rotation: 270 },
  timestampOffset: -300,
  absCaptureTime: { ntpTimestamp: 0x0123_4567_89ab_cdefn },
  playoutDelay: { minMs: 20, maxMs: 400 },
  packetId: 0xfedc_ba98,
};

/** The extensions with names, numbered from 1 on. */
const KNOWN: ExtensionId[] = [
  'urn:ietf:params:rtp-hdrext:sdes:mid',
  'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id',
  'urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id',
  'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
  'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
  'urn:ietf:params:rtp-hdrext:ssrc-audio-level',
  'https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension',
  'urn:3gpp:video-orientation',
  'urn:ietf:params:rtp-hdrext:toffset',
  'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time',
  'http://www.webrtc.org/experiments/rtp-hdrext/playout-delay',
  'urn:mediasoup:params:rtp-hdrext:packet-id',
].map((uri, index) => ({ uri, id: index + 1 }));

const IDS = new ExtensionIds(KNOWN);

/** A packet's head with the bit that announces an extension block. */
const HEAD_X = '906000010000000200000003';
