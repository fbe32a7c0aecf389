import type { Channel } from './channel.js';
import { EnhancedEventEmitter } from './enhanced-event-emitter.js';
import type * as model from './generated/model.js';
import type {
  ConsumerDump,
  ConsumerLayers,
  ConsumerScore,
  ConsumerStat,
  ConsumerTraceEventData,
  ConsumerTraceEventType,
  ConsumerType,
  MediaKind,
  ProducerStat,
  RtpParameters,
} from './generated/model.js';
import { Logger } from './logger.js';
import { typeError } from './native-events.js';
import { PausableObject } from './pausable-object.js';
import { type AppData, checkOptions, checkTraceEventTypes } from './remote-object.js';

/** Options of {@link Transport.consume}. */
export type ConsumerOptions<ConsumerAppData extends AppData = AppData> = model.ConsumerOptions & {
  /** The application's own data. Default: `{}`. */
  appData?: ConsumerAppData;
};

/** Events of a {@link Consumer}. */
export type ConsumerEvents = {
  /** The Transport was closed, and the Consumer with it. */
  transportclose: [];
  /** The Producer was closed, and the Consumer with it. */
  producerclose: [];
  /** The Producer was paused. */
  producerpause: [];
  /** The Producer was resumed. */
  producerresume: [];
  /** The score changed. */
  score: [score: ConsumerScore];
  /** Other layers are forwarded than before; `undefined` when none is. */
  layerschange: [layers?: ConsumerLayers];
  /** A traced packet; see {@link Consumer.enableTraceEvent}. */
  trace: [trace: ConsumerTraceEventData];
  /**
   * An RTP packet, on a DirectTransport. Packets flow from the first listener on, video with a key frame first, and
   * stop with the last. They share memory with their neighbours: copy what is kept for long.
   */
  rtp: [packet: Buffer];
};

/** Observer of a {@link Consumer}. */
export type ConsumerObserver = EnhancedEventEmitter<ConsumerObserverEvents>;

/** Events of a {@link ConsumerObserver}. */
export type ConsumerObserverEvents = {
  /** The Consumer was closed, by whomever. */
  close: [];
  /** The Consumer or its Producer was paused while both were flowing. */
  pause: [];
  /** The Consumer and its Producer are both flowing again. */
  resume: [];
  /** The Consumer belongs to another Producer; see {@link Consumer.replaceProducer}. */
  producerreplace: [producerId: string];
  /** The score changed. */
  score: [score: ConsumerScore];
  /** Other layers are forwarded than before; `undefined` when none is. */
  layerschange: [layers?: ConsumerLayers];
  /** A traced packet; see {@link Consumer.enableTraceEvent}. */
  trace: [trace: ConsumerTraceEventData];
};

/** What the worker answered to `transport.consume`. */
export type ConsumerReply = {
  readonly kind: MediaKind;
  readonly rtpParameters: RtpParameters;
  readonly type: ConsumerType;
  readonly producerPaused: boolean;
  readonly score: ConsumerScore;
  readonly preferredLayers?: ConsumerLayers | null;
  /** Where packets come to the application itself. */
  readonly packetNumber?: number | null;
};

/** A Producer's media on its way to one endpoint. Its Transport and its Producer close it. */
export class Consumer<ConsumerAppData extends AppData = AppData> extends PausableObject<
  ConsumerEvents,
  ConsumerObserver,
  ConsumerAppData
