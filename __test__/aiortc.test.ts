import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { createWorker, type types } from '../ts/index.js';
import { answerFor, type Offer, parseOffer } from './peers/sdp-shim.js';

/** Python with Debian's packages; another one in PATH does not see them. */
const PYTHON = '/usr/bin/python3';

/** Long enough for a busy machine; only what hangs takes so long. */
const HANG_MS = 60_000;

/** How far a colour may be off after coding, per channel of 0 to 255. */
const COLOUR_ERROR = 40;

/** How far a pitch may be off, in Hz: the spectrum has a line every 2 Hz. */
const PITCH_ERROR_HZ = 6;

/** Share of the media packets that each peer loses, each way. */
const LOSS = 0.03;

/** Pictures that a peer must have decoded: the first ones, and many after a loss. */
const FRAMES = 90;

const RED: Character = { pitchHz: 500, colour: [200, 40, 40] };
const BLUE: Character = { pitchHz: 900, colour: [40, 60, 190] };

test.serial('two peers by aiortc hear and see who the other one is, over paths that lose', async (t) => {
  const router = await openRouter(t);
  const [red, blue] = await Promise.all([AiortcPeer.start(t, router, RED, 1), AiortcPeer.start(t, router, BLUE, 2)]);
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

test.serial('a peer by aiortc that goes without goodbye is noticed by its consent', async (t) => {
  const router = await openRouter(t);
  const [red, blue] = await Promise.all([AiortcPeer.start(t, router, RED, 3), AiortcPeer.start(t, router, BLUE, 4)]);
  await red.watch(blue);
  await blue.watch(red);
  await red.until(BLUE, 1);
  const gone = new Promise((resolve) => red.transport.on('icestatechange', resolve));
  red.kill();
  t.is(await gone, 'disconnected');
});

/** Who a peer is: what it publishes. */
type Character = { readonly pitchHz: number; readonly colour: readonly number[] };

/** What a peer received last. */
type Impression = { readonly pitchHz: number | null; readonly colour: number[] | null; readonly frames: number };

/** A peer in a process of its own, with its transport at our end. */
class AiortcPeer {
  readonly transport: types.WebRtcTransport;
  audio?: types.Producer;
  video?: types.Producer;
  picture?: types.Consumer;
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #offer: Offer;

  private constructor(
    transport: types.WebRtcTransport,
    process: ChildProcess,
    lines: AsyncIterator<string>,
    offer: Offer,
  ) {
    this.transport = transport;
    this.#process = process;
    this.#lines = lines;
    this.#offer = offer;
  }

  /** Starts a peer and publishes what it offers. */
  static async start(
    t: ExecutionContext,
    router: types.Router,
    character: Character,
    seed: number,
  ): Promise<AiortcPeer> {
    const script = fileURLToPath(new URL('peers/aiortc_peer.py', import.meta.url));
    const settings = JSON.stringify({ ...character, loss: LOSS, seed });
    const child = spawn(PYTHON, [script, settings], { stdio: ['pipe', 'pipe', 'inherit'] });
    t.teardown(() => child.kill('SIGKILL'));
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const { offer } = JSON.parse((await lines.next()).value) as { offer: string };
    const transport = await router.createWebRtcTransport({
      listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }],
      iceConsentTimeout: 10,
    });
    const peer = new AiortcPeer(transport, child, lines, parseOffer(offer));
    await transport.connect({ dtlsParameters: { role: 'client', fingerprints: peer.#offer.fingerprints } });
    const [audio, video] = peer.#offer.published;
    peer.audio = await transport.produce({ kind: 'audio', rtpParameters: audio as types.RtpParameters });
    peer.video = await transport.produce({ kind: 'video', rtpParameters: video as types.RtpParameters });
    return peer;
  }

  /** Consumes what another peer publishes and answers our peer's offer. */
  async watch(other: AiortcPeer): Promise<void> {
    const { rtpCapabilities } = this.#offer;
    const [audio, video] = [other.audio as types.Producer, other.video as types.Producer];
    const sound = await this.transport.consume({ producerId: audio.id, rtpCapabilities });
    this.picture = await this.transport.consume({ producerId: video.id, rtpCapabilities });
    const answer = answerFor(this.#offer, this.transport, [sound.rtpParameters, this.picture.rtpParameters]);
    this.#process.stdin?.write(`${JSON.stringify({ answer })}\n`);
  }

  /** Waits until the peer has decoded so many frames and receives who the other one is. */
  async until({ pitchHz, colour }: Character, frames: number): Promise<Impression> {
    const timer = setTimeout(() => this.kill(), HANG_MS);
    let last: Impression | undefined;
    for (let line = await this.#lines.next(); !line.done; line = await this.#lines.next()) {
      last = JSON.parse(line.value) as Impression;
      const isHeard = Math.abs((last.pitchHz ?? 0) - pitchHz) < PITCH_ERROR_HZ;
      const isSeen = last.colour?.every((value, at) => Math.abs(value - (colour[at] ?? 0)) < COLOUR_ERROR) === true;
      if (isHeard && isSeen && last.frames >= frames) {
        clearTimeout(timer);
        return last;
      }
    }
    throw new Error(`the peer ended; its last impression was ${JSON.stringify(last)}`);
  }

  kill(): void {
    this.#process.kill('SIGKILL');
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
