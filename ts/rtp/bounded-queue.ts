import { LimitError } from '../errors.js';
import { checkCount } from './errors.js';

/**
 * A queue between who makes items at their own pace and one `for await` loop that takes them. When it is full, the oldest
 * item is dropped and counted: of media, the newest counts.
 *
 * @example
 * ```ts
 * const queue = new BoundedQueue<Buffer>(512);
 * socket.on('message', (message) => queue.push(message));
 * socket.on('close', () => queue.end());
 * for await (const message of queue) console.log(message.length);
 * ```
 */
export class BoundedQueue<T> implements AsyncIterableIterator<T> {
  readonly #capacity: number;
  readonly #onEnd: (() => void) | undefined;
  /** A ring: the oldest item stands at `#head`. It grows as it fills, up to the capacity. */
  #items: (T | undefined)[] = [];
  #head = 0;
  #size = 0;
  #dropped = 0;
  #ended = false;
  #waiting: Waiting<T>[] = [];

  /**
   * @param capacity - Most items that wait, 1 to {@link QUEUE_ITEMS_MAX}.
   * @param onEnd - Called once when the queue ends, whoever ends it: to stop what fills it.
   * @throws `TypeError` when the capacity is out of range.
   */
  constructor(capacity: number, onEnd?: () => void) {
    this.#capacity = checkCount(capacity, QUEUE_ITEMS_MAX, 'queue');
    this.#onEnd = onEnd;
  }

  /** Items that wait. */
  get size(): number {
    return this.#size;
  }

  /** Items that were dropped because the queue was full. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Whether the queue takes no more items. Those that wait can still be taken. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Hands an item to who waits, or lets it wait. After the end it is passed over. */
  push(item: T): void {
    if (this.#ended) {
      return;
    }
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) {
      waiting.resolve({ done: false, value: item });
      return;
    }
    if (this.#size === this.#capacity) {
      this.#take();
      this.#dropped += 1;
    }
    this.#add(item);
  }

  /** Ends the queue: what waits can still be taken, then the loop ends. Idempotent. */
  end(): void {
    if (this.#ended) {
      return;
    }
    this.#ended = true;
    for (const waiting of this.#waiting.splice(0)) {
      waiting.resolve(DONE);
    }
    this.#onEnd?.();
  }

  /**
   * Takes the oldest item, or waits for one. Rejects with a `LimitError` when more than {@link QUEUE_READERS_MAX} calls
   * wait already.
   */
  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#size > 0) {
      return Promise.resolve({ done: false, value: this.#take() });
    }
    if (this.#ended) {
      return Promise.resolve(DONE);
    }
    if (this.#waiting.length >= QUEUE_READERS_MAX) {
      return Promise.reject(new LimitError(`more than ${QUEUE_READERS_MAX} calls of next() wait for an item`));
    }
    return new Promise((resolve) => {
      this.#waiting.push({ resolve });
    });
  }

  /** Ends the queue and forgets what waits: a `for await` loop that is left calls it. */
  return(): Promise<IteratorResult<T, undefined>> {
    this.end();
    this.#items = [];
    this.#head = 0;
    this.#size = 0;
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Ends the queue and forgets what waits. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #add(item: T): void {
    if (this.#size === this.#items.length) {
      this.#grow();
    }
    this.#items[(this.#head + this.#size) % this.#items.length] = item;
    this.#size += 1;
  }

  #take(): T {
    const item = this.#items[this.#head] as T;
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) % this.#items.length;
    this.#size -= 1;
    return item;
  }

  /** Doubles the ring, so that what fills up costs the same for each item. */
  #grow(): void {
    const older = this.#items;
    const larger: (T | undefined)[] = new Array(Math.min(this.#capacity, Math.max(RING_BEGIN, 2 * older.length)));
    for (let index = 0; index < this.#size; index += 1) {
      larger[index] = older[(this.#head + index) % older.length];
    }
    this.#items = larger;
    this.#head = 0;
  }
}

/** Most items that a queue can be made for: seconds of media. More are refused. */
export const QUEUE_ITEMS_MAX = 65_536;

/** Calls of `next()` that wait at once; a `for await` loop makes one. One more rejects. */
export const QUEUE_READERS_MAX = 64;

type Waiting<T> = { resolve(result: IteratorResult<T, undefined>): void };

/** Places of a ring that begins. */
const RING_BEGIN = 16;

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };
