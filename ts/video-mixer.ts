import { randomUUID } from 'node:crypto';
import type { AudioMixer } from './audio-mixer.js';
import { AudioMixerInput } from './audio-mixer-input.js';
import type { Channel } from './channel.js';
import { EnhancedEventEmitter } from './enhanced-event-emitter.js';
import { NotFoundError, WorkerClosedError } from './errors.js';
import type * as model from './generated/model.js';
import type { VideoCaption, VideoLayout, VideoMixerPressure, VideoMixerStats } from './generated/model.js';
import { Logger } from './logger.js';
import type { MixerOutputReply } from './mixer-output.js';
import type { NativeAddon } from './native-addon.js';
import { typeError } from './native-events.js';
import { type AppData, checkOptions, RemoteObject } from './remote-object.js';
import { Router } from './router.js';
import { type SnapshotOptions, takeSnapshot } from './snapshot.js';
import { VideoFrames, type VideoFramesOptions } from './video-frames.js';
import { VideoMixerInput, type VideoMixerInputOptions } from './video-mixer-input.js';
import { VideoMixerOutput, type VideoMixerOutputOptions } from './video-mixer-output.js';
import { type VideoPicture, writePicture } from './video-picture.js';

/** Options of {@link Worker.createVideoMixer}. */
export type VideoMixerOptions<VideoMixerAppData extends AppData = AppData> = model.VideoMixerOptions & {
  /** An AudioMixer by whose active input the input with that `voice` comes into the first region. Default: none. */
  voiceActivated?: AudioMixer;
  /** The application's own data. Default: `{}`. */
  appData?: VideoMixerAppData;
};

/** A region of the mixed picture, and who stands in it. */
export type VideoMixerTile = Omit<model.VideoTile, 'inputId'> & {
  /** Who stands in it; `undefined` while it is empty. */
  input: VideoMixerInput | undefined;
};

/** What a fault of a {@link VideoMixer} was, which goes on with the same inputs and outputs. */
export type VideoMixerRestart = {
  /**
   * `panic` for a fault of this package, `hang` for a codec that did not return, `exit` for a mixer's own process that ended
   * (`isolation: 'process'`).
   */
  reason: 'panic' | 'hang' | 'exit';
  /** What it said. */
  message: string;
};

/** Events of a {@link VideoMixer}. */
export type VideoMixerEvents = {
  /** Other inputs are seen than before, or elsewhere, from the next picture on. */
  layout: [tiles: VideoMixerTile[]];
  /** The mixer gives way because there is not enough time, or takes back what it gave. */
  pressure: [pressure: VideoMixerPressure];
  /** The mixer had a fault, was made anew and goes on: outputs have a gap of less than a second, after a hang of 3 s. */
  restart: [restart: VideoMixerRestart];
  /** The mixer had more faults than can be mended, and is closed. */
  died: [error: Error];
  /** The Worker was closed, and the mixer with it. */
  workerclose: [];
};

/** Observer of a {@link VideoMixer}. */
export type VideoMixerObserver = EnhancedEventEmitter<VideoMixerObserverEvents>;

/** Events of a {@link VideoMixerObserver}. */
export type VideoMixerObserverEvents = {
  /** The mixer was closed, by whomever. */
  close: [];
  /** An input was added. */
  newinput: [input: VideoMixerInput];
  /** An output was created. */
  newoutput: [output: VideoMixerOutput];
  /** As {@link VideoMixerEvents}. */
  layout: [tiles: VideoMixerTile[]];
  /** As {@link VideoMixerEvents}. */
  pressure: [pressure: VideoMixerPressure];
  /** As {@link VideoMixerEvents}. */
  restart: [restart: VideoMixerRestart];
};

