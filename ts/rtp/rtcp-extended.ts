import { typeError } from '../native-events.js';
import { type ByteWriter, u16, u32, u64 } from './bytes.js';
import { checkBytes, PacketError } from './errors.js';
import { type RtcpBody, requireBytes } from './rtcp-body.js';
import type { DelaySinceReference, ExtendedReport, ExtendedReportBlock } from './rtcp-packets.js';

/** Reads an extended report. */
export function readExtendedReport(body: RtcpBody): ExtendedReport {
  const { bytes, start, end } = body;
  requireBytes(body, start, 4, 'extended report');
  const blocks: ExtendedReportBlock[] = [];
  let at = start + 4;
  while (at < end) {
    requireBytes(body, at, BLOCK_HEAD_BYTES, 'report block');
    const content = at + BLOCK_HEAD_BYTES;
    const length = 4 * u16(bytes, at + 2);
    requireBytes(body, content, length, 'report block');
    blocks.push(readBlock(bytes, at, content, content + length));
    at = content + length;
  }
  return { type: 'xr', ssrc: u32(bytes, start), blocks };
}

/** Writes an extended report. */
export function writeExtendedReport(writer: ByteWriter, { ssrc, blocks }: ExtendedReport, path: string): void {
  writer.u32(ssrc, `${path}.ssrc`);
  blocks.forEach((block, index) => {
    writeBlock(writer, block, `${path}.blocks[${index}]`);
  });
}

function readBlock(bytes: Uint8Array, at: number, start: number, end: number): ExtendedReportBlock {
  const blockType = bytes[at] as number;
  switch (blockType) {
    case REFERENCE_TIME:
      if (end - start !== REFERENCE_BYTES) {
        throw new PacketError(
          'rtcp',
          'body',
          at,
          `a reference time of ${end - start} bytes, expected ${REFERENCE_BYTES}`,
        );
      }
      return { type: 'rrt', ntpTimestamp: u64(bytes, start) };
    case DELAY_SINCE_REFERENCE:
      return { type: 'dlrr', reports: readDelays(bytes, start, end) };
    default:
      return { type: 'raw', blockType, typeSpecific: bytes[at + 1] as number, content: bytes.subarray(start, end) };
  }
}

function readDelays(bytes: Uint8Array, start: number, end: number): DelaySinceReference[] {
  if ((end - start) % DELAY_BYTES !== 0) {
    throw new PacketError('rtcp', 'body', start, `delays of ${DELAY_BYTES} bytes each in ${end - start} bytes`);
  }
  const delays: DelaySinceReference[] = [];
  for (let at = start; at < end; at += DELAY_BYTES) {
    delays.push({ ssrc: u32(bytes, at), lastReference: u32(bytes, at + 4), delay: u32(bytes, at + 8) });
  }
  return delays;
}

function writeBlock(writer: ByteWriter, block: ExtendedReportBlock, path: string): void {
  const at = writer.length;
  writer.u8(block.type === 'raw' ? block.blockType : BLOCK_TYPES[block.type], `${path}.blockType`);
  writer.u8(block.type === 'raw' ? block.typeSpecific : 0, `${path}.typeSpecific`);
  writer.u16(0, path);
  switch (block.type) {
    case 'rrt':
      writer.u64(block.ntpTimestamp, `${path}.ntpTimestamp`);
      break;
    case 'dlrr':
      block.reports.forEach((report, index) => {
        writer.u32(report.ssrc, `${path}.reports[${index}].ssrc`);
        writer.u32(report.lastReference, `${path}.reports[${index}].lastReference`);
        writer.u32(report.delay, `${path}.reports[${index}].delay`);
      });
      break;
    default:
      if (block.blockType === REFERENCE_TIME || block.blockType === DELAY_SINCE_REFERENCE) {
        throw typeError(`${path}.blockType: ${block.blockType} is a block that has a \`type\` of its own`);
      }
      if (checkBytes(block.content, `${path}.content`).length % 4 !== 0) {
        throw typeError(`${path}.content: expected a multiple of four bytes, got ${block.content.length}`);
      }
      writer.bytes(block.content, `${path}.content`);
  }
  writer.patchU16(at + 2, (writer.length - at - BLOCK_HEAD_BYTES) / 4, path);
}

const BLOCK_HEAD_BYTES = 4;
/** Receiver reference time (RFC 3611 §4.4). */
const REFERENCE_TIME = 4;
const REFERENCE_BYTES = 8;
/** Delays since reference times (RFC 3611 §4.5). */
const DELAY_SINCE_REFERENCE = 5;
const DELAY_BYTES = 12;
const BLOCK_TYPES = { rrt: REFERENCE_TIME, dlrr: DELAY_SINCE_REFERENCE };
