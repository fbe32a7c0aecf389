import { InvalidStateError } from '../errors.js';
import { typeError } from '../native-events.js';
import { PACKET_BYTES_MAX, putU16, putU32, U8, U16, U32, u16, u32 } from './bytes.js';
import { checkBytes, checkUnsigned, PacketError } from './errors.js';
import { type Element, ExtensionBlock } from './extension-block.js';
import { EXTENSION_ID_MAX, type ExtensionIds, NO_EXTENSION_IDS } from './extension-ids.js';
import { EXTENSION_CODECS, type ExtensionCodec, type ExtensionName, type ExtensionValues } from './extension-values.js';

/** What a new {@link RtpPacket} starts from. */
export type RtpPacketInit = {
  /** 0 to 127. */
  payloadType: number;
  /** Modulo 2^16. */
  sequenceNumber: number;
  /** Modulo 2^32, in units of the codec's clock rate. */
  timestamp: number;
  /** 32 bits. */
  ssrc: number;
  /** Default: false. */
  marker?: boolean;
  /** At most 15. Default: none. */
  csrcs?: readonly number[];
  /** Default: empty. */
  payload?: Uint8Array;
  /** Bytes of padding, 0 to 255. Default: 0. */
  paddingLength?: number;
  /** Which numbers extensions have. Default: none, so that only elements by number can be set. */
  ids?: ExtensionIds;
  /** Values of extensions by name; `ids` has a number for each. */
  extensions?: Partial<ExtensionValues>;
};

/** A header extension of a packet. */
export type RtpHeaderExtension = {
  /** Its number on this wire. */
  readonly id: number;
  /** Its URI, if the packet's ids have one for the number. */
  readonly uri: string | undefined;
  /** Its value: a view of the packet's bytes. */
  readonly bytes: Uint8Array;
};

/** A header extension as before RFC 8285: one value, with a profile that only the application knows. */
export type OpaqueExtension = {
  /** 16 bits; neither 0xbede nor 0x1000 to 0x100f, which announce elements. */
  readonly profile: number;
  /** Its length is a multiple of four. */
  readonly bytes: Uint8Array;
};

/**
 * An RTP packet (RFC 3550 §5.1) with its header extensions (RFC 8285) as an object: to be read, changed and written.
 *
 * Nothing is copied when a packet is parsed: payload and extension values are views of the bytes it was parsed from, which
 * must not change while the packet is used. {@link toBuffer} writes a copy; of a packet that nobody changed it is
 * byte for byte what was parsed, except for what stands in the padding.
 *
 * @example
 * ```ts
 * const packet = RtpPacket.parse(bytes, ids);
 * packet.sequenceNumber += 1;
 * packet.setExtension('mid', '0');
 * producer.send(packet.toBuffer());
 * ```
 */
export class RtpPacket {
  #ids: ExtensionIds = NO_EXTENSION_IDS;
  #marker = false;
  #payloadType = 0;
  #sequenceNumber = 0;
  #timestamp = 0;
  #ssrc = 0;
  #csrcs: readonly number[] = NO_CSRCS;
  #block: ExtensionBlock | undefined;
  #payloadSource: Uint8Array = NO_BYTES;
  #payloadStart = 0;
  #payloadEnd = 0;
  #paddingLength = 0;

  /**
   * Makes a packet from its parts. Without any, all numbers are 0 and the payload is empty.
   *
   * @throws `TypeError` when a part is out of its range, or `ids` has no number for an extension.
   */
  constructor(init?: RtpPacketInit) {
    if (init !== undefined) {
      this.#fill(init);
    }
  }

