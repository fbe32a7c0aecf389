import { MillraceError } from '../errors.js';
import { typeError } from '../native-events.js';

/** Which part of a packet contradicts the others. */
export type PacketErrorReason =
  /** Too short for its kind, or longer than a datagram. */
  | 'length'
  /** The version is not 2. */
  | 'version'
  /** The list of contributing sources runs past the end. */
  | 'csrc'
  /** The block of header extensions, or an element in it, runs past its end, or there are too many elements. */
  | 'extension'
  /** The padding count is 0, or more than there is to pad. */
  | 'padding'
  /** A count or length inside the packet says more than there is, or a value has no meaning. */
  | 'body'
  /** There are more packets in a compound than {@link RTCP_PACKETS_MAX}. */
  | 'packets'
  /** A retransmission has no original in it, or redundant audio contradicts itself. */
  | 'payload';

/** Bytes that are not the packet they should be. Whoever sent them is at fault; nothing of them is used. */
export class PacketError extends MillraceError {
  override name = 'PacketError';

  /** The protocol that the bytes were read as. */
  readonly protocol: 'rtp' | 'rtcp';

  /** Which part of the packet is wrong. */
  readonly reason: PacketErrorReason;

  /** Where it is, in bytes from the first of what was parsed. */
  readonly offset: number;

  constructor(protocol: 'rtp' | 'rtcp', reason: PacketErrorReason, offset: number, message: string) {
    super(`${protocol.toUpperCase()} at byte ${offset}: ${message}`, 'ERR_MALFORMED_PACKET');
    this.protocol = protocol;
    this.reason = reason;
    this.offset = offset;
  }
}

/** Checks that a number to be written is a whole one from 0 to `max`. */
export function checkUnsigned(value: number, max: number, name: string): number {
  if (Number.isInteger(value) && value >= 0 && value <= max) {
    return value;
  }
  throw typeError(`${name}: expected a whole number from 0 to ${max}, got ${String(value)}`);
}

/** Checks that a number of items is a whole one from 1 to `max`. */
export function checkCount(count: number, max: number, name: string): number {
  if (Number.isInteger(count) && count >= 1 && count <= max) {
    return count;
  }
  throw typeError(`${name}: expected 1 to ${max}, got ${String(count)}`);
}

/** Checks that what is to be read or written is bytes. */
export function checkBytes(value: Uint8Array, name: string): Uint8Array {
  if (value instanceof Uint8Array) {
    return value;
  }
  throw typeError(`${name}: expected a Uint8Array`);
}
