import type { Channel } from './channel.js';
import { EnhancedEventEmitter } from './enhanced-event-emitter.js';
import type * as model from './generated/model.js';
import type { WebRtcServerDump } from './generated/model.js';
import { type AppData, RemoteObject } from './remote-object.js';
import type { WebRtcTransport } from './webrtc-transport.js';

/** Options of {@link Worker.createWebRtcServer}. */
export type WebRtcServerOptions<WebRtcServerAppData extends AppData = AppData> = model.WebRtcServerOptions & {
  /** The application's own data. Default: `{}`. */
  appData?: WebRtcServerAppData;
};

/** Events of a {@link WebRtcServer}. */
export type WebRtcServerEvents = {
  /** The Worker was closed or died, and the WebRtcServer with it. */
  workerclose: [];
};

/** Observer of a {@link WebRtcServer}. */
export type WebRtcServerObserver = EnhancedEventEmitter<WebRtcServerObserverEvents>;

/** Events of a {@link WebRtcServerObserver}. */
export type WebRtcServerObserverEvents = {
  /** The WebRtcServer was closed, by whomever. */
  close: [];
  /** A Transport began to use the ports. */
  webrtctransporthandled: [webRtcTransport: WebRtcTransport];
  /** A Transport that used the ports was closed. */
  webrtctransportunhandled: [webRtcTransport: WebRtcTransport];
};

/** Ports that many WebRtcTransports of a Worker share. Its Worker closes it. */
export class WebRtcServer<WebRtcServerAppData extends AppData = AppData> extends RemoteObject<
  WebRtcServerEvents,
  WebRtcServerObserver,
  WebRtcServerAppData
> {
  readonly #id: string;
  readonly #onClose: () => void;
  readonly #webRtcTransports = new Map<string, WebRtcTransport>();

  /** @internal */
  constructor(channel: Channel, id: string, appData: WebRtcServerAppData | undefined, onClose: () => void) {
    super(channel, new EnhancedEventEmitter(), appData);
    this.#id = id;
    this.#onClose = onClose;
  }

  /** Id, a UUID. */
  get id(): string {
    return this.#id;
  }

  /**
   * What tests that were written for mediasoup look at.
   *
   * @internal
   */
  get webRtcTransportsForTesting(): ReadonlyMap<string, WebRtcTransport> {
    return this.#webRtcTransports;
  }

  /** Closes the WebRtcServer and the Transports that use it. Idempotent. */
  close(): void {
    if (this.closed) {
      return;
    }
    const released = this.command('webRtcServer.close', { webRtcServerId: this.#id });
    this.end(released);
    for (const webRtcTransport of this.#webRtcTransports.values()) {
      webRtcTransport.listenServerClosed(released);
      this.observer.safeEmit('webrtctransportunhandled', webRtcTransport);
    }
    this.#webRtcTransports.clear();
    this.#onClose();
    this.observer.safeEmit('close');
  }

  /** @internal */
  workerClosed(): void {
    if (this.closed) {
      return;
    }
    this.end(Promise.resolve());
    this.#webRtcTransports.clear();
    this.safeEmit('workerclose');
    this.observer.safeEmit('close');
  }

  /** The WebRtcServer's inner state, for debugging. Its shape may change. */
  async dump(): Promise<WebRtcServerDump> {
    return await this.request('webRtcServer.dump', { webRtcServerId: this.#id });
  }

  /** @internal */
  handleWebRtcTransport(webRtcTransport: WebRtcTransport): void {
    this.#webRtcTransports.set(webRtcTransport.id, webRtcTransport);
    this.observer.safeEmit('webrtctransporthandled', webRtcTransport);
    webRtcTransport.onEnd(() => {
      this.#webRtcTransports.delete(webRtcTransport.id);
      this.observer.safeEmit('webrtctransportunhandled', webRtcTransport);
    });
  }
}
