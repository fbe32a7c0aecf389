// Sound through mixers, by what it holds: tones go in, spectra are looked at.

import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import test from 'ava';
import type { types } from '../ts/index.js';
import { ffmpegDecodes, freePlace } from './peers/foreign.js';
import { type Ear, spectrum, TELEPHONY_RATE, WINDOW } from './sound.js';
import { fail, HANG_MS, hears, isClean, listen, MEDIA_CODECS, open, talk, until, write } from './sound-room.js';

/** Pitches whose sums and multiples fall on none of them. */
const PITCHES_HZ = [437.3, 1103.7, 1871.9];

test('each of three talkers hears exactly the two others, and a listener all three', async (t) => {
  const { worker, router } = await open(t);
  const mixer = await worker.createAudioMixer();
  const ears: Ear[] = [];
  for (const [index, pitchHz] of PITCHES_HZ.entries()) {
    const talker = await talk(t, router, pitchHz, index);
    await mixer.addInput({ producerId: talker.id });
    const output = await mixer.createOutput({ router, codec: 'pcmu', exclude: [talker.id] });
    ears.push(await listen(router, output.producer));
  }
  const listener = await mixer.createOutput({ router, codec: 'pcmu' });
  ears.push(await listen(router, listener.producer));
  for (const [index, ear] of ears.entries()) {
    await hears(
      t,
      ear,
      PITCHES_HZ.filter((_, place) => place !== index),
    );
  }
  // Looking at spectra may have kept the talkers from sending for a moment.
  await until(t, async () => {
    const { inputs } = await mixer.getStats();
    return inputs.every(({ packets, level, chosen }) => packets > 10 && level > -30 && level < 0 && chosen);
  });
  const { inputs, outputs, load } = await mixer.getStats();
  t.is(inputs.length, 3);
  t.is(outputs.length, 4);
  t.true(outputs.every(({ frames, sharedBy }) => frames > 10 && sharedBy === 1));
  t.true(load > 0);
});

test('what the application writes comes out as Opus, is heard by another mixer, and read as samples', async (t) => {
  const { worker, router } = await open(t);
  const [one, other] = [await worker.createAudioMixer(), await worker.createAudioMixer({ frameLength: 10 })];
  const input = await one.addInput({ pcm: { sampleRate: 16_000 } });
  const output = await one.createOutput({ router, codec: 'opus', bitrate: 64_000, complexity: 10 });
  await other.addInput({ producerId: output.producer.id });
  write(t, input, 16_000, 700.7);
  const ear = { samples: [] as number[] };
  for await (const { samples } of other.frames({ sampleRate: 8_000, signal: AbortSignal.timeout(HANG_MS) })) {
    ear.samples.push(...Array.from(samples, (sample) => sample / 32_768));
    ear.samples.splice(0, Math.max(0, ear.samples.length - WINDOW));
    if (ear.samples.length === WINDOW && isClean(spectrum(ear.samples, TELEPHONY_RATE, [700.7]))) {
      break;
    }
  }
  t.is(ear.samples.length, WINDOW);
  const [stats] = (await one.getStats()).outputs;
  t.true((stats?.encodeTime ?? 0) > 0);
});

test('gain, muting and leaving out change what is heard', async (t) => {
  const { worker, router } = await open(t);
  const mixer = await worker.createAudioMixer();
  const inputs: types.AudioMixerInput[] = [];
  for (const pitchHz of PITCHES_HZ.slice(0, 2)) {
    const input = await mixer.addInput({ pcm: { sampleRate: 8_000 } });
    write(t, input, 8_000, pitchHz);
    inputs.push(input);
  }
  const [one, other] = inputs as [types.AudioMixerInput, types.AudioMixerInput];
  const output = await mixer.createOutput({ router, codec: 'pcmu' });
  const ear = await listen(router, output.producer);
  const [first, second] = PITCHES_HZ as [number, number];
  await hears(t, ear, [first, second]);
  await one.setGain(0.1);
  await until(t, () => {
    const [quiet, loud] = spectrum(ear.samples, TELEPHONY_RATE, [first, second]).tones as [number, number];
    return loud === 0 && Math.abs(quiet + 20) < 2;
  });
  t.is(one.gain, 0.1);
  await other.mute();
  t.true(other.muted);
  await hears(t, ear, [first]);
  await other.unmute();
  await output.setExclude([one]);
  t.deepEqual(output.exclude, [one.id]);
  await hears(t, ear, [second]);
  one.close();
  await hears(t, ear, [second]);
  t.deepEqual(mixer.inputs, [other]);
});

