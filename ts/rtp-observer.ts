import type { Channel } from './channel.js';
import type { EnhancedEventEmitter } from './enhanced-event-emitter.js';
import { NotFoundError } from './errors.js';
import type { RtpObserverType } from './generated/model.js';
import type { Producer } from './producer.js';
import { type AppData, checkOptions, RemoteObject } from './remote-object.js';

/** Events of an {@link RtpObserver}. */
export type RtpObserverEvents = {
  /** The Router was closed, and the RtpObserver with it. */
  routerclose: [];
};

/** Observer of an {@link RtpObserver}. */
export type RtpObserverObserver = EnhancedEventEmitter<RtpObserverObserverEvents>;

/** Events of an {@link RtpObserverObserver}. */
export type RtpObserverObserverEvents = {
  /** The RtpObserver was closed, by whomever. */
  close: [];
  /** The RtpObserver was paused. */
  pause: [];
  /** The RtpObserver was resumed. */
  resume: [];
  /** The RtpObserver looks at a further Producer. */
  addproducer: [producer: Producer];
  /** The RtpObserver looks at a Producer no longer. */
  removeproducer: [producer: Producer];
};

/** What an RtpObserver needs of its Router. */
export type RtpObserverParent = {
  /** The Producer of any Transport of the Router. */
  producer(id: string): Producer | undefined;
  /** The RtpObserver was closed, but not by its Router. */
  rtpObserverRemoved(id: string): void;
};

/** Looks at the audio of some Producers of a Router. Its Router closes it. */
export abstract class RtpObserver<
  RtpObserverAppData extends AppData = AppData,
  Events extends RtpObserverEvents = RtpObserverEvents,
  Observer extends RtpObserverObserver = RtpObserverObserver,
  Type extends string = RtpObserverType,
> extends RemoteObject<Events, Observer, RtpObserverAppData> {
  readonly #id: string;
  readonly #parent: RtpObserverParent;
  #paused = false;

  /** @internal */
  constructor(
    channel: Channel,
    id: string,
    parent: RtpObserverParent,
    observer: Observer,
    appData: RtpObserverAppData | undefined,
  ) {
    super(channel, observer, appData);
    this.#id = id;
    this.#parent = parent;
    this.subscribe(id, (event, data) => {
      if (!this.#paused) {
        this.handle(event, data);
      }
    });
  }

  /** Id, a UUID. */
  get id(): string {
    return this.#id;
  }

  /** Kind of the RtpObserver. */
  abstract get type(): Type;

  /** Whether the RtpObserver is paused. */
  get paused(): boolean {
    return this.#paused;
  }

  /** Closes the RtpObserver. Idempotent. */
  close(): void {
    if (this.closed) {
      return;
    }
    this.end(this.command('rtpObserver.close', { rtpObserverId: this.#id }), this.#id);
    this.#parent.rtpObserverRemoved(this.#id);
    this.#told.safeEmit('close');
  }

  /** @internal */
  routerClosed(released: Promise<void>): void {
    if (this.closed) {
      return;
    }
    this.end(released, this.#id);
    (this as unknown as EnhancedEventEmitter<RtpObserverEvents>).safeEmit('routerclose');
    this.#told.safeEmit('close');
  }

  /** Stops looking: no event comes until it is resumed. */
  async pause(): Promise<void> {
    await this.#ask('rtpObserver.pause');
    const wasPaused = this.#paused;
    this.#paused = true;
    if (!wasPaused && !this.closed) {
      this.#told.safeEmit('pause');
    }
  }

  /** Looks again. What came meanwhile does not count. */
  async resume(): Promise<void> {
    const wasPaused = this.#paused;
    // Events that follow the worker's answer may come before it is read here.
    this.#paused = false;
    await this.#ask('rtpObserver.resume');
    // The answer to an earlier pause() may have come meanwhile.
    this.#paused = false;
    if (wasPaused && !this.closed) {
      this.#told.safeEmit('resume');
    }
  }

  /**
   * Looks at a Producer as well. Once more changes nothing.
   *
   * @throws {@link NotFoundError} when the Router has no such Producer; `TypeError` when it is not of audio.
   */
  async addProducer(options: { producerId: string }): Promise<void> {
    const producer = this.#producer(options);
    await this.#ask('rtpObserver.addProducer', { producerId: producer.id });
    if (!this.closed) {
      this.#told.safeEmit('addproducer', producer);
    }
  }

  /**
   * Looks at a Producer no longer. A closed one is removed by itself.
   *
   * @throws {@link NotFoundError} when the Router has no such Producer.
   */
  async removeProducer(options: { producerId: string }): Promise<void> {
    const producer = this.#producer(options);
    await this.#ask('rtpObserver.removeProducer', { producerId: producer.id });
    if (!this.closed) {
      this.#told.safeEmit('removeproducer', producer);
    }
  }

  /**
   * Tells what the worker says.
   *
   * @internal
   */
  protected abstract handle(event: string, data: unknown): void;

  /**
   * The Producer with this id, unless it is closed.
   *
   * @internal
   */
  protected producerOf(id: string): Producer | undefined {
    return this.#parent.producer(id);
  }

  /** The observer with the events that every RtpObserver has; a subclass's map is unknown here. */
  get #told(): RtpObserverObserver {
    return this.observer as unknown as RtpObserverObserver;
  }

  #producer(options: { producerId: string }): Producer {
    checkOptions(options);
    const { producerId } = options;
    const producer = this.#parent.producer(producerId);
    if (!producer) {
      throw new NotFoundError(`producerId: the Router has no Producer with the id "${producerId}"`);
    }
    return producer;
  }

  #ask<T>(method: string, params?: object): Promise<T> {
    return this.request<T>(method, { ...params, rtpObserverId: this.#id });
  }
}
