import type { NativeWorker } from '#native';
import { WorkerClosedError } from './errors.js';
import { Logger } from './logger.js';
import {
  errorFromAddon,
  errorFromWire,
  type LogMessage,
  type NativeMessage,
  type Outcome,
  parseBatch,
  toJson,
} from './native-events.js';
import { type PacketHandler, PacketWriter, readPackets } from './packet-batch.js';

/** What the native side calls, with messages as JSON text and with the packets that came since. */
export type BatchHandler = (messages: string, packets?: Buffer | null) => void;

/** Receives the events of one object. */
export type EventHandler = (event: string, data: unknown) => void;

/**
 * The conversation with one native worker: numbered requests out, one ordered stream of replies and events in.
 *
 * - An event that follows a reply is delivered in a later turn of the event loop, when whoever awaited the reply has
 *   seen it and added its listeners.
 * - While a request is pending or a reader waits, the channel is held and keeps the process alive. Otherwise it does neither: a worker
 *   that the application forgot is closed by the garbage collector.
 */
export class Channel {
  readonly #native: NativeWorker;
  readonly #onDied: (error: Error) => void;
  readonly #pending = new Map<number, (outcome: Outcome) => void>();
  readonly #handlers = new Map<string, EventHandler>();
  readonly #packetHandlers = new Map<number, PacketHandler>();
  readonly #packets: PacketWriter;
  /**
   * Messages that wait for their turn. It grows only while replies and events alternate, so by what the application's
   * own pending requests cause; the native queue behind it has its own bounds.
   */
  readonly #inbox: NativeMessage[] = [];
  /**
   * Packets that came with the reply that makes their object, until that object is there: at most what comes in a turn of
   * the event loop.
   */
  readonly #early = new Map<number, Buffer[]>();
  #delivering = false;
  #closed = false;
  #lastId = 0;
  /** Readers of packets that wait. */
  #readers = 0;

  /**
   * @param start - Makes the native worker; it must not keep the callback's owner alive, which {@link receiver} sees to.
   * @param onDied - Called once if the worker ends by itself, after all pending requests were rejected.
   */
  constructor(start: (onMessages: BatchHandler) => NativeWorker, onDied: (error: Error) => void) {
    this.#onDied = onDied;
    this.#native = start(receiver(new WeakRef(this)));
    this.#packets = new PacketWriter(this.#native);
    forgotten.register(this, this.#native, this);
  }

  /** Whether the worker was closed or died. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Sends a request and resolves with its reply.
   *
   * @throws The error that the worker answers, see {@link errorFromWire}; {@link WorkerClosedError} when the worker is
   * closed or dies first; `TypeError` when `params` holds a number or a value that JSON cannot carry.
   */
  async request<T>(method: string, params: object = {}): Promise<T> {
    const outcome = await this.#send(method, params);
    if ('error' in outcome) {
      // Thrown here and not where the message came in, so that the stack shows who called.
      throw errorFromWire(outcome.error);
    }
    return outcome.ok as T;
  }

  /** Sends the events of the object with this id to `handler`. */
  subscribe(id: string, handler: EventHandler): void {
    this.#handlers.set(id, handler);
  }

  /** Drops the events of the object with this id. */
  unsubscribe(id: string): void {
    this.#handlers.delete(id);
  }

  /** Sends the packets with this number to `handler`. */
  subscribePackets(number: number, handler: PacketHandler): void {
    this.#packetHandlers.set(number, handler);
  }

  /** Drops the packets with this number. */
  unsubscribePackets(number: number): void {
    this.#packetHandlers.delete(number);
  }

  /**
   * Sends a packet, which must have been checked: it is copied, and dealt with after the requests that were sent before.
   * After the end it is passed over.
   */
  sendPacket(number: number, packet: Uint8Array): void {
    if (!this.#closed) {
      this.#packets.add(number, packet);
    }
  }

  /** Holds the channel and the process until the reader of packets that begins to wait is told to {@link stopWaiting}. */
  beginWaiting(): void {
    this.#readers += 1;
    if (!this.#closed) {
      hold(this);
    }
  }

  /** A reader waits no more. */
  stopWaiting(): void {
    this.#readers -= 1;
    this.#releaseIfIdle();
  }

  /** Ends the worker: its ports are free and all pending requests rejected when this returns. Idempotent. */
  close(): void {
    if (!this.#closed) {
      this.#end('the worker was closed');
      this.#native.close();
    }
  }

  /** Takes in a batch; {@link receiver} calls it. */
  receive(messages: string, packets?: Buffer | null): void {
    if (this.#closed) {
      return;
    }
    this.#inbox.push(...parseBatch(messages));
    const isAnswered = this.#inbox.some(({ type }) => type === 'reply');
    if (!this.#delivering) {
      this.#deliver();
    }
    if (packets) {
      readPackets(packets, (number, packet) => this.#dispatchPacket(number, packet, isAnswered));
      // What listeners answered leaves now: while packets keep coming, this turn of the event loop may be a long one.
      this.#packets.flush();
    }
  }

  #send(method: string, params: object): Promise<Outcome> {
    if (this.#closed) {
      throw new WorkerClosedError(`cannot ask for ${method}: the worker is closed`, 'ERR_CLOSED');
    }
    const id = this.#nextId();
    const command = toJson({ ...params, id, method });
    this.#packets.flush();
    logger.debug(`request ${id} ${method}`);
    return new Promise((resolve, reject) => {
      this.#pending.set(id, resolve);
      hold(this);
      try {
        this.#native.request(command);
        stayAwake();
      } catch (cause) {
        this.#forget(id);
        reject(errorFromAddon(cause));
      }
    });
  }

  #nextId(): number {
    do {
      this.#lastId = (this.#lastId + 1) >>> 0;
    } while (this.#pending.has(this.#lastId));
    return this.#lastId;
  }

  #deliver(): void {
    this.#delivering = true;
    let replied = false;
    while (this.#inbox.length > 0 && !this.#closed) {
      const message = this.#inbox[0] as NativeMessage;
      if (replied && (message.type === 'event' || message.type === 'died')) {
        // Promises settle between turns; see the class's first rule.
        setImmediate(() => this.#deliver());
        return;
      }
      this.#inbox.shift();
      replied ||= message.type === 'reply';
      this.#handle(message);
    }
    this.#delivering = false;
  }

  #handle(message: NativeMessage): void {
    switch (message.type) {
      case 'reply':
        this.#settle(message.id, message);
        break;
      case 'event':
        this.#dispatch(message.target, message.event, message.data);
        break;
      case 'log':
        writeLog(message);
        break;
      case 'died':
        this.#die(message.message);
        break;
    }
  }

