import { ProtooError } from '../signalling/protoo-client';
import {
  type CallState,
  type LocalMedia,
  localMedia,
  NO_CALL,
  NOTHING_RECEIVED,
  type Source,
  withMedia,
  withoutMedia,
  withPeer,
} from './call-state';
import { Session, type SessionEvents, type SessionOptions } from './session';
import { Store } from './store';

/** A call as its user sees it: it goes on when the connection breaks and comes back. */
export class Call {
  readonly state = new Store<CallState>(NO_CALL);
  readonly #options: SessionOptions;
  #session: Session | undefined;
  #left = false;
  /** Survives a lost connection. */
  #wantsCombinedSound = false;
  #wantsCombinedPicture = false;
  #troubleTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** The connection, while there is one. */
  get session(): Session | undefined {
    return this.#session;
  }

  /** Joins with these tracks. Resolves once joined; when that fails, the state says why. */
  async join(media: readonly LocalMedia[]): Promise<void> {
    this.state.update((state) => ({ ...state, local: media }));
    try {
      await this.#connect();
    } catch (error) {
      this.#end(reasonOf(error));
    }
  }

  /** Sends a track. */
  async publish(source: Source, track: MediaStreamTrack): Promise<void> {
    const others = this.state.value.local.filter((media) => media.source !== source);
    this.state.update((state) => ({ ...state, local: [...others, { source, track, paused: false }] }));
    await this.#publish({ source, track, paused: false });
  }

  /** Stops sending, and stops the track. */
  async unpublish(source: Source): Promise<void> {
    localMedia(this.state.value, source)?.track.stop();
    this.state.update((state) => ({ ...state, local: state.local.filter((media) => media.source !== source) }));
    await this.#session?.unpublish(source);
  }

  /** Mutes and unmutes. */
  async setPaused(source: Source, paused: boolean): Promise<void> {
    this.state.update((state) => ({
      ...state,
      local: state.local.map((media) => (media.source === source ? { ...media, paused } : media)),
    }));
    await this.#session?.setPaused(source, paused);
  }

  /** Hears all others as one sound, or each of them. */
  async setCombinedSound(enabled: boolean): Promise<void> {
    await this.#session?.setCombinedSound(enabled);
    this.#wantsCombinedSound = enabled;
  }

  /** Sees all others as one picture, or each of them. */
  async setCombinedPicture(enabled: boolean): Promise<void> {
    await this.#session?.setCombinedPicture(enabled);
    this.#wantsCombinedPicture = enabled;
  }

  /** Says something to those who listen instead of looking. */
  announce(announcement: string): void {
    this.state.update((state) => ({ ...state, announcement }));
  }

  /** Tells, for a while, what went wrong without ending the call. */
  complain(trouble: string): void {
    this.state.update((state) => ({ ...state, trouble }));
    clearTimeout(this.#troubleTimer);
    this.#troubleTimer = setTimeout(() => this.state.update((state) => ({ ...state, trouble: '' })), TROUBLE_MS);
  }

  /** Leaves for good and stops everything that we send. */
  leave(reason = 'You left the call.'): void {
    if (this.#left) {
      return;
    }
    this.#end(reason);
  }

  async #connect(): Promise<void> {
    const session = await Session.join(this.#options, this.#events());
    if (this.#left) {
      session.close();
      return;
    }
    this.#session = session;
    this.state.update((state) => ({ ...state, phase: 'joined', reason: '' }));
    for (const media of this.state.value.local) {
      await this.#publish(media);
    }
    if (this.#wantsCombinedSound) {
      await session.setCombinedSound(true).catch((error: unknown) => this.complain(reasonOf(error)));
    }
    if (this.#wantsCombinedPicture) {
      await session.setCombinedPicture(true).catch((error: unknown) => this.complain(reasonOf(error)));
    }
  }

  async #publish({ source, track, paused }: LocalMedia): Promise<void> {
    try {
      await this.#session?.publish(source, track, paused);
    } catch (error) {
      this.complain(`Your ${source} cannot be sent: ${reasonOf(error)}`);
    }
  }

