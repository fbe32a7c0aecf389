import { Call } from '../../ts/app/call/call';
import type { Peer, Source } from '../../ts/app/call/call-state';
import { placeOf } from '../../ts/app/place';
import { Picture } from './picture';
import { Tone } from './tone';
import { Viewer } from './viewer';

/** How a person takes part. */
export type PersonOptions = {
  /** Address of the room's meet page. */
  readonly url: string;
  readonly name: string;
  /** Colour of the picture, `#rrggbb`. */
  readonly colour: string;
  /** Pitch of the voice in Hz. */
  readonly pitchHz: number;
};

/** What a person sees and hears of another. */
export type Impression = {
  readonly name: string;
  /** Colour of the picture as `[red, green, blue]`; undefined without a picture. */
  readonly colour: readonly number[] | undefined;
  /** Number on the picture; undefined without a picture. */
  readonly frame: number | undefined;
  /** Loudest pitch in Hz; undefined in silence. */
  readonly pitchHz: number | undefined;
  /** What has been paused by its sender. */
  readonly paused: readonly Source[];
};

/** Someone in a call who shows a colour with a running number, plays a tone, and watches the others. */
export class Person {
  readonly #picture: Picture;
  readonly #tone: Tone;
  readonly #call: Call;
  readonly #viewers = new Map<string, Viewer>();

  constructor({ url, name, colour, pitchHz }: PersonOptions) {
    this.#picture = new Picture(colour);
    this.#tone = new Tone(pitchHz);
    const place = placeOf(new URL(url), name);
    this.#call = new Call({ url: place.signallingUrl, displayName: name, forceTcp: place.forceTcp });
    this.#call.state.subscribe(() => this.#watch());
  }

  /** Joins with picture and voice. Resolves with why that failed, if it did. */
  async join(): Promise<string> {
    await this.#call.join([
      { source: 'camera', track: this.#picture.newTrack(), paused: false },
      { source: 'microphone', track: this.#tone.newTrack(), paused: false },
    ]);
    return this.#call.state.value.reason;
  }

  /** Where the call is. */
  phase(): string {
    return this.#call.state.value.phase;
  }

  /** What the page says went wrong without ending the call. */
  trouble(): string {
    return this.#call.state.value.trouble;
  }

  /** Shows the picture again. */
  async showPicture(): Promise<void> {
    await this.#call.publish('camera', this.#picture.newTrack());
  }

  /** Stops showing the picture. */
  async hidePicture(): Promise<void> {
    await this.#call.unpublish('camera');
  }

  /** Pauses and resumes what is sent. */
  async setPaused(source: Source, paused: boolean): Promise<void> {
    await this.#call.setPaused(source, paused);
  }

  /** Restarts ICE on both transports. */
  async restartIce(): Promise<void> {
    await this.#call.session?.restartIce();
  }

  /** Who is in the call. */
  others(): string[] {
    return this.#call.state.value.peers.map(({ name }) => name);
  }

  /** What is seen and heard at this moment. */
  impressions(): Impression[] {
    return this.#call.state.value.peers.map((peer) => ({
      name: peer.name,
      ...this.#viewers.get(peer.id)?.look(),
      paused: peer.media.filter(({ paused }) => paused).map(({ source }) => source),
    })) as Impression[];
  }

  /** Longest time in ms between two decoded frames of another person since the last question. */
  longestGapMs(name: string): number {
    const peer = this.#call.state.value.peers.find((one) => one.name === name);
    return this.#viewers.get(peer?.id ?? '')?.longestGapMs() ?? Number.POSITIVE_INFINITY;
  }

  /** Username fragments, protocols and addresses of the server's side of the paths in use. */
  async paths(): Promise<{ protocol: string; address: string; fragment: string }[]> {
    const stats = await this.#call.session?.stats();
    return [stats?.sent, stats?.received].flatMap((report) => {
      const transports = [...(report?.values() ?? [])].filter(({ type }) => type === 'transport');
      return transports.map(({ selectedCandidatePairId }) => {
        const pair = report?.get(selectedCandidatePairId);
        const { protocol, address, usernameFragment } = report?.get(pair?.remoteCandidateId) ?? {};
        return { protocol, address, fragment: usernameFragment };
      });
    });
  }

  #watch(): void {
    const { peers } = this.#call.state.value;
    for (const [id, viewer] of this.#viewers) {
      if (!peers.some((peer) => peer.id === id)) {
        viewer.close();
        this.#viewers.delete(id);
      }
    }
    for (const peer of peers) {
      this.#viewerOf(peer).watch(flowing(peer, 'camera'), flowing(peer, 'microphone'));
    }
  }

  #viewerOf({ id }: Peer): Viewer {
    const known = this.#viewers.get(id);
    const viewer = known ?? new Viewer();
    this.#viewers.set(id, viewer);
    return viewer;
  }
}

function flowing(peer: Peer, source: Source): MediaStreamTrack | undefined {
  return peer.media.find((media) => media.source === source)?.track;
}

declare global {
  interface Window {
    Person: typeof Person;
    person: Person;
  }
}

window.Person = Person;