  /**
   * Reads a packet.
   *
   * Elements with numbers that are not in `ids` are kept. As RFC 8285 §4.2 says, the number 15, and 0 with a length, end a
   * block of one-byte elements; what follows is neither read nor, in an unchanged block, lost. Cost: one pass over the
   * header.
   *
   * @param bytes - One datagram's worth; at most 65,535 bytes.
   * @param ids - Which header extension has which number.
   * @throws `PacketError` when a length contradicts another.
   */
  static parse(bytes: Uint8Array, ids: ExtensionIds = NO_EXTENSION_IDS): RtpPacket {
    const length = checkLength(bytes);
    const first = bytes[0] as number;
    if (first >>> 6 !== VERSION) {
      throw new PacketError('rtp', 'version', 0, `version ${first >>> 6}, expected ${VERSION}`);
    }
    const packet = new RtpPacket();
    const second = bytes[1] as number;
    packet.#ids = ids;
    packet.#marker = second > 0x7f;
    packet.#payloadType = second & PAYLOAD_TYPE_BITS;
    packet.#sequenceNumber = u16(bytes, 2);
    packet.#timestamp = u32(bytes, 4);
    packet.#ssrc = u32(bytes, 8);
    let at = FIXED_HEADER_BYTES;
    if ((first & CSRC_COUNT_BITS) !== 0) {
      packet.#csrcs = readCsrcs(bytes, first & CSRC_COUNT_BITS);
      at += 4 * packet.#csrcs.length;
    }
    if ((first & EXTENSION_BIT) !== 0) {
      packet.#block = ExtensionBlock.parse(bytes, at);
      at = packet.#block.end;
    }
    packet.#paddingLength = (first & PADDING_BIT) !== 0 ? readPaddingLength(bytes, at) : 0;
    packet.#payloadSource = bytes;
    packet.#payloadStart = at;
    packet.#payloadEnd = length - packet.#paddingLength;
    return packet;
  }

  /** Which numbers this packet's extensions have. Setting it renames them, and writes no value anew. */
  get ids(): ExtensionIds {
    return this.#ids;
  }

  set ids(ids: ExtensionIds) {
    this.#ids = ids;
  }

  /** The marker bit: the last packet of a picture, the first one of a talk spurt. */
  get marker(): boolean {
    return this.#marker;
  }

  set marker(marker: boolean) {
    this.#marker = Boolean(marker);
  }

  /** Payload type, 0 to 127. Other numbers throw a `TypeError`. */
  get payloadType(): number {
    return this.#payloadType;
  }

  set payloadType(payloadType: number) {
    this.#payloadType = checkUnsigned(payloadType, PAYLOAD_TYPE_BITS, 'payloadType');
  }

  /** Sequence number. What is set counts modulo 2^16, so that `+= 1` wraps. */
  get sequenceNumber(): number {
    return this.#sequenceNumber;
  }

  set sequenceNumber(sequenceNumber: number) {
    this.#sequenceNumber = checkWhole(sequenceNumber, 'sequenceNumber') & U16;
  }

  /** Timestamp in units of the codec's clock rate. What is set counts modulo 2^32. */
  get timestamp(): number {
    return this.#timestamp;
  }

  set timestamp(timestamp: number) {
    this.#timestamp = checkWhole(timestamp, 'timestamp') >>> 0;
  }

  /** Synchronisation source, 32 bits. Other numbers throw a `TypeError`. */
  get ssrc(): number {
    return this.#ssrc;
  }

  set ssrc(ssrc: number) {
    this.#ssrc = checkUnsigned(ssrc, U32, 'ssrc');
  }

  /** Contributing sources, at most 15. */
  get csrcs(): readonly number[] {
    return this.#csrcs;
  }

  set csrcs(csrcs: readonly number[]) {
    if (!Array.isArray(csrcs) || csrcs.length > CSRC_COUNT_BITS) {
      throw typeError(`csrcs: expected at most ${CSRC_COUNT_BITS} numbers`);
    }
    this.#csrcs = csrcs.map((csrc, index) => checkUnsigned(csrc, U32, `csrcs[${index}]`));
  }

