import { Logger } from '../../logger.js';
import type { Producer } from '../../producer.js';
import type { VideoMixer } from '../../video-mixer.js';
import type { VideoMixerOutput } from '../../video-mixer-output.js';
import { Turnstile } from '../turnstile.js';
import type { MediaRoom } from './workers.js';

/** The pictures of a room as one, the same for everyone who wants it so. It is composed while somebody does. */
export class CombinedPicture {
  readonly #room: MediaRoom;
  /** What each video Producer is called, and whether it is a screen. */
  readonly #publishers = new Map<string, Publisher>();
  readonly #viewers = new Set<string>();
  /** One change at a time, so that none meets a mixer that is half made. */
  readonly #changes = new Turnstile(1);
  #running: { readonly mixer: VideoMixer; readonly output: VideoMixerOutput } | undefined;

  constructor(room: MediaRoom) {
    this.#room = room;
  }

  /** Someone shows something. */
  async add(publisher: Publisher, producer: Producer): Promise<void> {
    this.#publishers.set(producer.id, publisher);
    producer.observer.once('close', () => {
      this.#publishers.delete(producer.id);
      this.#changes.pass(() => this.#arrange()).catch(complain);
    });
    producer.observer.on('pause', () => this.#mute(producer.id, true));
    producer.observer.on('resume', () => this.#mute(producer.id, false));
    await this.#changes.pass(async () => {
      await this.#see(producer.id, producer.paused);
      await this.#arrange();
    });
  }

  /** The picture, as a Producer. */
  async open(viewer: string): Promise<Producer> {
    this.#viewers.add(viewer);
    return await this.#changes.pass(async () => {
      this.#running ??= await this.#start();
      return this.#running.output.producer;
    });
  }

  /** Tells whether nobody who shows something is missing in it. */
  async isWhole(): Promise<boolean> {
    const mixer = this.#running?.mixer;
    const stats = await mixer?.getStats().catch(() => undefined);
    const waiting = new Set(stats?.inputs.filter(({ avatar }) => avatar).map(({ inputId }) => inputId));
    return !mixer?.inputs.some(({ id, muted }) => !muted && waiting.has(id));
  }

  /** A viewer wants it no more. */
  close(viewer: string): void {
    this.#viewers.delete(viewer);
    if (this.#viewers.size === 0) {
      this.#running?.mixer.close();
    }
  }

  async #start() {
    const mixer = await this.#room.worker.createVideoMixer(PICTURE);
    mixer.observer.once('close', () => {
      this.#running = undefined;
    });
    try {
      const output = await mixer.createOutput({ router: this.#room.router, ...ENCODING });
      this.#running = { mixer, output };
      for (const producerId of this.#publishers.keys()) {
        await this.#see(producerId, false);
      }
      await this.#arrange();
      return this.#running;
    } catch (error) {
      mixer.close();
      throw error;
    }
  }

  async #see(producerId: string, muted: boolean): Promise<void> {
    const publisher = this.#publishers.get(producerId);
    if (publisher) {
      // Closed meanwhile, most likely.
      await this.#running?.mixer.addInput({ producerId, muted, label: labelOf(publisher) }).catch(complain);
    }
  }

  /** A screen stands large in front of all, people stand side by side. */
  async #arrange(): Promise<void> {
    const mixer = this.#running?.mixer;
    if (!mixer || mixer.closed) {
      return;
    }
    const screen = mixer.inputs.find(({ producerId }) => this.#publishers.get(producerId ?? '')?.isScreen);
    await mixer.setLayout({ template: screen ? 'lecture' : 'fluid' }).catch(complain);
    if (screen) {
      await mixer.setPrimary(screen).catch(complain);
    }
  }

  #mute(producerId: string, muted: boolean): void {
    const input = this.#running?.mixer.inputs.find((one) => one.producerId === producerId);
    (muted ? input?.mute() : input?.unmute())?.catch(complain);
  }
}

/** Who shows something. */
export type Publisher = { readonly name: string; readonly isScreen: boolean };

function labelOf({ name, isScreen }: Publisher): string {
  // Names have fewer characters than labels may have bytes, but for those of many bytes each.
  return Buffer.from(isScreen ? `${name}’s screen` : name)
    .subarray(0, LABEL_BYTES_MAX)
    .toString();
}

function complain(error: Error): void {
  logger.debug(`the combined picture did not change: ${error.message}`);
}

/** What is written into a tile has at most so many bytes; what is longer ends there. */
const LABEL_BYTES_MAX = 250;

/** Of a size that a weak line and a phone carry. */
const PICTURE = { width: 960, height: 540, frameRate: 24, background: '#101418', fit: 'letterbox' } as const;

/** As many bits as a line of 1 Mbit/s has room for beside sound. */
const ENCODING = { codec: 'vp8', bitrate: 800_000, keyFrameInterval: 10 } as const;

const logger = new Logger('Server');
