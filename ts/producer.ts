import type { Channel } from './channel.js';
import { EnhancedEventEmitter } from './enhanced-event-emitter.js';
import { UnsupportedError } from './errors.js';
import type * as model from './generated/model.js';
import type {
  MediaKind,
  ProducerDump,
  ProducerScore,
  ProducerStat,
  ProducerTraceEventData,
  ProducerTraceEventType,
  ProducerType,
  ProducerVideoOrientation,
  RtpParameters,
} from './generated/model.js';
import { Logger } from './logger.js';
import { checkPacket } from './packet-batch.js';
import { PausableObject } from './pausable-object.js';
import { type AppData, checkTraceEventTypes } from './remote-object.js';

/** Options of {@link Transport.produce}. */
export type ProducerOptions<ProducerAppData extends AppData = AppData> = model.ProducerOptions & {
  /** Id, a UUID that no other Producer of the Router has. Default: a new one. */
  id?: string;
  /** The application's own data. Default: `{}`. */
  appData?: ProducerAppData;
};

/** Events of a {@link Producer}. */
export type ProducerEvents = {
  /** The Transport was closed, and the Producer with it. */
  transportclose: [];
  /** The score of a stream changed. */
  score: [score: ProducerScore[]];
  /** The sender turned its camera (3GPP TS 26.114 §7.4.5). */
  videoorientationchange: [videoOrientation: ProducerVideoOrientation];
  /** Consumers ask for another spatial layer at most; see {@link Producer.wantedSpatialLayer}. */
  wantedlayerchange: [spatialLayer: number | undefined];
  /** A traced packet; see {@link Producer.enableTraceEvent}. */
  trace: [trace: ProducerTraceEventData];
};

/** Observer of a {@link Producer}. */
export type ProducerObserver = EnhancedEventEmitter<ProducerObserverEvents>;

/** Events of a {@link ProducerObserver}. */
export type ProducerObserverEvents = {
  /** The Producer was closed, by whomever. */
  close: [];
  /** The Producer was paused. */
  pause: [];
  /** The Producer was resumed. */
  resume: [];
  /** The score of a stream changed. */
  score: [score: ProducerScore[]];
  /** The sender turned its camera. */
  videoorientationchange: [videoOrientation: ProducerVideoOrientation];
  /** A traced packet; see {@link Producer.enableTraceEvent}. */
  trace: [trace: ProducerTraceEventData];
};

/** What the worker answered to `transport.produce`. */
export type ProducerReply = {
  readonly type: ProducerType;
  readonly rtpParameters: RtpParameters;
  readonly consumableRtpParameters: RtpParameters;
  readonly score?: ProducerScore[] | null;
  /** Where the application sends its packets itself. */
  readonly packetNumber?: number | null;
};

/** A source published into a {@link Router}. Its Transport closes it. */
export class Producer<ProducerAppData extends AppData = AppData> extends PausableObject<
  ProducerEvents,
  ProducerObserver,
  ProducerAppData
