import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { createWorker, type types } from '../ts/index.js';
import { SdpSession } from '../ts/sdp/index.js';
import { Chance } from './chance.js';
import { Relay } from './peers/relay.js';

/** Python with Debian's packages; another one in PATH does not see them. */
const PYTHON = '/usr/bin/python3';

/** Long enough for a busy machine; only what hangs takes so long. */
const HANG_MS = 60_000;

/** DTLS datagrams of each direction that arrive whatever the weather is: the handshake, and the channels' opening. */
const FAIR_DATAGRAMS = 30;

/** What the peer sends on its lossy channel. */
const LOSSY_MESSAGES = 200;

const EVERYTHING = ['text:text', 'text:', 'binary:3 intact', 'binary:200000 intact', 'text:end'];

test.serial('aiortc exchanges data of every kind with us', async (t) => {
  const { reliable, lossy, streams } = await exchange(t, false);
  t.deepEqual(reliable, EVERYTHING);
  t.is(lossy, LOSSY_MESSAGES);
  t.true(streams.every(({ sctpStreamParameters }) => sctpStreamParameters.streamId < 1024));
});

test.serial('over a path that loses, one channel gets everything and the other what was not lost', async (t) => {
  const { reliable, lossy, streams } = await exchange(t, true);
  t.deepEqual(reliable, EVERYTHING);
  t.true(lossy > LOSSY_MESSAGES * 0.5 && lossy < LOSSY_MESSAGES, `${lossy}`);
  const parameters = streams.find(({ label }) => label === 'lossy')?.sctpStreamParameters;
  t.false(parameters?.ordered);
  t.is(parameters?.maxRetransmits, 0);
});

type Line = {
  readonly offer?: string;
  readonly opened?: number[];
  readonly reliable?: string[];
  readonly lossy?: number;
};

/** Lets a peer talk to itself by way of us, over a path that may lose one datagram in 25, each way. */
async function exchange(t: ExecutionContext, loses: boolean) {
  const worker = await createWorker();
  t.teardown(() => worker.close());
  const router = await worker.createRouter();
  const transport = await router.createWebRtcTransport({
    listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }],
    enableSctp: true,
  });
  const chance = new Chance(7);
  const isLost = (number: number) => loses && number > FAIR_DATAGRAMS && chance.oneIn(25);
  const relay = await Relay.open(transport.iceCandidates[0]?.port as number, { isLost });
  t.teardown(() => relay.close());
  const peer = new DataPeer(t);
  const { offer } = await peer.next((line) => line.offer !== undefined);
  const session = new SdpSession({ transport, rtpCapabilities: router.rtpCapabilities });
  const { connect } = session.receiveOffer(offer as string);
  const streams: types.RemoteDataChannel[] = [];
  const echoed = new Promise<void>((resolve, reject) => {
    transport.on('datachannel', async (channel) => {
      try {
        const producer = await transport.produceData(channel);
        const { streamId } = channel.sctpStreamParameters;
        await transport.consumeData({ dataProducerId: producer.id, streamId });
        if (streams.push(channel) === 2) resolve();
      } catch (error) {
        reject(error);
      }
    });
  });
  if (connect) await transport.connect(connect);
  const own = new RegExp(`(candidate.* )${transport.iceCandidates[0]?.port}( typ)`);
  peer.write({ answer: session.createAnswer().replace(own, `$1${relay.port}$2`) });
  await peer.next((line) => line.opened !== undefined);
  await echoed;
  peer.write({ go: true });
  const { reliable = [], lossy = 0 } = await peer.next((line) => line.reliable !== undefined);
  t.is(relay.disturbed > 0, loses);
  return { reliable, lossy, streams };
}

/** A peer in a process of its own. */
class DataPeer {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(t: ExecutionContext) {
    const script = fileURLToPath(new URL('peers/aiortc_data_peer.py', import.meta.url));
    this.#process = spawn(PYTHON, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
    t.teardown(() => this.#process.kill('SIGKILL'));
    const input = this.#process.stdout as NonNullable<ChildProcess['stdout']>;
    this.#lines = createInterface({ input })[Symbol.asyncIterator]();
  }

  write(message: object): void {
    this.#process.stdin?.write(`${JSON.stringify(message)}\n`);
  }

  /** The next line that fits. */
  async next(fits: (line: Line) => boolean): Promise<Line> {
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), HANG_MS);
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
