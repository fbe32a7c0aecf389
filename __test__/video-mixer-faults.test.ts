// What is seen when mixers of pictures fail. In a process of its own: threads that are stuck are those of all mixers of a process.

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import test, { type ExecutionContext } from 'ava';
import type { types } from '../ts/index.js';
import { RtpPacket } from '../ts/rtp/index.js';
import { admits, DEATHS, dies, HANG_MS, isAlive, LONG_HANG_MS, orphan, refuses } from './mixer-faults.js';
import { until } from './sound-room.js';
import {
  BLUE,
  failVideo,
  GREEN,
  openVideo,
  type Points,
  paint,
  publish,
  RED,
  shows,
  solid,
  view,
  YELLOW,
} from './video-room.js';

const SIZE = { width: 320, height: 180 };

/** What the picture of `isolated` shows. */
const QUARTERS: Points = [
  [0.25, 0.25, RED],
  [0.75, 0.25, GREEN],
  [0.25, 0.75, BLUE],
  [0.75, 0.75, YELLOW],
];

test.serial(
  'v07 a thread that hangs costs its mixer seconds; with two stuck the mixer is given up and new ones are refused, until one is back',
  async (t) => {
    const { worker, router } = await openVideo(t);
    const [first, second] = [await worker.createVideoMixer(SIZE), await worker.createVideoMixer(SIZE)];
    const seen = await watch(t, worker, router, first);
    await first.addInput({ producerId: (await publish(worker, router, RED)).id });
    const output = await second.createOutput({ router, codec: 'vp8' });
    await shows(t, seen.frames, [[0.5, 0.5, RED]]);
    const [restarted, asked] = [once(first, 'restart'), performance.now()];
    await failVideo(worker, first, LONG_HANG_MS);
    const [restart] = (await restarted) as [types.VideoMixerRestart];
    t.is(restart.reason, 'hang');
    await seen.goesOn(asked, [[0.5, 0.5, RED]]);
    const died = once(second, 'died');
    await failVideo(worker, second, HANG_MS);
    const [error] = (await died) as [Error];
    t.regex(error.message, /stuck/);
    t.true(second.closed && output.closed && output.producer.closed);
    await refuses(t, () => worker.createVideoMixer());
    const elsewhere = await worker.createVideoMixer({ ...SIZE, isolation: 'process' });
    await paint(elsewhere, GREEN);
    await shows(t, elsewhere.frames(), [[0.5, 0.5, GREEN]]);
    t.is(worker.closed || first.closed, false);
    await shows(t, seen.frames, [[0.5, 0.5, RED]]);
    await admits(t, () => worker.createVideoMixer());
  },
);

for (const [reason, signal] of DEATHS) {
  test.serial(
    `v07 a mixer of pictures whose own process ends by ${signal ?? 'a panic'} goes on in another, with the same picture`,
    async (t) => {
      const call = await isolated(t);
      const before = await call.pid();
      t.not(before, process.pid);
      const [restarted, asked] = [once(call.mixer, 'restart'), performance.now()];
      if (signal) {
        process.kill(before, signal);
      } else {
        await failVideo(call.worker, call.mixer);
      }
      const [restart] = (await restarted) as [types.VideoMixerRestart];
      t.is(restart.reason, reason);
      await call.goesOn(asked);
      t.false([before, process.pid].includes(await call.pid()));
    },
  );
}

test.serial('v07 a mixer of pictures whose own process hangs goes on in another within seconds', async (t) => {
  const call = await isolated(t);
  const before = await call.pid();
  const [restarted, asked] = [once(call.mixer, 'restart'), performance.now()];
  // Longer than this test may take.
  await failVideo(call.worker, call.mixer, 600_000);
  const [restart] = (await restarted) as [types.VideoMixerRestart];
  t.is(restart.reason, 'hang');
  await call.goesOn(asked);
  await until(t, () => !isAlive(before));
});

