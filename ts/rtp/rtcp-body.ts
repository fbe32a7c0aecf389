import { PacketError } from './errors.js';

/** One packet of a compound by its common header; `bytes[start..end]` is its body without padding. */
export type RtcpBody = {
  readonly bytes: Uint8Array;
  readonly packetType: number;
  /** The five bits behind the padding bit: a count, a subtype or a format. */
  readonly count: number;
  readonly start: number;
  readonly end: number;
};

/** Checks that `bytes[at..at + length]` lies within the body. */
export function requireBytes({ end }: RtcpBody, at: number, length: number, what: string): void {
  if (at + length > end) {
    throw new PacketError('rtcp', 'body', at, `${what}: ${length} bytes expected, ${Math.max(0, end - at)} are left`);
  }
}
