import { type RawData, WebSocket } from 'ws';
import { Logger } from '../../logger.js';
import type { Limits } from '../limits.js';
import { JsonError } from './json.js';
import {
  type Message,
  type Notification,
  notificationText,
  parseMessage,
  type Request,
  type Response,
  refusalText,
  requestText,
  responseText,
} from './message.js';
import { Rate } from './rate.js';
import { Refusal, refusalOf } from './refusal.js';

/** Why a WebSocket is closed: codes of RFC 6455 §7.4.1, and the one after which protoo clients do not come back. */
export const CLOSE = {
  /** The server goes away; the client may try again. */
  goingAway: 1001,
  /** Only text frames are understood. */
  binary: 1003,
  /** The text was no message. */
  malformed: 1007,
  /** A bound was hit. */
  limit: 1008,
  /** The media path is dead; the client may join again. */
  mediaLost: 4001,
  /** The call is over for this client: it was replaced, or there is no room for it. */
  final: 4000,
} as const;

/** What a connection tells its owner. */
export type ConnectionHandler = {
  /** Answers a request; what it throws refuses the request. */
  onRequest(method: string, data: unknown): unknown;
  /** The client said something that needs no answer. */
  onNotification(method: string, data: unknown): unknown;
  /** The connection is over; it is told once, whoever ended it. */
  onClose(): void;
};

/** One client's WebSocket: frames in and out, requests in both directions, every bound of {@link Limits}. */
export class Connection {
  readonly #socket: WebSocket;
  readonly #limits: Limits;
  readonly #rate: Rate;
  readonly #pending = new Map<number, Pending>();
  readonly #pinging: NodeJS.Timeout;
  #handler: ConnectionHandler | undefined;
  #silentPings = 0;
  #inFlight = 0;
  #nextId = 0;
  #closed = false;

