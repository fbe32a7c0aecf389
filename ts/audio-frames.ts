import type { Channel } from './channel.js';
import { typeError } from './native-events.js';

/** Most seconds of sound that wait for a slow reader; what is older is dropped and counted. */
export const WAITING_FRAME_SECONDS_MAX = 1;

/** Options of {@link AudioMixer.frames} and {@link AudioMixerOutput.frames}. */
export type AudioFramesOptions = {
  /** Samples a second of each channel, 8000 to 192000. */
  sampleRate: number;
  /** Channels, interleaved, 1 or 2. Default: 1. */
  channels?: number;
  /** As what samples come: whole numbers of 16 bits, or numbers of −1 to 1. Default: `int16`. */
  format?: 'int16' | 'float32';
  /** Ends the iteration, with the signal's reason as an error. */
  signal?: AbortSignal;
};

/** Some milliseconds of sound. */
export type AudioFrame = {
  /** Interleaved samples. */
  readonly samples: Int16Array | Float32Array;
  /** Time of the first sample, in samples of each channel since the mixer began; it wraps at 2³². */
  readonly timestamp: number;
};

/** How frames are asked for. */
export type AudioFramesSource = {
  /** Resolves with the number under which they come. */
  open(): Promise<number>;
  close(): void;
};

/** Sound for the application, one frame after the other. See {@link AudioMixer.frames}. */
export class AudioFrames implements AsyncIterableIterator<AudioFrame> {
  readonly #channel: Channel;
  readonly #source: AudioFramesSource;
  readonly #isFloat: boolean;
  readonly #samplesMax: number;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => this.#finish(this.#signal?.reason);
  readonly #opened: Promise<void>;
  readonly #waiting: AudioFrame[] = [];
  #readers: { resolve(result: IteratorResult<AudioFrame>): void; reject(error: unknown): void }[] = [];
  #samples = 0;
  #dropped = 0;
  #number: number | undefined;
  #isOver = false;
  #error: unknown;

  /** @internal */
  constructor(channel: Channel, options: AudioFramesOptions, source: AudioFramesSource) {
    const { sampleRate, channels = 1, format = 'int16', signal } = options;
    if (format !== 'int16' && format !== 'float32') {
      throw typeError('format: expected "int16" or "float32"');
    }
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw typeError('signal: expected an AbortSignal');
    }
    if (typeof sampleRate !== 'number') {
      throw typeError('sampleRate: expected a number');
    }
    this.#channel = channel;
    this.#source = source;
    this.#isFloat = format === 'float32';
    this.#samplesMax = sampleRate * channels * WAITING_FRAME_SECONDS_MAX;
    this.#signal = signal;
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    this.#opened = this.#open();
    if (signal?.aborted) {
      this.#finish(signal.reason);
    }
  }

  /** Frames that were dropped because nobody read them in time. */
  get dropped(): number {
    return this.#dropped;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next frame. */
  async next(): Promise<IteratorResult<AudioFrame>> {
    await this.#opened;
    const frame = this.#waiting.shift();
    if (frame) {
      this.#samples -= frame.samples.length;
      return { done: false, value: frame };
    }
    if (this.#isOver) {
      return this.#last();
    }
    return await new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject });
    });
  }

  /** Ends the iteration. */
  async return(): Promise<IteratorResult<AudioFrame>> {
    this.end();
    return { done: true, value: undefined };
  }

  /**
   * Ends it: what waits can still be read.
   *
   * @internal
   */
  end(): void {
    this.#finish(undefined);
  }

  async #open(): Promise<void> {
    try {
      const number = await this.#source.open();
      if (!this.#isOver) {
        this.#number = number;
        this.#channel.subscribePackets(number, (record) => this.#receive(record));
      }
    } catch (error) {
      this.#finish(error);
    }
  }

  #receive(record: Buffer): void {
    const timestamp = record.readUInt32LE(0);
    // Copied: the record shares its memory with others, and lies at any byte.
    const bytes = new Uint8Array(record.subarray(4));
    const floats = new Float32Array(bytes.buffer, 0, bytes.length >> 2);
    const samples = this.#isFloat ? floats : Int16Array.from(floats, toInt16);
    const frame = { samples, timestamp };
    const reader = this.#readers.shift();
    if (reader) {
      reader.resolve({ done: false, value: frame });
      return;
    }
    this.#waiting.push(frame);
    this.#samples += samples.length;
    while (this.#samples > this.#samplesMax && this.#waiting.length > 1) {
      this.#samples -= (this.#waiting.shift() as AudioFrame).samples.length;
      this.#dropped += 1;
    }
  }

  #finish(error: unknown): void {
    if (this.#isOver) {
      return;
    }
    this.#isOver = true;
    this.#error = error;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    if (this.#number !== undefined) {
      this.#channel.unsubscribePackets(this.#number);
    }
    this.#source.close();
    const readers = this.#readers;
    this.#readers = [];
    for (const { resolve, reject } of readers) {
      this.#last().then(resolve, reject);
    }
  }

  /** What a reader gets after the last frame: the error once, then the end. */
  async #last(): Promise<IteratorResult<AudioFrame>> {
    const error = this.#error;
    this.#error = undefined;
    if (error !== undefined) {
      throw error;
    }
    return { done: true, value: undefined };
  }
}

function toInt16(sample: number): number {
  return Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
}
