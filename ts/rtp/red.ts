import { typeError } from '../native-events.js';
import { u16 } from './bytes.js';
import { checkBytes, checkCount, checkUnsigned, PacketError } from './errors.js';

/** One of the encodings in a payload of redundant audio. */
export type RedBlock = {
  /** What it is encoded as, 0 to 127. */
  payloadType: number;
  /** How much older it is than the packet, in units of the timestamp: 14 bits. The last block, the newest, has 0. */
  timestampOffset: number;
  /** A view of what was parsed. At most 1023 bytes, but for the last block. */
  payload: Uint8Array;
};

/**
 * Reads a payload of redundant audio (RFC 2198): older encodings first, the packet's own last.
 *
 * @param redPayloadType - The payload type of the packet itself, which no block in it may have.
 * @throws `PacketError` when lengths say more than there is, or a block is redundant audio again. Offsets count from the
 * start of the payload.
 */
export function parseRed(payload: Uint8Array, redPayloadType: number): RedBlock[] {
  checkBytes(payload, 'payload');
  const heads = readHeads(payload);
  let at = heads.end;
  return heads.blocks.map(({ payloadType, timestampOffset, length }, index) => {
    const last = index === heads.blocks.length - 1;
    const end = last ? payload.length : at + length;
    if (end > payload.length) {
      throw redError(at, `block ${index} of ${length} bytes runs past the end, ${payload.length}`);
    }
    if (payloadType === redPayloadType) {
      throw redError(at, `block ${index} is redundant audio again`);
    }
    const block = { payloadType, timestampOffset, payload: payload.subarray(at, end) };
    at = end;
    return block;
  });
}

/**
 * Writes a payload of redundant audio.
 *
 * @param blocks - Older encodings first, the packet's own, with offset 0, last; at most 32.
 * @throws `TypeError` when a block cannot be written.
 */
export function buildRed(blocks: readonly RedBlock[]): Buffer {
  checkCount(blocks.length, RED_BLOCKS_MAX, 'blocks.length');
  const heads = blocks.flatMap((block, index) => headOf(block, index === blocks.length - 1, `blocks[${index}]`));
  return Buffer.concat([Uint8Array.from(heads), ...blocks.map(({ payload }) => payload)]);
}

/**
 * Encodings in one payload.
 *
 * Senders put two to four into one; an offset of 14 bits holds about 17 of Opus. A payload with more is refused.
 */
const RED_BLOCKS_MAX = 32;

type Head = { payloadType: number; timestampOffset: number; length: number };

function readHeads(payload: Uint8Array): { blocks: Head[]; end: number } {
  const blocks: Head[] = [];
  let at = 0;
  for (;;) {
    const first = payload[at];
    const isLast = first !== undefined && first < FOLLOWED_BIT;
    if (first === undefined || (!isLast && at + HEAD_BYTES > payload.length)) {
      throw redError(at, `the head of block ${blocks.length} runs past the end, ${payload.length}`);
    }
    if (blocks.length === RED_BLOCKS_MAX) {
      throw redError(at, `there are more than ${RED_BLOCKS_MAX} blocks`);
    }
    if (isLast) {
      blocks.push({ payloadType: first, timestampOffset: 0, length: 0 });
      return { blocks, end: at + 1 };
    }
    const lengthWord = u16(payload, at + 2);
    const timestampOffset = u16(payload, at + 1) >>> 2;
    blocks.push({ payloadType: first & PAYLOAD_TYPE_BITS, timestampOffset, length: lengthWord & LENGTH_BITS });
    at += HEAD_BYTES;
  }
}

function headOf({ payloadType, timestampOffset, payload }: RedBlock, isLast: boolean, path: string): number[] {
  checkUnsigned(payloadType, PAYLOAD_TYPE_BITS, `${path}.payloadType`);
  const { length } = checkBytes(payload, `${path}.payload`);
  if (isLast) {
    if (timestampOffset !== 0) {
      throw typeError(`${path}.timestampOffset: expected 0 in the last block, got ${String(timestampOffset)}`);
    }
    return [payloadType];
  }
  checkUnsigned(timestampOffset, OFFSET_BITS, `${path}.timestampOffset`);
  checkUnsigned(length, LENGTH_BITS, `${path}.payload.length`);
  const word = (timestampOffset << 10) | length;
  return [FOLLOWED_BIT | payloadType, word >>> 16, (word >>> 8) & 0xff, word & 0xff];
}

function redError(offset: number, message: string): PacketError {
  return new PacketError('rtp', 'payload', offset, `redundant audio: ${message}`);
}

/** A head of a block that is not the last. */
const HEAD_BYTES = 4;
const FOLLOWED_BIT = 0x80;
const PAYLOAD_TYPE_BITS = 0x7f;
const OFFSET_BITS = 0x3fff;
const LENGTH_BITS = 0x3ff;
