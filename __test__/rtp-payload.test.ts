import test from 'ava';
import { buildRed, PacketError, parseRed, RtpPacket, rtxPayloadTypes, unwrapRtx, wrapRtx } from '../ts/rtp/index.js';
import { Chance } from './chance.js';

test('a retransmission gives back what was repeated', (t) => {
  const original = videoPacket();
  original.setExtensionBytes(1, Buffer.from('m'));
  const wrapped = wrapRtx(original, { ssrc: 99, payloadType: 97, sequenceNumber: 500 });
  t.like(wrapped, { ssrc: 99, payloadType: 97, sequenceNumber: 500, timestamp: 2, payloadLength: 7, marker: true });
  const rtx = RtpPacket.parse(wrapped.toBuffer());
  const restored = unwrapRtx(rtx, { ssrc: 3, payloadTypes: PAYLOAD_TYPES });
  t.deepEqual(restored?.toBuffer(), original.toBuffer());
  t.is(rtx.ssrc, 99, 'the retransmission stays as it was');
});

test('a retransmission that is only padding is a probe', (t) => {
  const probe = new RtpPacket({ payloadType: 97, sequenceNumber: 1, timestamp: 2, ssrc: 99, paddingLength: 255 });
  t.is(unwrapRtx(probe, { ssrc: 3, payloadTypes: PAYLOAD_TYPES }), undefined);
});

test('r07 retransmissions of 0 or 1 byte are refused', (t) => {
  for (const length of [0, 1]) {
    const rtx = new RtpPacket({
      payloadType: 97,
      sequenceNumber: 1,
      timestamp: 2,
      ssrc: 99,
      payload: Buffer.alloc(length),
    });
    const error = t.throws(() => unwrapRtx(rtx, { ssrc: 3, payloadTypes: PAYLOAD_TYPES }), { instanceOf: PacketError });
    t.deepEqual([(error as PacketError).reason, (error as PacketError).offset], ['payload', 12 + length]);
  }
});

test('r07 a payload type that repairs none is refused', (t) => {
  t.throws(() => unwrapRtx(videoPacket(), { ssrc: 3, payloadTypes: PAYLOAD_TYPES }), { instanceOf: PacketError });
});

test('r07 a retransmission of a retransmission and a wrong apt are refused', (t) => {
  const rtx = (payloadType: number, apt?: unknown) => ({ mimeType: 'video/rtx', payloadType, parameters: { apt } });
  t.throws(() => rtxPayloadTypes([VP8, rtx(97, 96), rtx(98, 97)]), { instanceOf: TypeError });
  t.throws(() => rtxPayloadTypes([VP8, rtx(97, 97)]), { instanceOf: TypeError });
  t.throws(() => rtxPayloadTypes([VP8, rtx(97, 100)]), { instanceOf: TypeError });
  t.throws(() => rtxPayloadTypes([VP8, rtx(97)]), { instanceOf: TypeError });
  t.deepEqual([...rtxPayloadTypes([VP8, rtx(97, 96)])], [[97, 96]]);
});

test('redundant audio reads back as it was written', (t) => {
  const blocks = [
    { payloadType: 111, timestampOffset: 0x3fff, payload: Buffer.alloc(1023, 1) },
    { payloadType: 0, timestampOffset: 960, payload: Buffer.alloc(0) },
    { payloadType: 127, timestampOffset: 0, payload: Buffer.from('newest') },
  ];
  t.deepEqual(parseRed(buildRed(blocks), 63), blocks);
  t.deepEqual(parseRed(buildRed(blocks.slice(2)), 63), blocks.slice(2));
});

test('redundant audio that cannot be written is refused', (t) => {
  const newest = { payloadType: 111, timestampOffset: 0, payload: Buffer.alloc(1) };
  const older = { ...newest, timestampOffset: 960 };
  for (const blocks of [
    [],
    Array(33).fill(newest),
    [older],
    [{ ...older, timestampOffset: 0x4000 }, newest],
    [{ ...older, payload: Buffer.alloc(1024) }, newest],
    [{ ...newest, payloadType: 128 }],
  ]) {
    t.throws(() => buildRed(blocks), { instanceOf: TypeError });
  }
});

test('r07 redundant audio whose lengths run past its end is refused', (t) => {
  for (const [hex, offset] of [
    ['', 0],
    ['ef', 0],
    ['ef0f00', 0],
    ['ef0f0001', 4], // no head of a last block
    ['ef0f00046f616263', 5], // 4 bytes where 3 are left
    ['ef'.repeat(4 * 40), 128], // 40 blocks
  ] as const) {
    const error = t.throws(
      () => parseRed(Buffer.from(hex, 'hex'), 63),
      { instanceOf: PacketError },
      hex,
    ) as PacketError;
    t.deepEqual([error.reason, error.offset], ['payload', offset], hex);
  }
});

test('r07 redundant audio in redundant audio is refused', (t) => {
  const nested = buildRed([
    { payloadType: 63, timestampOffset: 960, payload: Buffer.from('x') },
    { payloadType: 111, timestampOffset: 0, payload: Buffer.from('y') },
  ]);
  t.throws(() => parseRed(nested, 63), { instanceOf: PacketError });
  t.notThrows(() => parseRed(nested, 62));
});

test('any bytes are redundant audio that reads back as written, or are refused with a PacketError', (t) => {
  const chance = new Chance(75);
  let accepted = 0;
  for (let round = 0; round < 5_000; round += 1) {
    const bytes = chance.bytes(chance.below(40));
    const blocks = parsedRed(bytes);
    if (blocks !== undefined) {
      accepted += 1;
      t.true(buildRed(blocks).equals(bytes), `seed 75, round ${round}`);
    }
  }
  t.true(accepted > 1_000 && accepted < 4_000, `${accepted} were accepted: both ways must be walked`);
});

function parsedRed(bytes: Buffer): ReturnType<typeof parseRed> | undefined {
  try {
    return parseRed(bytes, 200);
  } catch (error) {
    if (error instanceof PacketError) {
      return undefined;
    }
    throw error;
  }
}

function videoPacket(): RtpPacket {
  return new RtpPacket({
    ...{ payloadType: 96, sequenceNumber: 65_535, timestamp: 2, ssrc: 3, marker: true, csrcs: [4] },
    payload: Buffer.from('video'),
  });
}

const VP8 = { mimeType: 'video/VP8', payloadType: 96 };
const PAYLOAD_TYPES = new Map([[97, 96]]);
