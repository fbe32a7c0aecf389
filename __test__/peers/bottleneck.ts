import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

/** What a line does with datagrams of one direction. */
export type Line = {
  /** What it carries, in bit/s. */
  bitrate: number;
  /** How long a datagram may wait for it, in ms; one that would wait for longer is lost. */
  queueMs: number;
  /** How long it takes to the other end, in ms. */
  delayMs: number;
  /** Part of the datagrams that are lost besides, 0 to 1. */
  loss: number;
};

/** A line that does nothing. */
export const OPEN_LINE: Line = { bitrate: 1e9, queueMs: 1000, delayMs: 0, loss: 0 };

/** Bytes that a datagram takes on the line besides its own: the headers of IPv4 and UDP. */
const HEADER_BYTES = 28;

/** How often datagrams that have arrived are handed out, in ms. */
const TICK_MS = 1;

/** Datagrams that a direction holds at most, whatever its queue says; further ones are lost. */
const DATAGRAMS_MAX = 10_000;

/** A UDP relay between one client and a server on this machine, through lines that can be changed at any time. */
export class Bottleneck {
  readonly toClient: Direction;
  readonly toServer: Direction;
  readonly #near: Socket;
  readonly #far: Socket;
  readonly #timer: NodeJS.Timeout;
  #client = { address: '127.0.0.1', port: 0 };

  private constructor(near: Socket, far: Socket, server: number, seed: number) {
    this.#near = near;
    this.#far = far;
    this.toServer = new Direction(seed, (datagram) => far.send(datagram, server, '127.0.0.1'));
    this.toClient = new Direction(seed + 1, (datagram) => near.send(datagram, this.#client.port, this.#client.address));
    near.on('message', (datagram, client) => {
      this.#client = client;
      this.toServer.take(datagram);
    });
    far.on('message', (datagram) => this.toClient.take(datagram));
    this.#timer = setInterval(() => {
      this.toServer.deliver();
      this.toClient.deliver();
    }, TICK_MS);
  }

  /** Opens a relay to a port of this machine. Which datagrams are lost follows from `seed`. */
  static async open(server: number, seed = 1): Promise<Bottleneck> {
    const sockets = [createSocket('udp4'), createSocket('udp4')] as const;
    for (const socket of sockets) {
      socket.bind(0, '127.0.0.1');
      await once(socket, 'listening');
      socket.setRecvBufferSize(4_000_000);
    }
    return new Bottleneck(...sockets, server, seed);
  }

  /** The port for the client. */
  get port(): number {
    return this.#near.address().port;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#near.close();
    this.#far.close();
  }
}

/** One direction of a relay. */
export class Direction {
  line: Line = OPEN_LINE;
  /** Datagrams that came, that the queue had no room for, and that were lost by chance. */
  came = 0;
  overflown = 0;
  lost = 0;
  readonly #send: (datagram: Buffer) => void;
  readonly #waiting: { datagram: Buffer; at: number }[] = [];
  #seed: number;
  #busyUntil = 0;

  constructor(seed: number, send: (datagram: Buffer) => void) {
    this.#seed = seed;
    this.#send = send;
  }

  take(datagram: Buffer): void {
    this.came += 1;
    const { bitrate, queueMs, delayMs, loss } = this.line;
    const now = performance.now();
    const begins = Math.max(now, this.#busyUntil);
    if (begins - now > queueMs || this.#waiting.length >= DATAGRAMS_MAX) {
      this.overflown += 1;
      return;
    }
    this.#busyUntil = begins + ((datagram.length + HEADER_BYTES) * 8000) / bitrate;
    if (this.#chance() < loss) {
      this.lost += 1;
      return;
    }
    this.#waiting.push({ datagram, at: this.#busyUntil + delayMs });
  }

  deliver(): void {
    const now = performance.now();
    while (this.#waiting[0] && this.#waiting[0].at <= now) {
      this.#send(this.#waiting.shift()?.datagram as Buffer);
    }
  }

  /** A number from 0 to 1 (mulberry32). */
  #chance(): number {
    this.#seed = (this.#seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#seed ^ (this.#seed >>> 15), 1 | this.#seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}
