import type { AudioMixer } from './audio-mixer.js';
import type { AudioMixerOutput } from './audio-mixer-output.js';
import { EnhancedEventEmitter } from './enhanced-event-emitter.js';
import type * as model from './generated/model.js';
import type { AudioMixerStats } from './generated/model.js';
import type { Producer } from './producer.js';
import type { AppData } from './remote-object.js';
import type { Router } from './router.js';

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
export type AudioTranscoderEvents = {
  /** The transcoder was closed, but not by `close()`: by its Producer, its Router, its Worker or a fault. */
  end: [];
};

/**
 * A Producer in another codec, with another rate or number of channels. Where nothing differs its packets are handed on
 * as they are. It closes with what it is made of: the Producer that it hears, the Router that it publishes in, the Worker.
 */
export class AudioTranscoder extends EnhancedEventEmitter<AudioTranscoderEvents> {
  readonly #mixer: AudioMixer;
  readonly #output: AudioMixerOutput;
  readonly #producerId: string;
  readonly #passesThrough: boolean;
  #isClosing = false;

  /** @internal */
  constructor(mixer: AudioMixer, producerId: string, output: AudioMixerOutput) {
    super();
    this.#mixer = mixer;
    this.#output = output;
    this.#producerId = producerId;
    this.#passesThrough = output.passesThrough;
    for (const input of mixer.inputs) {
      input.observer.once('close', () => mixer.close());
    }
    output.observer.once('close', () => mixer.close());
    mixer.observer.once('close', () => {
      if (!this.#isClosing) {
        this.safeEmit('end');
      }
    });
  }

  /** Id of the Producer that is heard. */
  get producerId(): string {
    return this.#producerId;
  }

  /** What it publishes. */
  get producer(): Producer {
    return this.#output.producer;
  }

  /** Whether packets are handed on as they are, because nothing differs. */
  get passesThrough(): boolean {
    return this.#passesThrough;
  }

  /** Whether it is closed, by whomever. */
  get closed(): boolean {
    return this.#mixer.closed;
  }

  /** The application's own data. */
  get appData(): AppData {
    return this.#output.appData;
  }

  /** Closes it and its Producer. Idempotent. */
  close(): void {
    this.#isClosing = true;
    this.#mixer.close();
  }

  /** Statistics of its input and output; all 0 where packets are handed on as they are. */
  async getStats(): Promise<AudioMixerStats> {
    return await this.#mixer.getStats();
  }
}
