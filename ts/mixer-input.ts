import type { Channel } from './channel.js';
import { EnhancedEventEmitter } from './enhanced-event-emitter.js';
import { Logger } from './logger.js';
import { type AppData, RemoteObject } from './remote-object.js';

/** Events of an input of a mixer. */
export type MixerInputEvents = {
  /** The Producer was closed, and the input with it. */
  producerclose: [];
  /** The mixer was closed, and the input with it. */
  mixerclose: [];
};

/** Observer of an input of a mixer. */
export type MixerInputObserver = EnhancedEventEmitter<MixerInputObserverEvents>;

/** Events of the observer of an input of a mixer. */
export type MixerInputObserverEvents = {
  /** The input was closed, by whomever. */
  close: [];
  /** The input is not heard or seen. */
  mute: [];
  /** The input is heard or seen again. */
  unmute: [];
};

/** What an input needs of its mixer. */
export type MixerInputParent = {
  /** As what requests name the mixer. */
  readonly reference: { audioMixerId: string } | { videoMixerId: string };
  /** The input was closed, but not by its mixer. */
  removed(): void;
};

/** What an input is made of. */
export type MixerInputSetup = {
  readonly inputId: string;
  readonly producerId?: string | null | undefined;
  readonly muted?: boolean | null | undefined;
  readonly appData?: AppData | undefined;
  /** Under which the application writes. */
  readonly packetNumber?: number | undefined;
};

/** What goes into a mix: a Producer, or what the application writes. Its mixer and its Producer close it. */
export abstract class MixerInput<InputAppData extends AppData = AppData> extends RemoteObject<
  MixerInputEvents,
  MixerInputObserver,
  InputAppData
> {
  readonly #id: string;
  readonly #parent: MixerInputParent;
  readonly #producerId: string | undefined;
  readonly #packetNumber: number | undefined;
  #muted: boolean;

  /** @internal */
  constructor(channel: Channel, parent: MixerInputParent, setup: MixerInputSetup) {
    super(channel, new EnhancedEventEmitter(), setup.appData as InputAppData | undefined);
    this.#id = setup.inputId;
    this.#parent = parent;
    this.#producerId = setup.producerId ?? undefined;
    this.#packetNumber = setup.packetNumber;
    this.#muted = setup.muted ?? false;
    this.subscribe(this.#id, (event) => this.#handle(event));
  }

  /** Id, a UUID. */
  get id(): string {
    return this.#id;
  }

  /** Id of the Producer; `undefined` where the application writes. */
  get producerId(): string | undefined {
    return this.#producerId;
  }

  /** Whether it is left out: not heard, or seen by its avatar only. */
  get muted(): boolean {
    return this.#muted;
  }

  /** Takes it out of the mix. Idempotent. */
  close(): void {
    if (this.closed) {
      return;
    }
    const params = { ...this.#parent.reference, inputId: this.#id };
    this.end(this.command(`${this.noun}.removeInput`, params), this.#id);
    this.#parent.removed();
    this.observer.safeEmit('close');
  }

  /** @internal */
  mixerClosed(released: Promise<void>): void {
    if (this.closed) {
      return;
    }
    this.end(released, this.#id);
    this.safeEmit('mixerclose');
    this.observer.safeEmit('close');
  }

  /** Leaves it out, without closing it. */
  async mute(): Promise<void> {
    await this.#mute(true);
  }

  /** Takes it in again. */
  async unmute(): Promise<void> {
    await this.#mute(false);
  }

  /** @internal */
  protected abstract readonly noun: 'audioMixer' | 'videoMixer';

  /** @internal */
  protected async update(params: object): Promise<void> {
    await this.request(`${this.noun}.updateInput`, { ...params, ...this.#parent.reference, inputId: this.#id });
  }

  /**
   * Sends what the application writes; nothing after the end.
   *
   * @internal
   */
  protected send(record: Uint8Array): void {
    if (this.#packetNumber !== undefined) {
      this.sendPacket(this.#packetNumber, record);
    }
  }

  async #mute(muted: boolean): Promise<void> {
    await this.update({ muted });
    const was = this.#muted;
    this.#muted = muted;
    if (was !== muted && !this.closed) {
      this.observer.safeEmit(muted ? 'mute' : 'unmute');
    }
  }

  #handle(event: string): void {
    if (event !== 'producerclose') {
      logger.error(`ignoring unknown event '${event}'`);
      return;
    }
    this.end(Promise.resolve(), this.#id);
    this.#parent.removed();
    this.safeEmit('producerclose');
    this.observer.safeEmit('close');
  }
}

const logger = new Logger('MixerInput');
