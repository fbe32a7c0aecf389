import { EnhancedEventEmitter } from './enhanced-event-emitter.js';
import type * as model from './generated/model.js';
import type {
  DtlsParameters,
  DtlsRole,
  DtlsState,
  IceCandidate,
  IceParameters,
  IceState,
  RemoteDataChannel,
  TransportTraceEventData,
  TransportTuple,
  WebRtcTransportDump,
  WebRtcTransportStat,
} from './generated/model.js';
import { Logger } from './logger.js';
import { type AppData, checkOptions } from './remote-object.js';
import {
  type SctpReply,
  SctpTransport,
  type SctpTransportEvents,
  type SctpTransportObserverEvents,
} from './sctp-transport.js';
import type { TransportSetup } from './transport.js';
import type { WebRtcServer } from './webrtc-server.js';

/** Options of {@link Router.createWebRtcTransport}: where to listen, in one of three ways, and the rest. */
export type WebRtcTransportOptions<WebRtcTransportAppData extends AppData = AppData> = Omit<
  model.WebRtcTransportOptions,
  'webRtcServerId' | keyof ListenAlone | keyof ListenDeprecated
> &
  model.SctpOptions & {
    /** The application's own data. Default: `{}`. */
    appData?: WebRtcTransportAppData;
  } & (
    | (Absent<ListenDeprecated & ListenShared> & ListenAlone)
    | (Absent<ListenAlone & ListenShared> & ListenDeprecated)
    | (Absent<ListenAlone & ListenDeprecated> & ListenShared)
  );

/** Sockets for this Transport alone. */
type ListenAlone = Required<Pick<model.WebRtcTransportOptions, 'listenInfos'>>;

/** Sockets for this Transport alone, the old way. */
type ListenDeprecated = Required<Pick<model.WebRtcTransportOptions, 'listenIps'>> &
  Pick<model.WebRtcTransportOptions, 'port'>;

/** The sockets of a WebRtcServer. */
type ListenShared = {
  /** The WebRtcServer of the same Worker whose ports are shared. */
  webRtcServer: WebRtcServer;
};

type Absent<T> = { [K in keyof T]?: never };

/** Events of a {@link WebRtcTransport}. */
export type WebRtcTransportEvents = SctpTransportEvents & {
  /** The ICE state changed. */
  icestatechange: [iceState: IceState];
  /** The endpoint is reached by another path. */
  iceselectedtuplechange: [iceSelectedTuple: TransportTuple];
  /** The DTLS state changed. */
  dtlsstatechange: [dtlsState: DtlsState];
  /** The endpoint opened a data channel in-band (RFC 8832). It is open; what it sends is dropped until produced. */
  datachannel: [channel: RemoteDataChannel];
  /** The endpoint closed the data channel on this stream; its number may be used again. */
  datachannelclose: [streamId: number];
};

/** Observer of a {@link WebRtcTransport}. */
export type WebRtcTransportObserver = EnhancedEventEmitter<WebRtcTransportObserverEvents>;

/** Events of a {@link WebRtcTransportObserver}. */
export type WebRtcTransportObserverEvents = SctpTransportObserverEvents & {
  /** The ICE state changed. */
  icestatechange: [iceState: IceState];
  /** The endpoint is reached by another path. */
  iceselectedtuplechange: [iceSelectedTuple: TransportTuple];
  /** The DTLS state changed. */
  dtlsstatechange: [dtlsState: DtlsState];
};

/** What the worker answered to `router.createWebRtcTransport`. */
export type WebRtcTransportReply = SctpReply & {
  readonly iceRole: 'controlled';
  readonly iceParameters: IceParameters;
  readonly iceCandidates: IceCandidate[];
  readonly iceState: IceState;
  readonly iceSelectedTuple?: TransportTuple | null;
  readonly dtlsParameters: DtlsParameters;
  readonly dtlsState: DtlsState;
};

/** A Transport to a WebRTC endpoint: ICE-lite (RFC 8445 §2.5), DTLS and SRTP, over UDP or TCP. */
export class WebRtcTransport<WebRtcTransportAppData extends AppData = AppData> extends SctpTransport<
  WebRtcTransportAppData,
  WebRtcTransportEvents,
  WebRtcTransportObserver
