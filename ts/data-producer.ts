import type { Channel } from './channel.js';
import { addressedMessage, dataMessage } from './data-message.js';
import { EnhancedEventEmitter } from './enhanced-event-emitter.js';
import { UnsupportedError } from './errors.js';
import type * as model from './generated/model.js';
import type { DataProducerDump, DataProducerStat, DataProducerType, SctpStreamParameters } from './generated/model.js';
import { PausableObject } from './pausable-object.js';
import type { AppData } from './remote-object.js';

/** Options of {@link Transport.produceData}. */
export type DataProducerOptions<DataProducerAppData extends AppData = AppData> = model.DataProducerOptions & {
  /** Id, a UUID that no other DataProducer of the Router has. Default: a new one. */
  id?: string;
  /** The application's own data. Default: `{}`. */
  appData?: DataProducerAppData;
};

/** Events of a {@link DataProducer}. */
export type DataProducerEvents = {
  /** The Transport was closed, and the DataProducer with it. */
  transportclose: [];
};

/** Observer of a {@link DataProducer}. */
export type DataProducerObserver = EnhancedEventEmitter<DataProducerObserverEvents>;

/** Events of a {@link DataProducerObserver}. */
export type DataProducerObserverEvents = {
  /** The DataProducer was closed, by whomever. */
  close: [];
  /** The DataProducer was paused. */
  pause: [];
  /** The DataProducer was resumed. */
  resume: [];
};

/** What the worker answered to `transport.produceData`. */
export type DataProducerReply = {
  readonly type: DataProducerType;
  readonly sctpStreamParameters?: SctpStreamParameters | null;
  readonly label: string;
  readonly protocol: string;
  readonly paused: boolean;
  /** Where the application sends its messages itself. */
  readonly packetNumber?: number | null;
  /** Longest message that it takes, in bytes. */
  readonly maxMessageSize: number;
};

/** A source of messages published into a {@link Router}. Its Transport closes it. */
export class DataProducer<DataProducerAppData extends AppData = AppData> extends PausableObject<
  DataProducerEvents,
  DataProducerObserver,
  DataProducerAppData
> {
  readonly #id: string;
  readonly #reply: DataProducerReply;
  readonly #onClose: () => void;

  /** @internal */
  constructor(
    channel: Channel,
    id: string,
    appData: DataProducerAppData | undefined,
    reply: DataProducerReply,
    onClose: () => void,
  ) {
    super(channel, new EnhancedEventEmitter(), appData, reply.paused);
    this.#id = id;
    this.#reply = reply;
    this.#onClose = onClose;
  }

  /** Id, a UUID. */
  get id(): string {
    return this.#id;
  }

  /** Whether messages come over SCTP or from the application. */
  get type(): DataProducerType {
    return this.#reply.type;
  }

  /** The stream on which the endpoint sends; none on a direct Transport. */
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

  /** Closes the DataProducer and its channel, and tells its DataConsumers. Idempotent. */
  close(): void {
    if (this.closed) {
      return;
    }
    this.end(this.command('dataProducer.close', { dataProducerId: this.#id }));
    this.#onClose();
    this.observer.safeEmit('close');
  }

  /** @internal */
  transportClosed(released: Promise<void>): void {
    this.endWithTransport(released);
  }

  /** The DataProducer's inner state, for debugging. Its shape may change. */
  async dump(): Promise<DataProducerDump> {
    return await this.#ask('dataProducer.dump');
  }

  /** Statistics, an array of one. */
  async getStats(): Promise<DataProducerStat[]> {
    return await this.#ask('dataProducer.getStats');
  }

  /** Drops messages from now on; DataConsumers are told. */
  async pause(): Promise<void> {
    await this.#ask('dataProducer.pause');
    this.notePaused(true);
  }

  /** Forwards messages again; DataConsumers are told. */
  async resume(): Promise<void> {
    await this.#ask('dataProducer.resume');
    this.notePaused(false);
  }

  /**
   * Sends a message to the DataConsumers; on a DirectTransport only. It is copied. After the DataProducer was closed it is
   * passed over; where the worker is more than 4 MB behind, the oldest messages are dropped and counted.
   *
   * @param message - Text or bytes; an empty one is marked as such (RFC 8831 §6.6).
   * @param ppid - What it is, in the numbers of RFC 8831 §8. Default: by its type.
   * @param subchannels - If there are any, only for DataConsumers that subscribe to one of them; at most 256.
   * @param requiredSubchannel - Only for DataConsumers that subscribe to it.
   * @param ignoredSubchannel - Not for DataConsumers that subscribe to it.
   * @throws `TypeError` when an argument makes no sense; {@link LimitError} when the message is longer than the Transport's
   * `maxReceiveMessageSize`; {@link UnsupportedError} when its messages come over SCTP.
   */
  send(
    message: string | Buffer,
    ppid?: number,
    subchannels?: number[],
    requiredSubchannel?: number,
    ignoredSubchannel?: number,
  ): void {
    const { packetNumber, maxMessageSize } = this.#reply;
    const address = { subchannels, requiredSubchannel, ignoredSubchannel };
    const record = addressedMessage(dataMessage(message, ppid), address, maxMessageSize);
    if (packetNumber === undefined || packetNumber === null) {
      throw new UnsupportedError('dataProducer.send() is possible on a DirectTransport only');
    }
    this.sendPacket(packetNumber, record);
  }

  #ask<T>(method: string): Promise<T> {
    return this.request<T>(method, { dataProducerId: this.#id });
  }
}
