import { typeError } from '../native-events.js';
import { type ByteWriter, i24, U24, u32, u64 } from './bytes.js';
import { type RtcpBody, requireBytes } from './rtcp-body.js';
import type { ReceiverReport, ReportBlock, SenderReport } from './rtcp-packets.js';

/** Reads a sender report. */
export function readSenderReport(body: RtcpBody): SenderReport {
  const { bytes, start } = body;
  requireBytes(body, start, SENDER_INFO_END, 'sender report');
  return {
    type: 'sr',
    ssrc: u32(bytes, start),
    ntpTimestamp: u64(bytes, start + 4),
    rtpTimestamp: u32(bytes, start + 12),
    packetCount: u32(bytes, start + 16),
    octetCount: u32(bytes, start + 20),
    ...readReports(body, start + SENDER_INFO_END),
  };
}

/** Reads a receiver report. */
export function readReceiverReport(body: RtcpBody): ReceiverReport {
  requireBytes(body, body.start, 4, 'receiver report');
  return { type: 'rr', ssrc: u32(body.bytes, body.start), ...readReports(body, body.start + 4) };
}

/** Writes a sender report. */
export function writeSenderReport(writer: ByteWriter, report: SenderReport, path: string): void {
  writer.u32(report.ssrc, `${path}.ssrc`);
  writer.u64(report.ntpTimestamp, `${path}.ntpTimestamp`);
  writer.u32(report.rtpTimestamp, `${path}.rtpTimestamp`);
  writer.u32(report.packetCount, `${path}.packetCount`);
  writer.u32(report.octetCount, `${path}.octetCount`);
  writeReports(writer, report, path);
}

/** Writes a receiver report. */
export function writeReceiverReport(writer: ByteWriter, report: ReceiverReport, path: string): void {
  writer.u32(report.ssrc, `${path}.ssrc`);
  writeReports(writer, report, path);
}

type Reports = Pick<ReceiverReport, 'reports' | 'profileExtension'>;

function readReports(body: RtcpBody, start: number): Reports {
  const { bytes, count, end } = body;
  requireBytes(body, start, count * BLOCK_BYTES, `${count} report blocks`);
  const reports: ReportBlock[] = [];
  let at = start;
  for (; reports.length < count; at += BLOCK_BYTES) {
    reports.push({
      ssrc: u32(bytes, at),
      fractionLost: bytes[at + 4] as number,
      packetsLost: i24(bytes, at + 5),
      highestSequenceNumber: u32(bytes, at + 8),
      jitter: u32(bytes, at + 12),
      lastSenderReport: u32(bytes, at + 16),
      delaySinceLastSenderReport: u32(bytes, at + 20),
    });
  }
  return at === end ? { reports } : { reports, profileExtension: bytes.subarray(at, end) };
}

function writeReports(writer: ByteWriter, { reports, profileExtension }: Reports, path: string): void {
  reports.forEach((block, index) => {
    const at = `${path}.reports[${index}]`;
    writer.u32(block.ssrc, `${at}.ssrc`);
    writer.u8(block.fractionLost, `${at}.fractionLost`);
    writer.u24(signed24(block.packetsLost, `${at}.packetsLost`), `${at}.packetsLost`);
    writer.u32(block.highestSequenceNumber, `${at}.highestSequenceNumber`);
    writer.u32(block.jitter, `${at}.jitter`);
    writer.u32(block.lastSenderReport, `${at}.lastSenderReport`);
    writer.u32(block.delaySinceLastSenderReport, `${at}.delaySinceLastSenderReport`);
  });
  if (profileExtension !== undefined) {
    writer.bytes(profileExtension, `${path}.profileExtension`);
  }
}

/** The 24 bits of a signed number. */
export function signed24(value: number, name: string): number {
  if (!Number.isInteger(value) || value < -0x80_0000 || value > 0x7f_ffff) {
    throw typeError(`${name}: expected a whole number of 24 bits, got ${String(value)}`);
  }
  return value & U24;
}

/** SSRC and sender information. */
const SENDER_INFO_END = 24;
const BLOCK_BYTES = 24;
