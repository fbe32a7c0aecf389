import { typeError } from '../native-events.js';
import { checkBytes, checkUnsigned } from './errors.js';

/** Largest packet that a UDP datagram can hold, in bytes. Longer input is refused; nothing longer is written. */
export const PACKET_BYTES_MAX = 65_535;

/** Largest numbers of 8, 16, 24 and 32 bits. */
export const U8 = 0xff;
export const U16 = 0xffff;
export const U24 = 0xff_ffff;
export const U32 = 0xffff_ffff;

// Numbers on the wire are big-endian. The caller has checked that they lie within the bytes.

export function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

export function u24(bytes: Uint8Array, at: number): number {
  return (u16(bytes, at) << 8) | (bytes[at + 2] as number);
}

export function i24(bytes: Uint8Array, at: number): number {
  return (u24(bytes, at) << 8) >> 8;
}

export function u32(bytes: Uint8Array, at: number): number {
  return ((u16(bytes, at) << 16) | u16(bytes, at + 2)) >>> 0;
}

export function u64(bytes: Uint8Array, at: number): bigint {
  return (BigInt(u32(bytes, at)) << 32n) | BigInt(u32(bytes, at + 4));
}

export function putU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

export function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** Text as it travels: a string; the bytes themselves where they are not UTF-8. */
export type WireText = string | Uint8Array;

/** The text of `bytes[start..end]`. */
export function readText(bytes: Uint8Array, start: number, end: number): WireText {
  const part = bytes.subarray(start, end);
  try {
    return UTF8.decode(part);
  } catch {
    return part;
  }
}

/** The bytes of a text, at most 255. */
export function textBytes(text: WireText, name: string): Uint8Array {
  const bytes = typeof text === 'string' ? Buffer.from(text) : checkBytes(text, name);
  if (bytes.length > U8) {
    throw typeError(`${name}: expected at most ${U8} bytes, got ${bytes.length}`);
  }
  return bytes;
}

/** Writes numbers and bytes one after the other. The buffer grows to {@link PACKET_BYTES_MAX}; more is refused. */
export class ByteWriter {
  #bytes = Buffer.allocUnsafe(BEGIN_BYTES);
  #length = 0;

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  u8(value: number, name: string): void {
    const at = this.#grow(1);
    this.#bytes[at] = checkUnsigned(value, U8, name);
  }

  u16(value: number, name: string): void {
    const at = this.#grow(2);
    putU16(this.#bytes, at, checkUnsigned(value, U16, name));
  }

  u24(value: number, name: string): void {
    checkUnsigned(value, U24, name);
    this.u8(value >>> 16, name);
    this.u16(value & U16, name);
  }

  u32(value: number, name: string): void {
    const at = this.#grow(4);
    putU32(this.#bytes, at, checkUnsigned(value, U32, name));
  }

  u64(value: bigint, name: string): void {
    if (typeof value !== 'bigint' || BigInt.asUintN(64, value) !== value) {
      throw typeError(`${name}: expected a bigint from 0 to 2^64 - 1, got ${String(value)}`);
    }
    this.u32(Number(value >> 32n), name);
    this.u32(Number(value & 0xffff_ffffn), name);
  }

  bytes(value: Uint8Array, name: string): void {
    const at = this.#grow(checkBytes(value, name).length);
    this.#bytes.set(value, at);
  }

  /** Writes zeros up to a multiple of four bytes. */
  padToWord(): void {
    while (this.#length % 4 !== 0) {
      this.u8(0, 'padding');
    }
  }

  /** Writes a 16-bit number over what stands at `at`. */
  patchU16(at: number, value: number, name: string): void {
    putU16(this.#bytes, at, checkUnsigned(value, U16, name));
  }

  /** What was written. The writer is not used any more afterwards. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #grow(count: number): number {
    const at = this.#length;
    const needed = at + count;
    if (needed > PACKET_BYTES_MAX) {
      throw typeError(`a packet of more than ${PACKET_BYTES_MAX} bytes cannot be sent`);
    }
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#bytes.length));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
    }
    this.#length = needed;
    return at;
  }
}

/** Where a writer begins; most compounds are smaller. */
const BEGIN_BYTES = 256;

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