test.serial('a mixer in its own process does what one on a thread does, and ends with it', async (t) => {
  const { worker, mixer, seen, raw, green, pid } = await isolated(t);
  const layouts: types.VideoMixerTile[][] = [];
  mixer.on('layout', (tiles) => layouts.push(tiles));
  const half = (at: string) => ({ left: at, top: '0/1', width: '1/2', height: '1/1' });
  const regions = ['left', 'right'].map((id, at) => ({ id, area: half(`${at}/2`), fit: 'crop' as const }));
  const tiles = await mixer.setLayout({ regions });
  await until(t, () => layouts.at(-1)?.length === 2);
  t.deepEqual(layouts.at(-1), tiles, 'the event says what the picture shows');
  await mixer.setPrimary(green);
  const swapped: Points = [
    [0.25, 0.5, GREEN],
    [0.75, 0.5, RED],
  ];
  await shows(t, seen.frames, swapped);
  await shows(t, raw, swapped);
  green.write(solid(YELLOW, 1_280, 720));
  await shows(t, raw, [[0.25, 0.5, YELLOW]]);
  await mixer.setCaptions([{ text: 'Now', place: 'centre' }]);
  await green.setLabel('Ada');
  const white = ({ data }: types.VideoFrame) => data.filter((value, at) => at % 4 === 2 && value > 200).length;
  await until(t, async () => white((await raw.next()).value) > 20);
  green.close();
  await shows(t, raw, [
    [0.25, 0.2, BLUE],
    [0.75, 0.2, RED],
  ]);
  const { inputs, outputs } = await mixer.getStats();
  t.deepEqual([inputs.length, outputs.length], [2, 2]);
  t.true(outputs.every(({ frames }) => frames > 0));
  t.deepEqual(
    inputs.map(({ width, decoded, avatar }) => [width, decoded > 0, avatar]),
    [
      [320, true, false],
      [0, false, true],
    ],
  );
  const child = await pid();
  mixer.close();
  await until(t, async () => (await raw.next()).done === true);
  await until(t, () => !isAlive(child));
  t.false(worker.closed);
});

test.serial(
  'a transcoder has a process of its own where that is asked for, and takes the size of its producer',
  async (t) => {
    const { worker, router } = await openVideo(t);
    const producer = await publish(worker, router, YELLOW);
    const wanted = { producerId: producer.id, router, codec: 'vp9' as const, isolation: 'process' as const };
    const transcoder = await worker.createVideoTranscoder(wanted);
    const viewer = await worker.createVideoMixer(SIZE);
    await viewer.addInput({ producerId: transcoder.producer.id });
    const frames = viewer.frames();
    await shows(t, frames, [[0.5, 0.5, YELLOW]]);
    t.is((await viewer.getStats()).inputs[0]?.width, 320);
    const { pid } = await transcoder.getStats();
    t.not(pid, process.pid);
    process.kill(pid, 'SIGKILL');
    await until(t, async () => (await transcoder.getStats()).restarts === 1);
    const { decoded } = (await viewer.getStats()).inputs[0] as types.VideoMixerInputStats;
    await until(t, async () => ((await viewer.getStats()).inputs[0]?.decoded ?? 0) > decoded);
    await shows(t, frames, [[0.5, 0.5, YELLOW]]);
    producer.close();
    await until(t, () => transcoder.closed);
  },
);

test.serial(
  'a mixer of pictures whose process cannot be had dies, and a worker that ends takes the processes along',
  async (t) => {
    const call = await isolated(t);
    const pid = await call.pid();
    t.true(isAlive(pid));
    await dies(t, call.worker, 'video', { pictures: true });
    call.worker.close();
    await until(t, () => !isAlive(pid));
  },
);

test.serial('a worker has at most 64 mixers with processes, of sound and of pictures together', async (t) => {
  const { worker } = await openVideo(t);
  for (let made = 0; made < 64; made += 1) {
    await orphan(worker, made % 2 ? 'audio' : 'video', randomUUID());
  }
  const refusal = { code: 'ERR_LIMIT_EXCEEDED', message: /64/ };
  await t.throwsAsync(worker.createVideoMixer({ isolation: 'process' }), refusal);
  await t.throwsAsync(worker.createAudioMixer({ isolation: 'process' }), refusal);
  await t.notThrowsAsync(worker.createVideoMixer());
});

