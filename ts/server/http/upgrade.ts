import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

/** Takes over the connection of an upgrade request (RFC 9110 §7.8). */
export type UpgradeHandler = (request: IncomingMessage, url: URL, socket: Duplex, head: Buffer) => void;

/**
 * Hands each upgrade request to the handler of its path. There is one of these for all listeners, because several
 * `upgrade` listeners on one HTTP server would answer each other's requests.
 */
export class UpgradeRouter {
  readonly #handlers = new Map<string, UpgradeHandler>();

  /** Sets the handler of a path; a path has one. */
  handle(path: string, handler: UpgradeHandler): void {
    this.#handlers.set(path, handler);
  }

  /** Listener for the `upgrade` event of an HTTP server. */
  readonly route = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    // A socket may fail at any time, and without a listener that would end the process.
    socket.on('error', () => socket.destroy());
    const url = targetOf(request);
    const handler = url && this.#handlers.get(url.pathname);
    if (url && handler) {
      handler(request, url, socket, head);
    } else {
      refuseUpgrade(socket, 404, 'nothing here speaks WebSocket');
    }
  };
}

/** The target of a request; `undefined` where it is none. Its origin means nothing. */
function targetOf({ url = '' }: IncomingMessage): URL | undefined {
  return URL.canParse(url, 'http://host') ? new URL(url, 'http://host') : undefined;
}

/** Answers an upgrade request with an error and ends the connection. */
export function refuseUpgrade(socket: Duplex, status: number, reason: string): void {
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Connection: close',
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(reason)}`,
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${reason}`);
}
