import type * as model from './generated/model.js';
import type { VideoMixerStats } from './generated/model.js';
import type { AppData } from './remote-object.js';
import type { Router } from './router.js';
import { Transcoder, type TranscoderEvents } from './transcoder.js';

/** Options of {@link Worker.createVideoTranscoder}: without sizes, those of the Producer. */
export type VideoTranscoderOptions = model.VideoMixerOutputOptions & {
  /** A Producer of video, of any Router of the Worker. */
  producerId: string;
  /** Router that gets the other Producer, of the same Worker. */
  router: Router;
  /** As of {@link VideoMixerOptions}. */
  isolation?: model.MixerIsolation;
  /** The application's own data. Default: `{}`. */
  appData?: AppData;
};

/** Events of a {@link VideoTranscoder}. */
export type VideoTranscoderEvents = TranscoderEvents;

/**
 * A Producer in another codec, size, rate, bitrate or with other key frames. It works while somebody consumes what it
 * publishes. Where only a codec is asked for, and it is the Producer's own, packets are handed on as they are. It closes
 * with what it is made of: the Producer that it sees, the Router that it publishes in, the Worker.
 */
export class VideoTranscoder extends Transcoder<VideoMixerStats> {}
