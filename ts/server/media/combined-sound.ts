import type { AudioMixer } from '../../audio-mixer.js';
import type { AudioMixerOutput } from '../../audio-mixer-output.js';
import { Logger } from '../../logger.js';
import type { Producer } from '../../producer.js';
import { Turnstile } from '../turnstile.js';
import type { MediaRoom } from './workers.js';

/** The sound of a room as one stream for everyone who wants it so, without their own. It is mixed while somebody does. */
export class CombinedSound {
  readonly #room: MediaRoom;
  /** Whose each audio Producer is. */
  readonly #owners = new Map<string, string>();
  readonly #outputs = new Map<string, AudioMixerOutput>();
  /** One change at a time, so that none meets a mixer that is half made. */
  readonly #changes = new Turnstile(1);
  #mixer: AudioMixer | undefined;

  constructor(room: MediaRoom) {
    this.#room = room;
  }

  /** Someone speaks. Everyone but the owner hears it. */
  async add(owner: string, producer: Producer): Promise<void> {
    this.#owners.set(producer.id, owner);
    producer.observer.once('close', () => this.#owners.delete(producer.id));
    await this.#changes.pass(async () => {
      if (this.#mixer && (await this.#hear(this.#mixer, producer.id))) {
        await this.#outputs.get(owner)?.setExclude(this.#heardFrom(this.#mixer, owner));
      }
    });
  }

  /** The sound of everyone but the listener, as a Producer. */
  async open(listener: string): Promise<Producer> {
    return await this.#changes.pass(async () => {
      const mixer = await this.#running();
      const exclude = this.#heardFrom(mixer, listener);
      const output =
        this.#outputs.get(listener) ?? (await mixer.createOutput({ router: this.#room.router, ...SOUND, exclude }));
      this.#outputs.set(listener, output);
      output.observer.once('close', () => this.#closed(listener, output));
      return output.producer;
    });
  }

  /** Ends a listener's stream, if there is one. */
  close(listener: string): void {
    this.#outputs.get(listener)?.close();
  }

  async #running(): Promise<AudioMixer> {
    if (this.#mixer) {
      return this.#mixer;
    }
    const mixer = await this.#room.worker.createAudioMixer({ topK: VOICES });
    this.#mixer = mixer;
    mixer.observer.once('close', () => {
      this.#mixer = undefined;
    });
    await Promise.all([...this.#owners.keys()].map((producerId) => this.#hear(mixer, producerId)));
    return mixer;
  }

  async #hear(mixer: AudioMixer, producerId: string): Promise<boolean> {
    try {
      await mixer.addInput({ producerId });
      return true;
    } catch (error) {
      // Closed meanwhile, most likely.
      logger.debug(`a producer is not in the combined sound: ${(error as Error).message}`);
      return false;
    }
  }

  /** The inputs that are someone's own. */
  #heardFrom(mixer: AudioMixer, owner: string) {
    return mixer.inputs.filter(({ producerId }) => producerId && this.#owners.get(producerId) === owner);
  }

  #closed(listener: string, output: AudioMixerOutput): void {
    if (this.#outputs.get(listener) === output) {
      this.#outputs.delete(listener);
    }
    if (this.#outputs.size === 0) {
      this.#mixer?.close();
    }
  }
}

/** Voices that are heard at a time, the loudest. */
const VOICES = 8;

/** A good voice, of which a lost packet is made up from the next. */
const SOUND = { codec: 'opus', bitrate: 40_000, inBandFec: true } as const;

const logger = new Logger('Server');