/** A mixer with a process of its own, in each quarter something else, and another mixer of the same worker. */
async function isolated(t: ExecutionContext) {
  const { worker, router } = await openVideo(t);
  const mixer = await worker.createVideoMixer({ ...SIZE, isolation: 'process' });
  const raw = mixer.frames();
  mixer.setBackground(solid(YELLOW, 64, 36));
  await mixer.addInput({ producerId: (await publish(worker, router, RED)).id });
  const green = await paint(mixer, GREEN);
  const muted = await mixer.addInput({ pictures: true, muted: true });
  muted.setAvatar(solid(BLUE, 32, 18));
  const seen = await watch(t, worker, router, mixer);
  await shows(t, seen.frames, QUARTERS);
  await shows(t, raw, QUARTERS);
  const other = await worker.createVideoMixer(SIZE);
  const pid = async () => (await mixer.getStats()).pid;
  const goesOn = async (since: number) => {
    await seen.goesOn(since, QUARTERS);
    await shows(t, raw, QUARTERS);
    const { restarts, inputs, outputs } = await mixer.getStats();
    t.deepEqual([restarts, inputs.length, outputs.length], [1, 3, 2]);
    t.is((await other.getStats()).restarts, 0);
    t.false(mixer.closed || [...mixer.inputs, ...mixer.outputs].some(({ closed }) => closed));
  };
  return { worker, mixer, seen, raw, green, pid, goesOn };
}

/** Looks at what a mixer publishes: at its packets, and at what they show. */
async function watch(t: ExecutionContext, worker: types.Worker, router: types.Router, mixer: types.VideoMixer) {
  const { producer } = await mixer.createOutput({ router, codec: 'vp8' });
  const transport = await router.createDirectTransport();
  const { rtpCapabilities } = router;
  const consumer = await transport.consume({ producerId: producer.id, rtpCapabilities });
  const packets: { at: number; sequence: number; isKey: boolean }[] = [];
  consumer.on('rtp', (bytes) => {
    const { sequenceNumber: sequence, payload } = RtpPacket.parse(bytes);
    packets.push({ at: performance.now(), sequence, isKey: beginsKeyFrame(payload) });
  });
  const frames = await view(worker, producer, SIZE);
  /** To be asked after a fault: the picture that comes after it begins with a key frame, and no number is missing. */
  const goesOn = async (since: number, points: Points) => {
    const count = packets.length;
    await until(t, () => packets.length > count + 20);
    const gap = (at: number) => (packets[at]?.at ?? 0) - (packets[at - 1]?.at ?? 0);
    const later = [...packets.keys()].slice(1).filter((at) => (packets[at]?.at ?? 0) > since);
    const next = later.reduce((longest, at) => (gap(at) > gap(longest) ? at : longest));
    t.log(`the next picture ${Math.round((packets[next]?.at ?? 0) - since)} ms after the fault`);
    t.true(packets[next]?.isKey);
    const follows = (sequence: number, at: number) => sequence === (((packets[at]?.sequence as number) + 1) & 0xffff);
    t.true(packets.slice(1).every(({ sequence }, at) => follows(sequence, at)));
    await shows(t, frames, points);
  };
  return { frames, goesOn };
}

/** Tells whether this is the first payload of a key frame in VP8 (RFC 7741 §4.2 and §4.3). */
function beginsKeyFrame(payload: Uint8Array): boolean {
  const [descriptor = 0, extensions = 0, picture = 0] = payload;
  if ((descriptor & 0x17) !== 0x10) {
    return false;
  }
  let length = 1;
  if (descriptor & 0x80) {
    length += 1;
    length += extensions & 0x80 ? (picture & 0x80 ? 2 : 1) : 0;
    length += extensions & 0x40 ? 1 : 0;
    length += extensions & 0x30 ? 1 : 0;
  }
  return ((payload[length] ?? 1) & 1) === 0;
}
