import { once } from 'node:events';
import { EventEmitter } from 'eventemitter3';
import { Logger } from './logger.js';

/** A map from event names to the tuples of their arguments. */
export type Events = Record<string, unknown[]>;

/** The methods of eventemitter3 with plain names and listeners, so that a subclass can type them by its event map. */
interface UntypedEmitter {
  emit(eventName: string, ...args: unknown[]): boolean;
  on(eventName: string, listener: Listener): this;
  addListener(eventName: string, listener: Listener): this;
  once(eventName: string, listener: Listener): this;
  off(eventName: string, listener: Listener): this;
  removeListener(eventName: string, listener: Listener): this;
  removeAllListeners(eventName?: string): this;
  listenerCount(eventName: string): number;
  listeners(eventName: string): ((...args: never[]) => unknown)[];
  eventNames(): (string | symbol)[];
}

const UntypedEmitter = EventEmitter as unknown as new () => UntypedEmitter;

/** The events that every emitter has besides its own. */
export type BuiltInEvents<E extends Events> = {
  /** A listener of the named event threw, or returned a promise that was rejected. */
  listenererror: [eventName: keyof E & string, error: Error];
};

/**
 * An event emitter whose events are typed by a map of tuples, and which survives its listeners.
 *
 * It is eventemitter3 plus what applications use of Node's own: `prependListener`, `rawListeners`, `setMaxListeners`;
 * `once` and `on` of `node:events` work on it. Two differences to Node's: an `error` event without a listener does not
 * throw, and there is no leak warning, whatever `setMaxListeners` says.
 */
export class EnhancedEventEmitter<
  E extends Events = Events,
  BuiltIn extends Events = BuiltInEvents<E>,
  All extends Events = E & BuiltIn,