  #events(): SessionEvents {
    return {
      peerJoined: (id, name) => {
        const others = this.state.value.peers.filter((peer) => peer.id !== id);
        this.state.update((state) => ({ ...state, peers: [...others, { id, name, media: [] }] }));
        this.announce(`${name} is in the call.`);
      },
      peerLeft: (id) => {
        const left = this.state.value.peers.find((peer) => peer.id === id);
        this.state.update((state) => ({ ...state, peers: state.peers.filter((peer) => peer.id !== id) }));
        this.announce(`${left?.name ?? 'Someone'} left the call.`);
      },
      peerRenamed: (id, name) => this.state.update((state) => withPeer(state, id, (peer) => ({ ...peer, name }))),
      mediaAdded: (peerId, media) =>
        this.state.update((state) => withPeer(state, peerId, (peer) => ({ ...peer, media: [...peer.media, media] }))),
      combinedAdded: (kind, combined) =>
        this.state.update((state) => ({
          ...state,
          [kind === 'audio' ? 'combinedSound' : 'combinedPicture']: combined,
        })),
      mediaPaused: (id, paused) =>
        this.state.update((state) => withMedia(state, id, (media) => ({ ...media, paused }))),
      mediaBlocked: (handlerName) => this.complain(whyBlocked(new URL(this.#options.url), handlerName)),
      mediaRemoved: (id) => this.state.update((state) => withoutMedia(state, id)),
      closed: (code, reason) => void this.#lost(code, reason),
    };
  }

  /** The connection broke. Joins again, unless the server said that it is no use. */
  async #lost(code: number, reason: string): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    if (!session || this.#left) {
      // Joining has failed then, and whoever joins is told.
      return;
    }
    session.close();
    if (code === CLOSED_FOR_GOOD) {
      this.#end(sentence(reason));
      return;
    }
    this.state.update((state) => ({ ...state, phase: 'reconnecting', reason: sentence(reason), ...NOTHING_RECEIVED }));
    this.announce('The connection was lost. Reconnecting.');
    await this.#reconnect();
  }

  async #reconnect(): Promise<void> {
    for (let attempt = 0; attempt < RECONNECT_ATTEMPTS; attempt += 1) {
      await later(reconnectDelayMs(attempt, Math.random()));
      if (this.#left) {
        return;
      }
      try {
        await this.#connect();
        this.announce('You are back in the call.');
        return;
      } catch (error) {
        if (error instanceof ProtooError && error.code === CLOSED_FOR_GOOD) {
          this.#end(sentence(error.message));
          return;
        }
      }
    }
    this.#end('The connection was lost and did not come back.');
  }

  #end(reason: string): void {
    this.#left = true;
    this.#session?.close();
    this.#session = undefined;
    for (const { track } of this.state.value.local) {
      track.stop();
    }
    this.state.update((state) => ({
      ...state,
      phase: 'ended',
      reason,
      ...NOTHING_RECEIVED,
      local: [],
      announcement: reason,
    }));
  }
}

/** How long to wait before an attempt to reconnect: twice as long each time, and never all clients at once. */
export function reconnectDelayMs(attempt: number, random: number): number {
  return Math.min(RECONNECT_MS_MAX, RECONNECT_MS * 2 ** attempt) * (0.5 + random / 2);
}

/** Why no media gets through to a server, and what to do, by what mediasoup-client calls this kind of browser. */
export function whyBlocked({ hostname }: URL, handlerName: string): string {
  const reason = 'Sound and pictures find no way between this browser and the server.';
  // Where a server is reached as "localhost" it may have no other address, and Firefox tries none of that kind.
  const advice = LOOPBACK.has(hostname) && handlerName.startsWith('Firefox');
  return advice ? `${reason} Firefox needs a server on this machine to be started with --lan.` : reason;
}

/** Hosts of URLs that are this machine. */
const LOOPBACK: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Time in ms that trouble is shown. */
const TROUBLE_MS = 8000;

/** After this close code of the server there is no use in coming back. */
const CLOSED_FOR_GOOD = 4000;

/** Time in ms before the first attempt to reconnect. */
const RECONNECT_MS = 500;

/** Longest time in ms between two attempts to reconnect. */
const RECONNECT_MS_MAX = 8000;

/** Attempts before giving up: about two minutes. */
const RECONNECT_ATTEMPTS = 20;

function reasonOf(error: unknown): string {
  return sentence(error instanceof Error ? error.message : String(error));
}

function sentence(text: string): string {
  const plain = text === '' ? 'the connection was lost' : text;
  return `${plain.charAt(0).toUpperCase()}${plain.slice(1)}${/[.!?]$/.test(plain) ? '' : '.'}`;
}

function later(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
