import { randomUUID } from 'node:crypto';
import type { Channel } from './channel.js';
import { Consumer, type ConsumerOptions, type ConsumerReply } from './consumer.js';
import { DataConsumer, type DataConsumerOptions, type DataConsumerReply, wrapSubchannels } from './data-consumer.js';
import { DataProducer, type DataProducerOptions, type DataProducerReply } from './data-producer.js';
import type { EnhancedEventEmitter } from './enhanced-event-emitter.js';
import { NotFoundError } from './errors.js';
import type { CaptureSummary, TransportTraceEventData, TransportTraceEventType } from './generated/model.js';
import { typeError } from './native-events.js';
import { Producer, type ProducerOptions, type ProducerReply } from './producer.js';
import { type AppData, checkOptions, checkTraceEventTypes, RemoteObject } from './remote-object.js';

/** Kinds of Transports. */
export type TransportType = 'webrtc' | 'plain' | 'pipe' | 'direct';

/** Events of a {@link Transport}. */
export type TransportEvents = {
  /** The Router was closed, and the Transport with it. */
  routerclose: [];
  /** The WebRtcServer was closed, and the Transport with it. */
  listenserverclose: [];
  /** A traced happening; see {@link Transport.enableTraceEvent}. */
  trace: [trace: TransportTraceEventData];
};

/** Observer of a {@link Transport}. */
export type TransportObserver = EnhancedEventEmitter<TransportObserverEvents>;

/** Events of a {@link TransportObserver}. */
export type TransportObserverEvents = {
  /** The Transport was closed, by whomever. */
  close: [];
  /** A Producer was created. */
  newproducer: [producer: Producer];
  /** A Consumer was created. */
  newconsumer: [consumer: Consumer];
  /** A DataProducer was created. */
  newdataproducer: [dataProducer: DataProducer];
  /** A DataConsumer was created. */
  newdataconsumer: [dataConsumer: DataConsumer];
  /** A traced happening; see {@link Transport.enableTraceEvent}. */
  trace: [trace: TransportTraceEventData];
};

/** What a Transport needs of its Router. */
export type TransportParent = {
  /** The Producer of any Transport of the Router. */
  producer(id: string): Producer | undefined;
  /** A Producer was created. */
  producerAdded(producer: Producer): void;
  /** A Producer was closed. */
  producerRemoved(producer: Producer): void;
  /** The DataProducer of any Transport of the Router. */
  dataProducer(id: string): DataProducer | undefined;
  /** A DataProducer was created. */
  dataProducerAdded(dataProducer: DataProducer): void;
  /** A DataProducer was closed. */
  dataProducerRemoved(dataProducer: DataProducer): void;
  /** The Transport was closed, but not by its Router. */
  transportRemoved(id: string): void;
};

/** What a Transport is made of, whichever its kind. */
export type TransportSetup<Data extends AppData> = {
  readonly channel: Channel;
  readonly id: string;
  readonly parent: TransportParent;
  readonly appData: Data | undefined;
};

/** A connection to one endpoint, over which Producers and Consumers send and receive. Its Router closes it. */
export abstract class Transport<
  TransportAppData extends AppData = AppData,
  Events extends TransportEvents = TransportEvents,
  Observer extends TransportObserver = TransportObserver,
