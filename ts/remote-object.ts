import * as threads from 'node:worker_threads';
import type { Channel, EventHandler } from './channel.js';
import { EnhancedEventEmitter, type Events } from './enhanced-event-emitter.js';
import { NotFoundError, WorkerClosedError } from './errors.js';
import { Logger } from './logger.js';
import { typeError } from './native-events.js';
import type { PacketHandler } from './packet-batch.js';

/** Data that an application attaches to an object; this package never looks into it. */
export type AppData = { [key: string]: unknown };

/** What every object that lives in a worker has in common: `closed`, `appData`, `observer`, closing and disposal. */
export abstract class RemoteObject<
  E extends Events,
  Observer extends EnhancedEventEmitter,
  Data extends AppData,
> extends EnhancedEventEmitter<E> {
  readonly #channel: Channel;
  readonly #observer: Observer;
  #appData: Data;
  #closed = false;
  #released: Promise<void> = Promise.resolve();
  #packetNumber: number | undefined;

  /** @internal */
  constructor(channel: Channel, observer: Observer, appData: Data | undefined) {
    super();
    this.#channel = channel;
    this.#observer = observer;
    this.#appData = appData ?? ({} as Data);
    markAsUncloneable?.(this);
  }

  /** Whether the object is closed, by whomever. Methods of a closed object reject with `ERR_CLOSED`. */
  get closed(): boolean {
    return this.#closed;
  }

  /** The application's own data; `{}` by default. Setting anything but an object throws a `TypeError`. */
  get appData(): Data {
    return this.#appData;
  }

  set appData(appData: Data) {
    if (typeof appData !== 'object' || appData === null) {
      throw typeError('appData: expected an object');
    }
    this.#appData = appData;
  }

  /** Tells other parts of an application what happens to this object, whoever caused it. */
  get observer(): Observer {
    return this.#observer;
  }

  /**
   * Ends the object because its Transport was closed, and tells it.
   *
   * @internal
   */
  protected endWithTransport(released: Promise<void>, id?: string): void {
    if (this.closed) {
      return;
    }
    this.end(released, id);
    (this as unknown as EnhancedEventEmitter).safeEmit('transportclose');
    (this.#observer as EnhancedEventEmitter).safeEmit('close');
  }

  /** Closes the object and everything in it at once. Idempotent; it emits nothing here, `close` on the observer. */
  abstract close(): void;

  /** Closes the object and resolves when its ports are free. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.#released;
  }

  /**
   * Asks the worker.
   *
   * @internal
   */
  protected async request<T>(method: string, params?: object): Promise<T> {
    this.ensureOpen(method);
    return await this.#channel.request<T>(method, params);
  }

  /**
   * Throws if the object is closed.
   *
   * @internal
   */
  protected ensureOpen(method: string): void {
    if (this.#channel.closed) {
      throw new WorkerClosedError(`${method} failed: the worker is closed`, 'ERR_CLOSED');
    }
    if (this.#closed) {
      throw new NotFoundError(`${method} failed: the ${method.split('.')[0]} is closed`, 'ERR_CLOSED');
    }
  }

  /**
   * Receives the worker's events of the object with this id from now on.
   *
   * @internal
   */
  protected subscribe(id: string, handler: EventHandler): void {
    this.#channel.subscribe(id, handler);
  }

  /**
   * Receives the packets with this number from now on.
   *
   * @internal
   */
  protected subscribePackets(number: number, handler: PacketHandler): void {
    this.#packetNumber = number;
    this.#channel.subscribePackets(number, handler);
  }

  /**
   * Sends a packet that was checked. When the object is closed, it is passed over.
   *
   * @internal
   */
  protected sendPacket(number: number, packet: Uint8Array): void {
    if (!this.#closed) {
      this.#channel.sendPacket(number, packet);
    }
  }

  /**
   * Emits an event of the worker here and on the observer, unless a listener here closed the object.
   *
   * @internal
   */
  protected tell<K extends keyof E & string>(event: K, ...args: E[K]): void {
    (this as unknown as EnhancedEventEmitter).safeEmit(event, ...args);
    if (!this.#closed) {
      (this.#observer as EnhancedEventEmitter).safeEmit(event, ...args);
    }
  }

  /**
   * Tells the worker to do what cannot be refused, such as closing; resolves when it is done.
   *
   * @internal
   */
  protected async command(method: string, params: object): Promise<void> {
    try {
      await this.#channel.request(method, params);
    } catch (error) {
      // With the worker gone, everything of it is free.
      if (!(error instanceof WorkerClosedError)) {
        logger.error(`${method} failed`, error as Error);
      }
    }
  }

  /**
   * Marks the object as closed and stops its events. `released` settles when its ports are free.
   *
   * @internal
   */
  protected end(released: Promise<void>, id?: string): void {
    this.#closed = true;
    this.#released = released;
    if (id !== undefined) {
      this.#channel.unsubscribe(id);
    }
    if (this.#packetNumber !== undefined) {
      this.#channel.unsubscribePackets(this.#packetNumber);
    }
  }
}

/** Checks the argument of a method that takes options. */
export function checkOptions(options: unknown): void {
  if (typeof options !== 'object' || options === null) {
    throw typeError('options: expected an object');
  }
  const { appData } = options as { appData?: unknown };
  if (appData !== undefined && appData !== null && typeof appData !== 'object') {
    throw typeError('appData: expected an object');
  }
}

/** Checks the argument of `enableTraceEvent`. */
export function checkTraceEventTypes(types: unknown): void {
  if (!Array.isArray(types) || types.some((type) => typeof type !== 'string')) {
    throw typeError('types: expected an array of strings');
  }
}

/** Lets `postMessage` refuse an object with DataCloneError. Before Node.js 22.10 another thread gets an empty shell. */
const { markAsUncloneable } = threads as { markAsUncloneable?: (object: object) => void };

const logger = new Logger('Worker');
