import { InvalidStateError } from '../../errors.js';

/** What a participant tells the others of itself. */
export type Profile = {
  /** Name to show. */
  readonly displayName: string;
  /** What it joined with, as it says. */
  readonly device: Device;
};

/** A browser or an application. */
export type Device = { readonly flag?: string; readonly name?: string; readonly version?: string };

/** A participant as the others see it. */
export type PeerInfo = Profile & { readonly id: string };

/** What has to be done after something happened in a room. */
export type Effect =
  | { readonly type: 'notify'; readonly to: string; readonly method: string; readonly data: object }
  | { readonly type: 'consume'; readonly viewer: string; readonly owner: string; readonly producerId: string };

/**
 * Who is in one room and what each of them publishes: pure state, which answers every change with the effects that
 * somebody else has to carry out. Those who have connected but not joined are not seen and see nothing.
 */
export class Room {
  readonly #members = new Map<string, Member>();

  /** Number of those who have connected. */
  get size(): number {
    return this.#members.size;
  }

  /** Lets someone in, unseen. An id that is in already has to `leave` first. */
  enter(peerId: string): void {
    this.#members.set(peerId, { profile: undefined, producerIds: new Set() });
  }

  /**
   * Makes someone a participant: the others are told, and it gets what they publish.
   *
   * @throws {@link InvalidStateError} when it has joined already.
   */
  join(peerId: string, profile: Profile): { readonly peers: PeerInfo[]; readonly effects: Effect[] } {
    const member = this.#member(peerId);
    if (member.profile) {
      throw new InvalidStateError('this participant has joined already');
    }
    const others = this.#joined();
    member.profile = profile;
    return {
      peers: others.map(([id, other]) => ({ id, ...other.profile })),
      effects: [
        ...others.map(([to]) => notify(to, 'newPeer', { id: peerId, ...profile })),
        ...others.flatMap(([owner, other]) =>
          [...other.producerIds].map((producerId) => consume(peerId, owner, producerId)),
        ),
      ],
    };
  }

  /** Lets someone go; the others are told. What it published ends by itself with its transports. */
  leave(peerId: string): Effect[] {
    const member = this.#members.get(peerId);
    this.#members.delete(peerId);
    return member?.profile ? this.#joined().map(([to]) => notify(to, 'peerClosed', { peerId })) : [];
  }

  /** Changes a name; the others are told. */
  rename(peerId: string, displayName: string): Effect[] {
    const member = this.joined(peerId);
    const oldDisplayName = member.profile.displayName;
    member.profile = { ...member.profile, displayName };
    return this.#others(peerId).map((to) =>
      notify(to, 'peerDisplayNameChanged', { peerId, displayName, oldDisplayName }),
    );
  }

  /** Notes a new producer; every other participant gets it. */
  publish(peerId: string, producerId: string): Effect[] {
    this.joined(peerId).producerIds.add(producerId);
    return this.#others(peerId).map((viewer) => consume(viewer, peerId, producerId));
  }

  /** Forgets a producer. Its consumers end by themselves. */
  unpublish(peerId: string, producerId: string): void {
    this.#members.get(peerId)?.producerIds.delete(producerId);
  }

  /**
   * A participant.
   *
   * @throws {@link InvalidStateError} when it has not joined.
   */
  joined(peerId: string): JoinedMember {
    const member = this.#member(peerId);
    if (!isJoined(member)) {
      throw new InvalidStateError('this participant has not joined yet');
    }
    return member;
  }

  #member(peerId: string): Member {
    const member = this.#members.get(peerId);
    if (!member) {
      throw new InvalidStateError('this participant has left');
    }
    return member;
  }

  #joined(): [string, JoinedMember][] {
    return [...this.#members].filter((entry): entry is [string, JoinedMember] => isJoined(entry[1]));
  }

  #others(peerId: string): string[] {
    return this.#joined()
      .map(([id]) => id)
      .filter((id) => id !== peerId);
  }
}

type Member = { profile: Profile | undefined; readonly producerIds: Set<string> };

type JoinedMember = Member & { profile: Profile };

function isJoined(member: Member): member is JoinedMember {
  return member.profile !== undefined;
}

function notify(to: string, method: string, data: object): Effect {
  return { type: 'notify', to, method, data };
}

function consume(viewer: string, owner: string, producerId: string): Effect {
  return { type: 'consume', viewer, owner, producerId };
}