  /** The payload without padding: a view of what was parsed, or the bytes that were set. */
  get payload(): Uint8Array {
    return this.#payloadSource.subarray(this.#payloadStart, this.#payloadEnd);
  }

  set payload(payload: Uint8Array) {
    this.#payloadSource = checkBytes(payload, 'payload');
    this.#payloadStart = 0;
    this.#payloadEnd = payload.length;
  }

  /** Length of the payload in bytes, without padding. */
  get payloadLength(): number {
    return this.#payloadEnd - this.#payloadStart;
  }

  /** Bytes of padding behind the payload, 0 to 255, the one that tells their number included. They are written as zeros. */
  get paddingLength(): number {
    return this.#paddingLength;
  }

  set paddingLength(paddingLength: number) {
    this.#paddingLength = checkUnsigned(paddingLength, U8, 'paddingLength');
  }

  /** The header extensions in their order; of several with one number all. */
  get extensions(): RtpHeaderExtension[] {
    const elements = this.#block?.elements ?? [];
    return elements.map(({ id, bytes, start, end }) => ({
      id,
      uri: this.#ids.uri(id),
      bytes: bytes.subarray(start, end),
    }));
  }

  /**
   * The value of a header extension. `undefined` when the packet does not carry it, and when its bytes are no such value:
   * {@link extensionBytes} shows them.
   */
  extension<Name extends ExtensionName>(name: Name): ExtensionValues[Name] | undefined {
    const element = this.#element(name);
    const codec: ExtensionCodec<ExtensionValues[Name]> = EXTENSION_CODECS[name];
    return element === undefined ? undefined : codec.read(element.bytes, element.start, element.end);
  }

  /** The bytes of a header extension by its number, URI or name: a view. `undefined` when the packet does not carry it. */
  extensionBytes(idOrUri: number | string): Uint8Array | undefined {
    const element = this.#element(idOrUri);
    return element?.bytes.subarray(element.start, element.end);
  }

  /**
   * Gives a header extension a value, whether or not the packet carries it.
   *
   * @throws `TypeError` when the value is none, or the packet's ids have no number for it; `InvalidStateError` when there
   * is an {@link opaqueExtension}.
   */
  setExtension<Name extends ExtensionName>(name: Name, value: ExtensionValues[Name]): void {
    const codec: ExtensionCodec<ExtensionValues[Name]> = EXTENSION_CODECS[name];
    this.setExtensionBytes(name, codec.write(value));
  }

  /**
   * Gives a header extension, by its number, URI or name, its bytes: at most 255, which are kept and not copied. Elements are written with a head of one
   * byte where all numbers (up to 14) and lengths (1 to 16) allow it, else of two.
   *
   * @throws As {@link setExtension}.
   */
  setExtensionBytes(idOrUri: number | string, bytes: Uint8Array): void {
    const id = this.#requireId(idOrUri);
    if (checkBytes(bytes, `extension ${idOrUri}`).length > U8) {
      throw typeError(`extension ${idOrUri}: expected at most ${U8} bytes, got ${bytes.length}`);
    }
    this.#block ??= new ExtensionBlock();
    if (this.#block.opaque !== undefined) {
      throw new InvalidStateError(
        'the packet has an extension of another kind: set opaqueExtension to undefined first',
      );
    }
    this.#block.set(id, bytes);
  }

