import type { AudioFrames, AudioFramesOptions } from './audio-frames.js';
import type { AudioMixerInput } from './audio-mixer-input.js';
import type { Channel } from './channel.js';
import type * as model from './generated/model.js';
import type { AudioMixerCodec } from './generated/model.js';
import {
  MixerOutput,
  type MixerOutputEvents,
  type MixerOutputObserver,
  type MixerOutputObserverEvents,
  type MixerOutputParent,
  type MixerOutputSetup,
} from './mixer-output.js';
import type { AppData } from './remote-object.js';
import type { Router } from './router.js';

/** Options of {@link AudioMixer.createOutput}. */
export type AudioMixerOutputOptions<OutputAppData extends AppData = AppData> = Omit<
  model.AudioMixerOutputOptions,
  'exclude'
> & {
  /** Router that gets the Producer, of the same Worker as the mixer. */
  router: Router;
  /** Inputs that are not heard, by themselves, their ids or those of their Producers; at most 8. Default: none. */
  exclude?: readonly (AudioMixerInput | string)[];
  /** The application's own data. Default: `{}`. */
  appData?: OutputAppData;
};

/** Events of an {@link AudioMixerOutput}. */
export type AudioMixerOutputEvents = MixerOutputEvents;

/** Observer of an {@link AudioMixerOutput}. */
export type AudioMixerOutputObserver = MixerOutputObserver;

/** Events of an {@link AudioMixerOutputObserver}. */
export type AudioMixerOutputObserverEvents = MixerOutputObserverEvents;

/** What an output needs of its mixer. */
export type AudioMixerOutputParent = MixerOutputParent & {
  readonly reference: { audioMixerId: string };
  /** The ids of the inputs that are named. */
  inputIds(inputs: readonly (AudioMixerInput | string)[] | undefined): string[];
  /** Sound for the application. */
  frames(options: AudioFramesOptions & { exclude: readonly string[] }): AudioFrames;
};

/** What an output is made of. */
export type AudioMixerOutputSetup = Omit<MixerOutputSetup, 'kind'> & {
  readonly exclude: string[];
  readonly codec: AudioMixerCodec;
};

/**
 * The mix as a Producer. Its mixer, its Router and the closing of its Producer close it; its Producer then emits
 * `transportclose`: the output stands in for a Transport.
 */
export class AudioMixerOutput<OutputAppData extends AppData = AppData> extends MixerOutput<OutputAppData> {
  protected override readonly noun = 'audioMixer';
  readonly #parent: AudioMixerOutputParent;
  readonly #codec: AudioMixerCodec;
  #exclude: string[];

  /** @internal */
  constructor(channel: Channel, parent: AudioMixerOutputParent, setup: AudioMixerOutputSetup) {
    super(channel, parent, { ...setup, kind: 'audio' });
    this.#parent = parent;
    this.#codec = setup.codec;
    this.#exclude = setup.exclude;
  }

  /** The codec. */
  get codec(): AudioMixerCodec {
    return this.#codec;
  }

  /** Ids of the inputs that are not heard. */
  get exclude(): string[] {
    return [...this.#exclude];
  }

  /**
   * Changes which inputs are not heard.
   *
   * @throws {@link NotFoundError} when one of them is none; {@link LimitError} when there are more than 8.
   */
  async setExclude(exclude: readonly (AudioMixerInput | string)[]): Promise<void> {
    const ids = this.#parent.inputIds(exclude);
    await this.request('audioMixer.setExclude', { exclude: ids, ...this.#parent.reference, outputId: this.id });
    this.#exclude = ids;
  }

  /** What this output carries, as sound for the application; see {@link AudioMixer.frames}. */
  frames(options: AudioFramesOptions): AudioFrames {
    this.ensureOpen('audioMixerOutput.frames');
    return this.#parent.frames({ ...options, exclude: this.#exclude });
  }
}
