import { Picture } from './picture';
import { Tone } from './tone';
import { type Look, Viewer } from './viewer';

/** Who a peer is: the colour it shows and the pitch it plays. */
export type Character = {
  readonly colour: string;
  readonly pitchHz: number;
  /** How much larger than usual the picture is. Default: 1. */
  readonly scale?: number;
};

/** What is received of one stream. */
export type Impression = Look & { readonly stream: string };

/** A peer that is an `RTCPeerConnection` and nothing else. */
export class PlainPeer {
  readonly connection = new RTCPeerConnection();
  readonly #picture: Picture;
  readonly #tone: Tone;
  readonly #stream = new MediaStream();
  readonly #viewers = new Map<string, Viewer>();

  constructor({ colour, pitchHz, scale }: Character) {
    this.#picture = new Picture(colour, scale);
    this.#tone = new Tone(pitchHz);
  }

  /** Adds m-lines of an own tone and picture. */
  publish(direction: RTCRtpTransceiverDirection, sendEncodings: RTCRtpEncodingParameters[] = []): void {
    const streams = [this.#stream];
    this.connection.addTransceiver(this.#tone.newTrack(), { direction, streams });
    this.connection.addTransceiver(this.#picture.newTrack(), { direction, streams, sendEncodings });
  }

  /** Adds m-lines for another one's tone and picture. */
  view(): void {
    this.connection.addTransceiver('audio', { direction: 'recvonly' });
    this.connection.addTransceiver('video', { direction: 'recvonly' });
  }

  async offer(): Promise<string> {
    await this.connection.setLocalDescription();
    return this.connection.localDescription?.sdp as string;
  }

  async takeAnswer(sdp: string): Promise<void> {
    await this.connection.setRemoteDescription({ type: 'answer', sdp });
    this.#watch();
  }

  /** Answers an offer; where it asks for media, with an own tone and picture. */
  async answer(sdp: string): Promise<string> {
    await this.connection.setRemoteDescription({ type: 'offer', sdp });
    for (const { sender, mid } of this.#asked(sdp)) {
      const transceiver = this.connection.getTransceivers().find((one) => one.mid === mid);
      const kind = transceiver?.receiver.track.kind;
      await sender.replaceTrack(kind === 'audio' ? this.#tone.newTrack() : this.#picture.newTrack());
      sender.setStreams(this.#stream);
      if (transceiver) transceiver.direction = 'sendonly';
    }
    await this.connection.setLocalDescription();
    this.#watch();
    return this.connection.localDescription?.sdp as string;
  }

  /** Stops an m-line for good. */
  stop(mid: string): void {
    this.connection
      .getTransceivers()
      .find((one) => one.mid === mid)
      ?.stop();
  }

  /** What is seen and heard of each stream at this moment. */
  impressions(): Impression[] {
    return [...this.#viewers].map(([stream, viewer]) => ({ stream, ...viewer.look() }));
  }

  /** Longest time in ms between two pictures of a stream since the last question. */
  longestGapMs(stream: string): number {
    return this.#viewers.get(stream)?.longestGapMs() ?? Number.POSITIVE_INFINITY;
  }

  /** MIDs of the m-lines that are open. */
  mids(): string[] {
    return this.connection.getTransceivers().map(({ mid }) => mid as string);
  }

  /** Widths of the pictures that are received, in pixels. */
  async widths(): Promise<number[]> {
    const report = await this.connection.getStats();
    return [...report.values()].filter(({ type }) => type === 'inbound-rtp').map(({ frameWidth }) => frameWidth);
  }

  /** The own role and what was agreed upon in the DTLS handshake, as far as the browser tells. */
  async dtls(): Promise<{ role?: string; version?: string; cipher?: string; srtpCipher?: string }> {
    const report = await this.connection.getStats();
    const { dtlsRole, tlsVersion, dtlsCipher, srtpCipher } =
      [...report.values()].find(({ type }) => type === 'transport') ?? {};
    return { role: dtlsRole, version: tlsVersion, cipher: dtlsCipher, srtpCipher };
  }

  /** Codecs that are received, under their payload types. */
  async received(): Promise<{ codec: string; payloadType: number }[]> {
    const report = await this.connection.getStats();
    const inbound = [...report.values()].filter(({ type }) => type === 'inbound-rtp');
    return inbound.map(({ codecId }) => {
      const { mimeType, payloadType } = report.get(codecId) ?? {};
      return { codec: mimeType, payloadType };
    });
  }

  /** Transceivers of m-lines in which an offer asks for media and that send none yet. */
  #asked(sdp: string): RTCRtpTransceiver[] {
    const sections = sdp.split(/^m=/m).slice(1);
    const asked = sections.filter((section) => /^a=recvonly\r$/m.test(section));
    const mids = asked.map((section) => /^a=mid:(\S+)/m.exec(section)?.[1]);
    return this.connection.getTransceivers().filter(({ mid, sender }) => mids.includes(mid as string) && !sender.track);
  }

  /** Watches what comes in by the streams that it was announced with, and nothing of what was closed. */
  #watch(): void {
    const receiving = this.connection
      .getTransceivers()
      .filter(({ currentDirection }) => currentDirection?.includes('recv'));
    const description = this.connection.remoteDescription?.sdp ?? '';
    const sections = description.split(/^m=/m).slice(1);
    const streamOf = (mid: string | null): string | undefined => {
      const section = sections.find((one) => one.includes(`a=mid:${mid}\r`));
      return /^a=msid:(\S+)/m.exec(section ?? '')?.[1];
    };
    const streams = new Map<string, { audio?: MediaStreamTrack; video?: MediaStreamTrack }>();
    for (const { mid, receiver } of receiving) {
      const stream = streamOf(mid);
      if (stream) streams.set(stream, { ...streams.get(stream), [receiver.track.kind]: receiver.track });
    }
    for (const [stream, { audio, video }] of streams) {
      const viewer = this.#viewers.get(stream) ?? new Viewer();
      this.#viewers.set(stream, viewer);
      viewer.watch(video, audio);
    }
    for (const [stream, viewer] of this.#viewers) {
      if (!streams.has(stream)) {
        viewer.close();
        this.#viewers.delete(stream);
      }
    }
  }
}

declare global {
  interface Window {
    PlainPeer: typeof PlainPeer;
    peer: PlainPeer;
  }
}

window.PlainPeer = PlainPeer;