> {
  readonly #id: string;
  readonly #rtpParameters: RtpParameters;
  readonly #kind: MediaKind;
  readonly #onClose: () => void;
  #producerId: string;
  #type: ConsumerType;
  #producerPaused: boolean;
  #priority = 1;
  #score: ConsumerScore;
  #preferredLayers: ConsumerLayers | undefined;
  #currentLayers: ConsumerLayers | undefined;
  #listens = false;

  /** @internal */
  constructor(
    channel: Channel,
    id: string,
    options: Pick<ConsumerOptions<ConsumerAppData>, 'producerId' | 'paused' | 'appData'>,
    reply: ConsumerReply,
    onClose: () => void,
  ) {
    super(channel, new EnhancedEventEmitter(), options.appData, options.paused ?? false);
    this.#id = id;
    this.#producerId = options.producerId;
    this.#rtpParameters = reply.rtpParameters;
    this.#kind = reply.kind;
    this.#type = reply.type;
    this.#onClose = onClose;
    this.#producerPaused = reply.producerPaused;
    this.#score = reply.score;
    this.#preferredLayers = reply.preferredLayers ?? undefined;
    this.subscribe(id, (event, data) => this.#handle(event, data));
    if (reply.packetNumber !== undefined && reply.packetNumber !== null) {
      this.subscribePackets(reply.packetNumber, (packet) => this.safeEmit('rtp', packet));
      this.watchListeners('rtp', () => this.#listen());
    }
  }

  /** Id, a UUID. */
  get id(): string {
    return this.#id;
  }

  /** Id of the Producer; {@link Consumer.replaceProducer} changes it. */
  get producerId(): string {
    return this.#producerId;
  }

  /** Audio or video. */
  get kind(): MediaKind {
    return this.#kind;
  }

  /** What the endpoint receives; to be handed to it. */
  get rtpParameters(): RtpParameters {
    return structuredClone(this.#rtpParameters);
  }

  /** How many streams and layers there are to choose from. */
  get type(): ConsumerType {
    return this.#type;
  }

  /** Whether its Producer is paused. */
  get producerPaused(): boolean {
    return this.#producerPaused;
  }

  /** Share of the bitrate among the Consumers of a Transport, 1 (default) to 255. */
  get priority(): number {
    return this.#priority;
  }

  /** Quality of the stream to the endpoint and of the Producer's streams, 0 to 10. */
  get score(): ConsumerScore {
    return structuredClone(this.#score);
  }

  /** The layers asked for; `undefined` where there is no choice. */
  get preferredLayers(): ConsumerLayers | undefined {
    return structuredClone(this.#preferredLayers);
  }

  /** The layers that are forwarded; `undefined` when none is, or there is no choice. */
  get currentLayers(): ConsumerLayers | undefined {
    return structuredClone(this.#currentLayers);
  }

  /** Closes the Consumer. Idempotent. */
  close(): void {
    if (this.closed) {
      return;
    }
    this.end(this.command('consumer.close', { consumerId: this.#id }), this.#id);
    this.#onClose();
    this.observer.safeEmit('close');
  }

  /** @internal */
  transportClosed(released: Promise<void>): void {
    this.endWithTransport(released, this.#id);
  }

  /** The Consumer's inner state, for debugging. Its shape may change. */
  async dump(): Promise<ConsumerDump> {
    return await this.#ask('consumer.dump');
  }

  /** Statistics of the stream to the endpoint and of the Producer's stream that it is made from. */
  async getStats(): Promise<(ConsumerStat | ProducerStat)[]> {
    return await this.#ask('consumer.getStats');
  }

  /** Stops forwarding. */
  async pause(): Promise<void> {
    await this.#ask('consumer.pause');
    this.notePaused(true, !this.#producerPaused);
  }

  /** Starts forwarding again; video begins with a key frame. */
  async resume(): Promise<void> {
    await this.#ask('consumer.resume');
    this.notePaused(false, !this.#producerPaused);
  }

  /**
   * Asks for layers of a Producer with several.
   *
   * @throws `TypeError` when a layer is not a number.
   */
  async setPreferredLayers(layers: ConsumerLayers): Promise<void> {
    this.ensureOpen('consumer.setPreferredLayers');
    checkOptions(layers);
    const { spatialLayer, temporalLayer } = layers;
    if (typeof spatialLayer !== 'number') {
      throw typeError('spatialLayer: expected a number');
    }
    if (temporalLayer !== undefined && temporalLayer !== null && typeof temporalLayer !== 'number') {
      throw typeError('temporalLayer: expected a number');
    }
    const taken = await this.#ask<ConsumerLayers | null>('consumer.setPreferredLayers', {
      spatialLayer,
      temporalLayer,
    });
    this.#preferredLayers = taken ?? undefined;
  }

  /**
   * Sets the share of the bitrate among the Consumers of the Transport.
   *
   * @param priority - 1 to 255.
   * @throws `TypeError` when it is not such a number.
   */
  async setPriority(priority: number): Promise<void> {
    this.ensureOpen('consumer.setPriority');
    if (typeof priority !== 'number' || priority < 0) {
      throw typeError('priority: expected a positive number');
    }
    const reply = await this.#ask<{ priority: number }>('consumer.setPriority', { priority });
    this.#priority = reply.priority;
  }

  /** Sets the priority back to 1. */
  async unsetPriority(): Promise<void> {
    await this.setPriority(1);
  }

  /**
   * Sends another Producer's media in the same stream: SSRC, numbers and time go on, so the endpoint notices nothing.
   *
   * The Consumer belongs to the new Producer at once: `producerId`, `producerPaused` and `type` say so, and its closing
   * closes the Consumer. Audio changes at once; video goes on from the old Producer until a key frame of the new one
   * comes. Preferred layers are kept as far as there are so many. The last call counts.
   *
   * @throws {@link NotFoundError} when the Router has no such Producer; {@link UnsupportedError} when it is of another
   * kind or sends a codec that the Consumer has not negotiated. Nothing has changed then.
   */
  async replaceProducer(options: { producerId: string }): Promise<void> {
    this.ensureOpen('consumer.replaceProducer');
    checkOptions(options);
    const { producerId } = options;
    if (typeof producerId !== 'string' || producerId === '') {
      throw typeError('producerId: expected the id of a Producer');
    }
    const reply = await this.#ask<ConsumerReply>('consumer.replaceProducer', { producerId });
    if (this.closed || this.#producerId === producerId) {
      return;
    }
    this.#producerId = producerId;
    this.#type = reply.type;
    this.#score = reply.score;
    this.#preferredLayers = reply.preferredLayers ?? undefined;
    this.observer.safeEmit('producerreplace', producerId);
    if (this.#producerPaused !== reply.producerPaused) {
      this.#producerPaused = reply.producerPaused;
      if (!this.paused && !this.closed) {
        this.observer.safeEmit(reply.producerPaused ? 'pause' : 'resume');
      }
    }
  }

  /** Asks the Producer for a key frame; requests of all Consumers are merged. */
  async requestKeyFrame(): Promise<void> {
    await this.#ask('consumer.requestKeyFrame');
  }

  /**
   * Makes `trace` events of these kinds, and of no others. Default: none.
   *
   * @throws `TypeError` when it is not an array of strings.
   */
  async enableTraceEvent(types: ConsumerTraceEventType[] = []): Promise<void> {
    checkTraceEventTypes(types);
    await this.#ask('consumer.enableTraceEvent', { types });
  }

  #ask<T>(method: string, params?: object): Promise<T> {
    return this.request<T>(method, { ...params, consumerId: this.#id });
  }

  #handle(event: string, data: unknown): void {
    switch (event) {
      case 'producerclose':
        this.#producerClosed();
        break;
      case 'producerpause':
        this.#setProducerPaused(true);
        break;
      case 'producerresume':
        this.#setProducerPaused(false);
        break;
      case 'score':
        this.#score = data as ConsumerScore;
        this.tell('score', this.#score);
        break;
      case 'layerschange':
        this.#currentLayers = (data ?? undefined) as ConsumerLayers | undefined;
        this.tell('layerschange', this.#currentLayers);
        break;
      case 'trace':
        this.tell('trace', data as ConsumerTraceEventData);
        break;
      default:
        logger.error(`ignoring unknown event '${event}'`);
    }
  }

  /** Tells the worker when the first listener comes and when the last one goes. */
  #listen(): void {
    const listens = this.listenerCount('rtp') > 0;
    if (listens !== this.#listens && !this.closed) {
      this.#listens = listens;
      this.command('consumer.listen', { consumerId: this.#id, listens });
    }
  }

  #producerClosed(): void {
    this.end(Promise.resolve(), this.#id);
    this.#onClose();
    this.safeEmit('producerclose');
    this.observer.safeEmit('close');
  }

  #setProducerPaused(paused: boolean): void {
    if (this.#producerPaused === paused) {
      return;
    }
    this.#producerPaused = paused;
    this.safeEmit(paused ? 'producerpause' : 'producerresume');
    if (!this.paused && !this.closed) {
      this.observer.safeEmit(paused ? 'pause' : 'resume');
    }
  }
}

const logger = new Logger('Consumer');
