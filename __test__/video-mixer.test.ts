// Pictures through mixers, by what they show: colours go in, samples of pictures are looked at. One after the other: a
// machine with few cores has no room for a dozen encoders at once.

import { once } from 'node:events';
import test from 'ava';
import type { types } from '../ts/index.js';
import { ffmpegDecodes, ffmpegDecodesAv1, flawsOfPicture, freePlace, PICTURE } from './peers/foreign.js';
import { until, write } from './sound-room.js';
import {
  BLACK,
  BLUE,
  decodeImage,
  failVideo,
  GREEN,
  isColour,
  openVideo,
  paint,
  publish,
  RED,
  shows,
  solid,
  view,
  YELLOW,
} from './video-room.js';

test.serial('four publishers are seen in the quarters of a grid, in the order in which they came', async (t) => {
  const { worker, router } = await openVideo(t);
  const mixer = await worker.createVideoMixer({ width: 640, height: 360 });
  for (const colour of [RED, GREEN, BLUE, YELLOW]) {
    const producer = await publish(worker, router, colour);
    await mixer.addInput({ producerId: producer.id });
  }
  const output = await mixer.createOutput({ router, codec: 'vp8' });
  const frame = await shows(t, await view(worker, output.producer, { width: 640, height: 360 }), [
    [0.25, 0.25, RED],
    [0.75, 0.25, GREEN],
    [0.25, 0.75, BLUE],
    [0.75, 0.75, YELLOW],
  ]);
  t.deepEqual([frame.width, frame.height], [640, 360]);
  const stats = await mixer.getStats();
  t.true(stats.inputs.every(({ decoded, width, height }) => decoded > 0 && width === 320 && height === 180));
  t.true((stats.outputs[0]?.encodeTime ?? 0) > 0);
});

for (const codec of ['vp8', 'vp9', 'h264', 'av1'] as const) {
  test.serial(`a picture goes out and in as ${codec}`, async (t) => {
    const { worker, router } = await openVideo(t);
    const producer = await publish(worker, router, GREEN, { codec });
    await shows(t, await view(worker, producer), [[0.5, 0.5, GREEN]]);
  });
}

for (const codec of ['vp8', 'vp9', 'h264', 'av1'] as const) {
  test.serial(`FFmpeg sees the mix as ${codec} over plain RTP`, async (t) => {
    const { worker, router } = await openVideo(t);
    const { width, height, left, right } = PICTURE;
    const half = (at: string) => ({ left: at, top: '0/1', width: '1/2', height: '1/1' });
    const layout = {
      regions: [
        { id: 'left', area: half('0/2') },
        { id: 'right', area: half('1/2') },
      ],
    };
    const mixer = await worker.createVideoMixer({ width, height, layout, fit: 'crop' });
    await paint(mixer, left);
    await paint(mixer, right);
    const output = await mixer.createOutput({ router, codec, keyFrameInterval: 1 });
    const transport = await router.createPlainTransport({ listenInfo: { protocol: 'udp', ip: '127.0.0.1' } });
    const place = await freePlace('127.0.0.1');
    await transport.connect({ ip: place.ip, port: place.port });
    const { rtpCapabilities } = router;
    const av1 = codec === 'av1' ? ffmpegDecodesAv1(t, place) : undefined;
    const consumer = await transport.consume({ producerId: output.producer.id, rtpCapabilities });
    t.deepEqual(flawsOfPicture(await (av1 ?? ffmpegDecodes(t, place, consumer))), []);
  });
}

test.serial('layouts change while it runs, and events say what is seen', async (t) => {
  const { worker } = await openVideo(t);
  const mixer = await worker.createVideoMixer({ width: 640, height: 360, background: '#dcc828' });
  const frames = mixer.frames();
  const told: types.VideoMixerTile[][] = [];
  mixer.on('layout', (tiles) => told.push(tiles));
  const [one, other] = [await paint(mixer, RED), await paint(mixer, GREEN)];
  await shows(t, frames, [
    [0.25, 0.25, RED],
    [0.75, 0.25, GREEN],
    [0.75, 0.75, YELLOW],
  ]);
  await mixer.setPrimary(other);
  await shows(t, frames, [
    [0.25, 0.25, GREEN],
    [0.75, 0.25, RED],
  ]);
  const tiles = await mixer.setLayout({
    regions: [
      { id: 'large', area: { left: '0/1', top: '0/1', width: '2/3', height: '1/1' }, fit: 'crop' },
      { id: 'small', area: { left: '2/3', top: '0/1', width: '1/3', height: '1/2' }, fit: 'crop' },
    ],
  });
  t.deepEqual(
    tiles.map(({ region, left, width, height, input }) => [region, left, width, height, input]),
    [
      ['large', 0, 426, 360, other],
      ['small', 426, 212, 180, one],
    ],
  );
  await shows(t, frames, [
    [0.3, 0.9, GREEN],
    [0.8, 0.25, RED],
    [0.8, 0.75, YELLOW],
  ]);
  await until(t, () => told.at(-1)?.[0]?.region === 'large');
  t.deepEqual(told.at(-1), tiles, 'the event says what the picture shows');
  await mixer.setRegion(one, 'large');
  other.close();
  await shows(t, frames, [
    [0.3, 0.5, RED],
    [0.8, 0.25, YELLOW],
  ]);
  t.deepEqual(
    (await mixer.getTiles()).map(({ input }) => input),
    [one, undefined],
  );
});

