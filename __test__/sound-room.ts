// A room for tests of mixed sound: who talks, who listens, and what they are to hear.

import { setTimeout as wait } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { createWorker, type types } from '../ts/index.js';
import type { Worker } from '../ts/worker.js';
import { Ear, PCMU, type Spectrum, sendTone, spectrum, TELEPHONY_RATE, tone, WINDOW } from './sound.js';

/** Longer than anything takes on a busy machine. */
export const HANG_MS = 60_000;

/** What is no tone is below this, relative to the loudest tone. */
export const OTHER_DB_MAX = -40;

export const MEDIA_CODECS: types.RouterRtpCodecCapability[] = [
  { kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2 },
  { kind: 'audio', mimeType: 'audio/PCMU', clockRate: 8_000 },
  { kind: 'audio', mimeType: 'audio/PCMA', clockRate: 8_000 },
  { kind: 'audio', mimeType: 'audio/G722', clockRate: 8_000 },
  { kind: 'video', mimeType: 'video/VP8', clockRate: 90_000 },
];

export type Room = { readonly worker: types.Worker; readonly router: types.Router };

export async function open(t: ExecutionContext): Promise<Room> {
  const worker = await createWorker();
  t.teardown(() => worker.close());
  return { worker, router: await worker.createRouter({ mediaCodecs: MEDIA_CODECS }) };
}

/** Somebody who says a tone, as G.711. */
export async function talk(t: ExecutionContext, router: types.Router, pitchHz: number, place: number) {
  const transport = await router.createDirectTransport();
  const producer = await transport.produce({
    kind: 'audio',
    rtpParameters: { codecs: [PCMU], encodings: [{ ssrc: 100 + place }] },
  });
  t.teardown(sendTone(producer, pitchHz));
  return producer;
}

export async function listen(
  router: types.Router,
  producer: types.Producer,
  onSequence: (sequence: number) => void = () => {},
): Promise<Ear> {
  const transport = await router.createDirectTransport();
  const { rtpCapabilities } = router;
  const consumer = await transport.consume({ producerId: producer.id, rtpCapabilities });
  consumer.on('rtp', (packet) => onSequence(packet.readUInt16BE(2)));
  return new Ear(consumer);
}

/** Writes a tone from now on, as fast as it is heard. */
export function write(
  t: ExecutionContext,
  input: types.AudioMixerInput,
  sampleRate: number,
  pitchHz: number,
  amplitude?: number,
): void {
  const started = performance.now();
  // A little ahead, so that a timer that is late leaves no hole.
  let written = -0.2 * sampleRate;
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - started) * sampleRate) / 1000);
    if (due > written) {
      input.write(tone(pitchHz, sampleRate, written, due - written, amplitude));
      written = due;
    }
  }, 10);
  t.teardown(() => clearInterval(timer));
}

/** Waits until exactly these tones are heard. */
export async function hears(t: ExecutionContext, ear: Ear, pitchesHz: readonly number[]): Promise<void> {
  let last: Spectrum | undefined;
  const holds = () => {
    if (ear.samples.length < WINDOW) {
      return false;
    }
    last = spectrum(ear.samples, TELEPHONY_RATE, pitchesHz);
    return isClean(last);
  };
  await until(t, holds, () => `${pitchesHz}: ${JSON.stringify(last)}`);
}

/** All tones are there, about as loud as each other, and nothing else. */
export function isClean({ tones, other }: Spectrum): boolean {
  return tones.every((db) => db > -3) && other <= OTHER_DB_MAX;
}

export async function until(
  t: ExecutionContext,
  holds: () => boolean | Promise<boolean>,
  what: () => string = () => 'it does not come true',
): Promise<void> {
  const started = performance.now();
  while (!(await holds())) {
    if (performance.now() - started > HANG_MS) {
      throw new Error(what());
    }
    await wait(50);
  }
  t.pass();
}

/** Asks a debug build for a fault in the mixer's next tick. */
export async function fail(worker: types.Worker, mixer: types.AudioMixer, hang?: number): Promise<void> {
  const asked = worker as unknown as Worker & { request(method: string, params: object): Promise<void> };
  await asked.request('audioMixer.fail', { audioMixerId: mixer.id, hang });
}