test('only the loudest are heard when there is room for so many, and events tell who is', async (t) => {
  const { worker, router } = await open(t);
  const mixer = await worker.createAudioMixer({ topK: 2 });
  const loudness = [0.02, 0.3, 0.25];
  const inputs: types.AudioMixerInput[] = [];
  for (const [index, pitchHz] of PITCHES_HZ.entries()) {
    const input = await mixer.addInput({ pcm: { sampleRate: 8_000 } });
    inputs.push(input);
    write(t, input, 8_000, pitchHz, loudness[index]);
  }
  const [active] = await once(mixer, 'activeinput');
  t.is(active, inputs[1]);
  const [volumes] = (await once(mixer, 'volumes')) as [types.AudioMixerVolume[]];
  t.is(volumes[0]?.input, inputs[1]);
  const output = await mixer.createOutput({ router, codec: 'pcmu' });
  await hears(t, await listen(router, output.producer), PITCHES_HZ.slice(1));
});

for (const codec of ['pcmu', 'pcma', 'g722'] as const) {
  test.serial(`FFmpeg hears the mix as ${codec} over plain RTP`, async (t) => {
    const { worker, router } = await open(t);
    const mixer = await worker.createAudioMixer();
    const input = await mixer.addInput({ pcm: { sampleRate: 48_000 } });
    write(t, input, 48_000, 1103.7);
    const output = await mixer.createOutput({ router, codec });
    const transport = await router.createPlainTransport({ listenInfo: { protocol: 'udp', ip: '127.0.0.1' } });
    const place = await freePlace('127.0.0.1');
    await transport.connect({ ip: place.ip, port: place.port });
    const { rtpCapabilities } = router;
    const consumer = await transport.consume({ producerId: output.producer.id, rtpCapabilities });
    const decoded = await ffmpegDecodes(t, place, consumer);
    const samples = new Int16Array(decoded.buffer.slice(decoded.byteOffset, decoded.byteOffset + decoded.length));
    const heard = spectrum(Array.from(samples, Number), 16_000, [1103.7]);
    t.true(isClean(heard), JSON.stringify(heard));
  });
}

test('a transcoder makes another codec of a producer, and hands packets on where nothing differs', async (t) => {
  const { worker, router } = await open(t);
  const [pitchHz] = PITCHES_HZ as [number];
  const talker = await talk(t, router, pitchHz, 0);
  const opus = await worker.createAudioTranscoder({ producerId: talker.id, router, codec: 'opus', bitrate: 64_000 });
  const back = await worker.createAudioTranscoder({ producerId: opus.producer.id, router, codec: 'pcmu' });
  const same = await worker.createAudioTranscoder({ producerId: talker.id, router, codec: 'pcmu' });
  t.deepEqual(
    [opus, back, same].map(({ passesThrough }) => passesThrough),
    [false, false, true],
  );
  for (const { producer } of [back, same]) {
    await hears(t, await listen(router, producer), [pitchHz]);
  }
  t.is((await same.getStats()).outputs[0]?.frames, 0, 'nothing was encoded');
  await t.throwsAsync(worker.createAudioTranscoder({ producerId: talker.id, router, codec: 'pcma', channels: 2 }), {
    code: 'ERR_INVALID_ARGUMENT',
  });
  const ended = Promise.all([once(opus, 'end'), once(same, 'end')]);
  talker.close();
  await ended;
  t.true(opus.closed && same.closed && opus.producer.closed);
  back.close();
  t.true(back.producer.closed);
});

