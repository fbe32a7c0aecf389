import type { AudioMixerInput } from './audio-mixer-input.js';
import type { Channel } from './channel.js';
import { InvalidStateError } from './errors.js';
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
import { type VideoPicture, writePicture } from './video-picture.js';

/** Options of {@link VideoMixer.addInput}: either `producerId` or `pictures`. */
export type VideoMixerInputOptions<InputAppData extends AppData = AppData> = {
  /** A Producer of video, of any Router of the Worker. */
  producerId?: string;
  /** Whether the application writes the pictures. Default: false. */
  pictures?: boolean;
  /** A name that is written into its tile, and on its card while it has no picture; at most 256 bytes. Default: none. */
  label?: string;
  /** Whether its avatar is shown, and it is not decoded. Default: false. */
  muted?: boolean;
  /**
   * The same publisher's sound in an AudioMixer of the Worker: pictures are shown with it, and with
   * {@link VideoMixerOptions.voiceActivated} it comes first while it is the loudest.
   */
  voice?: AudioMixerInput;
  /** The application's own data. Default: `{}`. */
  appData?: InputAppData;
};

/** Events of a {@link VideoMixerInput}. */
export type VideoMixerInputEvents = MixerInputEvents;

/** Observer of a {@link VideoMixerInput}. */
export type VideoMixerInputObserver = MixerInputObserver;

/** Events of a {@link VideoMixerInputObserver}. */
export type VideoMixerInputObserverEvents = MixerInputObserverEvents;

/** What goes into a mixed picture: a Producer, or what the application writes. Its mixer and its Producer close it. */
export class VideoMixerInput<InputAppData extends AppData = AppData> extends MixerInput<InputAppData> {
  protected override readonly noun = 'videoMixer';
  readonly #voice: AudioMixerInput | undefined;
  #label: string;

  /** @internal */
  constructor(
    channel: Channel,
    parent: MixerInputParent,
    setup: MixerInputSetup & { label?: string | undefined; voice?: AudioMixerInput | undefined },
  ) {
    super(channel, parent, setup);
    this.#label = setup.label ?? '';
    this.#voice = setup.voice;
  }

  /** The name in its tile; empty for none. */
  get label(): string {
    return this.#label;
  }

  /** The same publisher's sound, if it was given. */
  get voice(): AudioMixerInput | undefined {
    return this.#voice;
  }

  /**
   * Changes the name in its tile.
   *
   * @param label - At most 256 bytes; empty for none.
   * @throws `TypeError` when it is no such text.
   */
  async setLabel(label: string): Promise<void> {
    if (typeof label !== 'string') {
      throw typeError('label: expected a string');
    }
    await this.update({ label });
    this.#label = label;
  }

  /**
   * Shows a picture while it is muted or has none of its own, instead of a card with its name. It is copied.
   *
   * @throws `TypeError` when it is none.
   */
  setAvatar(picture: VideoPicture): void {
    this.send(writePicture(picture, 'avatar'));
  }

  /**
   * Writes a picture, which is shown until the next. It is copied. Of pictures that come faster than the mix shows them,
   * the older are dropped and counted (`dropped` of the statistics).
   *
   * @throws `TypeError` when it is none; {@link InvalidStateError} when the input is a Producer.
   */
  write(picture: VideoPicture): void {
    if (this.producerId !== undefined) {
      throw new InvalidStateError('videoMixerInput.write(): the input is a Producer; add one with pictures: true');
    }
    this.send(writePicture(picture, 'frame'));
  }
}