  /** Takes a header extension off, by its number, URI or name. Tells whether it was there. */
  removeExtension(idOrUri: number | string): boolean {
    const id = typeof idOrUri === 'number' ? idOrUri : this.#ids.id(idOrUri);
    return id !== undefined && (this.#block?.remove(id) ?? false);
  }

  /**
   * A header extension that is not made of elements, if the packet has one. Setting it replaces all extensions;
   * `undefined` takes it off.
   */
  get opaqueExtension(): OpaqueExtension | undefined {
    return this.#block?.opaque;
  }

  set opaqueExtension(opaque: OpaqueExtension | undefined) {
    if (opaque !== undefined) {
      this.#block = ExtensionBlock.ofOpaque(opaque);
    } else if (this.#block?.opaque !== undefined) {
      this.#block = undefined;
    }
  }

  /** Length of the packet as it would be written, in bytes. */
  get length(): number {
    const header = FIXED_HEADER_BYTES + 4 * this.#csrcs.length + (this.#block?.length ?? 0);
    return header + this.payloadLength + this.#paddingLength;
  }

  /**
   * Writes the packet into new memory.
   *
   * @throws `TypeError` when it is longer than 65,535 bytes.
   */
  toBuffer(): Buffer {
    const length = this.length;
    const buffer = Buffer.allocUnsafe(length);
    this.#write(buffer, 0, length);
    return buffer;
  }

  /**
   * Writes the packet into `target` from `offset` on and returns its length; nothing is allocated.
   *
   * @throws `TypeError` when it does not fit.
   */
  writeTo(target: Uint8Array, offset = 0): number {
    const length = this.length;
    if (checkUnsigned(offset, U32, 'offset') + length > checkBytes(target, 'target').length) {
      throw typeError(`target: ${length} bytes do not fit into ${target.length} from ${offset} on`);
    }
    this.#write(target, offset, length);
    return length;
  }

  /** A packet of its own with the same header, which shares the bytes of payload and extensions. */
  clone(): RtpPacket {
    const copy = new RtpPacket();
    copy.#ids = this.#ids;
    copy.#marker = this.#marker;
    copy.#payloadType = this.#payloadType;
    copy.#sequenceNumber = this.#sequenceNumber;
    copy.#timestamp = this.#timestamp;
    copy.#ssrc = this.#ssrc;
    copy.#csrcs = this.#csrcs;
    copy.#block = this.#block?.clone();
    copy.#payloadSource = this.#payloadSource;
    copy.#payloadStart = this.#payloadStart;
    copy.#payloadEnd = this.#payloadEnd;
    copy.#paddingLength = this.#paddingLength;
    return copy;
  }

  #fill(init: RtpPacketInit): void {
    this.#ids = init.ids ?? NO_EXTENSION_IDS;
    this.payloadType = init.payloadType;
    this.sequenceNumber = init.sequenceNumber;
    this.timestamp = init.timestamp;
    this.ssrc = init.ssrc;
    this.marker = init.marker ?? false;
    this.csrcs = init.csrcs ?? NO_CSRCS;
    this.payload = init.payload ?? NO_BYTES;
    this.paddingLength = init.paddingLength ?? 0;
    for (const [name, value] of Object.entries(init.extensions ?? {})) {
      this.#setByName(name, value);
    }
  }

