import type { Channel } from './channel.js';
import type * as model from './generated/model.js';
import type { VideoMixerCodec } from './generated/model.js';
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

/** Options of {@link VideoMixer.createOutput}. */
export type VideoMixerOutputOptions<OutputAppData extends AppData = AppData> = model.VideoMixerOutputOptions & {
  /** Router that gets the Producer, of the same Worker as the mixer. */
  router: Router;
  /** The application's own data. Default: `{}`. */
  appData?: OutputAppData;
};

/** Events of a {@link VideoMixerOutput}. */
export type VideoMixerOutputEvents = MixerOutputEvents;

/** Observer of a {@link VideoMixerOutput}. */
export type VideoMixerOutputObserver = MixerOutputObserver;

/** Events of a {@link VideoMixerOutputObserver}. */
export type VideoMixerOutputObserverEvents = MixerOutputObserverEvents;

/**
 * The mixed picture as a Producer. It is composed and encoded only while somebody consumes it, and outputs with equal
 * wishes share an encoder. Its mixer, its Router and the closing of its Producer close it; its Producer then emits
 * `transportclose`: the output stands in for a Transport.
 */
export class VideoMixerOutput<OutputAppData extends AppData = AppData> extends MixerOutput<OutputAppData> {
  protected override readonly noun = 'videoMixer';
  readonly #codec: VideoMixerCodec;

  /** @internal */
  constructor(
    channel: Channel,
    parent: MixerOutputParent,
    setup: Omit<MixerOutputSetup, 'kind'> & { readonly codec: VideoMixerCodec },
  ) {
    super(channel, parent, { ...setup, kind: 'video' });
    this.#codec = setup.codec;
  }

  /** The codec. */
  get codec(): VideoMixerCodec {
    return this.#codec;
  }
}
