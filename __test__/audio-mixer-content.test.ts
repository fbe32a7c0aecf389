// Mixes beside the same sums made here, and how much later they are heard; one after the other, since the sums keep this
// thread from sending in time.

import { setTimeout as wait } from 'node:timers/promises';
import test from 'ava';
import type { types } from '../ts/index.js';
import { RtpPacket } from '../ts/rtp/index.js';
import { Chance } from './chance.js';
import { fromUlaw, PCMU, TELEPHONY_RATE, tone, toUlaw } from './sound.js';
import { HANG_MS, hears, listen, open, until } from './sound-room.js';

const RATE = 48_000;

/** Length of a click: 1 ms. */
const CLICK_SAMPLES = 8;

test.serial('of fifty who speak, the five loudest are heard and nobody else', async (t) => {
  const { worker, router } = await open(t);
  const mixer = await worker.createAudioMixer({ topK: 5 });
  const loud = [3, 11, 24, 38, 47];
  const pitchOf = (person: number) => 350.3 + 57 * person;
  const people: types.AudioMixerInput[] = [];
  for (let person = 0; person < 50; person += 1) {
    people.push(await mixer.addInput({ pcm: { sampleRate: TELEPHONY_RATE } }));
  }
  const started = performance.now();
  // A little ahead, so that a timer that is late leaves no hole.
  let written = -0.2 * TELEPHONY_RATE;
  const timer = setInterval(() => {
    const length = Math.floor(((performance.now() - started) * TELEPHONY_RATE) / 1000) - written;
    for (const [person, input] of people.entries()) {
      // Those who are too much would stand out at -26 dB.
      input.write(tone(pitchOf(person), TELEPHONY_RATE, written, length, loud.includes(person) ? 0.1 : 0.005));
    }
    written += length;
  }, 20);
  t.teardown(() => clearInterval(timer));
  const output = await mixer.createOutput({ router, codec: 'pcmu' });
  await hears(t, await listen(router, output.producer), loud.map(pitchOf));
  // While this thread is late with its writing there is nobody to be heard.
  let most = 0;
  await until(t, async () => {
    const { inputs, heard } = await mixer.getStats();
    t.is(inputs.length, 50);
    most = Math.max(most, heard);
    return heard === 5;
  });
  t.is(most, 5);
});

test.serial('a mix equals the sum of its inputs to -60 dB, and without one the sum of the others', async (t) => {
  const { worker } = await open(t);
  const mixer = await worker.createAudioMixer();
  const chance = new Chance(7);
  const noises = [0, 1, 2].map(() =>
    Float64Array.from({ length: 0.8 * RATE }, () => 0.3 * (chance.below(1 << 24) / (1 << 24) - 0.5)),
  );
  const inputs: types.AudioMixerInput[] = [];
  for (const _ of noises) {
    inputs.push(await mixer.addInput({ pcm: { sampleRate: RATE } }));
  }
  const [all, two] = [record(mixer, []), record(mixer, [inputs[1] as types.AudioMixerInput])];
  await until(t, () => all.length > 0 && two.length > 0);
  for (const [index, noise] of noises.entries()) {
    inputs[index]?.write(Float32Array.from(noise));
  }
  // Written sound that ends leaves silence.
  const isOver = (heard: number[]) => heard.length > RATE && heard.slice(-RATE / 5).every((sample) => sample === 0);
  await until(t, () => isOver(all) && isOver(two));
  for (const [heard, who] of [
    [all, [0, 1, 2]],
    [two, [0, 2]],
  ] as const) {
    const from = who.map((person) => placeOf(noises[person] as Float64Array, heard));
    // All of them speak here, and nobody is being faded in.
    const begin = Math.max(...from) + 1_920;
    const end = Math.min(...from) + 0.8 * RATE;
    t.true(end - begin > 0.6 * RATE, `they speak together: ${from}`);
    let [error, energy] = [0, 0];
    for (let sample = begin; sample < end; sample += 1) {
      let sum = 0;
      for (const [index, person] of who.entries()) {
        sum += noises[person]?.[sample - (from[index] as number)] as number;
      }
      error += ((heard[sample] as number) - sum) ** 2;
      energy += sum ** 2;
    }
    const errorDb = 10 * Math.log10(error / energy);
    t.true(errorDb <= -60, `${errorDb} dB`);
  }
});