  #setByName(name: string, value: unknown): void {
    if (!Object.hasOwn(EXTENSION_CODECS, name)) {
      throw typeError(`extensions: there is none with the name '${name}'`);
    }
    if (value !== undefined) {
      this.setExtension(name as ExtensionName, value as never);
    }
  }

  #element(idOrUri: number | string): Element | undefined {
    if (this.#block === undefined) {
      return undefined;
    }
    const id = typeof idOrUri === 'number' ? idOrUri : this.#ids.id(idOrUri);
    return id === undefined ? undefined : this.#block.find(id);
  }

  #requireId(idOrUri: number | string): number {
    if (typeof idOrUri === 'number') {
      if (idOrUri === 0) {
        throw typeError('extension 0: this number is padding (RFC 8285 §4.2)');
      }
      return checkUnsigned(idOrUri, EXTENSION_ID_MAX, 'extension');
    }
    const id = this.#ids.id(idOrUri);
    if (id === undefined) {
      throw typeError(`extension '${idOrUri}': the packet's ids have no number for it`);
    }
    return id;
  }

  #write(target: Uint8Array, offset: number, length: number): void {
    if (length > PACKET_BYTES_MAX) {
      throw typeError(`a packet of ${length} bytes cannot be sent: ${PACKET_BYTES_MAX} are the most`);
    }
    const block = this.#block !== undefined && this.#block.length > 0 ? this.#block : undefined;
    const flags = (this.#paddingLength > 0 ? PADDING_BIT : 0) | (block ? EXTENSION_BIT : 0);
    target[offset] = (VERSION << 6) | flags | this.#csrcs.length;
    target[offset + 1] = (this.#marker ? 0x80 : 0) | this.#payloadType;
    putU16(target, offset + 2, this.#sequenceNumber);
    putU32(target, offset + 4, this.#timestamp);
    putU32(target, offset + 8, this.#ssrc);
    let at = offset + FIXED_HEADER_BYTES;
    for (const csrc of this.#csrcs) {
      putU32(target, at, csrc);
      at += 4;
    }
    if (block !== undefined) {
      at = block.write(target, at);
    }
    target.set(this.payload, at);
    if (this.#paddingLength > 0) {
      const end = offset + length;
      target.fill(0, end - this.#paddingLength, end - 1);
      target[end - 1] = this.#paddingLength;
    }
  }
}

/**
 * Tells whether bytes that share a port with RTP are RTCP (RFC 5761 §4): by the version and the second byte. It is no
 * promise that they can be parsed.
 */
export function isRtcp(bytes: Uint8Array): boolean {
  const [first = 0, second = 0] = bytes;
  return first >>> 6 === VERSION && second >= RTCP_TYPE_FIRST && second <= RTCP_TYPE_LAST;
}

function checkLength(bytes: Uint8Array): number {
  const { length } = checkBytes(bytes, 'bytes');
  if (length < FIXED_HEADER_BYTES || length > PACKET_BYTES_MAX) {
    const expected = `${FIXED_HEADER_BYTES} to ${PACKET_BYTES_MAX}`;
    throw new PacketError('rtp', 'length', length, `there are ${length} bytes, expected ${expected}`);
  }
  return length;
}

function readCsrcs(bytes: Uint8Array, count: number): number[] {
  if (FIXED_HEADER_BYTES + 4 * count > bytes.length) {
    const message = `${count} contributing sources run past the end, ${bytes.length}`;
    throw new PacketError('rtp', 'csrc', FIXED_HEADER_BYTES, message);
  }
  const csrcs: number[] = [];
  for (let index = 0; index < count; index += 1) {
    csrcs.push(u32(bytes, FIXED_HEADER_BYTES + 4 * index));
  }
  return csrcs;
}

function readPaddingLength(bytes: Uint8Array, payloadStart: number): number {
  const last = bytes.length - 1;
  const count = last < payloadStart ? 0 : (bytes[last] as number);
  if (count === 0 || count > bytes.length - payloadStart) {
    const room = bytes.length - payloadStart;
    throw new PacketError('rtp', 'padding', last, `padding of ${count} bytes where ${room} follow the header`);
  }
  return count;
}

function checkWhole(value: number, name: string): number {
  if (!Number.isSafeInteger(value)) {
    throw typeError(`${name}: expected a whole number, got ${String(value)}`);
  }
  return value;
}

const FIXED_HEADER_BYTES = 12;
const VERSION = 2;
const PADDING_BIT = 0x20;
const EXTENSION_BIT = 0x10;
/** The four bits of the CSRC count, and so the most that there can be. */
const CSRC_COUNT_BITS = 0x0f;
/** The bits of the payload type (RFC 3550 §5.1), and so the highest one. */
const PAYLOAD_TYPE_BITS = 127;
/** Second bytes that mean RTCP (RFC 5761 §4). */
const RTCP_TYPE_FIRST = 192;
const RTCP_TYPE_LAST = 223;

const NO_CSRCS: readonly number[] = Object.freeze([]);
const NO_BYTES = new Uint8Array(0);
