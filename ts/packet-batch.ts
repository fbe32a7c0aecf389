import { isSharedArrayBuffer, isUint8Array } from 'node:util/types';
import type { NativeWorker } from '#native';
import { LimitError } from './errors.js';
import { typeError } from './native-events.js';

/** Receives the packets of one object. The bytes are the receiver's own. */
export type PacketHandler = (packet: Buffer) => void;

/**
 * Longest packet that can be sent, in bytes: what fits into a datagram. A longer one is refused with a
 * {@link LimitError}.
 */
export const SENT_PACKET_BYTES_MAX = 1500;

/**
 * Bytes of packets that are collected before they cross, at most; what is more crosses at once, so that this is no limit
 * of what can be sent.
 */
export const PACKET_BATCH_BYTES_MAX = 64 * 1024;

/**
 * Packets on their way to a worker. They are copied when they come and cross together, at the end of this turn of the
 * event loop or before the next request: whoever sends a hundred packets in a turn pays for one crossing.
 */
export class PacketWriter {
  readonly #native: Pick<NativeWorker, 'sendPackets'>;
  /** Made with the first packet: most workers never get one. */
  #batch: Buffer | undefined;
  #length = 0;
  #awaitsFlush = false;

  constructor(native: Pick<NativeWorker, 'sendPackets'>) {
    this.#native = native;
  }

  /** Adds a packet, which {@link checkPacket} has let pass, or a data message. */
  add(number: number, packet: Uint8Array): void {
    const { length } = packet;
    if (this.#length + HEAD_BYTES + length > PACKET_BATCH_BYTES_MAX) {
      this.flush();
    }
    if (HEAD_BYTES + length > PACKET_BATCH_BYTES_MAX) {
      this.#native.sendPackets(record(number, packet));
      return;
    }
    this.#batch ??= Buffer.allocUnsafeSlow(PACKET_BATCH_BYTES_MAX);
    const at = this.#length;
    this.#batch.writeUInt32LE(number, at);
    this.#batch.writeUInt32LE(length, at + 4);
    this.#batch.set(packet, at + HEAD_BYTES);
    this.#length = at + HEAD_BYTES + length;
    if (!this.#awaitsFlush) {
      this.#awaitsFlush = true;
      setImmediate(() => {
        this.#awaitsFlush = false;
        this.flush();
      });
    }
  }

  /** Sends what was collected. */
  flush(): void {
    if (this.#length > 0 && this.#batch) {
      const length = this.#length;
      this.#length = 0;
      this.#native.sendPackets(this.#batch.subarray(0, length));
    }
  }
}

/** A long data message as a batch of its own. */
function record(number: number, message: Uint8Array): Buffer {
  const batch = Buffer.allocUnsafeSlow(HEAD_BYTES + message.length);
  batch.writeUInt32LE(number, 0);
  batch.writeUInt32LE(message.length, 4);
  batch.set(message, HEAD_BYTES);
  return batch;
}

/** Calls `receive` for each packet of a batch. The packets share the batch's memory. */
export function readPackets(batch: Buffer, receive: (number: number, packet: Buffer) => void): void {
  let at = 0;
  while (at + HEAD_BYTES <= batch.length) {
    const number = batch.readUInt32LE(at);
    const begin = at + HEAD_BYTES;
    at = begin + batch.readUInt32LE(at + 4);
    receive(number, batch.subarray(begin, at));
  }
}

/**
 * Checks a packet that the application wants sent.
 *
 * @throws `TypeError` when it is no `Buffer` (or other `Uint8Array`) of its own memory; {@link LimitError} when it is longer
 * than {@link SENT_PACKET_BYTES_MAX}.
 */
export function checkPacket(packet: unknown, name: string): asserts packet is Uint8Array {
  if (!isUint8Array(packet)) {
    throw typeError(`${name}: expected a Buffer`);
  }
  if (isSharedArrayBuffer(packet.buffer)) {
    throw typeError(`${name}: expected a Buffer that no other thread can change`);
  }
  // What was detached is empty as well.
  if (packet.length === 0) {
    throw typeError(`${name}: expected a Buffer with a packet in it`);
  }
  if (packet.length > SENT_PACKET_BYTES_MAX) {
    throw new LimitError(
      `${name}: ${packet.length} bytes are more than the ${SENT_PACKET_BYTES_MAX} of the longest packet`,
      'ERR_LIMIT_EXCEEDED',
    );
  }
}

/** Bytes before each packet: its number and its length. */
const HEAD_BYTES = 8;