test.serial('every click is heard once, a little later', async (t) => {
  const { worker, router } = await open(t);
  const mixer = await worker.createAudioMixer();
  const transport = await router.createDirectTransport();
  const producer = await transport.produce({
    kind: 'audio',
    rtpParameters: { codecs: [PCMU], encodings: [{ ssrc: 100 }] },
  });
  await mixer.addInput({ producerId: producer.id });
  const output = await mixer.createOutput({ router, codec: 'pcmu' });
  const heard: number[] = [];
  let last: number | undefined;
  const ear = await transport.consume({ producerId: output.producer.id, rtpCapabilities: router.rtpCapabilities });
  ear.on('rtp', (bytes) => {
    const now = performance.now();
    const { payload, timestamp } = RtpPacket.parse(bytes);
    const samples = Array.from(payload, fromUlaw);
    const place = samples.findIndex((sample) => Math.abs(sample) > 0.4);
    if (place < 0) {
      return;
    }
    const sample = timestamp + place;
    // One click may lie across two packets.
    if (last === undefined || (sample - last) >>> 0 > 2 * CLICK_SAMPLES) {
      heard.push(now + (1000 * place) / TELEPHONY_RATE);
    }
    last = sample;
  });
  const said = await click(producer, 20);
  const concealed = (await mixer.getStats()).inputs[0]?.concealed as number;
  await until(t, () => heard.length >= said.length);
  await wait(200);
  // What fills a gap, when this thread was late, repeats the click before it: every few milliseconds.
  const again = heard.length - said.length;
  t.true(concealed > 0 ? again >= 0 : again === 0, `${heard.length} of ${said.length} clicks`);
  if (again > 0) {
    return;
  }
  const delays = heard.map((at, index) => at - (said[index] as number)).sort((one, other) => one - other);
  t.true(
    delays.every((delay) => delay > -1 && delay < HANG_MS / 10),
    `${delays}`,
  );
  const [half, most] = [delays[delays.length >> 1] as number, delays.at(-1) as number];
  t.log(`added delay of ${delays.length} clicks: p50 ${half.toFixed(1)} ms, at most ${most.toFixed(1)} ms`);
});

/** What a mixer gives to the application from now on. */
function record(mixer: types.AudioMixer, exclude: types.AudioMixerInput[]): number[] {
  const heard: number[] = [];
  const signal = AbortSignal.timeout(HANG_MS);
  const read = async () => {
    for await (const { samples } of mixer.frames({ sampleRate: RATE, format: 'float32', exclude, signal })) {
      heard.push(...samples);
    }
  };
  read().catch(() => heard.splice(0));
  return heard;
}

/** The sample of `heard` at which `noise` began. */
function placeOf(noise: Float64Array, heard: readonly number[]): number {
  // Behind the tick in which an input is faded in.
  const [skipped, length] = [1_920, 400];
  let [best, place] = [0, 0];
  for (let start = 0; start + skipped + length < heard.length; start += 1) {
    let likeness = 0;
    for (let sample = skipped; sample < skipped + length; sample += 1) {
      likeness += (noise[sample] as number) * (heard[start + sample] as number);
    }
    if (likeness > best) {
      [best, place] = [likeness, start];
    }
  }
  return place;
}

/** Says so many clicks, each 260 ms after the other and at another place of its packet; resolves with when each was said. */
async function click(producer: types.Producer, count: number): Promise<number[]> {
  const [packetSamples, apart, silentBefore] = [160, 13, 50];
  const said: number[] = [];
  const started = performance.now();
  for (let number = 0; number < silentBefore + (count + 1) * apart; number += 1) {
    const samples = new Float32Array(packetSamples);
    const clicks = number >= silentBefore && number % apart === 0 && said.length < count;
    const place = (number * 7) % (packetSamples - CLICK_SAMPLES);
    samples.fill(clicks ? 0.8 : 0, place, place + CLICK_SAMPLES);
    await wait(Math.max(0, started + 20 * number - performance.now()));
    if (clicks) {
      said.push(performance.now() + (1000 * place) / TELEPHONY_RATE);
    }
    const payload = Uint8Array.from(samples, toUlaw);
    const timestamp = number * packetSamples;
    producer.send(new RtpPacket({ payloadType: 0, sequenceNumber: number, timestamp, ssrc: 100, payload }).toBuffer());
  }
  return said;
}
