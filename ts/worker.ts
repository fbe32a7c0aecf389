import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { AudioMixer, type AudioMixerOptions } from './audio-mixer.js';
import type { AudioMixerOutputOptions } from './audio-mixer-output.js';
import { AudioTranscoder, type AudioTranscoderOptions } from './audio-transcoder.js';
import { Channel } from './channel.js';
import { EnhancedEventEmitter } from './enhanced-event-emitter.js';
import type * as model from './generated/model.js';
import type { WorkerDump, WorkerMetrics, WorkerResourceUsage, WorkerUpdateableSettings } from './generated/model.js';
import type { NativeAddon } from './native-addon.js';
import { errorFromAddon, toJson, typeError } from './native-events.js';
import { type AppData, checkOptions, RemoteObject } from './remote-object.js';
import { Router, type RouterOptions, type RouterReply } from './router.js';
import type { SnapshotOptions } from './snapshot.js';
import { VideoMixer, type VideoMixerOptions } from './video-mixer.js';
import type { VideoMixerOutputOptions } from './video-mixer-output.js';
import { VideoTranscoder, type VideoTranscoderOptions } from './video-transcoder.js';
import { WebRtcServer, type WebRtcServerOptions } from './webrtc-server.js';

/** Options of {@link createWorker}. */
export type WorkerSettings<WorkerAppData extends AppData = AppData> = model.WorkerSettings & {
  /** The application's own data. Default: `{}`. */
  appData?: WorkerAppData;

  /**
   * Has no effect: a Worker is a thread and has no program of its own.
   *
   * @deprecated Leave it out.
   */
  workerBin?: string;

  /**
   * Has no effect: there is no libwebrtc inside.
   *
   * @deprecated Leave it out.
   */
  libwebrtcFieldTrials?: string;
};

/** Events of a {@link Worker}. */
export type WorkerEvents = {
  /** The Worker ended by itself, by a fault of this package; everything in it is closed. Other Workers live on. */
  died: [error: Error];
  /** The Worker's thread has ended, after `close()` or `died`. The name is that of mediasoup, where it is a process. */
  subprocessclose: [];
  /**
   * The Worker does not keep up and forwards less than it could, or can forward more again. Audio is always forwarded.
   * From `lowest` on, new Transports, Producers and Consumers are refused with a {@link LimitError}.
   */
  overload: [load: WorkerOverload];
};

/** How much less a {@link Worker} forwards than it could. */
export type WorkerOverload = {
  /**
   * `none`: everything is forwarded; `half`: no layers of video that take more than half of the best; `lowest`: the lowest
   * layer of each video; `novideo`: audio only.
   */
  spares: 'none' | 'half' | 'lowest' | 'novideo';
};

/** Observer of a {@link Worker}. */
export type WorkerObserver = EnhancedEventEmitter<WorkerObserverEvents>;

/** Events of a {@link WorkerObserver}. */
export type WorkerObserverEvents = {
  /** The Worker was closed or died. */
  close: [];
  /** A WebRtcServer was created. */
  newwebrtcserver: [webRtcServer: WebRtcServer];
  /** A Router was created. */
  newrouter: [router: Router];
  /** An AudioMixer was created. */
  newaudiomixer: [audioMixer: AudioMixer];
  /** A VideoMixer was created. */
  newvideomixer: [videoMixer: VideoMixer];
};

/** Events of {@link observer}. */
export type ObserverEvents = {
  /** A Worker was created. */
  newworker: [worker: Worker];
};

/** Type of {@link observer}. */
export type Observer = EnhancedEventEmitter<ObserverEvents>;

/** Tells other parts of an application of every Worker that is created. */
export const observer: Observer = new EnhancedEventEmitter<ObserverEvents>();

/** What a process of a mixer runs. The path holds for `ts/` and for `dist/`, which lie side by side. */
const MIXER_PROGRAM = [process.execPath, fileURLToPath(new URL('../dist/mixer-process.js', import.meta.url))];

/** The target of events of a Worker itself, which has no id. */
const NIL_ID = '00000000-0000-0000-0000-000000000000';

