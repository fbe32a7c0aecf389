import { EnhancedEventEmitter } from './enhanced-event-emitter.js';
import type * as model from './generated/model.js';
import type {
  PlainTransportDump,
  PlainTransportStat,
  SrtpParameters,
  TransportTraceEventData,
  TransportTuple,
} from './generated/model.js';
import { Logger } from './logger.js';
import type { Either } from './module-types.js';
import { type AppData, checkOptions } from './remote-object.js';
import {
  type SctpReply,
  SctpTransport,
  type SctpTransportEvents,
  type SctpTransportObserverEvents,
} from './sctp-transport.js';
import type { TransportSetup } from './transport.js';

/** Options of {@link Router.createPlainTransport}: where to listen, in one of two ways, and the rest. */
export type PlainTransportOptions<PlainTransportAppData extends AppData = AppData> = Omit<
  model.PlainTransportOptions,
  keyof ListenInfo | keyof ListenDeprecated
> &
  model.SctpOptions & {
    /** The application's own data. Default: `{}`. */
    appData?: PlainTransportAppData;
  } & Either<ListenInfo, ListenDeprecated>;

type ListenInfo = Required<Pick<model.PlainTransportOptions, 'listenInfo'>> &
  Pick<model.PlainTransportOptions, 'rtcpListenInfo'>;

type ListenDeprecated = Required<Pick<model.PlainTransportOptions, 'listenIp'>> &
  Pick<model.PlainTransportOptions, 'port'>;

/** Events of a {@link PlainTransport}. */
export type PlainTransportEvents = SctpTransportEvents & {
  /** With `comedia`: the endpoint's address became known by its first packet. */
  tuple: [tuple: TransportTuple];
  /** With `comedia` and without `rtcpMux`: the endpoint's address for RTCP became known by its first RTCP packet. */
  rtcptuple: [rtcpTuple: TransportTuple];
};

/** Observer of a {@link PlainTransport}. */
export type PlainTransportObserver = EnhancedEventEmitter<PlainTransportObserverEvents>;

/** Events of a {@link PlainTransportObserver}. */
export type PlainTransportObserverEvents = SctpTransportObserverEvents & {
  /** With `comedia`: the endpoint's address became known by its first packet. */
  tuple: [tuple: TransportTuple];
  /** With `comedia` and without `rtcpMux`: the endpoint's address for RTCP became known by its first RTCP packet. */
  rtcptuple: [rtcpTuple: TransportTuple];
};

/** What the worker answered to `router.createPlainTransport` and to `transport.connect`. */
export type PlainTransportReply = SctpReply & {
  readonly tuple: TransportTuple;
  readonly rtcpTuple?: TransportTuple | null;
  readonly srtpParameters?: SrtpParameters | null;
};

/**
 * A Transport to an endpoint that speaks RTP over UDP without ICE and DTLS: FFmpeg, GStreamer, a SIP gateway. With
 * `enableSrtp` its packets are secured by keys that the application exchanges.
 *
 * Without SRTP nothing vouches for packets but their source address, and with `comedia` the first sender of RTP is the
 * endpoint: use it where the network is trusted.
 */
export class PlainTransport<PlainTransportAppData extends AppData = AppData> extends SctpTransport<
  PlainTransportAppData,
  PlainTransportEvents,
  PlainTransportObserver
> {
  #tuple: TransportTuple;
  #rtcpTuple: TransportTuple | undefined;
  #srtpParameters: SrtpParameters | undefined;

  /** @internal */
  constructor(setup: TransportSetup<PlainTransportAppData>, reply: PlainTransportReply) {
    super(setup, new EnhancedEventEmitter(), reply);
    this.#tuple = reply.tuple;
    this.#rtcpTuple = reply.rtcpTuple ?? undefined;
    this.#srtpParameters = reply.srtpParameters ?? undefined;
    this.subscribe(setup.id, (event, data) => this.#handle(event, data));
  }

  /** Always `plain`. */
  get type(): 'plain' {
    return 'plain';
  }

  /** The path of RTP, and of RTCP with `rtcpMux`; without a remote address until the endpoint is known. */
  get tuple(): TransportTuple {
    return structuredClone(this.#tuple);
  }

  /** The path of RTCP without `rtcpMux`; without a remote address until the endpoint is known. */
  get rtcpTuple(): TransportTuple | undefined {
    return structuredClone(this.#rtcpTuple);
  }

  /** The key of this side with `enableSrtp`; to be handed to the endpoint. `connect` may change it. */
  get srtpParameters(): SrtpParameters | undefined {
    return structuredClone(this.#srtpParameters);
  }

  /** The Transport's inner state, for debugging. Its shape may change. */
  async dump(): Promise<PlainTransportDump> {
    return await this.ask('transport.dump');
  }

  /** Statistics of the Transport, an array of one. */
  async getStats(): Promise<PlainTransportStat[]> {
    return await this.ask('transport.getStats');
  }

  /**
   * Tells where the endpoint receives, and with `enableSrtp` its key. With `comedia` only the key is needed.
   *
   * Where the endpoint's suite is not the one of `srtpParameters`, those become new ones of its suite.
   *
   * @throws `TypeError` when something is missing, malformed or too much; {@link InvalidStateError} when called twice.
   */
  async connect(params: model.PlainTransportConnectOptions = {}): Promise<void> {
    checkOptions(params);
    const { ip, port, rtcpPort, srtpParameters } = params;
    const told = { ip, port, rtcpPort, srtpParameters };
    const reply = await this.ask<PlainTransportReply>('transport.connect', told);
    this.#tuple = reply.tuple;
    this.#rtcpTuple = reply.rtcpTuple ?? undefined;
    this.#srtpParameters = reply.srtpParameters ?? undefined;
  }

  #handle(event: string, data: unknown): void {
    switch (event) {
      case 'tuple':
        this.#tuple = data as TransportTuple;
        this.tell('tuple', this.#tuple);
        break;
      case 'rtcptuple':
        this.#rtcpTuple = data as TransportTuple;
        this.tell('rtcptuple', this.#rtcpTuple);
        break;
      case 'sctpstatechange':
        this.tell('sctpstatechange', this.takeSctpState(data));
        break;
      case 'datachannelclose':
        break;
      case 'trace':
        this.tell('trace', data as TransportTraceEventData);
        break;
      default:
        logger.error(`ignoring unknown event '${event}'`);
    }
  }
}

const logger = new Logger('PlainTransport');