test.serial('who has no place waits for one, and a muted input shows its avatar', async (t) => {
  const { worker } = await openVideo(t);
  const mixer = await worker.createVideoMixer({ width: 320, height: 180, maxShown: 1 });
  const frames = mixer.frames();
  const [first, waiting] = [await paint(mixer, RED), await paint(mixer, GREEN)];
  await shows(t, frames, [[0.5, 0.5, RED]]);
  first.setAvatar(solid(BLUE, 32, 18));
  await first.mute();
  t.true(first.muted);
  await shows(t, frames, [[0.5, 0.5, BLUE]]);
  await first.unmute();
  await shows(t, frames, [[0.5, 0.5, RED]]);
  first.close();
  await shows(t, frames, [[0.5, 0.5, GREEN]]);
  t.deepEqual(mixer.inputs, [waiting]);
});

test.serial('a name, a caption and a background picture are seen', async (t) => {
  const { worker } = await openVideo(t);
  const mixer = await worker.createVideoMixer({ width: 320, height: 180 });
  const frames = mixer.frames();
  mixer.setBackground(solid(BLUE, 64, 36));
  await shows(t, frames, [[0.5, 0.5, BLUE]]);
  await mixer.setCaptions([{ text: 'Now', place: 'top' }]);
  const bright = ({ data }: types.VideoFrame) => data.filter((value, at) => at % 4 === 0 && value > 200).length;
  await until(t, async () => bright((await frames.next()).value) > 20);
  await mixer.setCaptions([]);
  const input = await paint(mixer, RED, { label: 'Ada' });
  t.is(input.label, 'Ada');
  const white = ({ data }: types.VideoFrame) => data.filter((value, at) => at % 4 === 1 && value > 200).length;
  await until(t, async () => white((await frames.next()).value) > 20);
  await input.setLabel('');
  t.is(input.label, '');
});

test.serial('equal wishes are one encoder, and nothing is encoded while nobody takes it', async (t) => {
  const { worker, router } = await openVideo(t);
  const mixer = await worker.createVideoMixer({ width: 320, height: 180 });
  await paint(mixer, RED);
  const [one, same, small] = [
    await mixer.createOutput({ router, codec: 'vp8' }),
    await mixer.createOutput({ router, codec: 'vp8' }),
    await mixer.createOutput({ router, codec: 'vp8', width: 160, height: 90 }),
  ];
  await until(t, async () => (await mixer.getStats()).idleTicks > 5);
  let stats = await mixer.getStats();
  t.deepEqual([stats.encoded, stats.encoders], [0, 2]);
  t.deepEqual(
    stats.outputs.map(({ sharedBy, taken }) => [sharedBy, taken]),
    [
      [2, false],
      [2, false],
      [1, false],
    ],
  );
  for (const output of [one, same]) {
    await shows(t, await view(worker, output.producer), [[0.5, 0.5, RED]]);
  }
  stats = await mixer.getStats();
  t.deepEqual(
    stats.outputs.map(({ frames }) => frames > 0),
    [true, true, false],
  );
  await shows(t, await view(worker, small.producer, { width: 160, height: 90 }), [[0.5, 0.5, RED]]);
});

test.serial('a producer of several encodings gives each viewer one, and makes only those', async (t) => {
  const { worker, router } = await openVideo(t);
  const mixer = await worker.createVideoMixer({ width: 640, height: 360 });
  await paint(mixer, GREEN, { width: 640, height: 360 });
  const encodings = [
    { width: 160, height: 90 },
    { width: 640, height: 360 },
  ];
  const output = await mixer.createOutput({ router, codec: 'vp8', encodings });
  t.is(output.producer.type, 'simulcast');
  const viewer = await worker.createVideoMixer({ width: 640, height: 360 });
  await viewer.addInput({ producerId: output.producer.id });
  await shows(t, viewer.frames(), [[0.5, 0.5, GREEN]]);
  await until(t, async () => {
    const { outputs } = await mixer.getStats();
    return outputs.map(({ taken }) => taken).join() === 'false,true';
  });
  // A small tile gets the small one.
  await viewer.setLayout({
    regions: [{ id: 'small', area: { left: '0/1', top: '0/1', width: '1/4', height: '1/4' } }],
  });
  await until(t, async () => {
    const [{ outputs }, { inputs }] = [await mixer.getStats(), await viewer.getStats()];
    return outputs.map(({ taken }) => taken).join() === 'true,false' && inputs[0]?.width === 160;
  });
});

