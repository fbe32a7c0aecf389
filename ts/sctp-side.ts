import type { SctpNegotiatedCapabilities, SctpParameters, SctpState } from './generated/model.js';

/** What the worker tells of SCTP. */
type SctpStateChange = { readonly state: SctpState; readonly negotiated?: SctpNegotiatedCapabilities | null };

/** What a Transport knows of its SCTP association, if it has one. */
export class SctpSide {
  readonly #parameters: SctpParameters | undefined;
  #state: SctpState | undefined;
  #negotiatedCapabilities: SctpNegotiatedCapabilities | undefined;

  constructor(reply: { readonly sctpParameters?: SctpParameters | null; readonly sctpState?: SctpState | null }) {
    this.#parameters = reply.sctpParameters ?? undefined;
    this.#state = reply.sctpState ?? undefined;
  }

  get parameters(): SctpParameters | undefined {
    return structuredClone(this.#parameters);
  }

  get negotiatedCapabilities(): SctpNegotiatedCapabilities | undefined {
    return structuredClone(this.#negotiatedCapabilities);
  }

  /** The state; with the Transport the association is closed. */
  state(isTransportClosed: boolean): SctpState | undefined {
    return isTransportClosed && this.#state !== undefined ? 'closed' : this.#state;
  }

  /** Takes a change of the state, and returns the new one. */
  take(change: unknown): SctpState {
    const { state, negotiated } = change as SctpStateChange;
    this.#state = state;
    this.#negotiatedCapabilities = negotiated ?? this.#negotiatedCapabilities;
    return state;
  }
}
