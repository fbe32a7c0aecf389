import { typeError } from '../native-events.js';
import { type ByteWriter, U8, U16, u16, u24, u32 } from './bytes.js';
import { PacketError } from './errors.js';
import { type RtcpBody, requireBytes } from './rtcp-body.js';
import {
  FEEDBACK_FORMAT,
  type FullIntraRequest,
  type Nack,
  type OtherFeedback,
  PACKET_TYPE,
  type PictureLoss,
  type Remb,
  type TransportFeedback,
} from './rtcp-packets.js';
import { readTransportFeedback, writeTransportFeedback } from './transport-feedback.js';

/** Feedback about transport or payload (RFC 4585 §6.1). */
export type Feedback = Nack | TransportFeedback | PictureLoss | FullIntraRequest | Remb | OtherFeedback;

/** Reads a feedback packet. */
export function readFeedback(body: RtcpBody, packetType: OtherFeedback['packetType']): Feedback {
  const { bytes, count: format, start, end } = body;
  requireBytes(body, start, SSRCS_BYTES, 'feedback');
  const ssrcs = { senderSsrc: u32(bytes, start), mediaSsrc: u32(bytes, start + 4) };
  const items = start + SSRCS_BYTES;
  if (packetType === PACKET_TYPE.transportFeedback) {
    switch (format) {
      case FEEDBACK_FORMAT.nack:
        return { type: 'nack', ...ssrcs, lost: readLost(body, items) };
      case FEEDBACK_FORMAT.transportCc:
        return { type: 'transport-cc', ...ssrcs, ...readTransportFeedback(body, items) };
    }
  } else {
    switch (format) {
      case FEEDBACK_FORMAT.pli:
        requireItems(body, items, 0, 'picture loss');
        return { type: 'pli', ...ssrcs };
      case FEEDBACK_FORMAT.fir:
        return { type: 'fir', ...ssrcs, requests: readRequests(body, items) };
      case FEEDBACK_FORMAT.application:
        if (isRemb(body, items)) {
          return { type: 'remb', ...ssrcs, ...readEstimate(body, items) };
        }
    }
  }
  return { type: 'feedback', packetType, format, ...ssrcs, fci: bytes.subarray(items, end) };
}

/** Writes a feedback packet's body and tells what stands in its common header. */
export function writeFeedback(
  writer: ByteWriter,
  packet: Feedback,
  path: string,
): { packetType: number; count: number } {
  const [packetType, count] = headOf(packet, path);
  writer.u32(packet.senderSsrc, `${path}.senderSsrc`);
  writer.u32(packet.mediaSsrc, `${path}.mediaSsrc`);
  switch (packet.type) {
    case 'nack':
      writeLost(writer, packet.lost, path);
      break;
    case 'transport-cc':
      writeTransportFeedback(writer, packet, path);
      break;
    case 'fir':
      writeRequests(writer, packet, path);
      break;
    case 'remb':
      writeEstimate(writer, packet, path);
      break;
    case 'feedback':
      writer.bytes(packet.fci, `${path}.fci`);
      break;
  }
  return { packetType, count };
}

function headOf(packet: Feedback, path: string): [packetType: number, format: number] {
  switch (packet.type) {
    case 'nack':
      return [PACKET_TYPE.transportFeedback, FEEDBACK_FORMAT.nack];
    case 'transport-cc':
      return [PACKET_TYPE.transportFeedback, FEEDBACK_FORMAT.transportCc];
    case 'pli':
      return [PACKET_TYPE.payloadFeedback, FEEDBACK_FORMAT.pli];
    case 'fir':
      return [PACKET_TYPE.payloadFeedback, FEEDBACK_FORMAT.fir];
    case 'remb':
      return [PACKET_TYPE.payloadFeedback, FEEDBACK_FORMAT.application];
    case 'feedback':
      if (packet.packetType !== PACKET_TYPE.transportFeedback && packet.packetType !== PACKET_TYPE.payloadFeedback) {
        throw typeError(`${path}.packetType: expected 205 or 206, got ${String(packet.packetType)}`);
      }
      if (isKnownFeedback(packet)) {
        throw typeError(`${path}.format: ${packet.format} is feedback that has a \`type\` of its own`);
      }
      return [packet.packetType, packet.format];
    default:
      throw typeError(`${path}.type: '${String((packet as { type: unknown }).type)}' is no type of RTCP packet`);
  }
}

/** Tells whether this would be read as another type: it must not be written past the checks of that type. */
function isKnownFeedback({ packetType, format, fci }: OtherFeedback): boolean {
  if (packetType === PACKET_TYPE.transportFeedback) {
    return format === FEEDBACK_FORMAT.nack || format === FEEDBACK_FORMAT.transportCc;
  }
  const isRembAgain = format === FEEDBACK_FORMAT.application && fci.length >= 4 && u32(fci, 0) === REMB_IDENTIFIER;
  return format === FEEDBACK_FORMAT.pli || format === FEEDBACK_FORMAT.fir || isRembAgain;
}