test.serial(
  'a transcoder makes another codec and size of a producer, and hands packets on where nothing differs',
  async (t) => {
    const { worker, router } = await openVideo(t);
    const producer = await publish(worker, router, YELLOW);
    const [other, small, same] = [
      await worker.createVideoTranscoder({ producerId: producer.id, router, codec: 'vp9' }),
      await worker.createVideoTranscoder({ producerId: producer.id, router, codec: 'vp8', width: 160, height: 90 }),
      await worker.createVideoTranscoder({ producerId: producer.id, router, codec: 'vp8' }),
    ];
    t.deepEqual(
      [other, small, same].map(({ passesThrough }) => passesThrough),
      [false, false, true],
    );
    for (const [transcoder, size] of [
      [other, 320],
      [small, 160],
      [same, 320],
    ] as const) {
      const viewer = await worker.createVideoMixer({ width: 320, height: 180 });
      await viewer.addInput({ producerId: transcoder.producer.id });
      await shows(t, viewer.frames(), [[0.5, 0.5, YELLOW]]);
      t.is((await viewer.getStats()).inputs[0]?.width, size);
    }
    t.is((await same.getStats()).encoded, 0, 'nothing was encoded');
    const ended = once(other, 'end');
    producer.close();
    await ended;
    t.true(other.closed);
  },
);

test.serial('a snapshot is a picture of the mix, or of any producer in its own size', async (t) => {
  const { worker, router } = await openVideo(t);
  const producer = await publish(worker, router, GREEN, { width: 160, height: 90 });
  const mixer = await worker.createVideoMixer({ width: 320, height: 180 });
  await paint(mixer, RED);
  const files = {
    mix: await mixer.snapshot(),
    small: await mixer.snapshot({ format: 'jpeg', quality: 95, width: 64, height: 36 }),
    producer: await worker.snapshot({ producerId: producer.id }),
  };
  for (const [name, colour, width, height] of [
    ['mix', RED, 320, 180],
    ['small', RED, 64, 36],
    ['producer', GREEN, 160, 90],
  ] as const) {
    const { size, middle } = await decodeImage(files[name]);
    t.deepEqual(size, [width, height], name);
    t.true(isColour(middle, colour), `${name}: ${middle}`);
  }
  await t.throwsAsync(mixer.snapshot({ format: 'gif' as 'png' }), { code: 'ERR_INVALID_ARGUMENT' });
  await t.throwsAsync(mixer.snapshot({ quality: 0 }), { code: 'ERR_INVALID_ARGUMENT' });
});

test.serial('whoever is loudest comes first, where that is asked for', async (t) => {
  const { worker } = await openVideo(t);
  const sound = await worker.createAudioMixer();
  const mixer = await worker.createVideoMixer({ width: 640, height: 360, voiceActivated: sound });
  const frames = mixer.frames();
  const voices: types.AudioMixerInput[] = [];
  for (const colour of [RED, GREEN]) {
    const voice = await sound.addInput({ pcm: { sampleRate: 8_000 } });
    voices.push(voice);
    const input = await paint(mixer, colour, { voice });
    t.is(input.voice, voice);
  }
  const orders = [
    [RED, GREEN],
    [GREEN, RED],
  ] as const;
  await shows(
    t,
    frames,
    orders[0].map((colour, at) => [0.25 + at / 2, 0.25, colour]),
  );
  write(t, voices[1] as types.AudioMixerInput, 8_000, 700);
  await shows(
    t,
    frames,
    orders[1].map((colour, at) => [0.25 + at / 2, 0.25, colour]),
  );
});

test.serial('v07 a mixer that panics is made anew with the same outputs, and others notice nothing', async (t) => {
  const { worker, router } = await openVideo(t);
  const [mixer, other] = [
    await worker.createVideoMixer({ width: 320, height: 180 }),
    await worker.createVideoMixer({ width: 320, height: 180 }),
  ];
  await paint(other, BLUE);
  const producer = await publish(worker, router, RED);
  await mixer.addInput({ producerId: producer.id });
  const output = await mixer.createOutput({ router, codec: 'vp8' });
  const frames = await view(worker, output.producer);
  await shows(t, frames, [[0.5, 0.5, RED]]);
  const restarted = once(mixer, 'restart');
  await failVideo(worker, mixer);
  t.is((await restarted)[0].reason, 'panic');
  await until(t, async () => (await mixer.getStats()).outputs[0]?.frames !== 0);
  await shows(t, frames, [[0.5, 0.5, RED]]);
  t.deepEqual([(await mixer.getStats()).restarts, (await other.getStats()).restarts], [1, 0]);
});