> {
  readonly #id: string;
  readonly #kind: MediaKind;
  readonly #reply: ProducerReply;
  readonly #encrypted: boolean;
  readonly #onClose: () => void;
  #score: ProducerScore[];
  #wantedSpatialLayer: number | undefined = Number.POSITIVE_INFINITY;

  /** @internal */
  constructor(
    channel: Channel,
    id: string,
    options: ProducerOptions<ProducerAppData>,
    reply: ProducerReply,
    onClose: () => void,
  ) {
    super(channel, new EnhancedEventEmitter(), options.appData, options.paused ?? false);
    this.#id = id;
    this.#kind = options.kind;
    this.#reply = reply;
    this.#encrypted = options.encrypted ?? false;
    this.#onClose = onClose;
    this.#score = reply.score ?? [];
    this.subscribe(id, (event, data) => this.#handle(event, data));
  }

  /** Id, a UUID. */
  get id(): string {
    return this.#id;
  }

  /** Audio or video. */
  get kind(): MediaKind {
    return this.#kind;
  }

  /** What the endpoint sends, as understood. */
  get rtpParameters(): RtpParameters {
    return structuredClone(this.#reply.rtpParameters);
  }

  /** How many streams and layers the endpoint sends. */
  get type(): ProducerType {
    return this.#reply.type;
  }

  /**
   * What Consumers choose from: the endpoint's parameters in the Router's numbering.
   *
   * @internal
   */
  get consumableRtpParameters(): RtpParameters {
    return structuredClone(this.#reply.consumableRtpParameters);
  }

  /** Whether its payloads are encrypted from end to end, as {@link ProducerOptions} said. */
  get encrypted(): boolean {
    return this.#encrypted;
  }

  /** Quality of each stream of the endpoint, 0 to 10; empty before the first packet. */
  get score(): ProducerScore[] {
    return structuredClone(this.#score);
  }

  /**
   * The highest spatial layer that any Consumer asks for by `setPreferredLayers()`: what lies above need not be sent.
   * `Infinity` until the first event, `undefined` while no Consumer wants anything. More is told at once, less after it
   * has lasted for 3 s. What a Consumer's line carries plays no part. Pipes ask for everything.
   */
  get wantedSpatialLayer(): number | undefined {
    return this.#wantedSpatialLayer;
  }

  /** Closes the Producer and tells its Consumers. Idempotent. */
  close(): void {
    if (this.closed) {
      return;
    }
    this.end(this.command('producer.close', { producerId: this.#id }), this.#id);
    this.#onClose();
    this.observer.safeEmit('close');
  }

  /** @internal */
  transportClosed(released: Promise<void>): void {
    this.endWithTransport(released, this.#id);
  }

  /** The Producer's inner state, for debugging. Its shape may change. */
  async dump(): Promise<ProducerDump> {
    return await this.#ask('producer.dump');
  }

  /** Statistics of each stream of the endpoint. */
  async getStats(): Promise<ProducerStat[]> {
    return await this.#ask('producer.getStats');
  }

  /** Stops forwarding to all Consumers, which are told. */
  async pause(): Promise<void> {
    await this.#ask('producer.pause');
    this.notePaused(true);
  }

  /** Starts forwarding again; Consumers are told, and video begins with a key frame. */
  async resume(): Promise<void> {
    await this.#ask('producer.resume');
    this.notePaused(false);
  }

  /**
   * Sends an RTP packet, on a DirectTransport: with an SSRC and a payload type of `rtpParameters`. It is copied. After the
   * Producer was closed it is passed over.
   *
   * @throws `TypeError` when it is no Buffer of memory that only this thread has; {@link LimitError} when it is longer
   * than 1,500 bytes; {@link UnsupportedError} on any other Transport.
   */
  send(rtpPacket: Buffer): void {
    checkPacket(rtpPacket, 'rtpPacket');
    const { packetNumber } = this.#reply;
    if (packetNumber === undefined || packetNumber === null) {
      throw new UnsupportedError('producer.send() is possible on a DirectTransport only');
    }
    this.sendPacket(packetNumber, rtpPacket);
  }

  /**
   * Makes `trace` events of these kinds, and of no others. Default: none.
   *
   * @throws `TypeError` when it is not an array of strings.
   */
  async enableTraceEvent(types: ProducerTraceEventType[] = []): Promise<void> {
    checkTraceEventTypes(types);
    await this.#ask('producer.enableTraceEvent', { types });
  }

  #ask<T>(method: string, params?: object): Promise<T> {
    return this.request<T>(method, { ...params, producerId: this.#id });
  }

  #handle(event: string, data: unknown): void {
    switch (event) {
      case 'score':
        this.#score = data as ProducerScore[];
        this.tell('score', this.#score);
        break;
      case 'videoorientationchange':
        this.tell('videoorientationchange', data as ProducerVideoOrientation);
        break;
      case 'wantedlayerchange':
        this.#wantedSpatialLayer = (data as number | null) ?? undefined;
        this.tell('wantedlayerchange', this.#wantedSpatialLayer);
        break;
      case 'trace':
        this.tell('trace', data as ProducerTraceEventData);
        break;
      default:
        logger.error(`ignoring unknown event '${event}'`);
    }
  }
}

const logger = new Logger('Producer');
