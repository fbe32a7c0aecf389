import type * as model from './generated/model.js';
import type { AudioMixerStats } from './generated/model.js';
import type { AppData } from './remote-object.js';
import type { Router } from './router.js';
import { Transcoder, type TranscoderEvents } from './transcoder.js';

/** Options of {@link Worker.createAudioTranscoder}. */
export type AudioTranscoderOptions = Omit<model.AudioMixerOutputOptions, 'exclude'> & {
  /** A Producer of audio, of any Router of the Worker. */
  producerId: string;
  /** Router that gets the other Producer, of the same Worker. */
  router: Router;
  /** As of {@link AudioMixerOptions}. */
  isolation?: model.MixerIsolation;
  /** The application's own data. Default: `{}`. */
  appData?: AppData;
};

/** Events of an {@link AudioTranscoder}. */
export type AudioTranscoderEvents = TranscoderEvents;

/**
 * A Producer in another codec, with another rate or number of channels. Where nothing differs its packets are handed on
 * as they are. It closes with what it is made of: the Producer that it hears, the Router that it publishes in, the Worker.
 */
export class AudioTranscoder extends Transcoder<AudioMixerStats> {}