test.serial('bad input is refused by a typed error, and nothing is half made', async (t) => {
  const { worker, router } = await openVideo(t);
  const area = (left: string, width: string) => ({ left, top: '0/1', width, height: '1/1' });
  const invalid = { instanceOf: TypeError, code: 'ERR_INVALID_ARGUMENT' };
  const layouts = [
    { regions: [{ id: '1', area: area('1/1', '1/1') }] },
    { regions: [{ id: '1', area: area('0/1', '1/0') }] },
    { regions: [{ id: '1', area: area('0/1', '0/1') }] },
    { regions: [] },
    { regions: [0, 1].map(() => ({ id: '1', area: area('0/1', '1/1') })) },
    { template: 'fluid' as const, regions: [{ id: '1', area: area('0/1', '1/1') }] },
  ];
  for (const layout of layouts) {
    await t.throwsAsync(worker.createVideoMixer({ layout }), invalid, JSON.stringify(layout));
  }
  const isolation = 'elsewhere' as 'process';
  for (const options of [
    { width: 10_000, height: 10_000 },
    { frameRate: 5 },
    { maxShown: 0 },
    { background: 'red' },
    { isolation },
  ]) {
    await t.throwsAsync(worker.createVideoMixer(options), invalid, JSON.stringify(options));
  }
  const mixer = await worker.createVideoMixer();
  for (const layout of layouts) {
    await t.throwsAsync(mixer.setLayout(layout), invalid);
  }
  const missing = '67e55044-10b1-426f-9247-bb680e5fe0c8';
  await t.throwsAsync(mixer.addInput({ producerId: missing }), { code: 'ERR_NOT_FOUND' });
  await t.throwsAsync(mixer.addInput({}), invalid);
  const wrong: Partial<types.VideoMixerOutputOptions>[] = [
    { width: 320 },
    { width: 10_000, height: 10_000 },
    { bitrate: 1 },
    { frameRate: 120 },
    { keyFrameInterval: 0 },
    { encodings: [{}] },
  ];
  for (const options of wrong) {
    await t.throwsAsync(mixer.createOutput({ router, codec: 'vp8', ...options }), invalid, JSON.stringify(options));
  }
  await t.throwsAsync(mixer.createOutput({ router, codec: 'h264', width: 321, height: 181 }), {
    code: 'ERR_UNSUPPORTED',
  });
  const plain = await worker.createRouter();
  await t.throwsAsync(mixer.createOutput({ router: plain, codec: 'vp8' }), { code: 'ERR_UNSUPPORTED' });
  // A codec that is forwarded, but not built in.
  const h265 = { mimeType: 'video/H265', clockRate: 90_000 };
  const foreign = await worker.createRouter({ mediaCodecs: [{ kind: 'video', ...h265 }] });
  const transport = await foreign.createPlainTransport({ listenInfo: { protocol: 'udp', ip: '127.0.0.1' } });
  const rtpParameters = { codecs: [{ ...h265, payloadType: 101 }], encodings: [{ ssrc: 1 }] };
  const unbuilt = await transport.produce({ kind: 'video', rtpParameters });
  await t.throwsAsync(mixer.addInput({ producerId: unbuilt.id }), { code: 'ERR_UNSUPPORTED' });
  const wanted = { router: foreign, codec: 'h265' } as unknown as types.VideoMixerOutputOptions;
  await t.throwsAsync(mixer.createOutput(wanted), invalid);
  const input = await mixer.addInput({ pictures: true });
  t.throws(() => input.write({ width: 4, height: 4, data: new Uint8Array(3) }), { code: 'ERR_INVALID_ARGUMENT' });
  t.throws(() => input.write({ width: 0, height: 4, data: new Uint8Array() }), { code: 'ERR_INVALID_ARGUMENT' });
  await t.throwsAsync(mixer.setRegion(input, 'none'), invalid);
  const producer = await publish(worker, router, BLACK);
  await mixer.addInput({ producerId: producer.id });
  await t.throwsAsync(mixer.addInput({ producerId: producer.id }), { code: 'ERR_DUPLICATE_ID' });
  const { inputs, outputs } = await mixer.getStats();
  t.deepEqual([inputs.length, outputs.length], [2, 0]);
});
