import { typeError } from '../native-events.js';
import { ByteWriter, PACKET_BYTES_MAX, U8, u16 } from './bytes.js';
import { checkBytes, checkCount, checkUnsigned, PacketError } from './errors.js';
import type { RtcpBody } from './rtcp-body.js';
import { readExtendedReport, writeExtendedReport } from './rtcp-extended.js';
import { readFeedback, writeFeedback } from './rtcp-feedback.js';
import { PACKET_TYPE, type RtcpPacket } from './rtcp-packets.js';
import { readReceiverReport, readSenderReport, writeReceiverReport, writeSenderReport } from './rtcp-report.js';
import {
  readApplicationDefined,
  readGoodbye,
  readSourceDescription,
  writeApplicationDefined,
  writeGoodbye,
  writeSourceDescription,
} from './rtcp-source.js';

/**
 * Reads a compound RTCP packet (RFC 3550 §6.1), reduced-size ones (RFC 5506) included.
 *
 * It is taken or refused as a whole. What is binary in the result is a view of `bytes`. Padding is taken off any packet,
 * because libwebrtc pads wherever it likes. Cost: proportional to the bytes, whatever counts they claim.
 *
 * @param bytes - One datagram's worth; at most 65,535 bytes.
 * @throws `PacketError` when any length or count contradicts another.
 */
export function parseRtcp(bytes: Uint8Array): RtcpPacket[] {
  const { length } = checkBytes(bytes, 'bytes');
  if (length === 0 || length > PACKET_BYTES_MAX) {
    throw new PacketError('rtcp', 'length', 0, `there are ${length} bytes, expected 4 to ${PACKET_BYTES_MAX}`);
  }
  const packets: RtcpPacket[] = [];
  let at = 0;
  while (at < length) {
    if (packets.length === RTCP_PACKETS_MAX) {
      throw new PacketError('rtcp', 'packets', at, `there are more than ${RTCP_PACKETS_MAX} packets`);
    }
    const body = readHead(bytes, at);
    packets.push(readPacket(body));
    at = body.next;
  }
  return packets;
}

/**
 * Writes packets as one compound. RFC 3550 §6.1 wants a report first and a CNAME; where reduced-size compounds (RFC 5506)
 * were negotiated anything goes, so nothing is added.
 *
 * @param packets - 1 to {@link RTCP_PACKETS_MAX}.
 * @throws `TypeError` that names the value that cannot be written, as `packets[1].reports[0].jitter`.
 */
export function buildRtcp(packets: readonly RtcpPacket[]): Buffer {
  checkCount(packets.length, RTCP_PACKETS_MAX, 'packets.length');
  const writer = new ByteWriter();
  packets.forEach((packet, index) => {
    writePacket(writer, packet, `packets[${index}]`);
  });
  return writer.finish();
}

/**
 * Packets in one compound.
 *
 * Senders put two to ten into one. A compound with more is refused whole, so that one datagram costs a bounded time.
 */
export const RTCP_PACKETS_MAX = 64;

/** Reads the common header of the packet at `at`, and takes its padding off. */
function readHead(bytes: Uint8Array, at: number): RtcpBody & { next: number } {
  const start = at + HEAD_BYTES;
  if (start > bytes.length) {
    throw new PacketError('rtcp', 'length', at, `a packet's head runs past the end, ${bytes.length}`);
  }
  const first = bytes[at] as number;
  if (first >>> 6 !== VERSION) {
    throw new PacketError('rtcp', 'version', at, `version ${first >>> 6}, expected ${VERSION}`);
  }
  const next = start + 4 * u16(bytes, at + 2);
  if (next > bytes.length) {
    throw new PacketError('rtcp', 'length', at, `a packet of ${next - at} bytes runs past the end, ${bytes.length}`);
  }
  const padding = (first & PADDING_BIT) !== 0 ? readPadding(bytes, start, next) : 0;
  return { bytes, packetType: bytes[at + 1] as number, count: first & COUNT_BITS, start, end: next - padding, next };
}