/**
 * A thread that forwards media. Everything in it shares one processor core, so use one Worker per core.
 *
 * An open Worker does not keep the process alive, and one that nothing refers to any more is closed.
 */
export class Worker<WorkerAppData extends AppData = AppData> extends RemoteObject<
  WorkerEvents,
  WorkerObserver,
  WorkerAppData
> {
  readonly #channel: Channel;
  readonly #addon: NativeAddon;
  readonly #webRtcServers = new Set<WebRtcServer>();
  readonly #routers = new Set<Router>();
  readonly #audioMixers = new Set<AudioMixer>();
  readonly #videoMixers = new Set<VideoMixer>();
  #died = false;
  #subprocessClosed = false;

  /** @internal */
  constructor(addon: NativeAddon, settings: WorkerSettings<WorkerAppData>) {
    const { appData, ...rest } = settings;
    const text = toJson(rest);
    // The channel outlives no worker and the worker no channel: they refer to each other.
    const channel = new Channel(
      (onMessages) => new addon.NativeWorker(text, onMessages),
      (error) => this.#die(error),
    );
    super(channel, new EnhancedEventEmitter(), appData);
    this.#channel = channel;
    this.#addon = addon;
    channel.subscribe(NIL_ID, (event, data) => {
      if (event === 'overload') this.safeEmit('overload', data as WorkerOverload);
    });
  }

  /** Id of the process that the Worker runs in: this one, because a Worker is a thread of it. Not to be signalled. */
  get pid(): number {
    return process.pid;
  }

  /** Whether the Worker ended by itself. */
  get died(): boolean {
    return this.#died;
  }

  /** Whether `subprocessclose` was emitted. */
  get subprocessClosed(): boolean {
    return this.#subprocessClosed;
  }

  /**
   * What tests that were written for mediasoup look at.
   *
   * @internal
   */
  get webRtcServersForTesting(): ReadonlySet<WebRtcServer> {
    return this.#webRtcServers;
  }

  /**
   * As `webRtcServersForTesting`.
   *
   * @internal
   */
  get routersForTesting(): ReadonlySet<Router> {
    return this.#routers;
  }

  /**
   * Closes the Worker and everything in it, and waits for its thread to end: its ports are free afterwards. Pending
   * calls reject with {@link WorkerClosedError}. Idempotent.
   */
  close(): void {
    if (this.closed) {
      return;
    }
    this.#endWithChildren();
    this.#channel.close();
    // Not at once, because calling a method never emits on the same instance.
    setImmediate(() => {
      this.#subprocessClosed = true;
      this.safeEmit('subprocessclose');
    });
    this.observer.safeEmit('close');
  }

  /** The Worker's inner state, for debugging. Its shape may change. */
  async dump(): Promise<WorkerDump> {
    return await this.request('worker.dump');
  }

  /** What the Worker's thread used so far, as of getrusage(2). */
  async getResourceUsage(): Promise<WorkerResourceUsage> {
    return await this.request('worker.getResourceUsage');
  }

  /** The counters of the Worker and of each of its Transports: whatever was dropped, refused or repaired. */
  async getMetrics(): Promise<WorkerMetrics> {
    return await this.request('worker.getMetrics');
  }

  /**
   * Changes what reaches the log; what is not given stays.
   *
   * @throws `TypeError` when a level or tag does not exist.
   */
  async updateSettings(settings: WorkerUpdateableSettings = {}): Promise<void> {
    checkOptions(settings);
    const { logLevel, logTags } = settings;
    await this.request('worker.updateSettings', { logLevel, logTags });
  }

  /**
   * Opens ports that many Transports share.
   *
   * @throws `TypeError` when the options are malformed; {@link MillraceError} when a socket cannot be opened. Nothing
   * was created then.
   */
  async createWebRtcServer<WebRtcServerAppData extends AppData = AppData>(
    options: WebRtcServerOptions<WebRtcServerAppData>,
  ): Promise<WebRtcServer<WebRtcServerAppData>> {
    checkOptions(options);
    const { appData, ...rest } = options;
    const webRtcServerId = randomUUID();
    await this.request('worker.createWebRtcServer', { ...rest, webRtcServerId });
    this.ensureOpen('worker.createWebRtcServer');
    const webRtcServer = new WebRtcServer(this.#channel, webRtcServerId, appData, () =>
      this.#webRtcServers.delete(webRtcServer),
    );
    this.#webRtcServers.add(webRtcServer);
    this.observer.safeEmit('newwebrtcserver', webRtcServer);
    return webRtcServer;
  }

  /**
   * Creates a Router.
   *
   * @throws `TypeError` when a codec is malformed; {@link UnsupportedError} when one is not supported. Nothing was
   * created then.
   */
  async createRouter<RouterAppData extends AppData = AppData>(
    options: RouterOptions<RouterAppData> = {},
  ): Promise<Router<RouterAppData>> {
    checkOptions(options);
    const { appData, ...rest } = options;
    const routerId = randomUUID();
    const reply = await this.request<RouterReply>('worker.createRouter', { ...rest, routerId });
    this.ensureOpen('worker.createRouter');
    const router = new Router(this.#channel, routerId, this.#addon, appData, reply, () => this.#routers.delete(router));
    this.#routers.add(router);
    this.observer.safeEmit('newrouter', router);
    return router;
  }

  /**
   * Creates a mixer of sound, on a thread apart from the Worker's.
   *
   * @throws `TypeError` when the options are malformed; {@link LimitError} when the Worker has 1024 mixers, or 64 of sound and
   * pictures with processes of their own, or two threads of mixers are stuck. Nothing was created then.
   */
  async createAudioMixer<AudioMixerAppData extends AppData = AppData>(
    options: AudioMixerOptions<AudioMixerAppData> = {},
  ): Promise<AudioMixer<AudioMixerAppData>> {
    checkOptions(options);
    const { appData, ...rest } = options;
    const audioMixerId = randomUUID();
    await this.request('worker.createAudioMixer', { ...rest, program: programOf(rest), audioMixerId });
    this.ensureOpen('worker.createAudioMixer');
    const audioMixer = new AudioMixer<AudioMixerAppData>(this.#channel, audioMixerId, appData, () =>
      this.#audioMixers.delete(audioMixer as AudioMixer),
    );
    this.#audioMixers.add(audioMixer as AudioMixer);
    this.observer.safeEmit('newaudiomixer', audioMixer as AudioMixer);
    return audioMixer;
  }

  /**
   * Creates a mixer of pictures, on a thread apart from the Worker's.
   *
   * @throws `TypeError` when the options are malformed; {@link LimitError} when the Worker has 256 mixers, or 64 of sound and
   * pictures with processes of their own, or two threads of mixers are stuck. Nothing was created then.
   */
  async createVideoMixer<VideoMixerAppData extends AppData = AppData>(
    options: VideoMixerOptions<VideoMixerAppData> = {},
  ): Promise<VideoMixer<VideoMixerAppData>> {
    checkOptions(options);
    const { appData, voiceActivated, ...rest } = options;
    if (voiceActivated !== undefined && !(voiceActivated instanceof AudioMixer)) {
      throw typeError('voiceActivated: expected an AudioMixer');
    }
    const videoMixerId = randomUUID();
    const wanted = { ...rest, program: programOf(rest), videoMixerId };
    const reply = await this.request<{ packetNumber: number }>('worker.createVideoMixer', wanted);
    this.ensureOpen('worker.createVideoMixer');
    const videoMixer = new VideoMixer<VideoMixerAppData>(this.#channel, this.#addon, videoMixerId, options, reply, () =>
      this.#videoMixers.delete(videoMixer as VideoMixer),
    );
    this.#videoMixers.add(videoMixer as VideoMixer);
    this.observer.safeEmit('newvideomixer', videoMixer as VideoMixer);
    return videoMixer;
  }

  /**
   * Makes a Producer of another one, in another codec or with another number of channels.
   *
   * @throws As {@link Worker.createAudioMixer}, {@link AudioMixer.addInput} and {@link AudioMixer.createOutput}. Nothing was
   * created then.
   */
  async createAudioTranscoder(options: AudioTranscoderOptions): Promise<AudioTranscoder> {
    checkOptions(options);
    const { producerId, isolation, ...wanted } = options;
    const mixer = await this.createAudioMixer({ isolation });
    try {
      await mixer.addInput({ producerId });
      const output = await mixer.createOutput({ ...wanted, passThrough: true } as AudioMixerOutputOptions);
      return new AudioTranscoder(mixer, producerId, output);
    } catch (error) {
      mixer.close();
      throw error;
    }
  }

  /**
   * Makes a Producer of another one, in another codec, size, rate or bitrate, or with key frames at least so often.
   *
   * @throws As {@link Worker.createVideoMixer}, {@link VideoMixer.addInput} and {@link VideoMixer.createOutput}. Nothing was
   * created then.
   */
  async createVideoTranscoder(options: VideoTranscoderOptions): Promise<VideoTranscoder> {
    checkOptions(options);
    const { producerId, frameRate, isolation, ...wanted } = options;
    const { codec, router, appData, ...changes } = wanted;
    const passThrough = frameRate === undefined && Object.values(changes).every((change) => change === undefined);
    // A mixer has no slower ticks; its outputs do.
    const ticks = frameRate === undefined ? undefined : Math.max(frameRate, MIX_FRAME_RATE_MIN);
    const mixer = await this.createVideoMixer({ frameRate: ticks, isolation, followsInput: true } as VideoMixerOptions);
    try {
      await mixer.addInput({ producerId });
      const output = await mixer.createOutput({ ...wanted, frameRate, passThrough } as VideoMixerOutputOptions);
      return new VideoTranscoder(mixer, producerId, output);
    } catch (error) {
      mixer.close();
      throw error;
    }
  }

  /**
   * The next picture of a Producer as a file, in its own size unless another is given. Where the publisher has to make a key
   * frame for it, that is asked for.
   *
   * Cost: some decoded frames, and some 10 ms for 1280 × 720.
   *
   * @throws As {@link VideoMixer.addInput}; {@link InvalidStateError} when no picture comes within 10 s.
   */
  async snapshot({ producerId, ...options }: SnapshotOptions & { producerId: string }): Promise<Buffer> {
    const mixer = await this.createVideoMixer({ followsInput: true } as VideoMixerOptions);
    try {
      await mixer.addInput({ producerId });
      return await mixer.snapshot(options);
    } finally {
      mixer.close();
    }
  }

  #die(error: Error): void {
    if (this.closed) {
      return;
    }
    this.#died = true;
    this.#subprocessClosed = true;
    this.#endWithChildren();
    this.safeEmit('died', error);
    this.safeEmit('subprocessclose');
    this.observer.safeEmit('close');
  }

  #endWithChildren(): void {
    // `close()` joins the thread before it returns, so there is nothing to wait for.
    this.end(Promise.resolve());
    for (const mixer of [...this.#audioMixers, ...this.#videoMixers]) {
      mixer.workerClosed();
    }
    this.#audioMixers.clear();
    this.#videoMixers.clear();
    for (const router of this.#routers) {
      router.workerClosed();
    }
    this.#routers.clear();
    for (const webRtcServer of this.#webRtcServers) {
      webRtcServer.workerClosed();
    }
    this.#webRtcServers.clear();
  }
}

/** Starts a Worker on this addon; resolves when its thread answers. */
export async function startWorker<WorkerAppData extends AppData = AppData>(
  addon: NativeAddon,
  settings: WorkerSettings<WorkerAppData> = {},
): Promise<Worker<WorkerAppData>> {
  checkOptions(settings);
  const worker = construct(addon, settings);
  await worker.dump();
  observer.safeEmit('newworker', worker);
  return worker;
}

function construct<WorkerAppData extends AppData>(
  addon: NativeAddon,
  settings: WorkerSettings<WorkerAppData>,
): Worker<WorkerAppData> {
  try {
    return new Worker(addon, settings);
  } catch (error) {
    throw errorFromAddon(error);
  }
}

/** Fewest pictures a second that a mixer makes. */
const MIX_FRAME_RATE_MIN = 6;

/** What a mixer with these options runs in a process of its own, if it has one. */
function programOf({ isolation }: { isolation?: model.MixerIsolation }): string[] | undefined {
  return isolation === 'process' ? MIXER_PROGRAM : undefined;
}