  constructor(socket: WebSocket, limits: Limits) {
    this.#socket = socket;
    this.#limits = limits;
    this.#rate = new Rate(limits.messagesPerSecond, limits.messageBurst, performance.now());
    this.#pinging = setInterval(() => this.#ping(), limits.pingIntervalMs);
    // What the client says before there is someone to answer waits in the kernel's buffer.
    socket.pause();
    socket.on('pong', () => {
      this.#silentPings = 0;
    });
    // `ws` closes the socket itself after an error, with 1009 for a message that is too long.
    socket.on('error', (error) => logger.debug(`WebSocket error: ${error.message}`));
    socket.on('close', () => this.#end());
  }

  /** Whether nothing can be said any more. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Sets who answers, and begins to read. */
  serve(handler: ConnectionHandler): void {
    this.#handler = handler;
    this.#socket.on('message', (data, binary) => this.#receive(handler, data, binary));
    this.#socket.resume();
  }

  /**
   * Asks the client.
   *
   * @throws {@link Refusal} when it refuses, does not answer in time, or goes.
   */
  request(method: string, data: unknown): Promise<unknown> {
    if (this.#closed) {
      return Promise.reject(new Refusal(410, 'the connection is closed'));
    }
    const id = this.#nextId;
    this.#nextId = (id + 1) % 2 ** 31;
    const timeoutMs = this.#limits.serverRequestTimeoutMs;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#settle(id)?.reject(new Refusal(408, 'no answer in time')), timeoutMs);
      this.#pending.set(id, { resolve, reject, timer });
      this.#send(requestText(id, method, data));
    });
  }

  /** Tells the client something. */
  notify(method: string, data: unknown): void {
    this.#send(notificationText(method, data));
  }

  /** Ends the connection, telling the client why. Idempotent. */
  close(code: number, reason: string): void {
    if (this.#closed) {
      return;
    }
    this.#socket.close(code, reason);
    // The client's half of the closing handshake has to be read, too.
    this.#socket.resume();
    this.#end();
  }

  /** Resolves when the socket is closed on both sides, and cuts it off when that takes longer than this time in ms. */
  drained(timeoutMs: number): Promise<void> {
    if (this.#socket.readyState === WebSocket.CLOSED) {
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#terminate(), timeoutMs);
      this.#socket.once('close', () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #terminate(): void {
    this.#socket.terminate();
    this.#end();
  }

  #receive(handler: ConnectionHandler, data: RawData, binary: boolean): void {
    if (this.#closed) {
      return;
    }
    this.#silentPings = 0;
    if (binary) {
      this.close(CLOSE.binary, 'expected text');
      return;
    }
    try {
      this.#dispatch(handler, parseMessage(String(data), this.#limits.messageDepthMax));
    } catch (error) {
      if (!(error instanceof JsonError)) {
        throw error;
      }
      this.close(CLOSE.malformed, error.message);
    }
  }

  #dispatch(handler: ConnectionHandler, message: Message): void {
    if ('response' in message && this.#settleWith(message)) {
      // An answer that was asked for: how many come is up to us.
      return;
    }
    if (!this.#rate.take(performance.now())) {
      this.close(CLOSE.limit, `more than ${this.#limits.messagesPerSecond} messages a second`);
    } else if ('request' in message) {
      void this.#answer(handler, message);
    } else if ('notification' in message) {
      void this.#notified(handler, message);
    }
  }

  async #answer(handler: ConnectionHandler, { id, method, data }: Request): Promise<void> {
    if (this.#inFlight >= this.#limits.requestsInFlightMax) {
      this.#send(refusalText(id, 503, `more than ${this.#limits.requestsInFlightMax} requests at a time`));
      return;
    }
    this.#inFlight += 1;
    try {
      const answer = await handler.onRequest(method, data ?? {});
      this.#send(responseText(id, answer));
    } catch (error) {
      const refusal = refusalOf(error, method);
      this.#send(refusalText(id, refusal.status, refusal.message));
    } finally {
      this.#inFlight -= 1;
    }
  }

  async #notified(handler: ConnectionHandler, { method, data }: Notification): Promise<void> {
    if (this.#inFlight >= this.#limits.requestsInFlightMax) {
      return;
    }
    this.#inFlight += 1;
    try {
      await handler.onNotification(method, data ?? {});
    } catch (error) {
      logger.debug(`notification '${method}' ignored: ${refusalOf(error, method).message}`);
    } finally {
      this.#inFlight -= 1;
    }
  }

  /** Ends the request that this is the answer to; `false` when there is none. */
  #settleWith(response: Response): boolean {
    const pending = this.#settle(response.id);
    if (response.ok) {
      pending?.resolve(response.data);
    } else {
      pending?.reject(new Refusal(response.errorCode ?? 500, response.errorReason ?? 'refused'));
    }
    return pending !== undefined;
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    clearTimeout(pending?.timer);
    return pending;
  }

  #send(text: string): void {
    if (this.#closed) {
      return;
    }
    if (this.#socket.bufferedAmount > this.#limits.sendBufferBytesMax) {
      logger.warn('a client does not read what it is sent, and is cut off');
      this.#terminate();
      return;
    }
    this.#socket.send(text);
  }

  #ping(): void {
    if (this.#silentPings >= SILENT_PINGS_MAX) {
      logger.debug('a client does not answer pings, and is cut off');
      this.#terminate();
      return;
    }
    this.#silentPings += 1;
    this.#socket.ping();
  }

  #end(): void {
    if (this.#closed) {
      return;
    }
    this.#closed = true;
    clearInterval(this.#pinging);
    for (const id of [...this.#pending.keys()]) {
      this.#settle(id)?.reject(new Refusal(410, 'the connection is closed'));
    }
    this.#handler?.onClose();
  }
}

type Pending = {
  readonly resolve: (data: unknown) => void;
  readonly reject: (error: Refusal) => void;
  readonly timer: NodeJS.Timeout;
};

/** Pings without any sign of life after which a client counts as gone. */
const SILENT_PINGS_MAX = 2;

const logger = new Logger('Signalling');