/**
 * Composes pictures of Producers and of the application into one, which it publishes in any number of codecs and sizes. It
 * works on a thread of its own, apart from the Worker's, or in a process of its own (`isolation`), and only while somebody takes
 * what it makes. Its Worker closes it.
 *
 * @example
 * ```ts
 * const mixer = await worker.createVideoMixer({ width: 1280, height: 720, layout: { template: 'fluid' } });
 * const tile = await mixer.addInput({ producerId, label: 'Ada' });
 * const output = await mixer.createOutput({ router, codec: 'vp8', bitrate: 1_500_000 });
 * await transport.consume({ producerId: output.producer.id, rtpCapabilities });
 * ```
 */
export class VideoMixer<VideoMixerAppData extends AppData = AppData> extends RemoteObject<
  VideoMixerEvents,
  VideoMixerObserver,
  VideoMixerAppData
> {
  readonly #channel: Channel;
  readonly #id: string;
  readonly #addon: NativeAddon;
  readonly #backgroundNumber: number;
  readonly #onClose: () => void;
  readonly #inputs = new Map<string, VideoMixerInput>();
  readonly #outputs = new Map<string, VideoMixerOutput>();
  readonly #frames = new Set<VideoFrames>();

  /** @internal */
  constructor(
    channel: Channel,
    addon: NativeAddon,
    id: string,
    options: Pick<VideoMixerOptions<VideoMixerAppData>, 'appData' | 'voiceActivated'>,
    reply: { packetNumber: number },
    onClose: () => void,
  ) {
    super(channel, new EnhancedEventEmitter(), options.appData);
    this.#channel = channel;
    this.#addon = addon;
    this.#id = id;
    this.#backgroundNumber = reply.packetNumber;
    this.#onClose = onClose;
    this.subscribe(id, (event, data) => this.#handle(event, data));
    if (options.voiceActivated) {
      this.#follow(options.voiceActivated);
    }
  }

  /** Id, a UUID. */
  get id(): string {
    return this.#id;
  }

  /** The inputs, in the order in which they were added. */
  get inputs(): VideoMixerInput[] {
    return [...this.#inputs.values()];
  }

  /** The outputs, in the order in which they were created. */
  get outputs(): VideoMixerOutput[] {
    return [...this.#outputs.values()];
  }

  /** Closes the mixer with its inputs and outputs. Idempotent. */
  close(): void {
    if (this.closed) {
      return;
    }
    this.#endWithChildren(this.command('videoMixer.close', { videoMixerId: this.#id }));
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
   * Adds a Producer of any Router of the Worker, or pictures that the application writes. It comes into the next free region,
   * or waits for one.
   *
   * @throws `TypeError` when the options are malformed, or the Producer is an input already; {@link NotFoundError} when the
   * Worker has no such Producer; {@link UnsupportedError} when it is not of video, of a codec that cannot be decoded, or
   * (`ERR_ENCRYPTED`) encrypted from end to end; {@link LimitError} when there are 256 inputs. Nothing was added then.
   */
  async addInput<InputAppData extends AppData = AppData>(
    options: VideoMixerInputOptions<InputAppData>,
  ): Promise<VideoMixerInput<InputAppData>> {
    this.ensureOpen('videoMixer.addInput');
    checkOptions(options);
    const { appData, producerId, pictures, label, muted, voice } = options;
    if (producerId !== undefined && this.inputs.some((input) => input.producerId === producerId)) {
      throw typeError(`producerId: ${producerId} is an input of this mixer already`, 'ERR_DUPLICATE_ID');
    }
    if (voice !== undefined && !(voice instanceof AudioMixerInput)) {
      throw typeError('voice: expected an AudioMixerInput');
    }
    const inputId = randomUUID();
    const wanted = { inputId, producerId, pictures, label, muted, voice: voice?.reference };
    const { packetNumber } = await this.#ask<{ packetNumber: number }>('addInput', wanted);
    this.ensureOpen('videoMixer.addInput');
    const parent = { reference: { videoMixerId: this.#id }, removed: () => this.#inputs.delete(inputId) };
    const setup = { inputId, producerId, muted, label, voice, appData, packetNumber };
    const input = new VideoMixerInput<InputAppData>(this.#channel, parent, setup);
    this.#inputs.set(inputId, input as VideoMixerInput);
    this.observer.safeEmit('newinput', input as VideoMixerInput);
    return input;
  }

  /**
   * Publishes the mix into a Router of the same Worker, as a Producer like any.
   *
   * @throws `TypeError` when the options are malformed; {@link UnsupportedError} when the Router has not got the codec, or the
   * codec not the size; {@link LimitError} when there are 1024 outputs. Nothing was created then.
   */
  async createOutput<OutputAppData extends AppData = AppData>(
    options: VideoMixerOutputOptions<OutputAppData>,
  ): Promise<VideoMixerOutput<OutputAppData>> {
    this.ensureOpen('videoMixer.createOutput');
    checkOptions(options);
    const { appData, router, ...rest } = options;
    if (!(router instanceof Router)) {
      throw typeError('router: expected a Router');
    }
    const ids = { outputId: randomUUID(), producerId: randomUUID() };
    const reply = await this.#ask<MixerOutputReply>('createOutput', { ...rest, ...ids, routerId: router.id });
    this.ensureOpen('videoMixer.createOutput');
    const parent = { reference: { videoMixerId: this.#id }, removed: () => this.#outputs.delete(ids.outputId) };
    const setup = { ...ids, router, codec: options.codec, appData, reply };
    const output = new VideoMixerOutput<OutputAppData>(this.#channel, parent, setup);
    if (router.closed) {
      // Its worker has closed the output's producer with it.
      output.close();
      throw new NotFoundError('videoMixer.createOutput failed: the router is closed', 'ERR_CLOSED');
    }
    router.mixerOutputCreated(output);
    this.#outputs.set(ids.outputId, output as VideoMixerOutput);
    this.observer.safeEmit('newoutput', output as VideoMixerOutput);
    return output;
  }

  /**
   * The mix as pictures for the application: an async iterator that holds the last 3 pictures that were not read, and counts
   * what it dropped before. It ends with the mixer, or when the loop is left.
   *
   * Cost: a copy of each picture, of `rgba` a conversion too.
   *
   * @throws `TypeError` when the options are malformed. What the Worker refuses is thrown by the first step.
   */
  frames(options: VideoFramesOptions = {}): VideoFrames {
    this.ensureOpen('videoMixer.frames');
    checkOptions(options);
    const outputId = randomUUID();
    const { format = 'rgba', width, height, frameRate } = options;
    const wanted = { outputId, pictures: { format, width, height, frameRate } };
    const frames: VideoFrames = new VideoFrames(this.#channel, options, {
      open: async () => (await this.#ask<{ packetNumber: number }>('createOutput', wanted)).packetNumber,
      close: () => {
        this.#frames.delete(frames);
        if (!this.closed) {
          this.command('videoMixer.closeOutput', { videoMixerId: this.#id, outputId });
        }
      },
    });
    this.#frames.add(frames);
    return frames;
  }

  /**
   * The next picture of the mix as a file.
   *
   * Cost: some 10 ms for 1280 × 720, on a thread of Node's pool.
   *
   * @throws `TypeError` when the options are malformed; {@link InvalidStateError} when no picture comes within 10 s.
   */
  async snapshot(options: SnapshotOptions = {}): Promise<Buffer> {
    checkOptions(options);
    return await takeSnapshot(this.#addon, options, (wanted) => this.frames(wanted));
  }

  /**
   * Arranges the inputs otherwise, in the order that they have. Resolves with where they stand from the next picture on.
   *
   * @throws `TypeError` when the layout is malformed; the one before goes on.
   */
  async setLayout(layout: VideoLayout): Promise<VideoMixerTile[]> {
    return this.#tiles(await this.#ask('setLayout', { layout }));
  }

  /**
   * Puts an input into the region of this id, and whoever stands there into the input's own.
   *
   * @throws `TypeError` when there is no such region, or nobody in it; {@link NotFoundError} when the input is none.
   */
  async setRegion(input: VideoMixerInput, region: string): Promise<void> {
    if (typeof region !== 'string') {
      throw typeError('region: expected a string');
    }
    await this.#ask('placeInput', { inputId: this.#idOf(input), region });
  }

  /**
   * Puts an input into the first region, and whoever stands there into the input's own.
   *
   * @throws {@link NotFoundError} when the input is none.
   */
  async setPrimary(input: VideoMixerInput): Promise<void> {
    await this.#ask('placeInput', { inputId: this.#idOf(input) });
  }

  /** Where inputs stand. */
  async getTiles(): Promise<VideoMixerTile[]> {
    return this.#tiles(await this.#ask('getTiles'));
  }

  /**
   * Writes these texts over the picture, and no others. One that says the time is to be set whenever it changes.
   *
   * @throws `TypeError` when they are malformed; {@link LimitError} when there are more than 16.
   */
  async setCaptions(captions: VideoCaption[]): Promise<void> {
    await this.#ask('setCaptions', { captions });
  }

  /**
   * Shows a picture where no input is, scaled to fill the mix. It is copied.
   *
   * @throws `TypeError` when it is none.
   */
  setBackground(picture: VideoPicture): void {
    this.sendPacket(this.#backgroundNumber, writePicture(picture, 'avatar'));
  }

  /** Statistics of the mixer, its inputs and outputs. */
  async getStats(): Promise<VideoMixerStats> {
    return await this.#ask('getStats');
  }

  #ask<T>(verb: string, params?: object): Promise<T> {
    return this.request<T>(`videoMixer.${verb}`, { ...params, videoMixerId: this.#id });
  }

  #idOf(input: VideoMixerInput): string {
    if (!(input instanceof VideoMixerInput)) {
      throw typeError('input: expected a VideoMixerInput');
    }
    return input.id;
  }

  #tiles(tiles: model.VideoTile[]): VideoMixerTile[] {
    return tiles.map(({ inputId, ...tile }) => ({
      ...tile,
      input: inputId === null ? undefined : this.#inputs.get(inputId),
    }));
  }

  /** Puts whoever is loudest first. */
  #follow(mixer: AudioMixer): void {
    const onActive = (voice: AudioMixerInput) => {
      const input = this.inputs.find((one) => one.voice === voice);
      if (input) {
        // An input that left meanwhile is none.
        this.setPrimary(input).catch((error) => logger.debug(`setPrimary: ${error}`));
      }
    };
    mixer.observer.on('activeinput', onActive);
    this.observer.once('close', () => mixer.observer.off('activeinput', onActive));
  }

  #handle(event: string, data: unknown): void {
    switch (event) {
      case 'layout':
        this.tell('layout', this.#tiles(data as model.VideoTile[]));
        break;
      case 'pressure':
        this.tell('pressure', (data as { pressure: VideoMixerPressure }).pressure);
        break;
      case 'restart':
        this.tell('restart', data as VideoMixerRestart);
        break;
      case 'died':
        this.#die((data as { message: string }).message);
        break;
      default:
        logger.error(`ignoring unknown event '${event}'`);
    }
  }

  #die(message: string): void {
    this.#endWithChildren(this.command('videoMixer.close', { videoMixerId: this.#id }));
    this.#onClose();
    this.safeEmit('died', new WorkerClosedError(message, 'ERR_MIXER_DIED'));
    this.observer.safeEmit('close');
  }

  #endWithChildren(released: Promise<void>): void {
    this.end(released, this.#id);
    for (const child of [...this.#inputs.values(), ...this.#outputs.values()]) {
      child.mixerClosed(released);
    }
    this.#inputs.clear();
    this.#outputs.clear();
    for (const frames of [...this.#frames]) {
      frames.end();
    }
  }
}

const logger = new Logger('VideoMixer');
