import { BoundedQueue } from './bounded-queue.js';
import { PacketError } from './errors.js';
import { type ExtensionId, ExtensionIds } from './extension-ids.js';
import { RtpPacket } from './packet.js';
import { parseRtcp } from './rtcp.js';
import type { RtcpPacket } from './rtcp-packets.js';

/** What RTP packets come from: a Consumer of a DirectTransport, or whatever looks like one. */
export type RtpSource = EventSource<'rtp'> & {
  /** Its header extensions are known by name in the packets. */
  readonly rtpParameters?: { readonly headerExtensions?: readonly ExtensionId[] };
};

/** What compound RTCP packets come from: a DirectTransport, or whatever looks like one. */
export type RtcpSource = EventSource<'rtcp'>;

/** An object that emits packets as bytes, and whose observer tells that it was closed. */
export type EventSource<Event extends string> = {
  readonly closed: boolean;
  readonly observer: {
    once(event: 'close', listener: () => void): unknown;
    off(event: 'close', listener: () => void): unknown;
  };
  on(event: Event, listener: (bytes: Buffer) => void): unknown;
  off(event: Event, listener: (bytes: Buffer) => void): unknown;
};

/** Options of {@link packets} and {@link rtcpPackets}. */
export type PacketStreamOptions = {
  /** Packets that wait at most while the loop is busy; beyond it the oldest is dropped and counted. Default: 512. */
  queue?: number;
  /** Ends the stream when it is aborted. */
  signal?: AbortSignal;
};

/** Packets as they come, for `for await`. It ends when the source closes or the loop is left. */
export class PacketStream<T> extends BoundedQueue<T> {
  #malformed = 0;
  readonly #parse: (bytes: Buffer) => T;

  /** @internal */
  constructor(capacity: number, parse: (bytes: Buffer) => T, onEnd: () => void) {
    super(capacity, onEnd);
    this.#parse = parse;
  }

  /** Packets that could not be parsed and were left out. */
  get malformed(): number {
    return this.#malformed;
  }

  /** @internal */
  receive(bytes: Buffer): void {
    try {
      this.push(this.#parse(bytes));
    } catch (error) {
      if (!(error instanceof PacketError)) {
        throw error;
      }
      this.#malformed += 1;
    }
  }
}

/**
 * The RTP packets of a Consumer, parsed. It listens from this call on, not from the first turn of the loop; packets that come
 * faster than the loop takes them wait in a bounded queue, and the oldest are dropped. Who counts reads `dropped` and
 * `malformed`.
 *
 * @example
 * ```ts
 * for await (const packet of packets(consumer, { queue: 512 })) {
 *   console.log(packet.sequenceNumber, packet.extension('audioLevel')?.level);
 * }
 * ```
 * @throws `TypeError` when `queue` is not a number from 1 to 65,536.
 */
export function packets(
  source: RtpSource,
  options: PacketStreamOptions & {
    /** Which numbers header extensions have. Default: what the source's `rtpParameters` say. */
    ids?: ExtensionIds;
  } = {},
): PacketStream<RtpPacket> {
  const ids = options.ids ?? new ExtensionIds(source.rtpParameters?.headerExtensions);
  return open(source, 'rtp', (bytes) => RtpPacket.parse(bytes, ids), options);
}

/**
 * The RTCP packets that a DirectTransport receives, parsed: one array for each compound. Otherwise as {@link packets}.
 */
export function rtcpPackets(source: RtcpSource, options: PacketStreamOptions = {}): PacketStream<RtcpPacket[]> {
  return open(source, 'rtcp', parseRtcp, options);
}

function open<Event extends string, T>(
  source: EventSource<Event>,
  event: Event,
  parse: (bytes: Buffer) => T,
  { queue = QUEUE_DEFAULT, signal }: PacketStreamOptions,
): PacketStream<T> {
  const receive = (bytes: Buffer) => stream.receive(bytes);
  const end = () => stream.end();
  const stream = new PacketStream<T>(queue, parse, () => {
    source.off(event, receive);
    source.observer.off('close', end);
    signal?.removeEventListener('abort', end);
  });
  if (source.closed || signal?.aborted) {
    stream.end();
    return stream;
  }
  source.on(event, receive);
  source.observer.once('close', end);
  signal?.addEventListener('abort', end);
  return stream;
}

/** About a second of video at 4 Mbit/s. */
const QUEUE_DEFAULT = 512;
