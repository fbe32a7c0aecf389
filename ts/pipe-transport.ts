import type { Consumer } from './consumer.js';
import { EnhancedEventEmitter } from './enhanced-event-emitter.js';
import type * as model from './generated/model.js';
import type {
  PipeTransportDump,
  PipeTransportStat,
  SrtpParameters,
  TransportTraceEventData,
  TransportTuple,
} from './generated/model.js';
import { Logger } from './logger.js';
import type { Either } from './module-types.js';
import type { PlainTransportReply } from './plain-transport.js';
import { type AppData, checkOptions } from './remote-object.js';
import { SctpTransport, type SctpTransportEvents, type SctpTransportObserverEvents } from './sctp-transport.js';
import type { TransportSetup } from './transport.js';

/** Options of {@link Router.createPipeTransport}: where to listen, in one of two ways, and the rest. */
export type PipeTransportOptions<PipeTransportAppData extends AppData = AppData> = Omit<
  model.PipeTransportOptions,
  keyof ListenInfo | keyof ListenDeprecated
> &
  model.SctpOptions & {
    /** The application's own data. Default: `{}`. */
    appData?: PipeTransportAppData;
  } & Either<ListenInfo, ListenDeprecated>;

type ListenInfo = Required<Pick<model.PipeTransportOptions, 'listenInfo'>>;

type ListenDeprecated = Required<Pick<model.PipeTransportOptions, 'listenIp'>> &
  Pick<model.PipeTransportOptions, 'port'>;

/** Options of {@link PipeTransport.consume}. */
export type PipeConsumerOptions<ConsumerAppData extends AppData = AppData> = {
  /** Id of the Producer. All its streams are sent. */
  producerId: string;
  /** The application's own data. Default: `{}`. */
  appData?: ConsumerAppData;
};

/** Events of a {@link PipeTransport}. */
export type PipeTransportEvents = SctpTransportEvents;

/** Observer of a {@link PipeTransport}. */
export type PipeTransportObserver = EnhancedEventEmitter<PipeTransportObserverEvents>;

/** Events of a {@link PipeTransportObserver}. */
export type PipeTransportObserverEvents = SctpTransportObserverEvents;

/** The two ends of a link, by the id of the Router that each one is in. */
export type PipeTransportPair = { [routerId: string]: PipeTransport };

/** What {@link PipeTransport.connect} is told of the other end. */
export type PipeTransportConnectOptions = {
  /** Its address. */
  ip: string;
  /** Its port. */
  port: number;
  /** Its key, with `enableSrtp`. */
  srtpParameters?: SrtpParameters;
};

/**
 * One end of a link between two Routers, in one process or on two machines. Its Consumers send all streams of their
 * Producers, which become Producers of the other Router. {@link Router.pipeToRouter} makes such links by itself.
 *
 * Without SRTP nothing vouches for packets but their source address: use it where the network is trusted.
 */
export class PipeTransport<PipeTransportAppData extends AppData = AppData> extends SctpTransport<
  PipeTransportAppData,
  PipeTransportEvents,
  PipeTransportObserver
> {
  #tuple: TransportTuple;
  #srtpParameters: SrtpParameters | undefined;

  /** @internal */
  constructor(setup: TransportSetup<PipeTransportAppData>, reply: PlainTransportReply) {
    super(setup, new EnhancedEventEmitter(), reply);
    this.#tuple = reply.tuple;
    this.#srtpParameters = reply.srtpParameters ?? undefined;
    this.subscribe(setup.id, (event, data) => this.#handle(event, data));
  }

  /** Always `pipe`. */
  get type(): 'pipe' {
    return 'pipe';
  }

  /** The path; without a remote address until `connect`. */
  get tuple(): TransportTuple {
    return structuredClone(this.#tuple);
  }

  /** The key of this side with `enableSrtp`; to be handed to the other end. */
  get srtpParameters(): SrtpParameters | undefined {
    return structuredClone(this.#srtpParameters);
  }

  /** The Transport's inner state, for debugging. Its shape may change. */
  async dump(): Promise<PipeTransportDump> {
    return await this.ask('transport.dump');
  }

  /** Statistics of the Transport, an array of one. */
  async getStats(): Promise<PipeTransportStat[]> {
    return await this.ask('transport.getStats');
  }

  /**
   * Tells where the other end is, and with `enableSrtp` its key.
   *
   * @throws `TypeError` when something is missing, malformed or too much; {@link InvalidStateError} when called twice.
   */
  async connect(params: PipeTransportConnectOptions): Promise<void> {
    checkOptions(params);
    const { ip, port, srtpParameters } = params;
    const reply = await this.ask<PlainTransportReply>('transport.connect', { ip, port, srtpParameters });
    this.#tuple = reply.tuple;
    this.#srtpParameters = reply.srtpParameters ?? undefined;
  }

  /**
   * Sends all streams of a Producer to the other end, as they are.
   *
   * @throws `TypeError` when the options are malformed; {@link NotFoundError} when the Router has no such Producer.
   * Nothing was created then.
   */
  override async consume<ConsumerAppData extends AppData = AppData>(
    options: PipeConsumerOptions<ConsumerAppData>,
  ): Promise<Consumer<ConsumerAppData>> {
    checkOptions(options);
    const { producerId, appData } = options;
    return await this.consumeWith({ producerId, appData });
  }

  #handle(event: string, data: unknown): void {
    switch (event) {
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

const logger = new Logger('PipeTransport');
