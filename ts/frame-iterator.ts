import type { Channel } from './channel.js';
import { typeError } from './native-events.js';

/** How frames are asked for. */
export type FrameSource = {
  /** Resolves with the number under which they come. */
  open(): Promise<number>;
  close(): void;
};

/** What frames are made of and how many of them wait. */
export type FrameReading<Frame> = {
  /** Makes a frame of what came; the bytes are the reader's to copy. */
  read(record: Buffer): Frame;
  /** How much of `weightMax` a frame is. */
  weigh(frame: Frame): number;
  /** When more waits, the oldest is dropped; the newest frame is kept. */
  readonly weightMax: number;
};

/**
 * Sound or pictures for the application, one frame after the other. Of what a slow reader leaves, the oldest is dropped and
 * counted. It ends with what it reads from, or when the loop is left.
 */
export class FrameIterator<Frame> implements AsyncIterableIterator<Frame> {
  readonly #channel: Channel;
  readonly #source: FrameSource;
  readonly #reading: FrameReading<Frame>;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => this.#finish(this.#signal?.reason);
  readonly #opened: Promise<void>;
  readonly #waiting: Frame[] = [];
  #readers: { resolve(result: IteratorResult<Frame>): void; reject(error: unknown): void }[] = [];
  #weight = 0;
  #dropped = 0;
  #number: number | undefined;
  #isOver = false;
  #error: unknown;

  /** @internal */
  constructor(channel: Channel, source: FrameSource, reading: FrameReading<Frame>, signal: AbortSignal | undefined) {
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw typeError('signal: expected an AbortSignal');
    }
    this.#channel = channel;
    this.#source = source;
    this.#reading = reading;
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
  async next(): Promise<IteratorResult<Frame>> {
    await this.#opened;
    const frame = this.#waiting.shift();
    if (frame) {
      this.#weight -= this.#reading.weigh(frame);
      return { done: false, value: frame };
    }
    if (this.#isOver) {
      return this.#last();
    }
    this.#channel.beginWaiting();
    try {
      return await new Promise((resolve, reject) => {
        this.#readers.push({ resolve, reject });
      });
    } finally {
      this.#channel.stopWaiting();
    }
  }

  /** Ends the iteration. */
  async return(): Promise<IteratorResult<Frame>> {
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
    const frame = this.#reading.read(record);
    const reader = this.#readers.shift();
    if (reader) {
      reader.resolve({ done: false, value: frame });
      return;
    }
    this.#waiting.push(frame);
    this.#weight += this.#reading.weigh(frame);
    while (this.#weight > this.#reading.weightMax && this.#waiting.length > 1) {
      this.#weight -= this.#reading.weigh(this.#waiting.shift() as Frame);
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
  async #last(): Promise<IteratorResult<Frame>> {
    const error = this.#error;
    this.#error = undefined;
    if (error !== undefined) {
      throw error;
    }
    return { done: true, value: undefined };
  }
}
