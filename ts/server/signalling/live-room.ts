import { Logger } from '../../logger.js';
import type { Producer } from '../../producer.js';
import { type Effect, type Profile, Room } from '../conference/room.js';
import type { Limits } from '../limits.js';
import { CombinedPicture } from '../media/combined-picture.js';
import { CombinedSound } from '../media/combined-sound.js';
import type { MediaRoom } from '../media/workers.js';
import { CLOSE } from '../protoo/connection.js';
import type { Participant } from './participant.js';

/** A room with people in it: carries out what the conference core decides. */
export class LiveRoom {
  readonly #media: MediaRoom;
  readonly #onEmpty: () => void;
  /** The sound and the pictures of all as one stream each. */
  readonly combined: { readonly audio: CombinedSound; readonly video: CombinedPicture };
  readonly #room = new Room();
  readonly #participants = new Map<string, Participant>();

  /** `onEmpty` is called when the last one has left. */
  constructor(media: MediaRoom, limits: Limits, onEmpty: () => void) {
    this.#media = media;
    this.#onEmpty = onEmpty;
    this.combined = { audio: new CombinedSound(media), video: new CombinedPicture(media) };
    media.router.once('workerclose', () =>
      this.close(CLOSE.goingAway, 'the media worker ended; join again', limits.closeTimeoutMs),
    );
  }

  /** Where its media is forwarded. */
  get media(): MediaRoom {
    return this.#media;
  }

  /** Number of those who are connected. */
  get size(): number {
    return this.#participants.size;
  }

  /** Whether someone with this id is in. */
  has(peerId: string): boolean {
    return this.#participants.has(peerId);
  }

  /** Lets someone in. Who came with the same id before has to go. */
  enter(participant: Participant): void {
    const { id } = participant;
    const replaced = this.#participants.get(id);
    this.#participants.set(id, participant);
    if (replaced) {
      this.#carryOut(this.#room.leave(id));
      replaced.close(CLOSE.final, 'replaced by a newer connection with the same id');
    }
    this.#room.enter(id);
  }

  /** Makes someone a participant; answers who else is there. */
  join(participant: Participant, profile: Profile): object {
    const { peers, effects } = this.#room.join(participant.id, profile);
    // The answer has to reach the client before the first newConsumer does.
    setImmediate(() => this.#carryOut(effects));
    return { peers };
  }

  /**
   * Checks that someone has joined.
   *
   * @throws {@link InvalidStateError} when not.
   */
  ensureJoined(participant: Participant): void {
    this.#room.joined(participant.id);
  }

  /** Changes a name. */
  rename(participant: Participant, displayName: string): void {
    this.#carryOut(this.#room.rename(participant.id, displayName));
  }

  /** Gives a new Producer to all others. */
  publish(participant: Participant, producer: Producer): void {
    producer.observer.once('close', () => this.#room.unpublish(participant.id, producer.id));
    const effects = this.#room.publish(participant.id, producer.id);
    this.#combine(participant, producer).catch((error: Error) => {
      logger.debug(`what is combined did not change: ${error.message}`);
    });
    setImmediate(() => this.#carryOut(effects));
  }

  async #combine(participant: Participant, producer: Producer): Promise<void> {
    if (producer.kind === 'audio') {
      await this.combined.audio.add(participant.id, producer);
    } else {
      const { displayName: name } = this.#room.joined(participant.id).profile;
      await this.combined.video.add({ name, isScreen: producer.appData.source === 'screen' }, producer);
    }
  }

  /** Someone's connection ended. */
  left(participant: Participant): void {
    if (this.#participants.get(participant.id) !== participant) {
      return;
    }
    this.#participants.delete(participant.id);
    this.#carryOut(this.#room.leave(participant.id));
    if (this.#participants.size === 0) {
      this.#onEmpty();
    }
  }

  /** Ends the call for everyone, telling why. Who is not gone after this time in ms is cut off. */
  async close(code: number, reason: string, timeoutMs: number): Promise<void> {
    const participants = [...this.#participants.values()];
    for (const participant of participants) {
      participant.close(code, reason);
    }
    await Promise.all(participants.map((participant) => participant.drained(timeoutMs)));
  }

  #carryOut(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.type === 'notify') {
        this.#participants.get(effect.to)?.notify(effect.method, effect.data);
      } else {
        void this.#consume(effect.viewer, effect.owner, effect.producerId);
      }
    }
  }

  async #consume(viewer: string, owner: string, producerId: string): Promise<void> {
    try {
      // Either may have left, and the Producer may be closed, since the core decided.
      const producer = this.#participants.get(owner)?.producer(producerId);
      await (producer && this.#participants.get(viewer)?.consume(owner, producer));
    } catch (error) {
      logger.debug(`nothing was consumed: ${(error as Error).message}`);
    }
  }
}

const logger = new Logger('Signalling');
