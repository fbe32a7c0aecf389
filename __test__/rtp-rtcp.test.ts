import { readFileSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { buildRtcp, PacketError, parseRtcp, RTCP_PACKETS_MAX, type RtcpPacket } from '../ts/rtp/index.js';
import { Chance } from './chance.js';

test('packets of every kind read back as they were written', (t) => {
  for (const [name, packet] of Object.entries(ONE_OF_EACH)) {
    t.deepEqual(parseRtcp(buildRtcp([packet])), [packet], name);
  }
  t.deepEqual(parseRtcp(buildRtcp(Object.values(ONE_OF_EACH))), Object.values(ONE_OF_EACH));
});

test('what this package writes is what the Rust core writes', (t) => {
  // `crates/packet/tests/vectors.rs` checks the same file against the core's writer.
  const lines = readFileSync(new URL('fixtures/rtcp-vectors.txt', import.meta.url), 'utf8')
    .trim()
    .split('\n');
  const vectors = Object.fromEntries(lines.map((line) => line.split(' ') as [string, string]));
  t.deepEqual(Object.keys(vectors).sort(), Object.keys(VECTORS).sort());
  for (const [name, packet] of Object.entries(VECTORS)) {
    t.is(buildRtcp([packet]).toString('hex'), vectors[name] as string, name);
    t.deepEqual(parseRtcp(Buffer.from(vectors[name] as string, 'hex')), [packet], name);
  }
});

test('what is binary is a view of what was parsed', (t) => {
  const bytes = buildRtcp([ONE_OF_EACH.app, ONE_OF_EACH.sli]);
  const [app, sli] = parseRtcp(bytes) as [Kind<'app'>, Kind<'feedback'>];
  t.is(app.data.buffer, bytes.buffer);
  t.is(sli.fci.buffer, bytes.buffer);
});

test('a NACK takes as few items as its numbers allow, over the wrap', (t) => {
  const lost = [65_533, 65_534, 0, 13, 14, 100, 116, 117];
  const bytes = buildRtcp([{ type: 'nack', senderSsrc: 1, mediaSsrc: 2, lost }]);
  t.is(bytes.length, 12 + 4 * 4, '65533 covers up to 13, 14 stands alone, 100 covers 116, 117 stands alone');
  t.like(parseRtcp(bytes), [{ lost }]);
});

test('transport feedback of every pattern reads back as it was written', (t) => {
  const lost = undefined;
  const patterns: (number | undefined)[][] = [
    [4],
    Array(100).fill(0),
    Array(9).fill(-1),
    [1, ...Array(9_000).fill(lost), 300],
    [...Array(7).fill([1, lost]).flat(), 2],
    [...Array(6).fill([1, lost]).flat(), 256],
    [...Array(10).fill(1), -32_768, lost, lost, lost, 32_767],
    [...Array(14).fill(lost), 255, ...Array(6).fill(256), lost, 1],
    Array(65_535).fill(lost),
  ];
  for (const statuses of patterns) {
    const packet = feedbackOf(statuses);
    t.deepEqual(parseRtcp(buildRtcp([packet])), [packet]);
  }
});

test('the chunks of the draft are understood', (t) => {
  // §3.1.3: 221 lost. §3.1.4: one lost, five received, three lost, three received, two lost; and the two-bit example
  // with its reserved symbol replaced by a large delta.
  const hex = '8fcd00090000000100000002' + '000000f200000000' + '00dd9f1cc950' + '0101010101010101ffff01010100';
  const [feedback] = parseRtcp(Buffer.from(hex, 'hex'));
  const numbers = [222, 223, 224, 225, 226, 230, 231, 232, 236, 237, 238, 239];
  const received = numbers.map((sequenceNumber) => ({ sequenceNumber, delta: sequenceNumber === 236 ? -1 : 1 }));
  t.like(feedback, { type: 'transport-cc', statusCount: 242, received });
});

test('transport feedback that contradicts itself is not written', (t) => {
  const good = feedbackOf([1, 2, 3]);
  const first = { sequenceNumber: good.baseSequenceNumber, delta: 1 };
  const wrong: Partial<typeof good>[] = [
    { statusCount: 0 },
    { statusCount: 65_536 },
    { statusCount: 2 },
    { received: [first, first] },
    { received: [{ ...first, delta: 40_000 }] },
    { received: [{ ...first, sequenceNumber: -1 }] },
    { referenceTime: 0x80_0000 },
  ];
  for (const change of wrong) {
    t.throws(() => buildRtcp([{ ...good, ...change }]), { instanceOf: TypeError }, JSON.stringify(change));
  }
});

test('an estimate keeps its 18 highest bits, whatever its size', (t) => {
  for (const bitrate of [0, 1, 262_143, 300_000, 2 ** 63, 2 ** 80]) {
    t.deepEqual(parseRtcp(buildRtcp([{ type: 'remb', senderSsrc: 1, mediaSsrc: 0, bitrate, ssrcs: [2] }])), [
      { type: 'remb', senderSsrc: 1, mediaSsrc: 0, bitrate, ssrcs: [2] },
    ]);
  }
  const rounded = parseRtcp(
    buildRtcp([{ type: 'remb', senderSsrc: 1, mediaSsrc: 0, bitrate: 1_234_567.8, ssrcs: [] }]),
  );
  t.like(rounded, [{ bitrate: 1_234_560 }]);
});

test('text that is no UTF-8 is given as bytes, and written as it was', (t) => {
  const bytes = Buffer.from('81ca0003' + '00000001' + '0102fffe' + '00000000', 'hex');
  const packets = parseRtcp(bytes);
  t.deepEqual(packets, [{ type: 'sdes', chunks: [{ ssrc: 1, items: [{ type: 1, text: Buffer.of(0xff, 0xfe) }] }] }]);
  t.deepEqual(buildRtcp(packets), bytes);
});

test('padding is taken off any packet', (t) => {
  const padded = 'a1ce0003' + '0000000100000002' + '00000004';
  const pli = { type: 'pli', senderSsrc: 1, mediaSsrc: 2 };
  t.deepEqual(parseRtcp(Buffer.from(padded + padded, 'hex')), [pli, pli]);
  // libwebrtc pads transport feedback by one to three bytes.
  const odd = 'afcd0005' + '0000000100000002' + '0009000100000000' + '20010501';
  t.like(parseRtcp(Buffer.from(odd, 'hex')), [{ type: 'transport-cc', received: [{ sequenceNumber: 9, delta: 5 }] }]);
});

test('what cannot be written is a TypeError with a code that names it', (t) => {
  const { sr, rr, sdes, bye, app, fir, xr, unknown } = ONE_OF_EACH;
  const block = { ...rr.reports[0] } as (typeof rr.reports)[0];
  const wrong: [RtcpPacket, string][] = [
    [{ ...sr, ntpTimestamp: 2n ** 64n }, 'packets[0].ntpTimestamp'],
    [{ ...sr, ntpTimestamp: 1 as never }, 'packets[0].ntpTimestamp'],
    [{ ...rr, reports: [block, { ...block, packetsLost: 0x80_0000 }] }, 'packets[0].reports[1].packetsLost'],
    [{ ...rr, reports: [{ ...block, jitter: -1 }] }, 'packets[0].reports[0].jitter'],
    [{ ...rr, reports: Array(32).fill(block) }, 'packets[0]: number of items'],
    [{ ...bye, ssrcs: Array(32).fill(1) }, 'packets[0]: number of items'],
    [{ ...bye, reason: 'x'.repeat(256) }, 'packets[0].reason'],
    [{ ...sdes, chunks: [{ ssrc: 1, items: [{ type: 0, text: '' }] }] }, 'packets[0].chunks[0].items[0].type'],
    [{ ...app, name: 'abc' }, 'packets[0].name'],
    [{ ...app, name: 'abc\u0100' }, 'packets[0].name'],
    [{ ...app, subtype: 32 }, 'packets[0]: number of items'],
    [{ ...fir, requests: [] }, 'packets[0].requests'],
    [{ ...ONE_OF_EACH.nack, lost: [] }, 'packets[0].lost'],
    [{ ...ONE_OF_EACH.nack, lost: [65_536] }, 'packets[0].lost'],
    [{ ...ONE_OF_EACH.remb, bitrate: Number.POSITIVE_INFINITY }, 'packets[0].bitrate'],
    [{ ...ONE_OF_EACH.remb, ssrcs: Array(256).fill(1) }, 'packets[0].ssrcs'],
    [{ ...ONE_OF_EACH.sli, packetType: 204 as never }, 'packets[0].packetType'],
    [
      { ...xr, blocks: [{ type: 'raw', blockType: 1, typeSpecific: 0, content: Buffer.alloc(3) }] },
      'packets[0].blocks[0]',
    ],
    [
      { ...xr, blocks: [{ type: 'raw', blockType: 4, typeSpecific: 0, content: Buffer.alloc(4) }] },
      'packets[0].blocks[0]',
    ],
    [
      { ...xr, blocks: [{ type: 'raw', blockType: 5, typeSpecific: 0, content: Buffer.alloc(4) }] },
      'packets[0].blocks[0]',
    ],
    [{ ...unknown, packetType: 200 }, 'packets[0].packetType'],
    [{ ...ONE_OF_EACH.sli, format: 1 }, 'packets[0].format'],
    [{ ...ONE_OF_EACH.sli, format: 15, fci: Buffer.from('REMB') }, 'packets[0].format'],
    [{ ...ONE_OF_EACH.tmmbr, format: 15 }, 'packets[0].format'],
    [{ ...unknown, packetType: 256 }, 'packets[0].packetType'],
    [{ ...unknown, body: Buffer.alloc(65_536) }, 'a packet of more than'],
    [{ type: 'nonsense' } as never, 'packets[0].type'],
  ];
  for (const [packet, path] of wrong) {
    const error = t.throws(() => buildRtcp([packet]), { instanceOf: TypeError }, path) as TypeError & { code: string };
    t.is(error.code, 'ERR_INVALID_ARGUMENT');
    t.true(error.message.startsWith(path), error.message);
  }
  t.throws(() => buildRtcp([]), { instanceOf: TypeError });
  t.throws(() => buildRtcp(Array(RTCP_PACKETS_MAX + 1).fill(bye)), { instanceOf: TypeError });
});

test('c01 a length of 0 is refused where the type needs more', (t) => {
  for (const packetType of [200, 201, 204, 205, 206, 207]) {
    refused(t, Buffer.of(0x80, packetType, 0, 0), 'body', 4);
  }
});

test('c01 a length past the end refuses the whole compound', (t) => {
  const good = buildRtcp([ONE_OF_EACH.pli]);
  refused(t, Buffer.concat([good, Buffer.of(0x81, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2)]), 'length', 12);
  refused(t, Buffer.concat([good, Buffer.of(0x80)]), 'length', 12);
  refused(t, Buffer.alloc(0), 'length', 0);
  refused(t, Buffer.alloc(65_536, 0x80), 'length', 0);
});

test('c01 a count of 31 over a short body refuses the whole compound', (t) => {
  const good = buildRtcp([ONE_OF_EACH.pli]);
  for (const packetType of [200, 201, 202, 203]) {
    const bad = Buffer.alloc(32);
    bad.set([0x9f, packetType, 0, 7]);
    const error = t.throws(() => parseRtcp(Buffer.concat([good, bad])), { instanceOf: PacketError }) as PacketError;
    t.is(error.reason, 'body', `${packetType}`);
    t.true(error.offset >= good.length);
  }
});

test('c01 padding of 0 or more than the body is refused', (t) => {
  for (const count of [0, 13, 255]) {
    refused(t, Buffer.of(0xa1, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, count), 'padding', 15);
  }
  refused(t, Buffer.of(0xa0, 204, 0, 0), 'padding', 3);
});

test('c01 items of SDES, BYE, REMB, FIR and XR that run past their packet are refused', (t) => {
  const short: [string, number][] = [
    ['81ca0002' + '00000001' + '01040000', 10], // an item of 4 bytes where 2 are left
    ['81ca0002' + '00000001' + '01026162', 12], // a list of items without an end
    ['81cb0002' + '00000001' + '04616263', 9], // a reason of 4 bytes where 3 are left
    ['8fce0004' + '0000000100000000' + '52454d42' + '02000001', 20], // two streams where there is none
    ['84ce0003' + '0000000100000000' + '00000002', 12], // half a request
    ['84ce0002' + '0000000100000000', 12], // no request
    ['80cf0003' + '00000001' + '04000003' + '00000000', 12], // a block of 3 words where 1 is left
    ['80cf0003' + '00000001' + '04000001' + '00000000', 8], // a reference time of 4 bytes
    ['80cf0003' + '00000001' + '05000001' + '00000000', 12], // a third of an answer
  ];
  for (const [hex, offset] of short) {
    refused(t, Buffer.from(hex, 'hex'), 'body', offset);
  }
});

test('c01 more packets than the bound are refused', (t) => {
  const pli = buildRtcp([ONE_OF_EACH.pli]);
  t.is(parseRtcp(Buffer.concat(Array(RTCP_PACKETS_MAX).fill(pli))).length, RTCP_PACKETS_MAX);
  refused(t, Buffer.concat(Array(RTCP_PACKETS_MAX + 1).fill(pli)), 'packets', 12 * RTCP_PACKETS_MAX);
});

test('c02 status counts that the bytes do not hold are refused', (t) => {
  const head = '8fcd0005' + '0000000100000002';
  refused(t, Buffer.from(`${head}0000ffff000000001fff0000`, 'hex'), 'body', 24);
  refused(t, Buffer.from(`${head}000000000000000020010900`, 'hex'), 'body', 14);
  const runsOfNothing = Buffer.from(`8fcd000e0000000100000002${'0000000100000000'}${'2000'.repeat(20)}`, 'hex');
  refused(t, runsOfNothing, 'body', 60);
});

test('c02 65,535 lost packets take one step a chunk', (t) => {
  const statuses = `8fcd00090000000100000002${'ffffffff7fffff09'}${'1fff'.repeat(8)}`;
  refused(t, Buffer.from(`${statuses}20070101`, 'hex'), 'body', 38);
  t.like(parseRtcp(Buffer.from(`${statuses}00070000`, 'hex')), [{ statusCount: 65_535, received: [] }]);
});

test('c02 the reserved symbol is refused where it counts', (t) => {
  const head = '8fcd0005' + '0000000100000002' + '0000000200000000';
  for (const chunk of ['6002', 'f000', 'cc00']) {
    refused(t, Buffer.from(`${head}${chunk}0000`, 'hex'), 'body', 20);
  }
  t.notThrows(() => parseRtcp(Buffer.from(`${head}c3000000`, 'hex')), 'behind the last status');
});

test('c02 reference time and sequence numbers are read at their ends', (t) => {
  const hex = '8fcd0005' + '0000000100000002' + 'ffff000280000000' + '20020506';
  const [feedback] = parseRtcp(Buffer.from(hex, 'hex'));
  t.like(feedback, {
    referenceTime: -0x80_0000,
    received: [
      { sequenceNumber: 65_535, delta: 5 },
      { sequenceNumber: 0, delta: 6 },
    ],
  });
});

test('any packets that can be made read back as they were made', (t) => {
  const chance = new Chance(73);
  for (let round = 0; round < 3_000; round += 1) {
    const packets = Array.from({ length: 1 + chance.below(4) }, () => randomPacket(chance));
    t.deepEqual(parseRtcp(buildRtcp(packets)), packets, `seed 73, round ${round}`);
  }
});

test('mutated compounds are refused with a PacketError, or settle after one writing', (t) => {
  const chance = new Chance(74);
  let accepted = 0;
  for (let round = 0; round < 20_000; round += 1) {
    const packets = Array.from({ length: 1 + chance.below(3) }, () => randomPacket(chance));
    const bytes = chance.mutated(buildRtcp(packets));
    const read = parsed(bytes);
    if (read !== undefined) {
      accepted += 1;
      const written = buildRtcp(read);
      const again = parseRtcp(written);
      t.is(again.length, read.length, `seed 74, round ${round}`);
      t.true(buildRtcp(again).equals(written), `seed 74, round ${round}`);
    }
  }
  t.true(accepted > 2_000 && accepted < 18_000, `${accepted} were accepted: both ways must be walked`);
});

function parsed(bytes: Uint8Array): RtcpPacket[] | undefined {
  try {
    return parseRtcp(bytes);
  } catch (error) {
    if (error instanceof PacketError && error.offset <= bytes.length) {
      return undefined;
    }
    throw error;
  }
}

function refused(t: ExecutionContext, bytes: Uint8Array, reason: string, offset: number): void {
  const error = t.throws(() => parseRtcp(bytes), { instanceOf: PacketError }) as PacketError;
  t.deepEqual([error.protocol, error.reason, error.offset], ['rtcp', reason, offset], error.message);
}

type Kind<Type> = Extract<RtcpPacket, { type: Type }>;

/** Feedback about packets from 65,530 on: a time for each that arrived. */
function feedbackOf(statuses: readonly (number | undefined)[]): Kind<'transport-cc'> {
  const baseSequenceNumber = 65_530;
  const received = statuses.flatMap((delta, index) =>
    delta === undefined ? [] : [{ sequenceNumber: (baseSequenceNumber + index) & 0xffff, delta }],
  );
  const numbers = { baseSequenceNumber, statusCount: statuses.length, referenceTime: -2, feedbackCount: 7 };
  return { type: 'transport-cc', senderSsrc: 1, mediaSsrc: 2, ...numbers, received };
}

function randomPacket(chance: Chance): RtcpPacket {
  const u32 = () => chance.below(2 ** 32);
  const words = (max: number) => chance.bytes(4 * chance.below(max + 1));
  const ssrcs = { senderSsrc: u32(), mediaSsrc: u32() };
  const makers: (() => RtcpPacket)[] = [
    () => ({ ...(ONE_OF_EACH.sr as Kind<'sr'>), ssrc: u32(), reports: chance.list(31, () => randomBlock(chance)) }),
    () => ({ type: 'rr', ssrc: u32(), reports: chance.list(31, () => randomBlock(chance)) }),
    () => ({
      type: 'sdes',
      chunks: chance.list(31, () => ({
        ssrc: u32(),
        items: chance.list(4, () => ({ type: 1 + chance.below(255), text: 'ä'.repeat(chance.below(20)) })),
      })),
    }),
    () => ({
      type: 'bye',
      ssrcs: chance.list(31, u32),
      ...(chance.oneIn(2) ? { reason: 'x'.repeat(chance.below(20)) } : {}),
    }),
    () => ({ type: 'app', subtype: chance.below(32), ssrc: u32(), name: 'mill', data: words(9) }),
    () => ({ type: 'nack', ...ssrcs, lost: ascending(chance) }),
    () => ({ type: 'pli', ...ssrcs }),
    () => ({
      type: 'fir',
      ...ssrcs,
      requests: [0, ...chance.list(5, () => 0)].map(() => ({ ssrc: u32(), sequenceNumber: chance.below(256) })),
    }),
    () => ({
      type: 'remb',
      ...ssrcs,
      bitrate: chance.below(1 << 18) * 2 ** chance.below(64),
      ssrcs: chance.list(9, u32),
    }),
    () => ({
      type: 'feedback',
      packetType: chance.pick([205, 206] as const),
      format: chance.pick([2, 3, 5, 31]),
      ...ssrcs,
      fci: words(5),
    }),
    () => ({ type: 'xr', ssrc: u32(), blocks: chance.list(4, () => randomXrBlock(chance)) }),
    () => ({ type: 'unknown', packetType: 192 + chance.below(8), count: chance.below(32), body: words(5) }),
    () =>
      feedbackOf([
        1,
        ...chance.list(60, () => (chance.oneIn(3) ? undefined : chance.below(chance.pick([256, 32_768])))),
      ]),
  ];
  return chance.pick(makers)();
}

function randomBlock(chance: Chance): Kind<'rr'>['reports'][0] {
  const u32 = () => chance.below(2 ** 32);
  return {
    ssrc: u32(),
    fractionLost: chance.below(256),
    packetsLost: chance.below(2 ** 24) - 2 ** 23,
    highestSequenceNumber: u32(),
    jitter: u32(),
    lastSenderReport: u32(),
    delaySinceLastSenderReport: u32(),
  };
}

function randomXrBlock(chance: Chance): Kind<'xr'>['blocks'][0] {
  const u32 = () => chance.below(2 ** 32);
  switch (chance.below(3)) {
    case 0:
      return { type: 'rrt', ntpTimestamp: (BigInt(u32()) << 32n) | BigInt(u32()) };
    case 1:
      return { type: 'dlrr', reports: chance.list(5, () => ({ ssrc: u32(), lastReference: u32(), delay: u32() })) };
    default:
      return {
        type: 'raw',
        blockType: 6 + chance.below(250),
        typeSpecific: chance.below(256),
        content: chance.bytes(8),
      };
  }
}

/** Sequence numbers in the order of a stream, the wrap included. */
function ascending(chance: Chance): number[] {
  let next = 65_500;
  return Array.from({ length: 1 + chance.below(40) }, () => {
    next += 1 + chance.below(chance.pick([2, 30]));
    return next & 0xffff;
  });
}

const BLOCK: Kind<'rr'>['reports'][0] = {
  ssrc: 0x0102_0304,
  fractionLost: 200,
  packetsLost: -3,
  highestSequenceNumber: 0x0001_fffe,
  jitter: 77,
  lastSenderReport: 0xdead_beef,
  delaySinceLastSenderReport: 65_536,
};

const SSRCS = { senderSsrc: 0x1111_1111, mediaSsrc: 0x2222_2222 };

/** What the core can write as well, by the names of `rtcp-vectors.txt`. */
const VECTORS = {
  sr: {
    type: 'sr',
    ssrc: 0x1111_1111,
    ntpTimestamp: 0x83aa_7e80_4000_0000n,
    rtpTimestamp: 90_000,
    packetCount: 12,
    octetCount: 3_456,
    reports: [BLOCK, { ...BLOCK, ssrc: 9, packetsLost: 0x7f_ffff }],
  },
  rr: { type: 'rr', ssrc: 0x1111_1111, reports: [BLOCK] },
  sdes: { type: 'sdes', chunks: [{ ssrc: 0x1111_1111, items: [{ type: 1, text: 'millrace' }] }] },
  bye: { type: 'bye', ssrcs: [0x1111_1111, 2] },
  nack: { type: 'nack', ...SSRCS, lost: [65_533, 65_534, 0, 13, 14, 100] },
  'transport-cc-mixed': feedbackOf([1, undefined, 300, 255, -1, 0, undefined, undefined, 5, 5, 5, 5, 5, 5, 5, 5, 5]),
  'transport-cc-one-bit': feedbackOf([...Array(9).fill(1), undefined, 2, undefined, 3, 4, undefined, 5]),
  'transport-cc-runs': feedbackOf([...Array(40).fill(2), ...Array(9_000).fill(undefined), ...Array(8).fill(999), 3]),
  pli: { type: 'pli', ...SSRCS },
  fir: { type: 'fir', senderSsrc: 0x1111_1111, mediaSsrc: 0, requests: [{ ssrc: 0x2222_2222, sequenceNumber: 250 }] },
  remb: { type: 'remb', senderSsrc: 0x1111_1111, mediaSsrc: 0, bitrate: 2_097_144, ssrcs: [7, 8] },
  rrt: { type: 'xr', ssrc: 0x1111_1111, blocks: [{ type: 'rrt', ntpTimestamp: 0x83aa_7e80_4000_0000n }] },
  dlrr: {
    type: 'xr',
    ssrc: 0x1111_1111,
    blocks: [
      {
        type: 'dlrr',
        reports: [
          { ssrc: 5, lastReference: 6, delay: 7 },
          { ssrc: 8, lastReference: 9, delay: 10 },
        ],
      },
    ],
  },
} as const satisfies Record<string, RtcpPacket>;

const ONE_OF_EACH = {
  ...(VECTORS as unknown as { [Name in keyof typeof VECTORS]: Kind<(typeof VECTORS)[Name]['type']> }),
  'sr with an extension': { ...VECTORS.sr, reports: [BLOCK], profileExtension: Buffer.from('12345678') },
  'rr of nothing': { type: 'rr', ssrc: 1, reports: [] },
  'sdes of many': {
    type: 'sdes',
    chunks: [
      {
        ssrc: 1,
        items: [
          { type: 6, text: 'tool' },
          { type: 1, text: 'c' },
        ],
      },
      { ssrc: 2, items: [] },
      { ssrc: 3, items: [{ type: 1, text: 'größe' }] },
    ],
  },
  'bye with a reason': { type: 'bye', ssrcs: [1], reason: 'tot ziens' },
  app: { type: 'app', subtype: 5, ssrc: 1, name: 'mill', data: Buffer.from('race') },
  sli: { type: 'feedback', packetType: 206, format: 2, ...SSRCS, fci: Buffer.from('0001') },
  rpsi: { type: 'feedback', packetType: 206, format: 3, ...SSRCS, fci: Buffer.from('00010002') },
  'application feedback': { type: 'feedback', packetType: 206, format: 15, ...SSRCS, fci: Buffer.from('goog') },
  tmmbr: { type: 'feedback', packetType: 205, format: 3, ...SSRCS, fci: Buffer.from('12345678') },
  xr: {
    type: 'xr',
    ssrc: 1,
    blocks: [
      { type: 'raw', blockType: 7, typeSpecific: 9, content: Buffer.from('voip metrics') },
      { type: 'rrt', ntpTimestamp: 5n },
      { type: 'dlrr', reports: [] },
    ],
  },
  unknown: { type: 'unknown', packetType: 195, count: 3, body: Buffer.from('body') },
} satisfies Record<string, RtcpPacket>;
