import { typeError } from '../native-events.js';
import { putU16, U16, u16 } from './bytes.js';
import { checkBytes, checkUnsigned, PacketError } from './errors.js';
import type { OpaqueExtension } from './packet.js';

/** A numbered value in a block. */
export type Element = {
  readonly id: number;
  /** Where the value is: `bytes[start..end]`. */
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
};

/** The extension block of an RTP header (RFC 3550 §5.3.1, RFC 8285). */
export class ExtensionBlock {
  /** As it was parsed, its own four bytes included; `undefined` once it was changed. */
  #raw: { readonly bytes: Uint8Array; readonly start: number; readonly end: number } | undefined;
  #elements: Element[] = [];
  #opaque: OpaqueExtension | undefined;
  /** Length of the block as it would be written; −1 when it is not known. */
  #length = 0;

  /** Reads the block that begins at `start`. */
  static parse(bytes: Uint8Array, start: number): ExtensionBlock {
    const begin = start + BLOCK_HEAD_BYTES;
    if (begin > bytes.length) {
      throw overrun(start, `the extension block's head runs past the end, ${bytes.length}`);
    }
    const profile = u16(bytes, start);
    const end = begin + 4 * u16(bytes, start + 2);
    if (end > bytes.length) {
      throw overrun(start, `an extension block of ${end - begin} bytes runs past the end, ${bytes.length}`);
    }
    const block = new ExtensionBlock();
    block.#raw = { bytes, start, end };
    block.#length = end - start;
    if (profile === ONE_BYTE_PROFILE) {
      block.#elements = readOneByteElements(bytes, begin, end);
    } else if (isTwoByteProfile(profile)) {
      block.#elements = readTwoByteElements(bytes, begin, end);
    } else {
      block.#opaque = { profile, bytes: bytes.subarray(begin, end) };
    }
    return block;
  }

  /** Makes a block that is not made of elements. */
  static ofOpaque({ profile, bytes }: OpaqueExtension): ExtensionBlock {
    checkUnsigned(profile, U16, 'opaqueExtension.profile');
    if (profile === ONE_BYTE_PROFILE || isTwoByteProfile(profile)) {
      throw typeError(`opaqueExtension.profile: 0x${profile.toString(16)} announces elements`);
    }
    if (checkBytes(bytes, 'opaqueExtension.bytes').length % 4 !== 0 || bytes.length > 4 * U16) {
      throw typeError(`opaqueExtension.bytes: expected a multiple of four, got ${bytes.length}`);
    }
    const block = new ExtensionBlock();
    block.#opaque = { profile, bytes };
    block.#length = BLOCK_HEAD_BYTES + bytes.length;
    return block;
  }

  /** Where the block ends in the bytes it was parsed from. */
  get end(): number {
    return this.#raw?.end ?? 0;
  }

  /** The elements in their order; none in a block of another kind. */
  get elements(): readonly Element[] {
    return this.#elements;
  }

  /** What is in a block that is not made of elements. */
  get opaque(): OpaqueExtension | undefined {
    return this.#opaque;
  }

  /** Length of the block as it would be written, in bytes; 0 when there is nothing to write. */
  get length(): number {
    if (this.#length < 0) {
      this.#length = writtenLength(this.#elements);
    }
    return this.#length;
  }

  /** A block of its own with the same values. */
  clone(): ExtensionBlock {
    const copy = new ExtensionBlock();
    copy.#raw = this.#raw;
    copy.#elements = [...this.#elements];
    copy.#opaque = this.#opaque;
    copy.#length = this.#length;
    return copy;
  }

  /** The first element with this number, as receivers take it. */
  find(id: number): Element | undefined {
    for (const element of this.#elements) {
      if (element.id === id) {
        return element;
      }
    }
    return undefined;
  }

  /** Puts a value in the place of the elements with this number, or behind all. */
  set(id: number, bytes: Uint8Array): void {
    const element: Element = { id, bytes, start: 0, end: bytes.length };
    const at = this.#elements.findIndex((known) => known.id === id);
    if (at < 0) {
      this.#elements.push(element);
    } else {
      this.#elements[at] = element;
      this.#dropRepeats(id, at);
    }
    this.#changed();
  }

  /** Takes off all elements with this number. Tells whether there were any. */
  remove(id: number): boolean {
    const rest = this.#elements.filter((element) => element.id !== id);
    if (rest.length === this.#elements.length) {
      return false;
    }
    this.#elements = rest;
    this.#changed();
    return true;
  }

