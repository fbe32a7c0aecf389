import { randomUUID } from 'node:crypto';
import { AudioFrames, type AudioFramesOptions } from './audio-frames.js';
import { AudioMixerInput, type AudioMixerInputOptions } from './audio-mixer-input.js';
import { AudioMixerOutput, type AudioMixerOutputOptions } from './audio-mixer-output.js';
import type { Channel } from './channel.js';
import { EnhancedEventEmitter } from './enhanced-event-emitter.js';
import { NotFoundError, WorkerClosedError } from './errors.js';
import type * as model from './generated/model.js';
import type { AudioMixerStats } from './generated/model.js';
import { Logger } from './logger.js';
import type { MixerOutputReply } from './mixer-output.js';
import { typeError } from './native-events.js';
import { type AppData, checkOptions, RemoteObject } from './remote-object.js';
import { Router } from './router.js';

/** Options of {@link Worker.createAudioMixer}. */
export type AudioMixerOptions<AudioMixerAppData extends AppData = AppData> = model.AudioMixerOptions & {
  /** The application's own data. Default: `{}`. */
  appData?: AudioMixerAppData;
};

/** How loud an input is. */
export type AudioMixerVolume = {
  /** The input. */
  input: AudioMixerInput;
  /** Its level in dB of full scale, −127 to 0. */
  volume: number;
};

/** What a fault of an {@link AudioMixer} was, which goes on with the same inputs and outputs. */
export type AudioMixerRestart = {
  /**
   * `panic` for a fault of this package, `hang` for a codec that did not return, `exit` for a mixer's own process that ended
   * (`isolation: 'process'`).
   */
  reason: 'panic' | 'hang' | 'exit';
  /** What it said. */
  message: string;
};

/** Events of an {@link AudioMixer}. */
export type AudioMixerEvents = {
  /** Another input than before was the loudest of the last second. */
  activeinput: [input: AudioMixerInput];
  /** How loud each input is that is heard, once a second; loudest first. */
  volumes: [volumes: AudioMixerVolume[]];
  /** Nobody is heard any more. */
  silence: [];
  /** The mixer had a fault, was made anew and goes on: outputs have a gap of less than a second, after a hang of 3 s. */
  restart: [restart: AudioMixerRestart];
  /** The mixer had more faults than can be mended, and is closed. */
  died: [error: Error];
  /** The Worker was closed, and the mixer with it. */
  workerclose: [];
};

/** Observer of an {@link AudioMixer}. */
export type AudioMixerObserver = EnhancedEventEmitter<AudioMixerObserverEvents>;

/** Events of an {@link AudioMixerObserver}. */
export type AudioMixerObserverEvents = {
  /** The mixer was closed, by whomever. */
  close: [];
  /** An input was added. */
  newinput: [input: AudioMixerInput];
  /** An output was created. */
  newoutput: [output: AudioMixerOutput];
  /** As {@link AudioMixerEvents}. */
  activeinput: [input: AudioMixerInput];
  /** As {@link AudioMixerEvents}. */
  volumes: [volumes: AudioMixerVolume[]];
  /** As {@link AudioMixerEvents}. */
  silence: [];
  /** As {@link AudioMixerEvents}. */
  restart: [restart: AudioMixerRestart];
};

/** Options of {@link AudioMixer.frames}. */
export type AudioMixerFramesOptions = AudioFramesOptions & {
  /** Inputs that are not heard, by themselves, their ids or those of their Producers; at most 8. Default: none. */
  exclude?: readonly (AudioMixerInput | string)[];
};

/**
 * Mixes the sound of Producers and of the application, for each output without the inputs that it leaves out. It works on
 * a thread of its own, apart from the Worker's, or in a process of its own (`isolation`). Its Worker closes it.
 *
 * @example
 * ```ts
 * const mixer = await worker.createAudioMixer({ topK: 4 });
 * const input = await mixer.addInput({ producerId });
 * const output = await mixer.createOutput({ router, codec: 'opus', exclude: [producerId] });
 * await transport.consume({ producerId: output.producer.id, rtpCapabilities });
 * ```
 */
export class AudioMixer<AudioMixerAppData extends AppData = AppData> extends RemoteObject<
  AudioMixerEvents,
  AudioMixerObserver,
  AudioMixerAppData