test('bad input is refused by a typed error, and nothing is half made', async (t) => {
  const { worker, router } = await open(t);
  const mixer = await worker.createAudioMixer();
  const talker = await talk(t, router, 500, 0);
  const direct = await router.createDirectTransport();
  const opus = { mimeType: 'audio/opus', payloadType: 111, clockRate: 48_000, channels: 2 };
  const video = await direct.produce({
    kind: 'video',
    rtpParameters: {
      codecs: [{ mimeType: 'video/VP8', payloadType: 96, clockRate: 90_000 }],
      encodings: [{ ssrc: 900 }],
    },
  });
  const sealed = await direct.produce({
    kind: 'audio',
    rtpParameters: { codecs: [opus], encodings: [{ ssrc: 901 }] },
    encrypted: true,
  });
  const input = await mixer.addInput({ producerId: talker.id });
  const silent = await worker.createRouter({ mediaCodecs: MEDIA_CODECS.slice(0, 1) });
  const unknown = '67e55044-10b1-426f-9247-bb680e5fe0c8';
  const nine: types.AudioMixerInput[] = [];
  for (let count = 0; count < 9; count += 1) {
    nine.push(await mixer.addInput({ pcm: { sampleRate: 8_000 } }));
  }
  const any = (value: unknown) => value as never;
  const table: [string, string, () => Promise<unknown>][] = [
    ['TypeError', 'ERR_INVALID_ARGUMENT', () => worker.createAudioMixer({ topK: 0 })],
    ['TypeError', 'ERR_INVALID_ARGUMENT', () => worker.createAudioMixer({ frameLength: 15 })],
    ['TypeError', 'ERR_INVALID_ARGUMENT', () => mixer.addInput({})],
    ['TypeError', 'ERR_INVALID_ARGUMENT', () => mixer.addInput({ producerId: unknown, pcm: { sampleRate: 8_000 } })],
    ['TypeError', 'ERR_INVALID_ARGUMENT', () => mixer.addInput({ producerId: 'nobody' })],
    ['NotFoundError', 'ERR_NOT_FOUND', () => mixer.addInput({ producerId: unknown })],
    ['UnsupportedError', 'ERR_UNSUPPORTED', () => mixer.addInput({ producerId: video.id })],
    ['UnsupportedError', 'ERR_ENCRYPTED', () => mixer.addInput({ producerId: sealed.id })],
    ['TypeError', 'ERR_DUPLICATE_ID', () => mixer.addInput({ producerId: talker.id })],
    ['TypeError', 'ERR_INVALID_ARGUMENT', () => mixer.addInput({ pcm: { sampleRate: 100 } })],
    ['TypeError', 'ERR_INVALID_ARGUMENT', () => mixer.addInput({ pcm: { sampleRate: 8_000, channels: 3 } })],
    ['TypeError', 'ERR_INVALID_ARGUMENT', () => mixer.addInput({ pcm: { sampleRate: 8_000 }, gain: 11 })],
    ['TypeError', 'ERR_INVALID_ARGUMENT', () => mixer.createOutput({ router: any({}), codec: 'opus' })],
    ['TypeError', 'ERR_INVALID_ARGUMENT', () => mixer.createOutput({ router, codec: any('speex') })],
    ['TypeError', 'ERR_INVALID_ARGUMENT', () => mixer.createOutput({ router, codec: 'pcmu', channels: 2 })],
    ['TypeError', 'ERR_INVALID_ARGUMENT', () => mixer.createOutput({ router, codec: 'opus', bitrate: 5 })],
    ['UnsupportedError', 'ERR_UNSUPPORTED', () => mixer.createOutput({ router: silent, codec: 'g722' })],
    ['NotFoundError', 'ERR_NOT_FOUND', () => mixer.createOutput({ router, codec: 'opus', exclude: [unknown] })],
    ['LimitError', 'ERR_LIMIT_EXCEEDED', () => mixer.createOutput({ router, codec: 'opus', exclude: nine })],
    ['TypeError', 'ERR_INVALID_ARGUMENT', () => input.setGain(-1)],
    ['InvalidStateError', 'ERR_INVALID_STATE', async () => input.write(new Int16Array(1))],
    ['TypeError', 'ERR_INVALID_ARGUMENT', async () => nine[0]?.write(any([1, 2]))],
    ['TypeError', 'ERR_INVALID_ARGUMENT', () => mixer.frames({ sampleRate: 7 }).next()],
    ['TypeError', 'ERR_INVALID_ARGUMENT', async () => mixer.frames({ sampleRate: 8_000, format: any('int8') })],
  ];
  for (const [index, [name, code, call]] of table.entries()) {
    const error = await t.throwsAsync(call, undefined, `row ${index}`);
    t.deepEqual([index, error?.name, (error as { code?: string } | undefined)?.code], [index, name, code]);
  }
  const { inputs, outputs } = await mixer.getStats();
  t.deepEqual([inputs.length, outputs.length, mixer.inputs.length, mixer.outputs.length], [10, 0, 10, 0]);
  t.is(
    (await worker.dump()).channelMessageHandlers.channelRequestHandlers.length,
    7,
    'two routers and transports, three producers',
  );
});

