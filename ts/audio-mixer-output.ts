import type { AudioFrames, AudioFramesOptions } from './audio-frames.js';
import type { AudioMixerInput } from './audio-mixer-input.js';
import type { Channel } from './channel.js';
import { EnhancedEventEmitter } from './enhanced-event-emitter.js';
import type * as model from './generated/model.js';
import type { AudioMixerCodec } from './generated/model.js';
import { Logger } from './logger.js';
import { Producer, type ProducerReply } from './producer.js';
import { type AppData, RemoteObject } from './remote-object.js';
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
export type AudioMixerOutputEvents = {
  /** The Router was closed, and the output with it. */
  routerclose: [];
  /** The mixer was closed, and the output with it. */
  mixerclose: [];
};

/** Observer of an {@link AudioMixerOutput}. */
export type AudioMixerOutputObserver = EnhancedEventEmitter<AudioMixerOutputObserverEvents>;

/** Events of an {@link AudioMixerOutputObserver}. */
export type AudioMixerOutputObserverEvents = {
  /** The output was closed, by whomever. */
  close: [];
};

/** What an output needs of its mixer. */
export type AudioMixerOutputParent = {
  readonly id: string;
  /** The output was closed, but not by its mixer. */
  removed(): void;
  /** The ids of the inputs that are named. */
  inputIds(inputs: readonly (AudioMixerInput | string)[] | undefined): string[];
  /** Sound for the application. */
  frames(options: AudioFramesOptions & { exclude: readonly string[] }): AudioFrames;
};

/** What an output is made of. */
export type AudioMixerOutputSetup = {
  readonly outputId: string;
  readonly producerId: string;
  readonly exclude: string[];
  readonly options: AudioMixerOutputOptions;
  readonly reply: ProducerReply & { readonly passesThrough?: boolean };
};

/**
 * The mix as a Producer. Its mixer, its Router and the closing of its Producer close it; its Producer then emits
 * `transportclose`: the output stands in for a Transport.
 */
export class AudioMixerOutput<OutputAppData extends AppData = AppData> extends RemoteObject<
  AudioMixerOutputEvents,
  AudioMixerOutputObserver,
  OutputAppData
> {
  readonly #id: string;
  readonly #parent: AudioMixerOutputParent;
  readonly #router: Router;
  readonly #codec: AudioMixerCodec;
  readonly #producer: Producer;
  readonly #passesThrough: boolean;
  #exclude: string[];

  /** @internal */
  constructor(channel: Channel, parent: AudioMixerOutputParent, setup: AudioMixerOutputSetup) {
    const { outputId, producerId, exclude, options, reply } = setup;
    super(channel, new EnhancedEventEmitter(), options.appData as OutputAppData | undefined);
    this.#id = outputId;
    this.#parent = parent;
    this.#router = options.router;
    this.#codec = options.codec;
    this.#exclude = exclude;
    this.#passesThrough = reply.passesThrough ?? false;
    const published = { kind: 'audio', rtpParameters: reply.rtpParameters } as const;
    this.#producer = new Producer(channel, producerId, published, reply, () => this.close());
    this.subscribe(outputId, (event) => this.#handle(event));
  }

  /** Id, a UUID. */
  get id(): string {
    return this.#id;
  }

  /** The mix as a Producer of the Router. Closing it closes the output. */
  get producer(): Producer {
    return this.#producer;
  }

  /** The codec. */
  get codec(): AudioMixerCodec {
    return this.#codec;
  }

  /**
   * Whether packets of the one input are handed on as they are.
   *
   * @internal
   */
  get passesThrough(): boolean {
    return this.#passesThrough;
  }

  /** Ids of the inputs that are not heard. */
  get exclude(): string[] {
    return [...this.#exclude];
  }

  /** Closes the output and its Producer. Idempotent. */
  close(): void {
    if (this.closed) {
      return;
    }
    const released = this.command('audioMixer.closeOutput', { audioMixerId: this.#parent.id, outputId: this.#id });
    this.#end(released);
    this.#parent.removed();
    this.observer.safeEmit('close');
  }

  /** @internal */
  mixerClosed(released: Promise<void>): void {
    if (this.closed) {
      return;
    }
    this.#end(released);
    this.safeEmit('mixerclose');
    this.observer.safeEmit('close');
  }

  /** @internal */
  routerClosed(released: Promise<void>): void {
    if (this.closed) {
      return;
    }
    // The worker's mixer notices it a moment later by itself.
    this.#end(released);
    this.#parent.removed();
    this.safeEmit('routerclose');
    this.observer.safeEmit('close');
  }

  /**
   * Changes which inputs are not heard.
   *
   * @throws {@link NotFoundError} when one of them is none; {@link LimitError} when there are more than 8.
   */
  async setExclude(exclude: readonly (AudioMixerInput | string)[]): Promise<void> {
    const ids = this.#parent.inputIds(exclude);
    const params = { exclude: ids, audioMixerId: this.#parent.id, outputId: this.#id };
    await this.request('audioMixer.setExclude', params);
    this.#exclude = ids;
  }

  /** What this output carries, as sound for the application; see {@link AudioMixer.frames}. */
  frames(options: AudioFramesOptions): AudioFrames {
    this.ensureOpen('audioMixerOutput.frames');
    return this.#parent.frames({ ...options, exclude: this.#exclude });
  }

  #end(released: Promise<void>): void {
    this.end(released, this.#id);
    this.#router.mixerOutputClosed(this as unknown as AudioMixerOutput);
    this.#producer.transportClosed(released);
  }

  #handle(event: string): void {
    if (event !== 'routerclose') {
      logger.error(`ignoring unknown event '${event}'`);
      return;
    }
    this.routerClosed(Promise.resolve());
  }
}

const logger = new Logger('AudioMixerOutput');