> extends RemoteObject<Events, Observer, TransportAppData> {
  readonly #channel: Channel;
  readonly #id: string;
  readonly #parent: TransportParent;
  readonly #producers = new Map<string, Producer>();
  readonly #consumers = new Map<string, Consumer>();
  readonly #dataProducers = new Map<string, DataProducer>();
  readonly #dataConsumers = new Map<string, DataConsumer>();
  readonly #onEnd: (() => void)[] = [];

  /** @internal */
  constructor(setup: TransportSetup<TransportAppData>, observer: Observer) {
    super(setup.channel, observer, setup.appData);
    this.#channel = setup.channel;
    this.#id = setup.id;
    this.#parent = setup.parent;
  }

  /** Id, a UUID. */
  get id(): string {
    return this.#id;
  }

  /** Kind of the Transport. */
  abstract get type(): TransportType;

  /** Closes the Transport with its Producers and Consumers. Idempotent. */
  close(): void {
    if (this.closed) {
      return;
    }
    const released = this.command('transport.close', { transportId: this.#id });
    this.#endWithChildren(released);
    this.#parent.transportRemoved(this.#id);
    this.#ended();
    this.observer.safeEmit('close');
  }

  /** @internal */
  routerClosed(released: Promise<void>): void {
    if (this.closed) {
      return;
    }
    this.#endWithChildren(released);
    this.#emitter.safeEmit('routerclose');
    this.#ended();
    this.observer.safeEmit('close');
  }

  /** @internal */
  listenServerClosed(released: Promise<void>): void {
    if (this.closed) {
      return;
    }
    this.#endWithChildren(released);
    this.#parent.transportRemoved(this.#id);
    this.#emitter.safeEmit('listenserverclose');
    this.observer.safeEmit('close');
  }

  /**
   * Calls `listener` when the Transport is closed by anything but its WebRtcServer, which knows.
   *
   * @internal
   */
  onEnd(listener: () => void): void {
    this.#onEnd.push(listener);
  }

  /** The Transport's inner state, for debugging. Its shape may change. */
  abstract dump(): Promise<unknown>;

  /** Statistics of the Transport, an array of one. */
  abstract getStats(): Promise<unknown[]>;

  /** Sets the endpoint's side of the connection. */
  abstract connect(params: unknown): Promise<void>;

  /** Limits what the endpoint may send, in bits per second; 0 lifts the limit. */
  async setMaxIncomingBitrate(bitrate: number): Promise<void> {
    await this.ask('transport.setMaxIncomingBitrate', { bitrate });
  }

  /** Limits what is sent to the endpoint, in bits per second, 30,000 or more; 0 lifts the limit. */
  async setMaxOutgoingBitrate(bitrate: number): Promise<void> {
    await this.ask('transport.setMaxOutgoingBitrate', { bitrate });
  }

  /** Sets a floor to what is sent to the endpoint, in bits per second, 30,000 or more; 0 removes it. */
  async setMinOutgoingBitrate(bitrate: number): Promise<void> {
    await this.ask('transport.setMinOutgoingBitrate', { bitrate });
  }

  /**
   * Publishes what the endpoint sends.
   *
   * @throws `TypeError` when the options are malformed; {@link UnsupportedError} when they ask for what the Router's
   * codecs or this version cannot do. Nothing was created then.
   */
  async produce<ProducerAppData extends AppData = AppData>(
    options: ProducerOptions<ProducerAppData>,
  ): Promise<Producer<ProducerAppData>> {
    checkOptions(options);
    const { id, appData: _, ...rest } = options;
    if (id !== undefined && this.#producers.has(id)) {
      throw typeError(`id: a Producer with the id "${id}" exists already`);
    }
    const producerId = id ?? randomUUID();
    const reply = await this.ask<ProducerReply>('transport.produce', { ...rest, producerId });
    this.ensureOpen('transport.produce');
    const producer = new Producer(this.#channel, producerId, options, reply, () => this.#removeProducer(producerId));
    this.#producers.set(producerId, producer);
    this.#parent.producerAdded(producer);
    this.observer.safeEmit('newproducer', producer);
    return producer;
  }

  /**
   * Sends a Producer's media to the endpoint.
   *
   * @throws `TypeError` when the options are malformed; {@link NotFoundError} when the Router has no such Producer;
   * {@link UnsupportedError} when the endpoint cannot receive it. Nothing was created then.
   */
  async consume<ConsumerAppData extends AppData = AppData>(
    options: ConsumerOptions<ConsumerAppData>,
  ): Promise<Consumer<ConsumerAppData>> {
    checkOptions(options);
    return await this.consumeWith(options);
  }

  /**
   * Consumes a Producer by what the worker needs to know of this kind of Transport.
   *
   * @internal
   */
  protected async consumeWith<ConsumerAppData extends AppData>(
    options: Pick<ConsumerOptions<ConsumerAppData>, 'producerId' | 'paused' | 'appData'>,
  ): Promise<Consumer<ConsumerAppData>> {
    const { appData: _, ...rest } = options;
    if (typeof rest.producerId !== 'string' || rest.producerId === '') {
      throw typeError('producerId: expected the id of a Producer');
    }
    this.ensureOpen('transport.consume');
    if (!this.#parent.producer(rest.producerId)) {
      throw new NotFoundError(`producerId: the Router has no Producer with the id "${rest.producerId}"`);
    }
    const consumerId = randomUUID();
    const reply = await this.ask<ConsumerReply>('transport.consume', { ...rest, consumerId });
    this.ensureOpen('transport.consume');
    const consumer = new Consumer(this.#channel, consumerId, options, reply, () => this.#consumers.delete(consumerId));
    this.#consumers.set(consumerId, consumer);
    this.observer.safeEmit('newconsumer', consumer);
    return consumer;
  }

  /**
   * Publishes the messages that the endpoint sends on an SCTP stream, or the application by `dataProducer.send()`.
   *
   * @throws `TypeError` when the options are malformed; {@link InvalidStateError} when the Transport has no SCTP.
   * Nothing was created then.
   */
  async produceData<DataProducerAppData extends AppData = AppData>(
    options: DataProducerOptions<DataProducerAppData> = {},
  ): Promise<DataProducer<DataProducerAppData>> {
    checkOptions(options);
    const { id, appData, ...rest } = options;
    if (id !== undefined && this.#dataProducers.has(id)) {
      throw typeError(`id: a DataProducer with the id "${id}" exists already`);
    }
    const dataProducerId = id ?? randomUUID();
    const reply = await this.ask<DataProducerReply>('transport.produceData', { ...rest, dataProducerId });
    this.ensureOpen('transport.produceData');
    const onClose = () => this.#removeDataProducer(dataProducerId);
    const dataProducer = new DataProducer(this.#channel, dataProducerId, appData, reply, onClose);
    this.#dataProducers.set(dataProducerId, dataProducer);
    this.#parent.dataProducerAdded(dataProducer);
    this.observer.safeEmit('newdataproducer', dataProducer);
    return dataProducer;
  }

  /**
   * Sends a DataProducer's messages to the endpoint.
   *
   * @throws `TypeError` when the options are malformed; {@link NotFoundError} when the Router has no such DataProducer;
   * {@link InvalidStateError} when the Transport has no SCTP. Nothing was created then.
   */
  async consumeData<DataConsumerAppData extends AppData = AppData>(
    options: DataConsumerOptions<DataConsumerAppData>,
  ): Promise<DataConsumer<DataConsumerAppData>> {
    checkOptions(options);
    const { appData: _, ...rest } = options;
    if (typeof rest.dataProducerId !== 'string' || rest.dataProducerId === '') {
      throw typeError('dataProducerId: expected the id of a DataProducer');
    }
    this.ensureOpen('transport.consumeData');
    if (!this.#parent.dataProducer(rest.dataProducerId)) {
      throw new NotFoundError(`dataProducerId: the Router has no DataProducer with the id "${rest.dataProducerId}"`);
    }
    const id = randomUUID();
    const subchannels = rest.subchannels && wrapSubchannels(rest.subchannels);
    const told = { ...rest, subchannels, dataConsumerId: id };
    const reply = await this.ask<DataConsumerReply>('transport.consumeData', told);
    this.ensureOpen('transport.consumeData');
    const dataConsumer = new DataConsumer(this.#channel, id, options, reply, () => this.#dataConsumers.delete(id));
    this.#dataConsumers.set(id, dataConsumer);
    this.observer.safeEmit('newdataconsumer', dataConsumer);
    return dataConsumer;
  }

  /**
   * Makes `trace` events of these kinds, and of no others. Default: none.
   *
   * @throws `TypeError` when it is not an array of strings.
   */
  async enableTraceEvent(types: TransportTraceEventType[] = []): Promise<void> {
    checkTraceEventTypes(types);
    await this.ask('transport.enableTraceEvent', { types });
  }

  /**
   * Writes what this Transport receives and sends from now on, RTP and RTCP in the clear, into a file that Wireshark and others
   * read (pcapng). Resolves once the file is open. A thread of its own writes; media does not wait for the disk.
   *
   * @param file - Made or written over.
   * @param options - `maxBytes`: longest that the file becomes; what comes then is counted and left out. Default: 100 MB.
   * @throws `TypeError` when an argument makes no sense; {@link MillraceError} with `ERR_SYSTEM` when the file cannot be
   * opened; {@link InvalidStateError} when a capture is going on already.
   */
  async startCapture(file: string, options: { maxBytes?: number } = {}): Promise<void> {
    checkOptions(options);
    await this.ask('transport.startCapture', { file, maxBytes: options.maxBytes });
  }

  /**
   * Ends the capture. Resolves once the file is complete. Closing the Transport ends it as well.
   *
   * @throws {@link InvalidStateError} when there is none; {@link MillraceError} with `ERR_SYSTEM` when the file could not
   * be written.
   */
  async stopCapture(): Promise<CaptureSummary> {
    return await this.ask('transport.stopCapture');
  }

  /**
   * Asks the worker about this Transport.
   *
   * @internal
   */
  protected ask<T>(method: string, params?: object): Promise<T> {
    return this.request<T>(method, { ...params, transportId: this.#id });
  }

  /** This emitter with the events that every Transport has; a subclass's map is unknown here. */
  get #emitter(): EnhancedEventEmitter<TransportEvents> {
    return this as unknown as EnhancedEventEmitter<TransportEvents>;
  }

  #endWithChildren(released: Promise<void>): void {
    this.end(released, this.#id);
    for (const producer of this.#producers.values()) {
      producer.transportClosed(released);
      this.#parent.producerRemoved(producer);
    }
    this.#producers.clear();
    for (const consumer of this.#consumers.values()) {
      consumer.transportClosed(released);
    }
    this.#consumers.clear();
    for (const dataProducer of this.#dataProducers.values()) {
      dataProducer.transportClosed(released);
      this.#parent.dataProducerRemoved(dataProducer);
    }
    this.#dataProducers.clear();
    for (const dataConsumer of this.#dataConsumers.values()) {
      dataConsumer.transportClosed(released);
    }
    this.#dataConsumers.clear();
  }

  #removeDataProducer(id: string): void {
    const dataProducer = this.#dataProducers.get(id);
    this.#dataProducers.delete(id);
    if (dataProducer) {
      this.#parent.dataProducerRemoved(dataProducer);
    }
  }

  #removeProducer(id: string): void {
    const producer = this.#producers.get(id);
    this.#producers.delete(id);
    if (producer) {
      this.#parent.producerRemoved(producer);
    }
  }

  #ended(): void {
    for (const listener of this.#onEnd) {
      listener();
    }
  }
}