> extends UntypedEmitter {
  #maxListeners = Number.POSITIVE_INFINITY;
  #watched: { readonly eventName: string; readonly onChange: () => void } | undefined;

  /** Calls the listeners of an event; what one of them throws reaches the caller, and the rest is not called. */
  override emit<K extends keyof All & string>(eventName: K, ...args: All[K]): boolean {
    return super.emit(eventName, ...args);
  }

  /**
   * Calls the listeners of an event, each guarded: a listener that throws, or whose promise is rejected, emits
   * `listenererror` and stops neither the others nor the caller. Without a listener of `listenererror` it is logged.
   */
  safeEmit<K extends keyof All & string>(eventName: K, ...args: All[K]): boolean {
    return this.#deliver(eventName, args);
  }

  override on<K extends keyof All & string>(eventName: K, listener: (...args: All[K]) => void): this {
    super.on(eventName, listener as Listener);
    return this.#changed(eventName);
  }

  override addListener<K extends keyof All & string>(eventName: K, listener: (...args: All[K]) => void): this {
    super.on(eventName, listener as Listener);
    return this.#changed(eventName);
  }

  override once<K extends keyof All & string>(eventName: K, listener: (...args: All[K]) => void): this {
    super.once(eventName, listener as Listener);
    return this.#changed(eventName);
  }

  /** Adds a listener that is called before those that are there already. */
  prependListener<K extends keyof All & string>(eventName: K, listener: (...args: All[K]) => void): this {
    this.on(eventName, listener);
    return this.#moveLastToFront(eventName);
  }

  /** Adds a listener that is called once, before those that are there already. */
  prependOnceListener<K extends keyof All & string>(eventName: K, listener: (...args: All[K]) => void): this {
    this.once(eventName, listener);
    return this.#moveLastToFront(eventName);
  }

  /** Removes the listener that was added last among those that are this function. */
  override removeListener<K extends keyof All & string>(eventName: K, listener: (...args: All[K]) => void): this {
    const matches = this.#entries(eventName).filter((entry) => entry.fn === listener || wrapperOf(entry) === listener);
    const last = matches.at(-1);
    if (last) {
      this.#remove(eventName, last);
    }
    return this;
  }

  override off<K extends keyof All & string>(eventName: K, listener: (...args: All[K]) => void): this {
    return this.removeListener(eventName, listener);
  }

  override removeAllListeners<K extends keyof All & string>(eventName?: K): this {
    super.removeAllListeners(eventName);
    return this.#changed(eventName);
  }

  override listenerCount<K extends keyof All & string>(eventName: K): number {
    return super.listenerCount(eventName);
  }

  override listeners<K extends keyof All & string>(eventName: K): ((...args: All[K]) => void)[] {
    return super.listeners(eventName) as ((...args: All[K]) => void)[];
  }

  /**
   * The listeners of an event, those added by `once` in a wrapper: calling it removes the listener and calls it; its
   * property `listener` is the listener itself.
   */
  rawListeners<K extends keyof All & string>(eventName: K): ((...args: All[K]) => void)[] {
    return this.#entries(eventName).map((entry) => (entry.once ? this.#wrap(eventName, entry) : entry.fn));
  }

  /** Remembers a number for `getMaxListeners`. It limits nothing; the default is `Infinity`. */
  setMaxListeners(count: number): this {
    this.#maxListeners = count;
    return this;
  }

  /** The number given to `setMaxListeners`; `Infinity` by default. */
  getMaxListeners(): number {
    return this.#maxListeners;
  }

  /**
   * Calls `onChange` whenever a listener of this event was added or removed.
   *
   * @internal
   */
  watchListeners(eventName: keyof All & string, onChange: () => void): void {
    this.#watched = { eventName, onChange };
  }

  #changed(eventName: string | undefined): this {
    if (this.#watched && (eventName === undefined || eventName === this.#watched.eventName)) {
      this.#watched.onChange();
    }
    return this;
  }

  #deliver(eventName: string, args: unknown[]): boolean {
    const entries = this.#entries(eventName);
    for (const entry of entries) {
      if (entry.once) {
        this.#remove(eventName, entry);
      }
      this.#guard(eventName, () => entry.fn.apply(entry.context, args));
    }
    return entries.length > 0;
  }

  #guard(eventName: string, call: () => unknown): void {
    try {
      const result = call();
      if (isThenable(result)) {
        result.then(undefined, (reason: unknown) => this.#surface(eventName, reason));
      }
    } catch (cause) {
      this.#surface(eventName, cause);
    }
  }

  /** Tells of a listener's failure once: to `listenererror` where anyone listens, else to the log. */
  #surface(eventName: string, cause: unknown): void {
    const error = cause instanceof Error ? cause : new Error(`a listener threw ${String(cause)}`, { cause });
    if (eventName === LISTENER_ERROR || !this.#deliver(LISTENER_ERROR, [eventName, error])) {
      logger.error(`a listener of '${eventName}' failed`, error);
    }
  }

  #entries(eventName: string): readonly Entry[] {
    const entries = this.#table()[eventName];
    if (entries === undefined) {
      return [];
    }
    return Array.isArray(entries) ? entries : [entries];
  }

  #moveLastToFront(eventName: string): this {
    const entries = this.#entries(eventName);
    const last = entries.at(-1);
    if (last && entries.length > 1) {
      // A new array, because an emit under way walks the old one.
      this.#table()[eventName] = [last, ...entries.slice(0, -1)];
    }
    return this;
  }

  #remove(eventName: string, entry: Entry): void {
    const rest = this.#entries(eventName).filter((other) => other !== entry);
    if (rest.length === 0) {
      super.removeAllListeners(eventName);
    } else {
      this.#table()[eventName] = rest;
    }
    this.#changed(eventName);
  }

  #wrap(eventName: string, entry: Entry): Listener {
    const known = wrapperOf(entry);
    if (known) {
      return known;
    }
    const wrapper = Object.assign(
      (...args: unknown[]): unknown => {
        this.#remove(eventName, entry);
        return entry.fn.apply(entry.context, args);
      },
      { listener: entry.fn },
    );
    wrappers.set(entry, wrapper);
    return wrapper;
  }

  /** The table of eventemitter3 5.0.4: per event one entry or an array of them. */
  #table(): Record<string, Entry | Entry[] | undefined> {
    return (this as unknown as { _events: Record<string, Entry | Entry[] | undefined> })._events;
  }
}

/**
 * Resolves with the arguments of the next event of this name; rejects when the emitter emits `error` first, or with
 * `AbortError` when `options.signal` is aborted.
 *
 * @example
 * ```ts
 * await enhancedOnce<ConsumerEvents>(consumer, 'producerpause');
 * ```
 */
export async function enhancedOnce<E extends Events = Events, K extends keyof E & string = keyof E & string>(
  emitter: EnhancedEventEmitter<E>,
  eventName: K,
  options?: { signal?: AbortSignal },
): Promise<E[K]> {
  return (await once(emitter as unknown as NodeJS.EventEmitter, eventName, options)) as E[K];
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

function wrapperOf(entry: Entry): Listener | undefined {
  return wrappers.get(entry);
}

type Listener = (...args: unknown[]) => unknown;

type Entry = { readonly fn: Listener; readonly context: unknown; readonly once: boolean };

/** The wrappers that `rawListeners` handed out, so that `removeListener` knows them. */
const wrappers = new WeakMap<Entry, Listener>();

const LISTENER_ERROR = 'listenererror';

const logger = new Logger('EnhancedEventEmitter');
