import type { Channel } from './channel.js';
import { EnhancedEventEmitter } from './enhanced-event-emitter.js';
import { Logger } from './logger.js';
import type { Producer } from './producer.js';
import type { AppData } from './remote-object.js';
import {
  RtpObserver,
  type RtpObserverEvents,
  type RtpObserverObserverEvents,
  type RtpObserverParent,
} from './rtp-observer.js';

/** Most Producers of one {@link ActiveAudioSelector}. More are refused: nobody follows more than a few voices. */
export const SELECTED_MAX = 16;

/** Options of {@link Router.createActiveAudioSelector}. */
export type ActiveAudioSelectorOptions<ActiveAudioSelectorAppData extends AppData = AppData> = {
  /** How many of the loudest are carried, 1 to 16. Default: 3. */
  k?: number;
  /** The application's own data. Default: `{}`. */
  appData?: ActiveAudioSelectorAppData;
};

/** What an `ownerchange` event tells. */
export type ActiveAudioSelectorOwnerChange = {
  /** The Producer of the selector. */
  producer: Producer;
  /** Whose audio it carries; `undefined` when nobody's. */
  owner: Producer | undefined;
};

/** Events of an {@link ActiveAudioSelector}. */
export type ActiveAudioSelectorEvents = RtpObserverEvents & {
  /** A Producer of the selector carries somebody else's audio. */
  ownerchange: [change: ActiveAudioSelectorOwnerChange];
};

/** Observer of an {@link ActiveAudioSelector}. */
export type ActiveAudioSelectorObserver = EnhancedEventEmitter<ActiveAudioSelectorObserverEvents>;

/** Events of an {@link ActiveAudioSelectorObserver}. */
export type ActiveAudioSelectorObserverEvents = RtpObserverObserverEvents & {
  /** A Producer of the selector carries somebody else's audio. */
  ownerchange: [change: ActiveAudioSelectorOwnerChange];
};

/**
 * Producers that always carry the loudest of the audio Producers that were added to it, by the levels that packets carry
 * (RFC 6464). They are consumed like others; their Consumers see one continuous stream each.
 *
 * Closing it closes its Producers, which emit `transportclose`: it stands in for their Transport.
 */
export class ActiveAudioSelector<ActiveAudioSelectorAppData extends AppData = AppData> extends RtpObserver<
  ActiveAudioSelectorAppData,
  ActiveAudioSelectorEvents,
  ActiveAudioSelectorObserver,
  'activeaudio'
> {
  readonly #producers: readonly Producer[];
  #owners: (string | undefined)[];

  /** @internal */
  constructor(
    channel: Channel,
    id: string,
    parent: RtpObserverParent,
    appData: ActiveAudioSelectorAppData | undefined,
    producers: readonly Producer[],
  ) {
    super(channel, id, parent, new EnhancedEventEmitter(), appData);
    this.#producers = producers;
    this.#owners = producers.map(() => undefined);
  }

  get type(): 'activeaudio' {
    return 'activeaudio';
  }

  /** The Producers that carry the loudest, always the same ones. */
  get producers(): Producer[] {
    return [...this.#producers];
  }

  /** Whose audio each of {@link producers} carries; `undefined` for nobody's. */
  get owners(): (Producer | undefined)[] {
    return this.#owners.map((owner) => (owner === undefined ? undefined : this.producerOf(owner)));
  }

  override close(): void {
    if (this.closed) {
      return;
    }
    super.close();
    this.#closeProducers(Promise.resolve());
  }

  /** @internal */
  override routerClosed(released: Promise<void>): void {
    if (this.closed) {
      return;
    }
    super.routerClosed(released);
    this.#closeProducers(released);
  }

  /** @internal */
  protected handle(event: string, data: unknown): void {
    if (event !== 'owners') {
      logger.error(`ignoring unknown event '${event}'`);
      return;
    }
    const before = this.#owners;
    this.#owners = (data as (string | null)[]).map((owner) => owner ?? undefined);
    for (const [place, producer] of this.#producers.entries()) {
      const owner = this.#owners[place];
      if (owner !== before[place] && !this.closed) {
        this.tell('ownerchange', { producer, owner: owner === undefined ? undefined : this.producerOf(owner) });
      }
    }
  }

  #closeProducers(released: Promise<void>): void {
    for (const producer of this.#producers) {
      producer.transportClosed(released);
    }
  }
}

const logger = new Logger('ActiveAudioSelector');
