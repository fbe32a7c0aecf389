import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { createWorker, type types } from '../ts/index.js';
import { type PeerDescription, SdpSession } from '../ts/sdp/index.js';

/** Python with Debian's packages; another one in PATH does not see them. */
const PYTHON = '/usr/bin/python3';

/** Long enough for a busy machine; only what hangs takes so long. */
const HANG_MS = 60_000;

/** How far a colour may be off after coding, per channel of 0 to 255. */
const COLOUR_ERROR = 40;

/** How far a pitch may be off, in Hz: the spectrum has a line every 2 Hz. */
const PITCH_ERROR_HZ = 6;

/** Consent of the tests in s: aioice checks its path every 5 s. Less than 30, so that one of them need not wait long. */
const CONSENT_S = 15;

/** Share of the media packets that each peer loses, each way. */
const LOSS = 0.03;

/** Pictures that a peer must have decoded: the first ones, and many after a loss. */
const FRAMES = 90;

const RED: Character = { pitchHz: 500, colour: [200, 40, 40] };
const BLUE: Character = { pitchHz: 900, colour: [40, 60, 190] };
const GREEN: Character = { pitchHz: 1500, colour: [40, 160, 60] };

test.serial('two peers by aiortc hear and see who the other one is, over paths that lose', async (t) => {
  const router = await openRouter(t);
  const [red, blue] = await Promise.all([
    AiortcPeer.offering(t, router, RED, 1),
    AiortcPeer.offering(t, router, BLUE, 2),
  ]);
  await red.watch(blue);
  await blue.watch(red);
  t.log(...(await Promise.all([red.until(BLUE, FRAMES), blue.until(RED, FRAMES)])));
  for (const peer of [red, blue]) {
    t.is(peer.transport.iceState, 'completed');
    t.is(peer.transport.dtlsState, 'connected');
    const [published] = await (peer.video as types.Producer).getStats();
    t.true((published?.packetsRepaired ?? 0) > 0, 'what was lost on the way to us came again');
    const [viewed] = await (peer.picture as types.Consumer).getStats();
    t.true((viewed?.packetsRetransmitted ?? 0) > 0, 'what was lost on the way from us was asked for again');
  }
});

test.serial('a peer by aiortc answers: it publishes, then views one and another in new m-lines', async (t) => {
  const router = await openRouter(t);
  const [red, blue, green] = await Promise.all([
    AiortcPeer.answering(t, router, RED, 5),
    AiortcPeer.answering(t, router, BLUE, 6),
    AiortcPeer.offering(t, router, GREEN, 7),
  ]);
  await green.watch(blue);
  const first = await red.view(blue);
  await red.until(BLUE, 15);
  await red.view(green);
  await red.until(GREEN, 15);
  // What was there before goes on, until it is closed, and what came later goes on then.
  await red.until(BLUE, 30);
  for (const mid of first) red.session.closeMedia(mid);
  await red.negotiate();
  await red.until(GREEN, 60);
  await green.until(BLUE, 15);
  t.is(red.transport.dtlsState, 'connected');
});

test.serial('a peer by aiortc is the DTLS server, and stays it when we offer', async (t) => {
  const router = await openRouter(t);
  const [red, blue] = await Promise.all([
    AiortcPeer.offering(t, router, RED, 8, true, 'client'),
    AiortcPeer.offering(t, router, BLUE, 9, true, 'client'),
  ]);
  await blue.watch(red);
  await red.watch(blue);
  await blue.until(RED, 15);
  await red.view(blue);
  await red.until(BLUE, 15);
  for (const { transport } of [red, blue]) {
    t.is(transport.dtlsParameters.role, 'client');
    t.is(transport.dtlsState, 'connected');
  }
});

test.serial('a peer by aiortc that goes without goodbye is noticed by its consent', async (t) => {
  const router = await openRouter(t);
  const [red, blue] = await Promise.all([
    AiortcPeer.offering(t, router, RED, 3),
    AiortcPeer.offering(t, router, BLUE, 4),
  ]);
  await red.watch(blue);
  await blue.watch(red);
  await red.until(BLUE, 1);
  const gone = new Promise((resolve) => red.transport.on('icestatechange', resolve));
  red.kill();
  t.is(await gone, 'disconnected');
});

/** Who a peer is: what it publishes. */
type Character = { readonly pitchHz: number; readonly colour: readonly number[] };

/** What a peer received last of one track. */
type Impression = { readonly pitchHz?: number | null; readonly colour?: number[] | null; readonly frames?: number };

/** A line that a peer writes. */
type Line = { readonly offer?: string; readonly answer?: string; readonly impressions?: Impression[] };

/** A peer in a process of its own, with our end of its connection. */
class AiortcPeer {
  readonly transport: types.WebRtcTransport;
  readonly session: SdpSession;
  audio?: types.Producer;
  video?: types.Producer;
  picture?: types.Consumer;
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #offered: PeerDescription | undefined;

