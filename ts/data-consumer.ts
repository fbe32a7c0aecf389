import type { Channel } from './channel.js';
import { dataMessage, readMessage } from './data-message.js';
import { EnhancedEventEmitter } from './enhanced-event-emitter.js';
import type * as model from './generated/model.js';
import type { DataConsumerDump, DataConsumerStat, DataProducerType, SctpStreamParameters } from './generated/model.js';
import { Logger } from './logger.js';
import { PausableObject } from './pausable-object.js';
import type { AppData } from './remote-object.js';

/** Options of {@link Transport.consumeData}. */
export type DataConsumerOptions<DataConsumerAppData extends AppData = AppData> = model.DataConsumerOptions & {
  /** The application's own data. Default: `{}`. */
  appData?: DataConsumerAppData;
};

/** Events of a {@link DataConsumer}. */
export type DataConsumerEvents = {
  /** The Transport was closed, and the DataConsumer with it. */
  transportclose: [];
  /** The DataProducer was closed, and the DataConsumer with it. */
  dataproducerclose: [];
  /** The DataProducer was paused. */
  dataproducerpause: [];
  /** The DataProducer was resumed. */
  dataproducerresume: [];
  /** A message, on a direct Transport. */
  message: [message: Buffer, ppid: number];
  /** A message was dropped because too many bytes wait for the endpoint. */
  sctpsendbufferfull: [];
  /** The bytes that wait for the endpoint fell to the threshold. */
  bufferedamountlow: [bufferedAmount: number];
};

/** Observer of a {@link DataConsumer}. */
export type DataConsumerObserver = EnhancedEventEmitter<DataConsumerObserverEvents>;

/** Events of a {@link DataConsumerObserver}. */
export type DataConsumerObserverEvents = {
  /** The DataConsumer was closed, by whomever. */
  close: [];
  /** The DataConsumer or its DataProducer was paused while both were flowing. */
  pause: [];
  /** The DataConsumer and its DataProducer are both flowing again. */
  resume: [];
};

/** What the worker answered to `transport.consumeData`. */
export type DataConsumerReply = {
  readonly type: DataProducerType;
  readonly sctpStreamParameters?: SctpStreamParameters | null;
  readonly label: string;
  readonly protocol: string;
  readonly dataProducerPaused: boolean;
  readonly subchannels: number[];
  /** Whose messages the application gets. */
  readonly packetNumber?: number | null;
};

/** A DataProducer's messages on their way to one endpoint. Its Transport and its DataProducer close it. */
export class DataConsumer<DataConsumerAppData extends AppData = AppData> extends PausableObject<
  DataConsumerEvents,
  DataConsumerObserver,
  DataConsumerAppData
