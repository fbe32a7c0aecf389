import type { Channel } from './channel.js';
import { InvalidStateError } from './errors.js';
import type * as model from './generated/model.js';
import type { PcmFormat, VideoMixerVoice } from './generated/model.js';
import {
  MixerInput,
  type MixerInputEvents,
  type MixerInputObserver,
  type MixerInputObserverEvents,
  type MixerInputParent,
  type MixerInputSetup,
} from './mixer-input.js';
import { typeError } from './native-events.js';
import type { AppData } from './remote-object.js';

/** Options of {@link AudioMixer.addInput}: either `producerId` or `pcm`. */
export type AudioMixerInputOptions<InputAppData extends AppData = AppData> = model.AudioMixerInputOptions & {
  /** The application's own data. Default: `{}`. */
  appData?: InputAppData;
};

/** Events of an {@link AudioMixerInput}. */
export type AudioMixerInputEvents = MixerInputEvents;

/** Observer of an {@link AudioMixerInput}. */
export type AudioMixerInputObserver = MixerInputObserver;

/** Events of an {@link AudioMixerInputObserver}. */
export type AudioMixerInputObserverEvents = MixerInputObserverEvents;

/** What goes into a mix: a Producer, or what the application writes. Its mixer and its Producer close it. */
export class AudioMixerInput<InputAppData extends AppData = AppData> extends MixerInput<InputAppData> {
  protected override readonly noun = 'audioMixer';
  readonly #reference: { audioMixerId: string };
  readonly #pcm: PcmFormat | undefined;
  #gain: number;

  /** @internal */
  constructor(
    channel: Channel,
    parent: MixerInputParent & { reference: { audioMixerId: string } },
    setup: MixerInputSetup & { pcm?: PcmFormat | null | undefined; gain?: number | null | undefined },
  ) {
    super(channel, parent, setup);
    this.#reference = parent.reference;
    this.#pcm = setup.pcm ?? undefined;
    this.#gain = setup.gain ?? 1;
  }

  /**
   * As what requests name it.
   *
   * @internal
   */
  get reference(): VideoMixerVoice {
    return { ...this.#reference, inputId: this.id };
  }

  /** As what the application writes; `undefined` for a Producer. */
  get pcm(): PcmFormat | undefined {
    return this.#pcm && { ...this.#pcm };
  }

  /** Factor to its samples, 0 to 10. */
  get gain(): number {
    return this.#gain;
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
    await this.update({ gain });
    this.#gain = gain;
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
    if (this.#pcm === undefined) {
      throw new InvalidStateError('audioMixerInput.write(): the input is a Producer; add one with pcm');
    }
    const floats = toFloats(samples);
    if (floats.length > 0) {
      this.send(new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength));
    }
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
