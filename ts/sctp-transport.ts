import type { SctpNegotiatedCapabilities, SctpParameters, SctpState } from './generated/model.js';
import type { AppData } from './remote-object.js';
import {
  Transport,
  type TransportEvents,
  type TransportObserver,
  type TransportObserverEvents,
  type TransportSetup,
} from './transport.js';

/** Events of a {@link SctpTransport}. */
export type SctpTransportEvents = TransportEvents & {
  /** The SCTP state changed. */
  sctpstatechange: [sctpState: SctpState];
};

/** Events of the observer of a {@link SctpTransport}. */
export type SctpTransportObserverEvents = TransportObserverEvents & {
  /** The SCTP state changed. */
  sctpstatechange: [sctpState: SctpState];
};

/** What the worker answers of SCTP when a Transport is created. */
export type SctpReply = {
  readonly sctpParameters?: SctpParameters | null;
  readonly sctpState?: SctpState | null;
};

/** A Transport that may carry data as well: by an SCTP association with its endpoint. */
export abstract class SctpTransport<
  TransportAppData extends AppData = AppData,
  Events extends SctpTransportEvents = SctpTransportEvents,
  Observer extends TransportObserver = TransportObserver,
> extends Transport<TransportAppData, Events, Observer> {
  readonly #parameters: SctpParameters | undefined;
  #state: SctpState | undefined;
  #negotiatedCapabilities: SctpNegotiatedCapabilities | undefined;

  /** @internal */
  constructor(setup: TransportSetup<TransportAppData>, observer: Observer, reply: SctpReply) {
    super(setup, observer);
    this.#parameters = reply.sctpParameters ?? undefined;
    this.#state = reply.sctpState ?? undefined;
  }

  /** Port and limits of SCTP, to be handed to the endpoint; none without `enableSctp`. */
  get sctpParameters(): SctpParameters | undefined {
    return structuredClone(this.#parameters);
  }

  /** State of the SCTP association, `closed` once the Transport is; none without `enableSctp`. */
  get sctpState(): SctpState | undefined {
    return this.closed && this.#state !== undefined ? 'closed' : this.#state;
  }

  /** What the ends of the SCTP association agreed on, once it is connected. */
  get sctpNegotiatedCapabilities(): SctpNegotiatedCapabilities | undefined {
    return structuredClone(this.#negotiatedCapabilities);
  }

  /**
   * Takes what the worker tells of SCTP, and returns the new state.
   *
   * @internal
   */
  protected takeSctpState(change: unknown): SctpState {
    const { state, negotiated } = change as SctpStateChange;
    this.#state = state;
    this.#negotiatedCapabilities = negotiated ?? this.#negotiatedCapabilities;
    return state;
  }
}

type SctpStateChange = { readonly state: SctpState; readonly negotiated?: SctpNegotiatedCapabilities | null };