  /** Writes the block at `at` and returns where it ends. */
  write(target: Uint8Array, at: number): number {
    if (this.#raw !== undefined) {
      const { bytes, start, end } = this.#raw;
      copy(target, at, bytes, start, end);
      return at + end - start;
    }
    const end = at + this.length;
    const oneByte = this.#elements.every(fitsOneByte);
    putU16(target, at, this.#opaque?.profile ?? (oneByte ? ONE_BYTE_PROFILE : TWO_BYTE_PROFILE));
    putU16(target, at + 2, (end - at - BLOCK_HEAD_BYTES) / 4);
    if (this.#opaque !== undefined) {
      target.set(this.#opaque.bytes, at + BLOCK_HEAD_BYTES);
    } else {
      target.fill(0, writeElements(this.#elements, oneByte, target, at + BLOCK_HEAD_BYTES), end);
    }
    return end;
  }

  /** A value that was set would otherwise return when a receiver takes the last of several. */
  #dropRepeats(id: number, first: number): void {
    if (this.#elements.length > first + 1) {
      this.#elements = this.#elements.filter((element, index) => element.id !== id || index === first);
    }
  }

  #changed(): void {
    this.#raw = undefined;
    this.#length = -1;
  }
}

/**
 * Elements accepted in one block.
 *
 * There are 255 numbers, so that a block with more repeats some of them. The packet is refused.
 */
const ELEMENTS_MAX = 255;

function readOneByteElements(bytes: Uint8Array, begin: number, end: number): Element[] {
  const elements: Element[] = [];
  let at = begin;
  while (at < end) {
    const head = bytes[at] as number;
    at += 1;
    if (head === 0) {
      continue;
    }
    const id = head >>> 4;
    // RFC 8285 §4.2: 15, and 0 with a length, end the processing; the rest of the block is skipped unread.
    if (id === 0 || id === ONE_BYTE_END_ID) {
      break;
    }
    const start = at;
    at += (head & 0x0f) + 1;
    add(elements, { id, bytes, start, end: at }, end);
  }
  return elements;
}

function readTwoByteElements(bytes: Uint8Array, begin: number, end: number): Element[] {
  const elements: Element[] = [];
  let at = begin;
  while (at < end) {
    const id = bytes[at] as number;
    at += 1;
    if (id === 0) {
      continue;
    }
    if (at === end) {
      throw overrun(at - 1, `extension ${id} has no length before the block's end`);
    }
    const start = at + 1;
    at = start + (bytes[at] as number);
    add(elements, { id, bytes, start, end: at }, end);
  }
  return elements;
}

function add(elements: Element[], element: Element, blockEnd: number): void {
  if (element.end > blockEnd) {
    throw overrun(element.start, `extension ${element.id} runs past the block's end, ${blockEnd}`);
  }
  if (elements.length === ELEMENTS_MAX) {
    throw overrun(element.start, `there are more than ${ELEMENTS_MAX} extensions`);
  }
  elements.push(element);
}

function writtenLength(elements: readonly Element[]): number {
  if (elements.length === 0) {
    return 0;
  }
  let length = elements.length * (elements.every(fitsOneByte) ? 1 : 2);
  for (const { start, end } of elements) {
    length += end - start;
  }
  return BLOCK_HEAD_BYTES + 4 * Math.ceil(length / 4);
}

function writeElements(elements: readonly Element[], oneByte: boolean, target: Uint8Array, begin: number): number {
  let at = begin;
  for (const { id, bytes, start, end } of elements) {
    if (oneByte) {
      target[at] = (id << 4) | (end - start - 1);
      at += 1;
    } else {
      target[at] = id;
      target[at + 1] = end - start;
      at += 2;
    }
    copy(target, at, bytes, start, end);
    at += end - start;
  }
  return at;
}

function fitsOneByte({ id, start, end }: Element): boolean {
  return id < ONE_BYTE_END_ID && end > start && end - start <= ONE_BYTE_VALUE_BYTES;
}

/** Values are a few bytes, for which a loop costs less than a view. */
function copy(target: Uint8Array, at: number, bytes: Uint8Array, start: number, end: number): void {
  for (let index = start; index < end; index += 1) {
    target[at + index - start] = bytes[index] as number;
  }
}

function isTwoByteProfile(profile: number): boolean {
  return (profile & 0xfff0) === TWO_BYTE_PROFILE;
}

function overrun(offset: number, message: string): PacketError {
  return new PacketError('rtp', 'extension', offset, message);
}

/** Profile and length of a block. */
const BLOCK_HEAD_BYTES = 4;
/** Announces elements with a head of one byte (RFC 8285 §4.2). */
const ONE_BYTE_PROFILE = 0xbede;
/** Announces elements with a head of two bytes; its low four bits are the application's (RFC 8285 §4.3). */
const TWO_BYTE_PROFILE = 0x1000;
/** The number that ends a block of one-byte elements. */
const ONE_BYTE_END_ID = 15;
/** Longest value of a one-byte element (RFC 8285 §4.2). If one is longer, all elements get heads of two bytes. */
const ONE_BYTE_VALUE_BYTES = 16;