  private constructor(transport: types.WebRtcTransport, session: SdpSession, process: ChildProcess) {
    this.transport = transport;
    this.session = session;
    this.#process = process;
    this.#lines = createInterface({ input: process.stdout as NonNullable<ChildProcess['stdout']> })[
      Symbol.asyncIterator
    ]();
  }

  /** Starts a peer that offers to publish and to view, and publishes it. */
  static async offering(...where: Parameters<typeof AiortcPeer.open>): Promise<AiortcPeer> {
    const peer = await AiortcPeer.open(...where);
    const { offer } = await peer.#next((line) => line.offer !== undefined);
    peer.#offered = peer.session.receiveOffer(offer as string);
    await peer.#apply(peer.#offered);
    return peer;
  }

  /** Starts a peer that is asked to publish, and does. */
  static async answering(...[t, router, character, seed]: Parameters<typeof AiortcPeer.open>): Promise<AiortcPeer> {
    const peer = await AiortcPeer.open(t, router, character, seed, false);
    peer.session.addReceiver('audio');
    peer.session.addReceiver('video');
    await peer.negotiate();
    return peer;
  }

  static async open(
    t: ExecutionContext,
    router: types.Router,
    character: Character,
    seed: number,
    offers = true,
    dtlsRole: 'client' | 'server' = 'server',
  ): Promise<AiortcPeer> {
    const script = fileURLToPath(new URL('peers/aiortc_peer.py', import.meta.url));
    const settings = JSON.stringify({ ...character, loss: LOSS, seed, offers });
    const child = spawn(PYTHON, [script, settings], { stdio: ['pipe', 'pipe', 'inherit'] });
    t.teardown(() => child.kill('SIGKILL'));
    const transport = await router.createWebRtcTransport({
      listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }],
      iceConsentTimeout: CONSENT_S,
    });
    const session = new SdpSession({ transport, rtpCapabilities: router.rtpCapabilities, dtlsRole });
    return new AiortcPeer(transport, session, child);
  }

  /** Answers the peer's offer with what another one publishes. */
  async watch(other: AiortcPeer): Promise<void> {
    for (const { mid, kind, consumeOptions } of this.#offered?.media ?? []) {
      const source = kind === 'audio' ? other.audio : other.video;
      if (consumeOptions && source) await this.#send(mid, source, consumeOptions);
    }
    this.#write({ answer: this.session.createAnswer() });
  }

  /** Offers what another one publishes in m-lines of their own. */
  async view(other: AiortcPeer): Promise<string[]> {
    const mids: string[] = [];
    for (const source of [other.audio, other.video] as types.Producer[]) {
      const { mid, consumeOptions } = this.session.addSender(source.kind);
      await this.#send(mid, source, consumeOptions);
      mids.push(mid);
    }
    await this.negotiate();
    return mids;
  }

  /** Offers what there is to offer, and takes the answer. */
  async negotiate(): Promise<void> {
    this.#write({ offer: this.session.createOffer() });
    const { answer } = await this.#next((line) => line.answer !== undefined);
    await this.#apply(this.session.receiveAnswer(answer as string));
  }

  /** Waits until the peer has decoded so many frames and receives who another one is. */
  async until({ pitchHz, colour }: Character, frames: number): Promise<Impression[]> {
    const isHeard = (one: Impression): boolean => Math.abs((one.pitchHz ?? 0) - pitchHz) < PITCH_ERROR_HZ;
    const isSeen = (one: Impression): boolean =>
      one.colour?.every((value, at) => Math.abs(value - (colour[at] ?? 0)) < COLOUR_ERROR) === true &&
      (one.frames ?? 0) >= frames;
    const { impressions = [] } = await this.#next(({ impressions: all = [] }) => all.some(isHeard) && all.some(isSeen));
    return impressions;
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }

  async #send(mid: string, source: types.Producer, options: Pick<types.ConsumerOptions, 'rtpCapabilities'>) {
    const consumer = await this.transport.consume({ producerId: source.id, ...options });
    this.session.send(mid, consumer.rtpParameters);
    if (source.kind === 'video') this.picture = consumer;
  }

  /** Does to the transport what a description of the peer means. */
  async #apply({ connect, media }: PeerDescription): Promise<void> {
    if (connect) await this.transport.connect(connect);
    for (const { incoming, produceOptions } of media) {
      if (incoming !== 'started' || !produceOptions) continue;
      const producer = await this.transport.produce(produceOptions);
      if (producer.kind === 'audio') this.audio = producer;
      else this.video = producer;
    }
  }

  #write(message: Line): void {
    this.#process.stdin?.write(`${JSON.stringify(message)}\n`);
  }

  /** The next line that fits. */
  async #next(fits: (line: Line) => boolean): Promise<Line> {
    const timer = setTimeout(() => this.kill(), HANG_MS);
    let last: string | undefined;
    for (let line = await this.#lines.next(); !line.done; line = await this.#lines.next()) {
      last = line.value;
      const read = JSON.parse(line.value) as Line;
      if (fits(read)) {
        clearTimeout(timer);
        return read;
      }
    }
    throw new Error(`the peer ended; its last line was ${last}`);
  }
}

async function openRouter(t: ExecutionContext): Promise<types.Router> {
  const worker = await createWorker();
  t.teardown(() => worker.close());
  return worker.createRouter({
    mediaCodecs: [
      { kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2 },
      { kind: 'video', mimeType: 'video/VP8', clockRate: 90_000 },
    ],
  });
}