/** Reads the numbers of lost packets: items of a first one and a mask of those behind it (RFC 4585 §6.2.1). */
function readLost(body: RtcpBody, start: number): number[] {
  requireItems(body, start, NACK_ITEM_BYTES, 'lost packets');
  const lost: number[] = [];
  for (let at = start; at < body.end; at += NACK_ITEM_BYTES) {
    const first = u16(body.bytes, at);
    lost.push(first);
    for (let mask = u16(body.bytes, at + 2), next = first + 1; mask !== 0; mask >>>= 1, next += 1) {
      if ((mask & 1) !== 0) {
        lost.push(next & U16);
      }
    }
  }
  return lost;
}

function writeLost(writer: ByteWriter, lost: readonly number[], path: string): void {
  if (lost.length === 0) {
    throw typeError(`${path}.lost: expected at least one sequence number`);
  }
  let first = lost[0] as number;
  let following = 0;
  for (const [index, sequenceNumber] of lost.entries()) {
    const distance = (sequenceNumber - first) & U16;
    if (distance <= NACK_MASK_BITS) {
      following |= distance === 0 ? 0 : 1 << (distance - 1);
      continue;
    }
    writer.u16(first, `${path}.lost[${index}]`);
    writer.u16(following, path);
    first = sequenceNumber;
    following = 0;
  }
  writer.u16(first, `${path}.lost`);
  writer.u16(following, path);
}

function readRequests(body: RtcpBody, start: number): FullIntraRequest['requests'] {
  requireItems(body, start, FIR_ITEM_BYTES, 'full intra request');
  const requests: FullIntraRequest['requests'] = [];
  for (let at = start; at < body.end; at += FIR_ITEM_BYTES) {
    requests.push({ ssrc: u32(body.bytes, at), sequenceNumber: body.bytes[at + 4] as number });
  }
  return requests;
}

function writeRequests(writer: ByteWriter, { requests }: FullIntraRequest, path: string): void {
  if (requests.length === 0) {
    throw typeError(`${path}.requests: expected at least one`);
  }
  requests.forEach(({ ssrc, sequenceNumber }, index) => {
    writer.u32(ssrc, `${path}.requests[${index}].ssrc`);
    writer.u8(sequenceNumber, `${path}.requests[${index}].sequenceNumber`);
    writer.u24(0, path);
  });
}

function isRemb({ bytes, end }: RtcpBody, start: number): boolean {
  return end - start >= 4 && u32(bytes, start) === REMB_IDENTIFIER;
}

function readEstimate(body: RtcpBody, start: number): Pick<Remb, 'bitrate' | 'ssrcs'> {
  const { bytes } = body;
  requireBytes(body, start, REMB_HEAD_BYTES, 'estimate');
  const count = bytes[start + 4] as number;
  const exponentAndMantissa = u24(bytes, start + 5);
  const bitrate = (exponentAndMantissa & REMB_MANTISSA_MASK) * 2 ** (exponentAndMantissa >>> REMB_MANTISSA_BITS);
  requireBytes(body, start + REMB_HEAD_BYTES, 4 * count, `${count} streams`);
  const ssrcs: number[] = [];
  for (let index = 0; index < count; index += 1) {
    ssrcs.push(u32(bytes, start + REMB_HEAD_BYTES + 4 * index));
  }
  return { bitrate, ssrcs };
}

function writeEstimate(writer: ByteWriter, { bitrate, ssrcs }: Remb, path: string): void {
  if (!(bitrate >= 0 && bitrate < REMB_BITRATE_END)) {
    throw typeError(`${path}.bitrate: expected bit/s from 0 to below 2^81, got ${String(bitrate)}`);
  }
  let mantissa = Math.floor(bitrate);
  let exponent = 0;
  while (mantissa > REMB_MANTISSA_MASK) {
    mantissa = Math.floor(mantissa / 2);
    exponent += 1;
  }
  if (ssrcs.length > U8) {
    throw typeError(`${path}.ssrcs: expected at most ${U8}, got ${ssrcs.length}`);
  }
  writer.u32(REMB_IDENTIFIER, path);
  writer.u8(ssrcs.length, `${path}.ssrcs`);
  writer.u24((exponent << REMB_MANTISSA_BITS) | mantissa, `${path}.bitrate`);
  ssrcs.forEach((ssrc, index) => {
    writer.u32(ssrc, `${path}.ssrcs[${index}]`);
  });
}

/** Checks that from `start` on there are items of this length and nothing else; with length 0 that there is nothing. */
function requireItems({ end }: RtcpBody, start: number, itemBytes: number, what: string): void {
  const length = end - start;
  const fits = itemBytes === 0 ? length === 0 : length > 0 && length % itemBytes === 0;
  if (!fits) {
    throw new PacketError('rtcp', 'body', start, `${what}: ${length} bytes where items have ${itemBytes}`);
  }
}

/** Who sends the feedback, and about which stream. */
const SSRCS_BYTES = 8;
const NACK_ITEM_BYTES = 4;
const NACK_MASK_BITS = 16;
const FIR_ITEM_BYTES = 8;
/** "REMB" in ASCII, which tells this from other application layer feedback. */
const REMB_IDENTIFIER = 0x52_45_4d_42;
/** Identifier, number of streams, bitrate. */
const REMB_HEAD_BYTES = 8;
const REMB_MANTISSA_BITS = 18;
/** What is above is shifted, so that its lowest bits are lost. */
const REMB_MANTISSA_MASK = (1 << REMB_MANTISSA_BITS) - 1;
const REMB_BITRATE_END = 2 ** (REMB_MANTISSA_BITS + 63);
