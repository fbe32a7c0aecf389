import {
  InvalidStateError,
  LimitError,
  MillraceError,
  NotFoundError,
  UnsupportedError,
  WorkerClosedError,
} from './errors.js';
import type { ErrorClass } from './generated/model.js';

/** An error of the Rust core as it crosses the bridge. */
export type WireError = { readonly class: ErrorClass; readonly code: string; readonly message: string };

/** How a request ended: with a value, or refused and without effect. */
export type Outcome = { readonly ok: unknown } | { readonly error: WireError };

/** The answer to the request with this number. */
export type ReplyMessage = { readonly type: 'reply'; readonly id: number } & Outcome;

/** Something happened to the object with the id `target`. */
export type EventMessage = {
  readonly type: 'event';
  readonly target: string;
  readonly event: string;
  readonly data: unknown;
};

/** A line for the log. */
export type LogMessage = {
  readonly type: 'log';
  readonly level: 'debug' | 'warn' | 'error';
  readonly tag?: string;
  readonly message: string;
};

/** The worker ended by itself; nothing follows. */
export type DiedMessage = { readonly type: 'died'; readonly message: string };

/** What a worker says, in the order in which things happened. */
export type NativeMessage = ReplyMessage | EventMessage | LogMessage | DiedMessage;

/** Reads one batch of messages. The Rust core writes them, so their shape is not checked again. */
export function parseBatch(batch: string): NativeMessage[] {
  return JSON.parse(batch) as NativeMessage[];
}

/**
 * Writes arguments for the Rust core.
 *
 * @throws `TypeError` for what JSON cannot carry: NaN and the infinities, which it would turn into null, which means
 * "not given" on the other side; cycles and BigInts.
 */
export function toJson(value: unknown): string {
  const text = JSON.stringify(value ?? null);
  if (text.includes('null')) {
    checkNumbers(value);
  }
  return text;
}

/** A replacer makes writing half as fast again, so {@link toJson} looks at each number only where one may be missing. */
function checkNumbers(value: unknown): void {
  JSON.stringify(value, (key, member) => {
    if (typeof member === 'number' && !Number.isFinite(member)) {
      throw typeError(`${key}: expected a finite number, got ${member}`);
    }
    return member;
  });
}

/** Turns an error of the Rust core into an instance of its class. */
export function errorFromWire({ class: name, code, message }: WireError): Error {
  switch (name) {
    case 'TypeError':
      return typeError(message, code);
    case 'UnsupportedError':
      return new UnsupportedError(message, code);
    case 'NotFoundError':
      return new NotFoundError(message, code);
    case 'InvalidStateError':
      return new InvalidStateError(message, code);
    case 'WorkerClosedError':
      return new WorkerClosedError(message, code);
    default:
      return LIMIT_CODES.has(code) ? new LimitError(message, code) : new MillraceError(message, code);
  }
}

/** Turns what a synchronous call into the addon threw into an instance of its class: the message holds a wire error. */
export function errorFromAddon(thrown: unknown): unknown {
  if (!(thrown instanceof Error)) {
    return thrown;
  }
  try {
    const error = JSON.parse(thrown.message) as WireError;
    return typeof error.class === 'string' ? errorFromWire(error) : thrown;
  } catch {
    // A fault of the addon itself, which has no class.
    return thrown;
  }
}

/** A `TypeError` with a code: what a wrong argument gives. */
export function typeError(message: string, code = 'ERR_INVALID_ARGUMENT'): TypeError {
  return Object.assign(new TypeError(message), { code });
}

/** Codes of class `Error` that say that a bound was hit. */
const LIMIT_CODES = new Set(['ERR_LIMIT_EXCEEDED', 'ERR_TOO_MANY_REQUESTS']);
