import { debuglog } from 'node:util';

/**
 * Receivers of log lines, for {@link setLogEventListeners}. `namespace` is `millrace:Worker`, `millrace:WARN:Worker`,
 * `millrace:ERROR:Worker` and the like; a line carries no addresses and no secrets.
 */
export type LogEventListeners = {
  /** Receives debug lines. */
  ondebug?: (namespace: string, log: string) => void;
  /** Receives warnings. */
  onwarn?: (namespace: string, log: string) => void;
  /** Receives errors, with the error object where there is one. */
  onerror?: (namespace: string, log: string, error?: Error) => void;
};

/**
 * Sets who receives the log lines of this package and of its workers, instead of the listeners set before.
 *
 * Until the first call, errors go to standard error. After `setLogEventListeners()` without arguments nobody gets
 * anything. `NODE_DEBUG=millrace` prints every line in any case.
 */
export function setLogEventListeners(listeners?: LogEventListeners): void {
  sink = listeners ?? {};
}

/** Writes the log lines of one part of the facade. */
export class Logger {
  readonly #debug: string;
  readonly #warn: string;
  readonly #error: string;

  constructor(part: string) {
    this.#debug = `millrace:${part}`;
    this.#warn = `millrace:WARN:${part}`;
    this.#error = `millrace:ERROR:${part}`;
  }

  /** A step of an object's life. */
  debug(log: string): void {
    write(this.#debug, log, sink.ondebug);
  }

  /** Something that a peer, the system or the application did wrong. */
  warn(log: string): void {
    write(this.#warn, log, sink.onwarn);
  }

  /** Something that should not happen. */
  error(log: string, error?: Error): void {
    write(this.#error, log, sink.onerror, error);
  }
}

function write(namespace: string, log: string, listener: LogEventListeners['onerror'], error?: Error): void {
  if (print.enabled) {
    print('%s %s', namespace, log, ...(error ? [error] : []));
  }
  try {
    listener?.(namespace, log, error);
  } catch (cause) {
    // A log listener cannot be told by a log line that it threw.
    console.error(`${namespace} a log listener threw`, cause);
  }
}

const print = debuglog('millrace');

let sink: LogEventListeners = {
  onerror: (namespace, log, error) => console.error(`${namespace} ${log}`, ...(error ? [error] : [])),
};
