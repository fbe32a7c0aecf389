import { typeError } from '../native-events.js';
import { type ByteWriter, i24, U16, u16 } from './bytes.js';
import { checkUnsigned, PacketError } from './errors.js';
import { type RtcpBody, requireBytes } from './rtcp-body.js';
import type { ReceivedPacket, TransportFeedback } from './rtcp-packets.js';
import { signed24 } from './rtcp-report.js';

/** What a transport feedback tells besides its SSRCs. */
type Statuses = Omit<TransportFeedback, 'type' | 'senderSsrc' | 'mediaSsrc'>;

/**
 * Reads what follows the SSRCs. The reserved symbol (0b11) refuses the packet: no length is defined for its delta, so
 * nothing after it can be located. Cost: proportional to the bytes, however many statuses they claim.
 */
export function readTransportFeedback(body: RtcpBody, start: number): Statuses {
  const { bytes } = body;
  requireBytes(body, start, HEAD_BYTES, 'transport feedback');
  const baseSequenceNumber = u16(bytes, start);
  const statusCount = u16(bytes, start + 2);
  if (statusCount === 0) {
    throw new PacketError('rtcp', 'body', start + 2, 'the number of statuses is 0');
  }
  const chunks = start + HEAD_BYTES;
  const deltas = locateDeltas(body, chunks, statusCount);
  return {
    baseSequenceNumber,
    statusCount,
    referenceTime: i24(bytes, start + 4),
    feedbackCount: bytes[start + 7] as number,
    received: readReceived(bytes, { chunks, deltas, baseSequenceNumber, statusCount }),
  };
}

/** Writes what follows the SSRCs, in as few chunks as a look ahead of 14 packets can find. */
export function writeTransportFeedback(writer: ByteWriter, feedback: Statuses, path: string): void {
  const { baseSequenceNumber, statusCount, referenceTime, feedbackCount, received } = feedback;
  writer.u16(baseSequenceNumber, `${path}.baseSequenceNumber`);
  if (statusCount === 0) {
    throw typeError(`${path}.statusCount: expected at least 1`);
  }
  writer.u16(statusCount, `${path}.statusCount`);
  writer.u24(signed24(referenceTime, `${path}.referenceTime`), `${path}.referenceTime`);
  writer.u8(feedbackCount, `${path}.feedbackCount`);
  const symbols = symbolsOf(feedback, path);
  for (let at = 0; at < statusCount; ) {
    const [word, told] = chunkAt(symbols, at);
    writer.u16(word, path);
    at += told;
  }
  for (const { delta } of received) {
    if (isSmall(delta)) {
      writer.u8(delta, path);
    } else {
      writer.u16(delta & U16, path);
    }
  }
  writer.padToWord();
}

/** Finds where the deltas begin, behind the chunks of all statuses, and checks that all of them are there. */
function locateDeltas(body: RtcpBody, chunks: number, statusCount: number): number {
  let remaining = statusCount;
  let deltaBytes = 0;
  let at = chunks;
  while (remaining > 0) {
    requireBytes(body, at, CHUNK_BYTES, `${remaining} more statuses`);
    const word = u16(body.bytes, at);
    const told = Math.min(lengthOf(word), remaining);
    deltaBytes += deltaBytesOf(word, told, at);
    remaining -= told;
    at += CHUNK_BYTES;
  }
  requireBytes(body, at, deltaBytes, 'times of arrival');
  return at;
}

type Located = { chunks: number; deltas: number; baseSequenceNumber: number; statusCount: number };

function readReceived(
  bytes: Uint8Array,
  { chunks, deltas, baseSequenceNumber, statusCount }: Located,
): ReceivedPacket[] {
  const received: ReceivedPacket[] = [];
  let delta = deltas;
  let status = 0;
  for (let at = chunks; status < statusCount; at += CHUNK_BYTES) {
    const word = u16(bytes, at);
    const end = Math.min(status + lengthOf(word), statusCount);
    // A run of lost packets is passed in one step, because it may be all that a short packet says.
    for (let index = word >>> 13 === 0 ? end : status; index < end; index += 1) {
      const length = symbolAt(word, index - status);
      if (length !== LOST) {
        const sequenceNumber = (baseSequenceNumber + index) & U16;
        received.push({ sequenceNumber, delta: length === SMALL ? (bytes[delta] as number) : i16(bytes, delta) });
        delta += length;
      }
    }
    status = end;
  }
  return received;
}