> {
  readonly #iceRole: 'controlled';
  readonly #iceCandidates: IceCandidate[];
  readonly #dtlsParameters: DtlsParameters;
  #iceParameters: IceParameters;
  #iceState: IceState;
  #iceSelectedTuple: TransportTuple | undefined;
  #dtlsState: DtlsState;
  #dtlsRemoteCert: string | undefined;

  /** @internal */
  constructor(setup: TransportSetup<WebRtcTransportAppData>, reply: WebRtcTransportReply) {
    super(setup, new EnhancedEventEmitter(), reply);
    this.#iceRole = reply.iceRole;
    this.#iceParameters = reply.iceParameters;
    this.#iceCandidates = reply.iceCandidates;
    this.#iceState = reply.iceState;
    this.#iceSelectedTuple = reply.iceSelectedTuple ?? undefined;
    this.#dtlsParameters = reply.dtlsParameters;
    this.#dtlsState = reply.dtlsState;
    this.subscribe(setup.id, (event, data) => this.#handle(event, data));
  }

  /** Always `webrtc`. */
  get type(): 'webrtc' {
    return 'webrtc';
  }

  /** Always `controlled`: the endpoint decides (RFC 8445 §6.1.1). */
  get iceRole(): 'controlled' {
    return this.#iceRole;
  }

  /** Credentials of this side; to be handed to the endpoint. */
  get iceParameters(): IceParameters {
    return structuredClone(this.#iceParameters);
  }

  /** Addresses of this side; to be handed to the endpoint. */
  get iceCandidates(): IceCandidate[] {
    return structuredClone(this.#iceCandidates);
  }

  /** State of the connection; `closed` once the Transport is. */
  get iceState(): IceState {
    return this.closed ? 'closed' : this.#iceState;
  }

  /** The path in use, if there is one. */
  get iceSelectedTuple(): TransportTuple | undefined {
    return this.closed ? undefined : structuredClone(this.#iceSelectedTuple);
  }

  /** Fingerprints and role of this side; to be handed to the endpoint. The role is settled by `connect`. */
  get dtlsParameters(): DtlsParameters {
    return structuredClone(this.#dtlsParameters);
  }

  /** State of the handshake; `closed` once the Transport is. */
  get dtlsState(): DtlsState {
    return this.closed ? 'closed' : this.#dtlsState;
  }

  /** The endpoint's certificate in PEM, once `dtlsState` is `connected`. */
  get dtlsRemoteCert(): string | undefined {
    return this.#dtlsRemoteCert;
  }

  /** The Transport's inner state, for debugging. Its shape may change. */
  async dump(): Promise<WebRtcTransportDump> {
    return await this.ask('transport.dump');
  }

  /** Statistics of the Transport, an array of one. */
  async getStats(): Promise<WebRtcTransportStat[]> {
    return await this.ask('transport.getStats');
  }

  /**
   * Sets the endpoint's side of DTLS and lets the handshake begin.
   *
   * @throws `TypeError` when a fingerprint is missing or malformed; {@link InvalidStateError} when called twice.
   */
  async connect(params: model.WebRtcTransportConnectOptions): Promise<void> {
    checkOptions(params);
    const { dtlsParameters } = params;
    const reply = await this.ask<{ dtlsLocalRole: DtlsRole }>('transport.connect', { dtlsParameters });
    this.#dtlsParameters.role = reply.dtlsLocalRole;
  }

  /** Makes new credentials, to be handed to the endpoint, which then finds a path again. Media flows meanwhile. */
  async restartIce(): Promise<IceParameters> {
    this.#iceParameters = await this.ask<IceParameters>('transport.restartIce');
    return structuredClone(this.#iceParameters);
  }

  #handle(event: string, data: unknown): void {
    switch (event) {
      case 'icestatechange':
        this.#iceState = data as IceState;
        this.tell('icestatechange', this.#iceState);
        break;
      case 'iceselectedtuplechange':
        this.#iceSelectedTuple = data as TransportTuple;
        this.tell('iceselectedtuplechange', this.#iceSelectedTuple);
        break;
      case 'dtlsstatechange': {
        const { state, remoteCert } = data as { state: DtlsState; remoteCert?: string | null };
        this.#dtlsState = state;
        this.#dtlsRemoteCert = remoteCert ?? this.#dtlsRemoteCert;
        this.tell('dtlsstatechange', state);
        break;
      }
      case 'sctpstatechange':
        this.tell('sctpstatechange', this.takeSctpState(data));
        break;
      case 'datachannel':
        this.safeEmit('datachannel', data as RemoteDataChannel);
        break;
      case 'datachannelclose':
        this.safeEmit('datachannelclose', data as number);
        break;
      case 'trace':
        this.tell('trace', data as TransportTraceEventData);
        break;
      default:
        logger.error(`ignoring unknown event '${event}'`);
    }
  }
}

const logger = new Logger('WebRtcTransport');
