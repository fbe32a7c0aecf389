// Tones, telephony coding and spectra, for tests that look at what sound holds.

import type { types } from '../ts/index.js';
import { RtpPacket } from '../ts/rtp/index.js';

export const TELEPHONY_RATE = 8_000;

const SAMPLES_PER_PACKET = 160;

/** Samples of which a spectrum is made: about a second of telephony. */
export const WINDOW = 8_192;

/** Bins on each side of a tone that belong to it: the main lobe of the window, and a little drift of the clock. */
const LOBE = 16;

export const PCMU: types.RtpCodecParameters = { mimeType: 'audio/PCMU', payloadType: 0, clockRate: TELEPHONY_RATE };

/** Sends a tone as G.711 from now on, 20 ms at a time, until stopped. */
export function sendTone(producer: types.Producer, pitchHz: number, amplitude = 0.2): () => void {
  const ssrc = producer.rtpParameters.encodings?.[0]?.ssrc ?? 0;
  const started = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    // As many as are due, so that a timer that is late loses nothing.
    for (; sent * 20 <= performance.now() - started; sent += 1) {
      const timestamp = sent * SAMPLES_PER_PACKET;
      const samples = tone(pitchHz, TELEPHONY_RATE, timestamp, SAMPLES_PER_PACKET, amplitude);
      const payload = Uint8Array.from(samples, toUlaw);
      const packet = new RtpPacket({ payloadType: 0, sequenceNumber: sent & 0xffff, timestamp, ssrc, payload });
      producer.send(packet.toBuffer());
    }
  }, 5);
  return () => clearInterval(timer);
}

/** Samples of a sine from the sample `start` on. */
export function tone(
  pitchHz: number,
  sampleRate: number,
  start: number,
  length: number,
  amplitude = 0.2,
): Float32Array {
  return Float32Array.from(
    { length },
    (_, index) => amplitude * Math.sin((2 * Math.PI * pitchHz * (start + index)) / sampleRate),
  );
}

/** Levels of tones, and of the loudest that is none of them, in dB below the loudest tone. */
export type Spectrum = { readonly tones: readonly number[]; readonly other: number };

/** Looks at the last {@link WINDOW} samples. */
export function spectrum(samples: ArrayLike<number>, sampleRate: number, pitchesHz: readonly number[]): Spectrum {
  const powers = powerSpectrum(samples);
  const binOf = (pitchHz: number) => Math.round((pitchHz * WINDOW) / sampleRate);
  const near = (bin: number) => pitchesHz.some((pitchHz) => Math.abs(bin - binOf(pitchHz)) <= LOBE);
  const tones = pitchesHz.map((pitchHz) => {
    const bin = binOf(pitchHz);
    return Math.max(...powers.slice(bin - LOBE, bin + LOBE + 1));
  });
  const others = Array.from(powers).filter((_, bin) => bin > LOBE && !near(bin));
  const loudest = Math.max(...tones, 1e-12);
  const db = (power: number) => 10 * Math.log10(Math.max(power, 1e-12) / loudest);
  return { tones: tones.map(db), other: db(Math.max(...others)) };
}

/** The power in each bin up to half the sample rate, through a Blackman-Harris window (side lobes of -92 dB). */
function powerSpectrum(samples: ArrayLike<number>): Float64Array {
  const [real, imaginary] = [new Float64Array(WINDOW), new Float64Array(WINDOW)];
  const offset = samples.length - WINDOW;
  for (let index = 0; index < WINDOW; index += 1) {
    const phase = (2 * Math.PI * index) / (WINDOW - 1);
    const weight = 0.35875 - 0.48829 * Math.cos(phase) + 0.14128 * Math.cos(2 * phase) - 0.01168 * Math.cos(3 * phase);
    real[index] = weight * (samples[offset + index] ?? 0);
  }
  transform(real, imaginary);
  return Float64Array.from(
    { length: WINDOW / 2 },
    (_, bin) => (real[bin] as number) ** 2 + (imaginary[bin] as number) ** 2,
  );
}

/** The discrete Fourier transform in place, of a power of two. */
function transform(real: Float64Array, imaginary: Float64Array): void {
  const length = real.length;
  for (let index = 1, mirrored = 0; index < length; index += 1) {
    let bit = length >> 1;
    for (; mirrored & bit; bit >>= 1) {
      mirrored ^= bit;
    }
    mirrored ^= bit;
    if (index < mirrored) {
      for (const part of [real, imaginary]) {
        [part[index], part[mirrored]] = [part[mirrored] as number, part[index] as number];
      }
    }
  }
  for (let size = 2; size <= length; size *= 2) {
    for (let start = 0; start < length; start += size) {
      for (let index = 0; index < size / 2; index += 1) {
        const [low, high, angle] = [start + index, start + index + size / 2, (-2 * Math.PI * index) / size];
        const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
        const [r, i] = [real[high] as number, imaginary[high] as number];
        const [turnedR, turnedI] = [r * cos - i * sin, r * sin + i * cos];
        [real[high], imaginary[high]] = [(real[low] as number) - turnedR, (imaginary[low] as number) - turnedI];
        [real[low], imaginary[low]] = [(real[low] as number) + turnedR, (imaginary[low] as number) + turnedI];
      }
    }
  }
}

/** A sample of -1 to 1 as G.711 µ-law. */
export function toUlaw(sample: number): number {
  const magnitude = Math.min(Math.round(Math.abs(sample) * 32_768), 32_635) + 132;
  const exponent = 31 - Math.clz32(magnitude) - 7;
  const mantissa = (magnitude >> (exponent + 3)) & 15;
  return ~((sample < 0 ? 0x80 : 0) | (exponent << 4) | mantissa) & 0xff;
}

/** A sample of G.711 µ-law as -1 to 1. */
export function fromUlaw(byte: number): number {
  const inverted = ~byte & 0xff;
  const magnitude = ((((inverted & 15) << 3) + 132) << ((inverted >> 4) & 7)) - 132;
  return (inverted & 0x80 ? -magnitude : magnitude) / 32_768;
}

/** What a Consumer of G.711 hears, the last {@link WINDOW} samples of it, in the order of their numbers. */
export class Ear {
  readonly samples: number[] = [];

  constructor(consumer: types.Consumer) {
    consumer.on('rtp', (bytes) => {
      const packet = RtpPacket.parse(bytes);
      this.hear(Array.from(packet.payload, fromUlaw));
    });
  }

  hear(samples: Iterable<number>): void {
    this.samples.push(...samples);
    this.samples.splice(0, Math.max(0, this.samples.length - WINDOW));
  }
}