/** Statuses that a chunk tells: a run of up to 8191, 14 of one bit, or 7 of two bits (§3.1.2 to §3.1.4). */
function lengthOf(word: number): number {
  if (word < ONE_BIT_CHUNK) {
    return word & RUN_BITS;
  }
  return word < TWO_BIT_CHUNK ? ONE_BIT_SYMBOLS : TWO_BIT_SYMBOLS;
}

/** The symbol of a chunk's status; it is the number of bytes of its delta as well. */
function symbolAt(word: number, index: number): number {
  if (word < ONE_BIT_CHUNK) {
    return (word >>> 13) & 3;
  }
  if (word < TWO_BIT_CHUNK) {
    return (word >>> (ONE_BIT_SYMBOLS - 1 - index)) & 1;
  }
  return (word >>> (2 * (TWO_BIT_SYMBOLS - 1 - index))) & 3;
}

/** Bytes of the deltas of a chunk's first statuses. */
function deltaBytesOf(word: number, told: number, at: number): number {
  const isRun = word < ONE_BIT_CHUNK;
  let sum = 0;
  for (let index = 0; index < (isRun ? 1 : told); index += 1) {
    const symbol = symbolAt(word, index);
    if (symbol === RESERVED) {
      throw new PacketError('rtcp', 'body', at, 'the reserved symbol has no meaning');
    }
    sum += symbol;
  }
  return isRun ? sum * told : sum;
}

/** The symbol of every status. Checks that what was received is in order. */
function symbolsOf({ baseSequenceNumber, statusCount, received }: Statuses, path: string): Uint8Array {
  const symbols = new Uint8Array(statusCount);
  let next = 0;
  received.forEach(({ sequenceNumber, delta }, index) => {
    const at = `${path}.received[${index}]`;
    const status = (checkUnsigned(sequenceNumber, U16, `${at}.sequenceNumber`) - baseSequenceNumber) & U16;
    if (status < next || status >= statusCount) {
      throw typeError(
        `${at}.sequenceNumber: ${sequenceNumber} is out of order, or not among the ${statusCount} told about`,
      );
    }
    if (!Number.isInteger(delta) || delta < -0x8000 || delta > 0x7fff) {
      throw typeError(`${at}.delta: expected a whole number of 16 bits, got ${String(delta)}`);
    }
    symbols[status] = isSmall(delta) ? SMALL : LARGE;
    next = status + 1;
  });
  return symbols;
}

/** The chunk that tells most statuses from `at` on, and how many. */
function chunkAt(symbols: Uint8Array, at: number): [word: number, told: number] {
  const left = symbols.length - at;
  const symbol = symbols[at] as number;
  const run = runLength(symbols, at);
  const breaksAtLarge = symbols[at + run] === LARGE || symbol === LARGE;
  if (run === left || run >= ONE_BIT_SYMBOLS || (run >= TWO_BIT_SYMBOLS && breaksAtLarge)) {
    return [(symbol << 13) | run, run];
  }
  const ahead = symbols.subarray(at, at + ONE_BIT_SYMBOLS);
  if (ahead.length > TWO_BIT_SYMBOLS && !ahead.includes(LARGE)) {
    const bits = ahead.reduce((word, bit, index) => word | (bit << (ONE_BIT_SYMBOLS - 1 - index)), ONE_BIT_CHUNK);
    return [bits, ahead.length];
  }
  const few = ahead.subarray(0, TWO_BIT_SYMBOLS);
  const bits = few.reduce((word, bit, index) => word | (bit << (2 * (TWO_BIT_SYMBOLS - 1 - index))), TWO_BIT_CHUNK);
  return [bits, few.length];
}

function runLength(symbols: Uint8Array, at: number): number {
  const end = Math.min(symbols.length, at + RUN_BITS);
  let next = at + 1;
  while (next < end && symbols[next] === symbols[at]) {
    next += 1;
  }
  return next - at;
}

function isSmall(delta: number): boolean {
  return delta >= 0 && delta <= 0xff;
}

function i16(bytes: Uint8Array, at: number): number {
  return (u16(bytes, at) << 16) >> 16;
}

/** Base, count, reference time, feedback count. */
const HEAD_BYTES = 8;
const CHUNK_BYTES = 2;
/** The longest run that one chunk says. */
const RUN_BITS = 0x1fff;
const ONE_BIT_CHUNK = 0x8000;
const ONE_BIT_SYMBOLS = 14;
const TWO_BIT_CHUNK = 0xc000;
const TWO_BIT_SYMBOLS = 7;

// What a feedback says of one packet (§3.1.1).
const LOST = 0;
const SMALL = 1;
const LARGE = 2;
const RESERVED = 3;