> {
  readonly #channel: Channel;
  readonly #id: string;
  readonly #onClose: () => void;
  readonly #inputs = new Map<string, AudioMixerInput>();
  readonly #outputs = new Map<string, AudioMixerOutput>();
  readonly #frames = new Set<AudioFrames>();

  /** @internal */
  constructor(channel: Channel, id: string, appData: AudioMixerAppData | undefined, onClose: () => void) {
    super(channel, new EnhancedEventEmitter(), appData);
    this.#channel = channel;
    this.#id = id;
    this.#onClose = onClose;
    this.subscribe(id, (event, data) => this.#handle(event, data));
  }

  /** Id, a UUID. */
  get id(): string {
    return this.#id;
  }

  /** The inputs, in the order in which they were added. */
  get inputs(): AudioMixerInput[] {
    return [...this.#inputs.values()];
  }

  /** The outputs, in the order in which they were created. */
  get outputs(): AudioMixerOutput[] {
    return [...this.#outputs.values()];
  }

  /** Closes the mixer with its inputs and outputs. Idempotent. */
  close(): void {
    if (this.closed) {
      return;
    }
    this.#endWithChildren(this.command('audioMixer.close', { audioMixerId: this.#id }));
    this.#onClose();
    this.observer.safeEmit('close');
  }

  /** @internal */
  workerClosed(): void {
    if (this.closed) {
      return;
    }
    this.#endWithChildren(Promise.resolve());
    this.safeEmit('workerclose');
    this.observer.safeEmit('close');
  }

  /**
   * Adds a Producer of any Router of the Worker, or sound that the application writes.
   *
   * @throws `TypeError` when the options are malformed, or the Producer is an input already; {@link NotFoundError} when the
   * Worker has no such Producer; {@link UnsupportedError} when it is not of audio, of a codec that cannot be decoded, or
   * (`ERR_ENCRYPTED`) encrypted from end to end; {@link LimitError} when there are 1024 inputs. Nothing was added then.
   */
  async addInput<InputAppData extends AppData = AppData>(
    options: AudioMixerInputOptions<InputAppData>,
  ): Promise<AudioMixerInput<InputAppData>> {
    this.ensureOpen('audioMixer.addInput');
    checkOptions(options);
    const { appData, producerId, pcm, gain, muted } = options;
    if (producerId !== undefined && this.#inputOf(producerId)) {
      throw typeError(`producerId: ${producerId} is an input of this mixer already`, 'ERR_DUPLICATE_ID');
    }
    const inputId = randomUUID();
    const reply = await this.#ask<{ packetNumber?: number } | null>('addInput', {
      inputId,
      producerId,
      pcm,
      gain,
      muted,
    });
    this.ensureOpen('audioMixer.addInput');
    const parent = { reference: { audioMixerId: this.#id }, removed: () => this.#inputs.delete(inputId) };
    const setup = { inputId, producerId, pcm, gain, muted, appData, packetNumber: reply?.packetNumber };
    const input = new AudioMixerInput<InputAppData>(this.#channel, parent, setup);
    this.#inputs.set(inputId, input as AudioMixerInput);
    this.observer.safeEmit('newinput', input as AudioMixerInput);
    return input;
  }

  /**
   * Publishes the mix into a Router of the same Worker, as a Producer like any.
   *
   * @throws `TypeError` when the options are malformed; {@link UnsupportedError} when the Router has not got the codec;
   * {@link NotFoundError} when an input that is left out is none; {@link LimitError} when more than 8 are left out, or there
   * are 10240 outputs. Nothing was created then.
   */
  async createOutput<OutputAppData extends AppData = AppData>(
    options: AudioMixerOutputOptions<OutputAppData>,
  ): Promise<AudioMixerOutput<OutputAppData>> {
    this.ensureOpen('audioMixer.createOutput');
    checkOptions(options);
    const { appData, router, exclude, ...rest } = options;
    if (!(router instanceof Router)) {
      throw typeError('router: expected a Router');
    }
    const [outputId, producerId] = [randomUUID(), randomUUID()];
    const excluded = this.inputIds(exclude);
    const ids = { outputId, producerId, routerId: router.id, exclude: excluded };
    const reply = await this.#ask<MixerOutputReply>('createOutput', { ...rest, ...ids });
    this.ensureOpen('audioMixer.createOutput');
    const parent = {
      reference: { audioMixerId: this.#id },
      removed: () => this.#outputs.delete(outputId),
      inputIds: (inputs: AudioMixerFramesOptions['exclude']) => this.inputIds(inputs),
      frames: (wanted: AudioMixerFramesOptions) => this.frames(wanted),
    };
    const output = new AudioMixerOutput<OutputAppData>(this.#channel, parent, {
      ...ids,
      router,
      codec: options.codec,
      appData,
      reply,
    });
    if (router.closed) {
      // Its worker has closed the output's producer with it.
      output.close();
      throw new NotFoundError('audioMixer.createOutput failed: the router is closed', 'ERR_CLOSED');
    }
    router.mixerOutputCreated(output);
    this.#outputs.set(outputId, output as AudioMixerOutput);
    this.observer.safeEmit('newoutput', output as AudioMixerOutput);
    return output;
  }

  /**
   * The mix as sound for the application: an async iterator that holds the last second of what was not read, and counts what
   * it dropped before. It ends with the mixer, or when the loop is left.
   *
   * @throws `TypeError` when the options are malformed. What the Worker refuses is thrown by the first step.
   */
  frames(options: AudioMixerFramesOptions): AudioFrames {
    this.ensureOpen('audioMixer.frames');
    checkOptions(options);
    const outputId = randomUUID();
    const { sampleRate, channels } = options;
    const wanted = { outputId, pcm: { sampleRate, channels }, exclude: this.inputIds(options.exclude) };
    const frames: AudioFrames = new AudioFrames(this.#channel, options, {
      open: async () => (await this.#ask<{ packetNumber: number }>('createOutput', wanted)).packetNumber,
      close: () => {
        this.#frames.delete(frames);
        if (!this.closed) {
          this.command('audioMixer.closeOutput', { audioMixerId: this.#id, outputId });
        }
      },
    });
    this.#frames.add(frames);
    return frames;
  }

  /** Statistics of the mixer, its inputs and outputs. */
  async getStats(): Promise<AudioMixerStats> {
    return await this.#ask('getStats');
  }

  /**
   * The ids of inputs that are named by themselves, by their ids or by those of their Producers.
   *
   * @internal
   */
  inputIds(inputs: readonly (AudioMixerInput | string)[] = []): string[] {
    if (!Array.isArray(inputs)) {
      throw typeError('exclude: expected an array');
    }
    return inputs.map((named) => {
      const id = typeof named === 'string' ? named : named?.id;
      const input = this.#inputs.get(id) ?? this.#inputOf(id);
      if (!input) {
        throw new NotFoundError(`exclude: the mixer has no input "${id}"`, 'ERR_NOT_FOUND');
      }
      return input.id;
    });
  }

  #inputOf(producerId: string): AudioMixerInput | undefined {
    return this.inputs.find((input) => input.producerId !== undefined && input.producerId === producerId);
  }

  #ask<T>(verb: string, params?: object): Promise<T> {
    return this.request<T>(`audioMixer.${verb}`, { ...params, audioMixerId: this.#id });
  }

  #handle(event: string, data: unknown): void {
    switch (event) {
      case 'activeinput': {
        const input = this.#inputs.get((data as { inputId: string }).inputId);
        if (input) {
          this.tell('activeinput', input);
        }
        break;
      }
      case 'volumes':
        this.#tellVolumes(data as { inputId: string; volume: number }[]);
        break;
      case 'restart':
        this.tell('restart', data as AudioMixerRestart);
        break;
      case 'died':
        this.#die((data as { message: string }).message);
        break;
      default:
        logger.error(`ignoring unknown event '${event}'`);
    }
  }

  #tellVolumes(told: { inputId: string; volume: number }[]): void {
    const volumes = told.flatMap(({ inputId, volume }) => {
      const input = this.#inputs.get(inputId);
      return input ? [{ input, volume }] : [];
    });
    if (told.length === 0) {
      this.tell('silence');
    } else if (volumes.length > 0) {
      this.tell(
        'volumes',
        volumes.sort((a, b) => b.volume - a.volume),
      );
    }
  }

  #die(message: string): void {
    this.#endWithChildren(this.command('audioMixer.close', { audioMixerId: this.#id }));
    this.#onClose();
    this.safeEmit('died', new WorkerClosedError(message, 'ERR_MIXER_DIED'));
    this.observer.safeEmit('close');
  }

  #endWithChildren(released: Promise<void>): void {
    this.end(released, this.#id);
    for (const input of [...this.#inputs.values()]) {
      input.mixerClosed(released);
    }
    this.#inputs.clear();
    for (const output of [...this.#outputs.values()]) {
      output.mixerClosed(released);
    }
    this.#outputs.clear();
    for (const frames of [...this.#frames]) {
      frames.end();
    }
  }
}

const logger = new Logger('AudioMixer');