test('whatever closes closes what hangs on it, and says so', async (t) => {
  const { worker, router } = await open(t);
  const mixer = await worker.createAudioMixer();
  const talker = await talk(t, router, 500, 0);
  const elsewhere = await worker.createRouter({ mediaCodecs: MEDIA_CODECS });
  const [input, written] = [
    await mixer.addInput({ producerId: talker.id }),
    await mixer.addInput({ pcm: { sampleRate: 8_000 } }),
  ];
  const [there, here, third] = [
    await mixer.createOutput({ router: elsewhere, codec: 'opus' }),
    await mixer.createOutput({ router, codec: 'opus' }),
    await mixer.createOutput({ router, codec: 'pcma' }),
  ];
  talker.close();
  await once(input, 'producerclose');
  t.true(input.closed);
  t.deepEqual(mixer.inputs, [written]);
  const told: string[] = [];
  there.on('routerclose', () => told.push('output'));
  there.producer.on('transportclose', () => told.push('producer'));
  elsewhere.close();
  t.deepEqual(told, ['producer', 'output']);
  here.producer.close();
  t.true(here.closed);
  t.deepEqual(mixer.outputs, [third]);
  const frames = mixer.frames({ sampleRate: 8_000 });
  await frames.next();
  const rest = (async () => {
    for await (const _ of frames);
  })();
  mixer.on('workerclose', () => told.push('mixer'));
  written.on('mixerclose', () => told.push('input'));
  third.on('mixerclose', () => told.push('third'));
  worker.close();
  await rest;
  t.deepEqual(told, ['producer', 'output', 'input', 'third', 'mixer']);
  t.true(mixer.closed && written.closed && third.producer.closed);
  await t.throwsAsync(mixer.getStats(), { code: 'ERR_CLOSED' });
});

test('mixers, inputs and outputs that come and go while others tick leave nothing behind', async (t) => {
  const { worker, router } = await open(t);
  const lasting = await worker.createAudioMixer();
  const talker = await talk(t, router, PITCHES_HZ[0] as number, 0);
  await lasting.addInput({ producerId: talker.id });
  const output = await lasting.createOutput({ router, codec: 'pcmu' });
  const ear = await listen(router, output.producer);
  const objects = async () => (await worker.dump()).channelMessageHandlers.channelRequestHandlers.length;
  const before = await objects();
  for (let round = 0; round < 60; round += 1) {
    const mixer = await worker.createAudioMixer();
    const input = await mixer.addInput({ producerId: talker.id });
    const codec = (['opus', 'pcmu', 'g722'] as const)[round % 3] as 'opus';
    const out = await mixer.createOutput({ router, codec, exclude: round % 2 ? [talker.id] : [] });
    await wait(round % 5 === 0 ? 30 : 0);
    const closing = [() => mixer.close(), () => input.close(), () => out.close(), () => out.producer.close()];
    closing[round % 4]?.();
    await wait(round % 3);
    mixer.close();
  }
  await hears(t, ear, [PITCHES_HZ[0] as number]);
  await until(t, async () => (await objects()) === before);
});