> {
  readonly #id: string;
  readonly #dataProducerId: string;
  readonly #reply: DataConsumerReply;
  readonly #onClose: () => void;
  #dataProducerPaused: boolean;
  #subchannels: number[];
  /** As the last call wants them, which the worker may not have answered yet: calls at once add up. */
  #wantedSubchannels: number[];

  /** @internal */
  constructor(
    channel: Channel,
    id: string,
    options: DataConsumerOptions<DataConsumerAppData>,
    reply: DataConsumerReply,
    onClose: () => void,
  ) {
    super(channel, new EnhancedEventEmitter(), options.appData, options.paused ?? false);
    this.#id = id;
    this.#dataProducerId = options.dataProducerId;
    this.#reply = reply;
    this.#onClose = onClose;
    this.#dataProducerPaused = reply.dataProducerPaused;
    this.#subchannels = reply.subchannels;
    this.#wantedSubchannels = reply.subchannels;
    this.subscribe(id, (event, data) => this.#handle(event, data));
    if (reply.packetNumber !== undefined && reply.packetNumber !== null) {
      this.subscribePackets(reply.packetNumber, (record) => this.safeEmit('message', ...readMessage(record)));
    }
  }

  /** Id, a UUID. */
  get id(): string {
    return this.#id;
  }

  /** Id of the DataProducer. */
  get dataProducerId(): string {
    return this.#dataProducerId;
  }

  /** Whether messages leave over SCTP or go to the application. */
  get type(): DataProducerType {
    return this.#reply.type;
  }

  /** The stream on which the endpoint receives; none on a direct Transport. */
  get sctpStreamParameters(): SctpStreamParameters | undefined {
    return structuredClone(this.#reply.sctpStreamParameters) ?? undefined;
  }

  /** Name of the channel, often empty. */
  get label(): string {
    return this.#reply.label;
  }

  /** Subprotocol of the channel, often empty. */
  get protocol(): string {
    return this.#reply.protocol;
  }

  /** Whether the DataProducer is paused. */
  get dataProducerPaused(): boolean {
    return this.#dataProducerPaused;
  }

  /** The subchannels that the DataConsumer subscribes to, ascending. */
  get subchannels(): number[] {
    return [...this.#subchannels];
  }

  /** Closes the DataConsumer and its channel. Idempotent. */
  close(): void {
    if (this.closed) {
      return;
    }
    this.end(this.command('dataConsumer.close', { dataConsumerId: this.#id }), this.#id);
    this.#onClose();
    this.observer.safeEmit('close');
  }

  /** @internal */
  transportClosed(released: Promise<void>): void {
    this.endWithTransport(released, this.#id);
  }

  /** The DataConsumer's inner state, for debugging. Its shape may change. */
  async dump(): Promise<DataConsumerDump> {
    return await this.#ask('dataConsumer.dump');
  }

  /** Statistics, an array of one. */
  async getStats(): Promise<DataConsumerStat[]> {
    return await this.#ask('dataConsumer.getStats');
  }

  /** Stops sending; messages are dropped meanwhile. */
  async pause(): Promise<void> {
    await this.#ask('dataConsumer.pause');
    this.notePaused(true, !this.#dataProducerPaused);
  }

  /** Starts sending again. */
  async resume(): Promise<void> {
    await this.#ask('dataConsumer.resume');
    this.notePaused(false, !this.#dataProducerPaused);
  }

  /** Sets at how many waiting bytes `bufferedamountlow` is emitted. */
  async setBufferedAmountLowThreshold(threshold: number): Promise<void> {
    await this.#ask('dataConsumer.setBufferedAmountLowThreshold', { threshold });
  }

  /** Bytes that the endpoint has not acknowledged yet. */
  async getBufferedAmount(): Promise<number> {
    return await this.#ask('dataConsumer.getBufferedAmount');
  }

  /**
   * Sends a message to the endpoint, over SCTP only, and resolves with the bytes that wait then.
   *
   * Without `ppid` it is a string or binary by its type; an empty message is marked as such (RFC 8831 §6.6).
   *
   * @throws `TypeError` when it is neither string nor Buffer, or too long; {@link InvalidStateError} when the endpoint
   * is not connected; `Error` with `ERR_LIMIT_EXCEEDED` when too many bytes wait.
   */
  async send(message: string | Buffer, ppid?: number): Promise<number> {
    const { bytes, ppid: known } = dataMessage(message, ppid);
    const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
    return await this.#ask('dataConsumer.send', { data, ppid: known });
  }

  /** Subscribes to these subchannels and no others, at most 256. Of larger numbers than 65535 the low 16 bits count. */
  async setSubchannels(subchannels: number[]): Promise<void> {
    const wanted = wrapSubchannels(subchannels);
    // What the worker will refuse is in nobody's way: neither of what was wanted before nor of what is added meanwhile.
    if (Array.isArray(wanted) && wanted.every(Number.isInteger)) {
      this.#wantedSubchannels = wanted;
    }
    try {
      this.#subchannels = await this.#ask<number[]>('dataConsumer.setSubchannels', { subchannels: wanted });
    } catch (error) {
      this.#wantedSubchannels = this.#subchannels;
      throw error;
    }
  }

  /** Subscribes to a subchannel too. */
  async addSubchannel(subchannel: number): Promise<void> {
    await this.setSubchannels([...this.#wantedSubchannels, subchannel]);
  }

  /** Unsubscribes from a subchannel. */
  async removeSubchannel(subchannel: number): Promise<void> {
    const gone = subchannel & SUBCHANNEL_MASK;
    await this.setSubchannels(this.#wantedSubchannels.filter((other) => other !== gone));
  }

  #ask<T>(method: string, params?: object): Promise<T> {
    return this.request<T>(method, { ...params, dataConsumerId: this.#id });
  }

  #handle(event: string, data: unknown): void {
    switch (event) {
      case 'dataproducerclose':
        this.end(Promise.resolve(), this.#id);
        this.#onClose();
        this.safeEmit('dataproducerclose');
        this.observer.safeEmit('close');
        break;
      case 'dataproducerpause':
        this.#dataProducerChanged(true);
        break;
      case 'dataproducerresume':
        this.#dataProducerChanged(false);
        break;
      case 'sctpsendbufferfull':
        this.safeEmit('sctpsendbufferfull');
        break;
      case 'bufferedamountlow':
        this.safeEmit('bufferedamountlow', data as number);
        break;
      default:
        logger.error(`ignoring unknown event '${event}'`);
    }
  }

  #dataProducerChanged(paused: boolean): void {
    if (this.#dataProducerPaused === paused) {
      return;
    }
    this.#dataProducerPaused = paused;
    this.safeEmit(paused ? 'dataproducerpause' : 'dataproducerresume');
    if (!this.paused && !this.closed) {
      this.observer.safeEmit(paused ? 'pause' : 'resume');
    }
  }
}

/**
 * Subchannels in the 16 bits that they have. A larger number counts modulo 65536, as in mediasoup; what is no number is
 * left to the worker to refuse.
 */
export function wrapSubchannels(subchannels: number[]): number[] {
  return Array.isArray(subchannels)
    ? subchannels.map((number) => (Number.isInteger(number) ? number & SUBCHANNEL_MASK : number))
    : subchannels;
}

const SUBCHANNEL_MASK = 0xffff;

const logger = new Logger('DataConsumer');
