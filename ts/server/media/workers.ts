import { createWorker } from '../../create-worker.js';
import { MillraceError } from '../../errors.js';
import { Logger } from '../../logger.js';
import type { Router } from '../../router.js';
import type { WebRtcServer } from '../../webrtc-server.js';
import type { Worker } from '../../worker.js';
import type { ServerConfig } from '../options/config.js';
import { MEDIA_CODECS } from './codecs.js';
import { openMediaPort } from './ports.js';

/** What the media of a room needs: a Router, its Worker, and the ports that its participants share. */
export type MediaRoom = { readonly router: Router; readonly worker: Worker; readonly webRtcServer: WebRtcServer };

/** The Workers of the server. Rooms are spread over them, each in one. */
export class MediaWorkers {
  readonly #config: ServerConfig;
  readonly #lanes: Lane[] = [];
  #closed = false;

  private constructor(config: ServerConfig) {
    this.#config = config;
  }

  /** UDP and TCP port of each Worker. */
  get ports(): readonly number[] {
    return this.#lanes.map(({ port }) => port);
  }

  /**
   * Starts the Workers and opens their ports.
   *
   * @throws {@link OptionError} when a port that was asked for is taken.
   */
  static async start(config: ServerConfig): Promise<MediaWorkers> {
    const workers = new MediaWorkers(config);
    try {
      for (let index = 0; index < config.workers; index += 1) {
        workers.#lanes.push(await workers.#startLane(index));
      }
    } catch (error) {
      workers.close();
      throw error;
    }
    return workers;
  }

  /** Makes the media side of a room in the Worker that has the fewest. */
  async createRoom(): Promise<MediaRoom> {
    const [lane] = [...this.#lanes].sort((a, b) => a.rooms - b.rooms);
    if (!lane) {
      throw new MillraceError('no media worker is running');
    }
    lane.rooms += 1;
    try {
      const router = await lane.worker.createRouter({ mediaCodecs: MEDIA_CODECS });
      router.observer.once('close', () => {
        lane.rooms -= 1;
      });
      return { router, worker: lane.worker, webRtcServer: lane.webRtcServer };
    } catch (error) {
      lane.rooms -= 1;
      throw error;
    }
  }

  /** Closes the Workers with everything in them. */
  close(): void {
    this.#closed = true;
    for (const { worker } of this.#lanes.splice(0)) {
      worker.close();
    }
  }

  async #startLane(index: number): Promise<Lane> {
    const { logLevel } = this.#config;
    const worker = await createWorker({ logLevel, logTags: logLevel === 'debug' ? LOG_TAGS : [] });
    try {
      const { webRtcServer, port } = await openMediaPort(worker, this.#config, index);
      const lane = { worker, webRtcServer, port, rooms: 0 };
      worker.once('died', (error) => void this.#replace(lane, index, error));
      return lane;
    } catch (error) {
      worker.close();
      throw error;
    }
  }

  /** A Worker that died takes its rooms with it, and the next rooms find a new one. */
  async #replace(dead: Lane, index: number, cause: Error): Promise<void> {
    logger.error(`media worker ${index} died: ${cause.message}`);
    this.#lanes.splice(this.#lanes.indexOf(dead), 1);
    if (this.#closed) {
      return;
    }
    try {
      const lane = await this.#startLane(index);
      // Closed while it was starting?
      if (this.#closed) {
        lane.worker.close();
      } else {
        this.#lanes.push(lane);
      }
    } catch (error) {
      logger.error(`media worker ${index} cannot be replaced`, error as Error);
    }
  }
}

type Lane = { readonly worker: Worker; readonly webRtcServer: WebRtcServer; readonly port: number; rooms: number };

const LOG_TAGS = ['info', 'ice', 'dtls', 'rtp', 'srtp', 'rtcp'] as const satisfies string[];

const logger = new Logger('Server');
