import type { FastifyInstance } from 'fastify';
import { httpApp } from './http/app.js';
import { Listeners } from './http/listeners.js';
import { UpgradeRouter } from './http/upgrade.js';
import { LIMITS, type Limits } from './limits.js';
import { MediaWorkers } from './media/workers.js';
import { checkOptions, completeConfig } from './options/check.js';
import type { ServerConfig, ServerOptions } from './options/config.js';
import { signallingDoor } from './signalling/door.js';
import { Rooms } from './signalling/rooms.js';

/** Where a server is reached. Every list begins with the address that works best on this machine. */
export type ServerUrls = {
  /** Start pages; each visit leads to a new room. */
  readonly start: readonly string[];
  /** Signalling in protoo framing, to which clients add `?roomId=&peerId=`. */
  readonly protoo: readonly string[];
  /** Health checks. */
  readonly health: readonly string[];
  /** The page of a room. */
  meet(room: string): readonly string[];
};

/** A conference server that listens: HTTP, signalling and media in this process. */
export class Server {
  readonly #app: FastifyInstance;
  readonly #workers: MediaWorkers;
  readonly #rooms: Rooms;
  readonly #listeners: Listeners;
  #closed: Promise<void> | undefined;

  /** @internal */
  constructor(app: FastifyInstance, workers: MediaWorkers, rooms: Rooms, listeners: Listeners) {
    this.#app = app;
    this.#workers = workers;
    this.#rooms = rooms;
    this.#listeners = listeners;
    const { origins } = listeners;
    this.urls = {
      start: origins.map((origin) => `${origin}/`),
      protoo: origins.map((origin) => `${origin.replace('http', 'ws')}/protoo`),
      health: origins.map((origin) => `${origin}/healthz`),
      meet: (room) => origins.map((origin) => `${origin}/meet/${room}`),
    };
  }

  /** Where the server is reached. */
  readonly urls: ServerUrls;

  /** UDP and TCP port for media of each worker; 0 where the options let every address have its own. */
  get mediaPorts(): readonly number[] {
    return this.#workers.ports;
  }

  /** Whether the server is closed or closing. */
  get closed(): boolean {
    return this.#closed !== undefined;
  }

  /** Number of rooms and of participants in them. */
  get counts(): { readonly rooms: number; readonly participants: number } {
    return this.#rooms.counts;
  }

  /**
   * Ends all calls, telling every client why, and frees all ports. Idempotent. Takes one second at most, when a client
   * does not answer.
   */
  close(reason = 'the server is shutting down'): Promise<void> {
    this.#closed ??= this.#close(reason);
    return this.#closed;
  }

  /** Same as `close()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(reason: string): Promise<void> {
    await this.#rooms.close(reason);
    this.#workers.close();
    await this.#listeners.close();
    await this.#app.close();
  }
}

/**
 * Starts a server.
 *
 * @internal
 */
export async function startServer(options: ServerOptions, limits: Limits = LIMITS): Promise<Server> {
  const config = completeConfig(checkOptions(options));
  const workers = await MediaWorkers.start(config);
  try {
    return await openServer(config, workers, limits);
  } catch (error) {
    workers.close();
    throw error;
  }
}

async function openServer(config: ServerConfig, workers: MediaWorkers, limits: Limits): Promise<Server> {
  const rooms = new Rooms(workers, config, limits);
  const app = await httpApp(() => rooms.counts);
  const upgrades = new UpgradeRouter();
  upgrades.handle('/protoo', signallingDoor(rooms, config, limits));
  const listeners = await Listeners.open(config, app.routing, upgrades);
  return new Server(app, workers, rooms, listeners);
}
