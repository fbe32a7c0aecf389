import type { Limits } from '../limits.js';
import type { MediaWorkers } from '../media/workers.js';
import type { ServerConfig } from '../options/config.js';
import { CLOSE, type Connection } from '../protoo/connection.js';
import { Refusal } from '../protoo/refusal.js';
import { LiveRoom } from './live-room.js';
import { Participant } from './participant.js';

/** All rooms of the server. One exists as long as someone is in it. */
export class Rooms {
  readonly #workers: MediaWorkers;
  readonly #config: ServerConfig;
  readonly #limits: Limits;
  readonly #rooms = new Map<string, Promise<LiveRoom>>();
  readonly #open = new Set<LiveRoom>();
  #closing = false;

  constructor(workers: MediaWorkers, config: ServerConfig, limits: Limits) {
    this.#workers = workers;
    this.#config = config;
    this.#limits = limits;
  }

  /** Number of rooms and of those who are connected to them. */
  get counts(): { readonly rooms: number; readonly participants: number } {
    const participants = [...this.#open].reduce((sum, room) => sum + room.size, 0);
    return { rooms: this.#open.size, participants };
  }

  /** Lets a client into a room, which is made if it does not exist, or tells it why not. */
  async enter(connection: Connection, roomId: string, peerId: string): Promise<void> {
    try {
      let room = await this.#room(roomId);
      // Others who waited for the same room may have been its last guests already.
      while (!this.#open.has(room)) {
        room = await this.#room(roomId);
      }
      if (connection.closed) {
        return this.#closeIfEmpty(roomId, room);
      }
      this.#checkRoomFor(peerId, room);
      const { iceConsentTimeout } = this.#config;
      room.enter(new Participant(peerId, room, connection, this.#limits, iceConsentTimeout));
    } catch (error) {
      const code = this.#closing ? CLOSE.goingAway : CLOSE.final;
      connection.close(code, error instanceof Refusal ? error.message : 'the room cannot be made');
    }
  }

  /** Ends all calls, telling everyone why. Whoever does not close in time is cut off. */
  async close(reason: string): Promise<void> {
    this.#closing = true;
    const { closeTimeoutMs } = this.#limits;
    await Promise.all([...this.#open].map((room) => room.close(CLOSE.goingAway, reason, closeTimeoutMs)));
  }

  #room(roomId: string): Promise<LiveRoom> {
    const known = this.#rooms.get(roomId);
    if (known) {
      return known;
    }
    if (this.#rooms.size >= this.#config.roomsMax) {
      throw new Refusal(503, 'the server is full');
    }
    const made = this.#make(roomId);
    this.#rooms.set(roomId, made);
    return made;
  }

  async #make(roomId: string): Promise<LiveRoom> {
    try {
      const media = await this.#workers.createRoom();
      const room: LiveRoom = new LiveRoom(media, this.#limits, () => this.#closeIfEmpty(roomId, room));
      this.#open.add(room);
      return room;
    } catch (error) {
      this.#rooms.delete(roomId);
      throw error;
    }
  }

  #checkRoomFor(peerId: string, room: LiveRoom): void {
    if (this.#closing) {
      throw new Refusal(503, 'the server is shutting down');
    }
    if (room.size >= this.#config.peersPerRoomMax && !room.has(peerId)) {
      throw new Refusal(503, 'the room is full');
    }
  }

  #closeIfEmpty(roomId: string, room: LiveRoom): void {
    if (room.size > 0 || !this.#open.delete(room)) {
      return;
    }
    this.#rooms.delete(roomId);
    room.media.router.close();
  }
}
