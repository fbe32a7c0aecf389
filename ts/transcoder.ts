import { EnhancedEventEmitter } from './enhanced-event-emitter.js';
import type { AudioMixerStats, VideoMixerStats } from './generated/model.js';
import type { MixerInput } from './mixer-input.js';
import type { MixerOutput } from './mixer-output.js';
import type { Producer } from './producer.js';
import type { AppData } from './remote-object.js';

/** Events of a transcoder. */
export type TranscoderEvents = {
  /** The transcoder was closed, but not by `close()`: by its Producer, its Router, its Worker or a fault. */
  end: [];
};

/** What a transcoder needs of its mixer. */
type OnlyMixer<Stats> = {
  readonly closed: boolean;
  readonly inputs: MixerInput[];
  readonly observer: EnhancedEventEmitter<{ close: [] }>;
  close(): void;
  getStats(): Promise<Stats>;
};

/**
 * A Producer in another codec, made by a mixer of one input and one output. It closes with what it is made of: the Producer
 * that it takes, the Router that it publishes in, the Worker.
 */
export abstract class Transcoder<
  Stats extends AudioMixerStats | VideoMixerStats,
> extends EnhancedEventEmitter<TranscoderEvents> {
  readonly #mixer: OnlyMixer<Stats>;
  readonly #output: MixerOutput;
  readonly #producerId: string;
  readonly #passesThrough: boolean;
  #isClosing = false;

  /** @internal */
  constructor(mixer: OnlyMixer<Stats>, producerId: string, output: MixerOutput) {
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

  /** Id of the Producer that it takes. */
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
  async getStats(): Promise<Stats> {
    return await this.#mixer.getStats();
  }
}
