import { isSharedArrayBuffer, isUint8Array } from 'node:util/types';
import { LimitError } from './errors.js';
import { typeError } from './native-events.js';

/** Payload protocol identifiers of RFC 8831 §8. */
const PPID = { string: 51, binary: 53, emptyString: 56, emptyBinary: 57 } as const;

/** Subchannels that a message may be for. */
const SUBCHANNELS_MAX = 256;

/** Bytes before the subchannels of a message: see {@link addressedMessage}. */
const ADDRESS_BYTES = 11;

/** A message with what it is, in the numbers of RFC 8831 §8. */
export type DataMessage = { readonly bytes: Uint8Array; readonly ppid: number };

/** Whom a message is for, beside those that {@link DataProducer.send} names. */
export type DataAddress = {
  readonly subchannels: readonly number[] | undefined;
  readonly requiredSubchannel: number | undefined;
  readonly ignoredSubchannel: number | undefined;
};

/**
 * A message as the worker takes it. SCTP has no empty messages: one byte and the identifier stand for it.
 *
 * @throws `TypeError` when it is neither string nor Buffer, or `ppid` no number of 32 bits.
 */
export function dataMessage(message: unknown, ppid?: number): DataMessage {
  if (typeof message !== 'string' && !isUint8Array(message)) {
    throw typeError('message: expected a string or a Buffer');
  }
  if (ppid !== undefined && ppid !== ppid >>> 0) {
    throw typeError('ppid: expected a whole number');
  }
  if (message.length === 0) {
    return {
      bytes: new Uint8Array(1),
      ppid: ppid ?? (typeof message === 'string' ? PPID.emptyString : PPID.emptyBinary),
    };
  }
  if (typeof message === 'string') {
    return { bytes: Buffer.from(message), ppid: ppid ?? PPID.string };
  }
  if (isSharedArrayBuffer(message.buffer)) {
    throw typeError('message: expected a Buffer that no other thread can change');
  }
  return { bytes: message, ppid: ppid ?? PPID.binary };
}

/**
 * A message behind whom it is for. Before it, all numbers little endian: its payload protocol identifier (32 bits), which of
 * the next two subchannels count (8 bits, 1 and 2), how many subchannels there are, the required one, the ignored one, and
 * the subchannels (16 bits each).
 *
 * @throws `TypeError` when a subchannel is no whole number; {@link LimitError} when there are more than 256, or the
 * message is longer than `bytesMax`.
 */
export function addressedMessage({ bytes, ppid }: DataMessage, address: DataAddress, bytesMax: number): Buffer {
  const { subchannels = [], requiredSubchannel, ignoredSubchannel } = address;
  if (!Array.isArray(subchannels)) {
    throw typeError('subchannels: expected an array of numbers');
  }
  if (subchannels.length > SUBCHANNELS_MAX) {
    throw new LimitError(`subchannels: ${subchannels.length}, at most ${SUBCHANNELS_MAX}`, 'ERR_LIMIT_EXCEEDED');
  }
  if (bytes.length > bytesMax) {
    throw new LimitError(`message: ${bytes.length} bytes, at most ${bytesMax}`, 'ERR_LIMIT_EXCEEDED');
  }
  const record = Buffer.allocUnsafe(ADDRESS_BYTES + 2 * subchannels.length + bytes.length);
  record.writeUInt32LE(ppid, 0);
  record.writeUInt8((requiredSubchannel === undefined ? 0 : 1) | (ignoredSubchannel === undefined ? 0 : 2), 4);
  record.writeUInt16LE(subchannels.length, 5);
  record.writeUInt16LE(checkedSubchannel('requiredSubchannel', requiredSubchannel ?? 0), 7);
  record.writeUInt16LE(checkedSubchannel('ignoredSubchannel', ignoredSubchannel ?? 0), 9);
  for (const [at, subchannel] of subchannels.entries()) {
    record.writeUInt16LE(checkedSubchannel('subchannels', subchannel), ADDRESS_BYTES + 2 * at);
  }
  record.set(bytes, ADDRESS_BYTES + 2 * subchannels.length);
  return record;
}

/** Reads a message that the worker hands out: its payload protocol identifier (32 bits, little endian) and what it says. */
export function readMessage(record: Buffer): [message: Buffer, ppid: number] {
  return [record.subarray(4), record.readUInt32LE(0)];
}

/** A subchannel in the 16 bits that it has: a larger number counts modulo 65536, as in mediasoup. */
function checkedSubchannel(name: string, subchannel: unknown): number {
  if (!Number.isInteger(subchannel)) {
    throw typeError(`${name}: expected whole numbers`);
  }
  return (subchannel as number) & 0xffff;
}
