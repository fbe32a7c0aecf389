import { randomUUID } from 'node:crypto';
import { ActiveAudioSelector, type ActiveAudioSelectorOptions, SELECTED_MAX } from './active-audio-selector.js';
import { ActiveSpeakerObserver, type ActiveSpeakerObserverOptions } from './active-speaker-observer.js';
import { AudioLevelObserver, type AudioLevelObserverOptions } from './audio-level-observer.js';
import type { Channel } from './channel.js';
import type { DataProducer } from './data-producer.js';
import { DirectTransport, type DirectTransportOptions, type DirectTransportReply } from './direct-transport.js';
import { EnhancedEventEmitter } from './enhanced-event-emitter.js';
import { NotFoundError } from './errors.js';
import type * as model from './generated/model.js';
import type { RouterDump, RouterRtpCodecCapability, RtpCapabilities } from './generated/model.js';
import { Logger } from './logger.js';
import type { MixerOutput } from './mixer-output.js';
import type { NativeAddon } from './native-addon.js';
import { errorFromAddon, toJson, typeError } from './native-events.js';
import { type PipeToRouterOptions, type PipeToRouterResult, pipeToRouter } from './pipe-to-router.js';
import { PipeTransport, type PipeTransportOptions } from './pipe-transport.js';
import { PlainTransport, type PlainTransportOptions, type PlainTransportReply } from './plain-transport.js';
import { Producer, type ProducerReply } from './producer.js';
import { type AppData, checkOptions, RemoteObject } from './remote-object.js';
import type { RtpObserver, RtpObserverParent } from './rtp-observer.js';
import type { Transport, TransportParent, TransportSetup } from './transport.js';
import { WebRtcServer } from './webrtc-server.js';
import { WebRtcTransport, type WebRtcTransportOptions, type WebRtcTransportReply } from './webrtc-transport.js';

/** Options of {@link Worker.createRouter}. */
export type RouterOptions<RouterAppData extends AppData = AppData> = model.RouterOptions & {
  /** The application's own data. Default: `{}`. */
  appData?: RouterAppData;
};

/** Events of a {@link Router}. */
export type RouterEvents = {
  /** The Worker was closed or died, and the Router with it. */
  workerclose: [];
};

/** Observer of a {@link Router}. */
export type RouterObserver = EnhancedEventEmitter<RouterObserverEvents>;

/** Events of a {@link RouterObserver}. */
export type RouterObserverEvents = {
  /** The Router was closed, by whomever. */
  close: [];
  /** A Transport was created. */
  newtransport: [transport: Transport];
  /** An RtpObserver was created. */
  newrtpobserver: [rtpObserver: RtpObserver];
  /** An ActiveAudioSelector was created. */
  newactiveaudioselector: [activeAudioSelector: ActiveAudioSelector];
};

/** What the worker answered to `worker.createRouter`. */
export type RouterReply = { readonly rtpCapabilities: RtpCapabilities };

/** The Producers and Consumers that can reach each other, usually those of one room. Its Worker closes it. */
export class Router<RouterAppData extends AppData = AppData> extends RemoteObject<
  RouterEvents,
  RouterObserver,
  RouterAppData
> {
  readonly #channel: Channel;
  readonly #id: string;
  readonly #addon: NativeAddon;
  readonly #onClose: () => void;
  readonly #transports = new Map<string, Transport>();
  readonly #producers = new Map<string, Producer>();
  readonly #rtpObservers = new Map<string, { routerClosed(released: Promise<void>): void }>();
  readonly #mixerOutputs = new Set<MixerOutput>();
  readonly #dataProducers = new Map<string, DataProducer>();
  #rtpCapabilities: RtpCapabilities;

  /** @internal */
  constructor(
    channel: Channel,
    id: string,
    addon: NativeAddon,
    appData: RouterAppData | undefined,
    reply: RouterReply,
    onClose: () => void,
  ) {
    super(channel, new EnhancedEventEmitter(), appData);
    this.#channel = channel;
    this.#id = id;
    this.#addon = addon;
    this.#onClose = onClose;
    this.#rtpCapabilities = reply.rtpCapabilities;
  }

  /** Id, a UUID. */
  get id(): string {
    return this.#id;
  }

  /** What endpoints may send to the Router; to be handed to them. */
  get rtpCapabilities(): RtpCapabilities {
    return structuredClone(this.#rtpCapabilities);
  }

  /**
   * What tests that were written for mediasoup look at.
   *
   * @internal
   */
  get transportsForTesting(): ReadonlyMap<string, Transport> {
    return this.#transports;
  }

  /** Closes the Router with its Transports and RtpObservers. Idempotent. */
  close(): void {
    if (this.closed) {
      return;
    }
    const released = this.command('router.close', { routerId: this.#id });
    this.#endWithChildren(released);
    this.#onClose();
    this.observer.safeEmit('close');
  }

  /** @internal */
  workerClosed(): void {
    if (this.closed) {
      return;
    }
    this.#endWithChildren(Promise.resolve());
    this.safeEmit('workerclose');
    this.observer.safeEmit('close');
  }

  /** The Router's inner state, for debugging. Its shape may change. */
  async dump(): Promise<RouterDump> {
    return await this.request('router.dump', { routerId: this.#id });
  }

  /**
   * Creates a Transport to a WebRTC endpoint.
   *
   * @throws `TypeError` when the options are malformed; {@link UnsupportedError} when they ask for what this version
   * cannot do; {@link NotFoundError} when the WebRtcServer belongs to another Worker; {@link MillraceError} when a
   * socket cannot be opened. Nothing was created then.
   */
  async createWebRtcTransport<WebRtcTransportAppData extends AppData = AppData>(
    options: WebRtcTransportOptions<WebRtcTransportAppData>,
  ): Promise<WebRtcTransport<WebRtcTransportAppData>> {
    checkOptions(options);
    const { webRtcServer, appData, ...rest } = options;
    checkServer(webRtcServer);
    const settings = { ...rest, webRtcServerId: webRtcServer?.id };
    const { transportId, reply } = await this.#createTransport<WebRtcTransportReply>('createWebRtcTransport', settings);
    checkServer(webRtcServer);
    const transport = this.#enter(new WebRtcTransport(this.#transportSetup(transportId, appData), reply));
    webRtcServer?.handleWebRtcTransport(transport);
    return transport;
  }

  /**
   * Creates an observer that tells which of its Producers are loud.
   *
   * @throws `TypeError` when the options are malformed. Nothing was created then.
   */
  async createAudioLevelObserver<AudioLevelObserverAppData extends AppData = AppData>(
    options: AudioLevelObserverOptions<AudioLevelObserverAppData> = {},
  ): Promise<AudioLevelObserver<AudioLevelObserverAppData>> {
    const id = await this.#askForObserver('router.createAudioLevelObserver', options);
    const parent = this.#observerParent();
    return this.#addObserver(new AudioLevelObserver(this.#channel, id, parent, options.appData));
  }

  /**
   * Creates an observer that tells which of its Producers is the dominant speaker.
   *
   * @throws `TypeError` when the options are malformed. Nothing was created then.
   */
  async createActiveSpeakerObserver<ActiveSpeakerObserverAppData extends AppData = AppData>(
    options: ActiveSpeakerObserverOptions<ActiveSpeakerObserverAppData> = {},
  ): Promise<ActiveSpeakerObserver<ActiveSpeakerObserverAppData>> {
    const id = await this.#askForObserver('router.createActiveSpeakerObserver', options);
    const parent = this.#observerParent();
    return this.#addObserver(new ActiveSpeakerObserver(this.#channel, id, parent, options.appData));
  }

  /**
   * Creates a Transport to an endpoint that speaks RTP without ICE and DTLS.
   *
   * @throws `TypeError` when the options are malformed; {@link UnsupportedError} when they ask for what this version
   * cannot do; {@link MillraceError} when a socket cannot be opened. Nothing was created then.
   */
  async createPlainTransport<PlainTransportAppData extends AppData = AppData>(
    options: PlainTransportOptions<PlainTransportAppData>,
  ): Promise<PlainTransport<PlainTransportAppData>> {
    checkOptions(options);
    const { appData, ...rest } = options;
    const { transportId, reply } = await this.#createTransport<PlainTransportReply>('createPlainTransport', rest);
    return this.#enter(new PlainTransport(this.#transportSetup(transportId, appData), reply));
  }

  /**
   * Creates one end of a link to another Router.
   *
   * @throws `TypeError` when the options are malformed; {@link UnsupportedError} when they ask for what this version
   * cannot do; {@link MillraceError} when a socket cannot be opened. Nothing was created then.
   */
  async createPipeTransport<PipeTransportAppData extends AppData = AppData>(
    options: PipeTransportOptions<PipeTransportAppData>,
  ): Promise<PipeTransport<PipeTransportAppData>> {
    checkOptions(options);
    const { appData, ...rest } = options;
    const { transportId, reply } = await this.#createTransport<PlainTransportReply>('createPipeTransport', rest);
    return this.#enter(new PipeTransport(this.#transportSetup(transportId, appData), reply));
  }

  /**
   * Makes a Producer of this Router one of another Router too. It is paused, resumed and closed there as it is here.
   *
   * All that is piped between two Routers goes one way, which the first call opens by its options and which stays open
   * until one of the Routers is closed.
   *
   * @throws `TypeError` when the options are malformed; {@link NotFoundError} when there is no such Producer;
   * {@link UnsupportedError} when the other Router has not its codecs. Nothing was created then but the way.
   */
  async pipeToRouter(options: PipeToRouterOptions): Promise<PipeToRouterResult> {
    checkOptions(options);
    this.ensureOpen('router.pipeToRouter');
    const { router } = options;
    if (!(router instanceof Router)) {
      throw typeError('router: expected a Router');
    }
    if (router === (this as Router)) {
      throw typeError('router: expected another Router than this one');
    }
    router.ensureOpen('router.pipeToRouter');
    const isSameWorker = router.#channel === this.#channel;
    const source = {
      from: this,
      isSameWorker,
      producer: (id: string) => this.#producers.get(id),
      dataProducer: (id: string) => this.#dataProducers.get(id),
    };
    return await pipeToRouter(source, options);
  }

  /**
   * Creates a Transport to the application itself, which sends and receives packets there.
   *
   * @throws `TypeError` when the options are malformed. Nothing was created then.
   */
  async createDirectTransport<DirectTransportAppData extends AppData = AppData>(
    options: DirectTransportOptions<DirectTransportAppData> = {},
  ): Promise<DirectTransport<DirectTransportAppData>> {
    checkOptions(options);
    const { appData, ...rest } = options;
    const { transportId, reply } = await this.#createTransport<DirectTransportReply>('createDirectTransport', rest);
    return this.#enter(new DirectTransport(this.#transportSetup(transportId, appData), reply));
  }

  /**
   * Creates one end of a link to another Router of this process, which needs no network. Both ends name the same ring.
   *
   * @internal
   */
  async createRingTransport(ringId: string): Promise<PipeTransport> {
    const { transportId, reply } = await this.#createTransport<PlainTransportReply>('createRingTransport', { ringId });
    return this.#enter(new PipeTransport(this.#transportSetup(transportId, undefined), reply));
  }

  /**
   * Creates a selector: `k` Producers that always carry the loudest of the audio Producers that are added to it.
   *
   * @throws `TypeError` when `k` is not a number of 1 to 16; {@link UnsupportedError} when the Router has no audio codec.
   * Nothing was created then.
   */
  async createActiveAudioSelector<ActiveAudioSelectorAppData extends AppData = AppData>(
    options: ActiveAudioSelectorOptions<ActiveAudioSelectorAppData> = {},
  ): Promise<ActiveAudioSelector<ActiveAudioSelectorAppData>> {
    this.ensureOpen('router.createActiveAudioSelector');
    checkOptions(options);
    const { k = 3, appData } = options;
    if (!Number.isInteger(k) || k < 1 || k > SELECTED_MAX) {
      throw typeError(`k: expected a whole number of 1 to ${SELECTED_MAX}`);
    }
    const [rtpObserverId, producerIds] = [randomUUID(), Array.from({ length: k }, () => randomUUID())];
    const ids = { routerId: this.#id, rtpObserverId, producerIds };
    const reply = await this.request<{ producers: ProducerReply[] }>('router.createActiveAudioSelector', ids);
    this.ensureOpen('router.createActiveAudioSelector');
    const producers = producerIds.map((id, place) => this.#addPlace(id, reply.producers[place] as ProducerReply));
    const parent = this.#observerParent(() => this.#forget(producers));
    const selector = new ActiveAudioSelector(this.#channel, rtpObserverId, parent, appData, producers);
    this.#rtpObservers.set(rtpObserverId, selector);
    this.observer.safeEmit('newactiveaudioselector', selector);
    return selector;
  }

  /**
   * Tells whether an endpoint with these capabilities can consume the Producer. Malformed capabilities and unknown
   * Producers give `false` and a line in the log.
   */
  canConsume(options: { producerId: string; rtpCapabilities: RtpCapabilities }): boolean {
    try {
      checkOptions(options);
      const { producerId, rtpCapabilities } = options;
      return this.#canConsume(producerId, rtpCapabilities);
    } catch (error) {
      logger.warn(`canConsume() failed: ${errorFromAddon(error)}`);
      return false;
    }
  }

  /**
   * Replaces the codecs that Producers may use; `rtpCapabilities` changes at once. Producers that exist stay as they
   * are.
   *
   * @throws `TypeError` when a codec is malformed; {@link UnsupportedError} when one is not supported.
   */
  updateMediaCodecs(mediaCodecs: RouterRtpCodecCapability[]): void {
    this.ensureOpen('router.updateMediaCodecs');
    this.#rtpCapabilities = this.#generateRtpCapabilities(mediaCodecs);
    this.command('router.updateMediaCodecs', { routerId: this.#id, mediaCodecs });
  }

  /** What every Transport is made of, whichever its kind. */
  #transportSetup<Data extends AppData>(id: string, appData: Data | undefined): TransportSetup<Data> {
    return { channel: this.#channel, id, parent: this.#parent(), appData };
  }

  /** Asks the worker for a Transport; what it answers is of no use if the Router was closed meanwhile. */
  async #createTransport<Reply>(method: string, settings: object): Promise<{ transportId: string; reply: Reply }> {
    const transportId = randomUUID();
    const params = { ...settings, routerId: this.#id, transportId };
    const reply = await this.request<Reply>(`router.${method}`, params);
    this.ensureOpen(`router.${method}`);
    return { transportId, reply };
  }

  #enter<T extends Transport>(transport: T): T {
    this.#transports.set(transport.id, transport);
    this.observer.safeEmit('newtransport', transport);
    return transport;
  }

  /** Lets the worker make an observer. Returns its id. */
  async #askForObserver(method: string, options: object): Promise<string> {
    checkOptions(options);
    const rtpObserverId = randomUUID();
    const { appData: _, ...rest } = options as { appData?: AppData };
    await this.request(method, { ...rest, routerId: this.#id, rtpObserverId });
    this.ensureOpen(method);
    return rtpObserverId;
  }

  #addObserver<T extends RtpObserver>(rtpObserver: T): T {
    this.#rtpObservers.set(rtpObserver.id, rtpObserver);
    this.observer.safeEmit('newrtpobserver', rtpObserver);
    return rtpObserver;
  }

  #canConsume(producerId: string, rtpCapabilities: RtpCapabilities): boolean {
    const producer = this.#producers.get(producerId);
    if (!producer) {
      throw new NotFoundError(`producerId: the Router has no Producer with the id "${producerId}"`);
    }
    return this.#addon.canConsume(toJson(producer.consumableRtpParameters), toJson(rtpCapabilities));
  }

  #generateRtpCapabilities(mediaCodecs: RouterRtpCodecCapability[]): RtpCapabilities {
    try {
      return JSON.parse(this.#addon.generateRouterRtpCapabilities(toJson({ mediaCodecs })));
    } catch (error) {
      throw errorFromAddon(error);
    }
  }

  /**
   * A mixer publishes here.
   *
   * @internal
   */
  mixerOutputCreated(output: MixerOutput): void {
    this.#mixerOutputs.add(output);
    this.#producers.set(output.producer.id, output.producer);
  }

  /** @internal */
  mixerOutputClosed(output: MixerOutput): void {
    this.#mixerOutputs.delete(output);
    this.#producers.delete(output.producer.id);
  }

  #endWithChildren(released: Promise<void>): void {
    this.end(released);
    for (const transport of this.#transports.values()) {
      transport.routerClosed(released);
    }
    this.#transports.clear();
    this.#producers.clear();
    this.#dataProducers.clear();
    for (const rtpObserver of this.#rtpObservers.values()) {
      rtpObserver.routerClosed(released);
    }
    this.#rtpObservers.clear();
    for (const output of [...this.#mixerOutputs]) {
      output.routerClosed(released);
    }
  }

  /** A Producer of a selector. */
  #addPlace(id: string, reply: ProducerReply): Producer {
    const options = { kind: 'audio', rtpParameters: reply.rtpParameters } as const;
    const producer: Producer = new Producer(this.#channel, id, options, reply, () => this.#forget([producer]));
    this.#producers.set(id, producer);
    return producer;
  }

  #forget(producers: readonly Producer[]): void {
    for (const { id } of producers) {
      this.#producers.delete(id);
    }
  }

  #observerParent(onClose: () => void = () => {}): RtpObserverParent {
    return {
      producer: (id) => this.#producers.get(id),
      rtpObserverRemoved: (id) => {
        this.#rtpObservers.delete(id);
        onClose();
      },
    };
  }

  #parent(): TransportParent {
    return {
      producer: (id) => this.#producers.get(id),
      producerAdded: (producer) => this.#producers.set(producer.id, producer),
      producerRemoved: (producer) => this.#producers.delete(producer.id),
      dataProducer: (id) => this.#dataProducers.get(id),
      dataProducerAdded: (dataProducer) => this.#dataProducers.set(dataProducer.id, dataProducer),
      dataProducerRemoved: (dataProducer) => this.#dataProducers.delete(dataProducer.id),
      transportRemoved: (id) => this.#transports.delete(id),
    };
  }
}

function checkServer(webRtcServer: unknown): void {
  if (webRtcServer === undefined || webRtcServer === null) {
    return;
  }
  if (!(webRtcServer instanceof WebRtcServer)) {
    throw typeError('webRtcServer: expected a WebRtcServer');
  }
  if (webRtcServer.closed) {
    throw new NotFoundError('router.createWebRtcTransport failed: the webRtcServer is closed', 'ERR_CLOSED');
  }
}

const logger = new Logger('Router');
