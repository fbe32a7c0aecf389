import { typeError } from '../native-events.js';
import { type ByteWriter, readText, textBytes, u32 } from './bytes.js';
import { PacketError } from './errors.js';
import { type RtcpBody, requireBytes } from './rtcp-body.js';
import type { ApplicationDefined, Goodbye, SourceDescription, SourceDescriptionChunk } from './rtcp-packets.js';

/** Reads a source description. */
export function readSourceDescription(body: RtcpBody): SourceDescription {
  const chunks: SourceDescriptionChunk[] = [];
  let at = body.start;
  while (chunks.length < body.count) {
    at = readChunk(body, at, chunks);
  }
  return { type: 'sdes', chunks };
}

/** Writes a source description. */
export function writeSourceDescription(writer: ByteWriter, { chunks }: SourceDescription, path: string): void {
  chunks.forEach(({ ssrc, items }, index) => {
    const at = `${path}.chunks[${index}]`;
    writer.u32(ssrc, `${at}.ssrc`);
    items.forEach(({ type, text }, itemIndex) => {
      const itemAt = `${at}.items[${itemIndex}]`;
      if (type === 0) {
        throw typeError(`${itemAt}.type: 0 ends the list of items`);
      }
      writer.u8(type, `${itemAt}.type`);
      writeText(writer, textBytes(text, `${itemAt}.text`), `${itemAt}.text`);
    });
    // The list of items ends with at least one zero.
    writer.u8(0, at);
    writer.padToWord();
  });
}

/** Reads a goodbye. */
export function readGoodbye(body: RtcpBody): Goodbye {
  const { bytes, count, start, end } = body;
  requireBytes(body, start, 4 * count, `${count} sources`);
  const ssrcs: number[] = [];
  let at = start;
  for (; ssrcs.length < count; at += 4) {
    ssrcs.push(u32(bytes, at));
  }
  if (at === end) {
    return { type: 'bye', ssrcs };
  }
  const length = bytes[at] as number;
  requireBytes(body, at + 1, length, 'reason');
  return { type: 'bye', ssrcs, reason: readText(bytes, at + 1, at + 1 + length) };
}

/** Writes a goodbye. */
export function writeGoodbye(writer: ByteWriter, { ssrcs, reason }: Goodbye, path: string): void {
  ssrcs.forEach((ssrc, index) => {
    writer.u32(ssrc, `${path}.ssrcs[${index}]`);
  });
  if (reason !== undefined) {
    writeText(writer, textBytes(reason, `${path}.reason`), `${path}.reason`);
    writer.padToWord();
  }
}

/** Reads an application-defined packet. */
export function readApplicationDefined(body: RtcpBody): ApplicationDefined {
  const { bytes, count, start, end } = body;
  requireBytes(body, start, APP_HEAD_BYTES, 'application-defined packet');
  return {
    type: 'app',
    subtype: count,
    ssrc: u32(bytes, start),
    name: String.fromCharCode(...bytes.subarray(start + 4, start + APP_HEAD_BYTES)),
    data: bytes.subarray(start + APP_HEAD_BYTES, end),
  };
}

/** Writes an application-defined packet. */
export function writeApplicationDefined(writer: ByteWriter, packet: ApplicationDefined, path: string): void {
  writer.u32(packet.ssrc, `${path}.ssrc`);
  if (typeof packet.name !== 'string' || packet.name.length !== 4) {
    throw typeError(`${path}.name: expected four characters`);
  }
  for (let index = 0; index < 4; index += 1) {
    writer.u8(packet.name.charCodeAt(index), `${path}.name`);
  }
  writer.bytes(packet.data, `${path}.data`);
}

/** Reads the chunk at `start` and returns where the next one is. */
function readChunk(body: RtcpBody, start: number, chunks: SourceDescriptionChunk[]): number {
  const { bytes, end } = body;
  requireBytes(body, start, 4, `chunk ${chunks.length} of ${body.count}`);
  const chunk: SourceDescriptionChunk = { ssrc: u32(bytes, start), items: [] };
  chunks.push(chunk);
  let at = start + 4;
  while (at < end) {
    const type = bytes[at] as number;
    if (type === 0) {
      // One to four zeros end the list at the next multiple of four, counted from the packet's start.
      const next = at + 4 - ((at - body.start) % 4);
      requireBytes(body, at, next - at, 'end of the items');
      return next;
    }
    requireBytes(body, at, 2, `item ${type}`);
    const length = bytes[at + 1] as number;
    requireBytes(body, at + 2, length, `item ${type}`);
    chunk.items.push({ type, text: readText(bytes, at + 2, at + 2 + length) });
    at += 2 + length;
  }
  throw new PacketError('rtcp', 'body', end, 'the list of items has no end');
}

function writeText(writer: ByteWriter, text: Uint8Array, name: string): void {
  writer.u8(text.length, name);
  writer.bytes(text, name);
}

/** SSRC and name. */
const APP_HEAD_BYTES = 8;