test('frames that nobody reads are dropped and counted, and a signal ends them', async (t) => {
  const { worker } = await open(t);
  const mixer = await worker.createAudioMixer();
  const abort = new AbortController();
  const frames = mixer.frames({ sampleRate: 8_000, channels: 2, format: 'float32', signal: abort.signal });
  await until(t, () => frames.dropped > 5);
  const { value } = await frames.next();
  t.is(value.samples.length, 320);
  t.true(value.samples instanceof Float32Array);
  const waiting = (async () => {
    for await (const _ of frames);
  })();
  abort.abort();
  const aborted = await t.throwsAsync(waiting, { any: true });
  t.is((aborted as Error | undefined)?.name, 'AbortError');
  await until(t, async () => (await mixer.getStats()).outputs.length === 0);
  const input = await mixer.addInput({ pcm: { sampleRate: 8_000 } });
  for (let second = 0; second < 5; second += 1) {
    input.write(new Int16Array(8_000));
  }
  await until(t, async () => ((await mixer.getStats()).inputs[0]?.dropped ?? 0) >= 16_000);
});

test('a mixer that panics is made anew with the same outputs, and others notice nothing', async (t) => {
  const { worker, router } = await open(t);
  const [broken, other] = [await worker.createAudioMixer(), await worker.createAudioMixer()];
  const talker = await talk(t, router, PITCHES_HZ[0] as number, 0);
  const sequences: number[] = [];
  for (const mixer of [broken, other]) {
    await mixer.addInput({ producerId: talker.id });
  }
  const output = await broken.createOutput({ router, codec: 'pcmu' });
  const ear = await listen(router, output.producer, (sequence) => sequences.push(sequence));
  await hears(t, ear, [PITCHES_HZ[0] as number]);
  const restarted = once(broken, 'restart');
  const asked = performance.now();
  await fail(worker, broken);
  const [restart] = (await restarted) as [types.AudioMixerRestart];
  t.is(restart.reason, 'panic');
  const heard = sequences.length;
  await until(t, () => sequences.length > heard + 5);
  t.log(`five packets ${Math.round(performance.now() - asked)} ms after the panic`);
  ear.samples.length = 0;
  await hears(t, ear, [PITCHES_HZ[0] as number]);
  t.true(sequences.every((sequence, at) => at === 0 || sequence === (((sequences[at - 1] as number) + 1) & 0xffff)));
  t.is((await broken.getStats()).restarts, 1);
  t.is((await other.getStats()).restarts, 0);
  t.false(output.closed || output.producer.closed);
  const died = once(broken, 'died');
  for (let count = 0; count < 5; count += 1) {
    const next = count < 4 ? once(broken, 'restart') : died;
    await fail(worker, broken);
    await next;
  }
  t.true(broken.closed && output.producer.closed);
  t.false(worker.closed);
  t.is((await other.getStats()).inputs.length, 1);
});

// Alone, because mixers of other tests may share its thread.
test.serial('a mixer that hangs goes on elsewhere within seconds', async (t) => {
  const { worker, router } = await open(t);
  const mixer = await worker.createAudioMixer();
  const talker = await talk(t, router, PITCHES_HZ[0] as number, 0);
  await mixer.addInput({ producerId: talker.id });
  const output = await mixer.createOutput({ router, codec: 'pcmu' });
  const ear = await listen(router, output.producer);
  await hears(t, ear, [PITCHES_HZ[0] as number]);
  const restarted = once(mixer, 'restart');
  const asked = performance.now();
  await fail(worker, mixer, 6_000);
  const [restart] = (await restarted) as [types.AudioMixerRestart];
  t.log(`noticed after ${Math.round(performance.now() - asked)} ms`);
  t.is(restart.reason, 'hang');
  ear.samples.length = 0;
  await hears(t, ear, [PITCHES_HZ[0] as number]);
});