function readPadding(bytes: Uint8Array, start: number, end: number): number {
  const count = end === start ? 0 : (bytes[end - 1] as number);
  if (count === 0 || count > end - start) {
    throw new PacketError('rtcp', 'padding', end - 1, `padding of ${count} bytes in a body of ${end - start}`);
  }
  return count;
}

function readPacket(body: RtcpBody): RtcpPacket {
  switch (body.packetType) {
    case PACKET_TYPE.senderReport:
      return readSenderReport(body);
    case PACKET_TYPE.receiverReport:
      return readReceiverReport(body);
    case PACKET_TYPE.sourceDescription:
      return readSourceDescription(body);
    case PACKET_TYPE.goodbye:
      return readGoodbye(body);
    case PACKET_TYPE.applicationDefined:
      return readApplicationDefined(body);
    case PACKET_TYPE.transportFeedback:
    case PACKET_TYPE.payloadFeedback:
      return readFeedback(body, body.packetType);
    case PACKET_TYPE.extendedReport:
      return readExtendedReport(body);
    default: {
      const { bytes, packetType, count, start, end } = body;
      return { type: 'unknown', packetType, count, body: bytes.subarray(start, end) };
    }
  }
}

function writePacket(writer: ByteWriter, packet: RtcpPacket, path: string): void {
  const at = writer.length;
  writer.u32(0, path);
  const { packetType, count } = writeBody(writer, packet, path);
  const tail = (writer.length - at) % 4;
  if (tail !== 0) {
    // Only views of what was padded have such a length; with padding they read back as they were.
    const padding = new Uint8Array(4 - tail);
    padding[padding.length - 1] = padding.length;
    writer.bytes(padding, path);
  }
  const padded = tail === 0 ? 0 : PADDING_BIT;
  const first = (VERSION << 6) | padded | checkUnsigned(count, COUNT_BITS, `${path}: number of items`);
  writer.patchU16(at, (first << 8) | packetType, path);
  writer.patchU16(at + 2, (writer.length - at) / 4 - 1, path);
}

/** Writes what follows the common header, and tells what stands in it. */
function writeBody(writer: ByteWriter, packet: RtcpPacket, path: string): { packetType: number; count: number } {
  switch (packet.type) {
    case 'sr':
      writeSenderReport(writer, packet, path);
      return { packetType: PACKET_TYPE.senderReport, count: packet.reports.length };
    case 'rr':
      writeReceiverReport(writer, packet, path);
      return { packetType: PACKET_TYPE.receiverReport, count: packet.reports.length };
    case 'sdes':
      writeSourceDescription(writer, packet, path);
      return { packetType: PACKET_TYPE.sourceDescription, count: packet.chunks.length };
    case 'bye':
      writeGoodbye(writer, packet, path);
      return { packetType: PACKET_TYPE.goodbye, count: packet.ssrcs.length };
    case 'app':
      writeApplicationDefined(writer, packet, path);
      return { packetType: PACKET_TYPE.applicationDefined, count: packet.subtype };
    case 'xr':
      writeExtendedReport(writer, packet, path);
      return { packetType: PACKET_TYPE.extendedReport, count: 0 };
    case 'unknown':
      writer.bytes(packet.body, `${path}.body`);
      return { packetType: checkUnknownType(packet.packetType, path), count: packet.count };
    default:
      return writeFeedback(writer, packet, path);
  }
}

/** A packet of a known type must not be written past the checks of its type. */
function checkUnknownType(packetType: number, path: string): number {
  if (Object.values<number>(PACKET_TYPE).includes(packetType)) {
    throw typeError(`${path}.packetType: ${packetType} is no unknown type; give the packet its own \`type\``);
  }
  return checkUnsigned(packetType, U8, `${path}.packetType`);
}

/** The common header of a packet. */
const HEAD_BYTES = 4;
const VERSION = 2;
const PADDING_BIT = 0x20;
const COUNT_BITS = 0x1f;