  #settle(id: number, outcome: Outcome): void {
    const resolve = this.#pending.get(id);
    if (!resolve) {
      logger.error(`reply to unknown request ${id}`);
      return;
    }
    this.#forget(id);
    resolve(outcome);
  }

  #forget(id: number): void {
    this.#pending.delete(id);
    this.#releaseIfIdle();
  }

  #releaseIfIdle(): void {
    if (this.#pending.size === 0 && this.#readers === 0) {
      release(this);
    }
  }

  #dispatch(target: string, event: string, data: unknown): void {
    const handler = this.#handlers.get(target);
    if (!handler) {
      // The object was closed here while the event was under way.
      return;
    }
    try {
      handler(event, data);
    } catch (cause) {
      // Listeners are guarded one by one, so this is a fault of the facade; the rest of the batch must not suffer.
      logger.error(`handling '${event}' failed`, cause as Error);
    }
  }

  #dispatchPacket(number: number, packet: Buffer, isAnswered: boolean): void {
    const handler = this.#packetHandlers.get(number);
    const early = this.#early.get(number);
    if (early || (!handler && isAnswered)) {
      this.#keepEarly(number, early, packet);
      return;
    }
    if (!handler) {
      // The object was closed here while the packet was under way.
      return;
    }
    try {
      handler(packet);
    } catch (cause) {
      // As with events: listeners are guarded one by one.
      logger.error('handling a packet failed', cause as Error);
    }
  }

  #keepEarly(number: number, early: Buffer[] | undefined, packet: Buffer): void {
    if (early) {
      early.push(packet);
      return;
    }
    if (this.#early.size === 0) {
      setImmediate(() => this.#dispatchEarly());
    }
    this.#early.set(number, [packet]);
  }

  #dispatchEarly(): void {
    if (this.#inbox.length > 0) {
      setImmediate(() => this.#dispatchEarly());
      return;
    }
    const early = [...this.#early];
    this.#early.clear();
    for (const [number, packets] of early) {
      for (const packet of packets) {
        this.#dispatchPacket(number, packet, false);
      }
    }
  }

  #die(message: string): void {
    this.#end(message);
    this.#native.close();
    this.#onDied(new WorkerClosedError(message));
  }

  #end(reason: string): void {
    this.#closed = true;
    forgotten.unregister(this);
    this.#handlers.clear();
    this.#packetHandlers.clear();
    this.#early.clear();
    this.#inbox.length = 0;
    for (const resolve of this.#pending.values()) {
      resolve({ error: { class: 'WorkerClosedError', code: 'ERR_WORKER_CLOSED', message: reason } });
    }
    this.#pending.clear();
    release(this);
  }
}

/**
 * The function that the native side calls. It stands outside of the class because a closure in there could capture
 * `this`, and then no forgotten worker would ever be collected.
 */
function receiver(channel: WeakRef<Channel>): BatchHandler {
  return (messages, packets) => channel.deref()?.receive(messages, packets);
}

function writeLog({ level, tag, message }: LogMessage): void {
  workerLogger[level](tag ? `[${tag}] ${message}` : message);
}

/** Keeps the channel and the process alive: a call is pending. */
function hold(channel: Channel): void {
  busy.add(channel);
  keepAlive ??= setInterval(() => {}, KEEP_ALIVE_INTERVAL_MS);
}

function release(channel: Channel): void {
  busy.delete(channel);
  if (busy.size === 0) {
    clearInterval(keepAlive);
    keepAlive = undefined;
  }
}

/** The channels with a pending call. Without it, a call that nothing but its own promise refers to would be collected. */
const busy = new Set<Channel>();

/** Keeps the event loop turning for the next {@link AWAKE_MS} while a call is pending. */
function stayAwake(): void {
  awakeUntil = performance.now() + AWAKE_MS;
  if (!turning) {
    turning = true;
    setImmediate(turn);
  }
}

function turn(): void {
  turning = busy.size > 0 && performance.now() < awakeUntil;
  if (turning) {
    setImmediate(turn);
  }
}

/**
 * How long the event loop polls after a request instead of sleeping. Most replies come within 50 µs, and to fall
 * asleep and be woken costs about as much again. Everything else in the loop has its turns meanwhile.
 */
const AWAKE_MS = 0.2;

let awakeUntil = 0;
let turning = false;

/** One timer for all channels that never does anything; a weak native callback does not keep the process alive. */
let keepAlive: NodeJS.Timeout | undefined;

/** The longest interval that timers take. */
const KEEP_ALIVE_INTERVAL_MS = 2 ** 31 - 1;

/** Closes the native workers of collected channels. */
const forgotten = new FinalizationRegistry<NativeWorker>((native) => native.close());

const logger = new Logger('Channel');
const workerLogger = new Logger('Worker');
