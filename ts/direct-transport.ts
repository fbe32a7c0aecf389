import { EnhancedEventEmitter } from './enhanced-event-emitter.js';
import { UnsupportedError } from './errors.js';
import type * as model from './generated/model.js';
import type { DirectTransportDump, DirectTransportStat, TransportTraceEventData } from './generated/model.js';
import { Logger } from './logger.js';
import { checkPacket } from './packet-batch.js';
import type { AppData } from './remote-object.js';
import { Transport, type TransportEvents, type TransportObserverEvents, type TransportSetup } from './transport.js';

/** Options of {@link Router.createDirectTransport}. */
export type DirectTransportOptions<DirectTransportAppData extends AppData = AppData> = model.DirectTransportOptions & {
  /** The application's own data. Default: `{}`. */
  appData?: DirectTransportAppData;
};

/** Events of a {@link DirectTransport}. */
export type DirectTransportEvents = TransportEvents & {
  /** The Router sent an RTCP compound packet: reports, requests for lost packets and key frames. */
  rtcp: [packet: Buffer];
};

/** Observer of a {@link DirectTransport}. */
export type DirectTransportObserver = EnhancedEventEmitter<DirectTransportObserverEvents>;

/** Events of a {@link DirectTransportObserver}. */
export type DirectTransportObserverEvents = TransportObserverEvents & {
  /** The Router sent an RTCP compound packet. */
  rtcp: [packet: Buffer];
};

/** What the worker answered to `router.createDirectTransport`. */
export type DirectTransportReply = { readonly packetNumber: number };

/**
 * A Transport whose endpoint is the application itself: what its Consumers receive comes as `rtp` events, what its Producers
 * send goes in by `producer.send()`. It is connected from the beginning.
 *
 * @example
 * ```ts
 * const transport = await router.createDirectTransport();
 * const consumer = await transport.consume({ producerId, rtpCapabilities: router.rtpCapabilities });
 * consumer.on('rtp', (packet) => console.log(packet.length));
 * ```
 */
export class DirectTransport<DirectTransportAppData extends AppData = AppData> extends Transport<
  DirectTransportAppData,
  DirectTransportEvents,
  DirectTransportObserver
> {
  readonly #packetNumber: number;
  #listens = false;

  /** @internal */
  constructor(setup: TransportSetup<DirectTransportAppData>, { packetNumber }: DirectTransportReply) {
    super(setup, new EnhancedEventEmitter());
    this.#packetNumber = packetNumber;
    this.subscribe(setup.id, (event, data) => this.#handle(event, data));
    this.subscribePackets(packetNumber, (packet) => this.tell('rtcp', packet));
    this.watchListeners('rtcp', () => this.#listen());
    this.observer.watchListeners('rtcp', () => this.#listen());
  }

  /** Always `direct`. */
  get type(): 'direct' {
    return 'direct';
  }

  /** The Transport's inner state, for debugging. Its shape may change. */
  async dump(): Promise<DirectTransportDump> {
    return await this.ask('transport.dump');
  }

  /** Statistics of the Transport, an array of one. */
  async getStats(): Promise<DirectTransportStat[]> {
    return await this.ask('transport.getStats');
  }

  /** Does nothing: a DirectTransport is connected from the beginning. */
  async connect(): Promise<void> {}

  /** Not possible: there is no connection whose bitrate could be limited. */
  override setMaxIncomingBitrate(): Promise<void> {
    return unsupported('setMaxIncomingBitrate');
  }

  /** Not possible: there is no connection whose bitrate could be limited. */
  override setMaxOutgoingBitrate(): Promise<void> {
    return unsupported('setMaxOutgoingBitrate');
  }

  /** Not possible: there is no connection whose bitrate could be limited. */
  override setMinOutgoingBitrate(): Promise<void> {
    return unsupported('setMinOutgoingBitrate');
  }

  /**
   * Sends an RTCP compound packet to the Router: sender reports of what is produced here, requests for lost packets and key
   * frames of what is consumed here. It is copied. After the Transport was closed it is passed over.
   *
   * @throws `TypeError` when it is no Buffer of memory that only this thread has; {@link LimitError} when it is longer
   * than 1,500 bytes.
   */
  sendRtcp(rtcpPacket: Buffer): void {
    checkPacket(rtcpPacket, 'rtcpPacket');
    this.sendPacket(this.#packetNumber, rtcpPacket);
  }

  /** Tells the worker when the first listener comes and when the last one goes. */
  #listen(): void {
    const listens = this.listenerCount('rtcp') > 0 || this.observer.listenerCount('rtcp') > 0;
    if (listens !== this.#listens && !this.closed) {
      this.#listens = listens;
      this.command('transport.listen', { transportId: this.id, listens });
    }
  }

  #handle(event: string, data: unknown): void {
    switch (event) {
      case 'trace':
        this.tell('trace', data as TransportTraceEventData);
        break;
      default:
        logger.error(`ignoring unknown event '${event}'`);
    }
  }
}

function unsupported(method: string): Promise<never> {
  return Promise.reject(new UnsupportedError(`${method}() is not possible on a DirectTransport`));
}

const logger = new Logger('DirectTransport');
