import type { Channel } from './channel.js';
import type { EnhancedEventEmitter, Events } from './enhanced-event-emitter.js';
import { type AppData, RemoteObject } from './remote-object.js';

/** What media and data have in common: both ends of their way can be paused. */
export abstract class PausableObject<
  E extends Events,
  Observer extends EnhancedEventEmitter,
  Data extends AppData,
> extends RemoteObject<E, Observer, Data> {
  #paused: boolean;

  /** @internal */
  constructor(channel: Channel, observer: Observer, appData: Data | undefined, paused: boolean) {
    super(channel, observer, appData);
    this.#paused = paused;
  }

  /** Whether it is paused by itself. */
  get paused(): boolean {
    return this.#paused;
  }

  /**
   * Notes what the worker has carried out, and tells the observer if that changed what flows.
   *
   * @internal
   */
  protected notePaused(paused: boolean, flowsOtherwise = true): void {
    const wasPaused = this.#paused;
    this.#paused = paused;
    if (wasPaused !== paused && flowsOtherwise && !this.closed) {
      (this.observer as EnhancedEventEmitter).safeEmit(paused ? 'pause' : 'resume');
    }
  }
}
