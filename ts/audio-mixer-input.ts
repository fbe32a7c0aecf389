import type { Channel } from './channel.js';
import { EnhancedEventEmitter } from './enhanced-event-emitter.js';
import { InvalidStateError } from './errors.js';
import type * as model from './generated/model.js';
import type { PcmFormat } from './generated/model.js';
import { Logger } from './logger.js';
import { typeError } from './native-events.js';
import { type AppData, RemoteObject } from './remote-object.js';

/** Options of {@link AudioMixer.addInput}: either `producerId` or `pcm`. */
export type AudioMixerInputOptions<InputAppData extends AppData = AppData> = model.AudioMixerInputOptions & {
  /** The application's own data. Default: `{}`. */
  appData?: InputAppData;
};

/** Events of an {@link AudioMixerInput}. */
export type AudioMixerInputEvents = {
  /** The Producer was closed, and the input with it. */
  producerclose: [];
  /** The mixer was closed, and the input with it. */
  mixerclose: [];
};

/** Observer of an {@link AudioMixerInput}. */
export type AudioMixerInputObserver = EnhancedEventEmitter<AudioMixerInputObserverEvents>;

/** Events of an {@link AudioMixerInputObserver}. */
export type AudioMixerInputObserverEvents = {
  /** The input was closed, by whomever. */
  close: [];
  /** The input is not heard. */
  mute: [];
  /** The input is heard again. */
  unmute: [];
};

/** What an input needs of its mixer. */
export type AudioMixerInputParent = {
  readonly id: string;
  /** The input was closed, but not by its mixer. */
  removed(): void;
};

/** What goes into a mix: a Producer, or what the application writes. Its mixer and its Producer close it. */
export class AudioMixerInput<InputAppData extends AppData = AppData> extends RemoteObject<
  AudioMixerInputEvents,
  AudioMixerInputObserver,
  InputAppData
> {
  readonly #id: string;
  readonly #parent: AudioMixerInputParent;
  readonly #producerId: string | undefined;
  readonly #pcm: PcmFormat | undefined;
  readonly #packetNumber: number | undefined;
  #gain: number;
  #muted: boolean;

  /** @internal */
  constructor(
    channel: Channel,
    parent: AudioMixerInputParent,
    id: string,
    options: model.AudioMixerInputOptions,
    appData: InputAppData | undefined,
    reply: { packetNumber?: number } | null,
  ) {
    super(channel, new EnhancedEventEmitter(), appData);
    this.#id = id;
    this.#parent = parent;
    this.#producerId = options.producerId ?? undefined;
    this.#pcm = options.pcm ?? undefined;
    this.#packetNumber = reply?.packetNumber;
    this.#gain = options.gain ?? 1;
    this.#muted = options.muted ?? false;
    this.subscribe(id, (event) => this.#handle(event));
  }

  /** Id, a UUID. */
  get id(): string {
    return this.#id;
  }

  /** Id of the Producer; `undefined` where the application writes. */
  get producerId(): string | undefined {
    return this.#producerId;
  }

  /** As what the application writes; `undefined` for a Producer. */
  get pcm(): PcmFormat | undefined {
    return this.#pcm && { ...this.#pcm };
  }

  /** Factor to its samples, 0 to 10. */
  get gain(): number {
    return this.#gain;
  }

  /** Whether it is not heard. */
  get muted(): boolean {
    return this.#muted;
  }

  /** Takes it out of the mix. Idempotent. */
  close(): void {
    if (this.closed) {
      return;
    }
    const params = { audioMixerId: this.#parent.id, inputId: this.#id };
    this.end(this.command('audioMixer.removeInput', params), this.#id);
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

  /**
   * Changes the factor to its samples.
   *
   * @param gain - 0 to 10.
   * @throws `TypeError` when it is not such a number.
   */
  async setGain(gain: number): Promise<void> {
    if (typeof gain !== 'number') {
      throw typeError('gain: expected a number');
    }
    await this.#update({ gain });
    this.#gain = gain;
  }

  /** Lets it not be heard. */
  async mute(): Promise<void> {
    await this.#mute(true);
  }

  /** Lets it be heard again. */
  async unmute(): Promise<void> {
    await this.#mute(false);
  }

  /**
   * Writes sound: interleaved samples, `Int16Array` or `Float32Array` of −1 to 1, as {@link pcm} says. They are copied.
   *
   * A second of it waits at most: of what is written faster than it is heard, the oldest is dropped and counted (`dropped`
   * of the statistics). After the input was closed it is passed over.
   *
   * @throws `TypeError` when it is neither; {@link InvalidStateError} when the input is a Producer.
   */
  write(samples: Int16Array | Float32Array): void {
    if (this.#packetNumber === undefined) {
      throw new InvalidStateError('audioMixerInput.write(): the input is a Producer; add one with pcm');
    }
    const floats = toFloats(samples);
    if (floats.length > 0) {
      this.sendPacket(this.#packetNumber, new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength));
    }
  }

  async #mute(muted: boolean): Promise<void> {
    await this.#update({ muted });
    const was = this.#muted;
    this.#muted = muted;
    if (was !== muted && !this.closed) {
      this.observer.safeEmit(muted ? 'mute' : 'unmute');
    }
  }

  async #update(params: { gain?: number; muted?: boolean }): Promise<void> {
    await this.request('audioMixer.updateInput', { ...params, audioMixerId: this.#parent.id, inputId: this.#id });
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

function toFloats(samples: unknown): Float32Array {
  if (samples instanceof Float32Array) {
    return samples;
  }
  if (samples instanceof Int16Array) {
    return Float32Array.from(samples, (sample) => sample / 32768);
  }
  throw typeError('samples: expected an Int16Array or a Float32Array');
}

const logger = new Logger('AudioMixerInput');
