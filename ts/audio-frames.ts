import type { Channel } from './channel.js';
import { FrameIterator, type FrameSource } from './frame-iterator.js';
import { typeError } from './native-events.js';

/** Most seconds of sound that wait for a slow reader; what is older is dropped and counted. */
export const WAITING_FRAME_SECONDS_MAX = 1;

/** Options of {@link AudioMixer.frames} and {@link AudioMixerOutput.frames}. */
export type AudioFramesOptions = {
  /** Samples a second of each channel, 8000 to 192000. */
  sampleRate: number;
  /** Channels, interleaved, 1 or 2. Default: 1. */
  channels?: number;
  /** As what samples come: whole numbers of 16 bits, or numbers of −1 to 1. Default: `int16`. */
  format?: 'int16' | 'float32';
  /** Ends the iteration, with the signal's reason as an error. */
  signal?: AbortSignal;
};

/** Some milliseconds of sound. */
export type AudioFrame = {
  /** Interleaved samples. */
  readonly samples: Int16Array | Float32Array;
  /** Time of the first sample, in samples of each channel since the mixer began; it wraps at 2³². */
  readonly timestamp: number;
};

/** Sound for the application, one frame after the other. See {@link AudioMixer.frames}. */
export class AudioFrames extends FrameIterator<AudioFrame> {
  /** @internal */
  constructor(channel: Channel, options: AudioFramesOptions, source: FrameSource) {
    const { sampleRate, channels = 1, format = 'int16', signal } = options;
    if (format !== 'int16' && format !== 'float32') {
      throw typeError('format: expected "int16" or "float32"');
    }
    if (typeof sampleRate !== 'number') {
      throw typeError('sampleRate: expected a number');
    }
    const reading = {
      read: (record: Buffer) => readFrame(record, format === 'float32'),
      weigh: ({ samples }: AudioFrame) => samples.length,
      weightMax: sampleRate * channels * WAITING_FRAME_SECONDS_MAX,
    };
    super(channel, source, reading, signal);
  }
}

function readFrame(record: Buffer, isFloat: boolean): AudioFrame {
  const timestamp = record.readUInt32LE(0);
  // Copied: the record shares its memory with others, and lies at any byte.
  const bytes = new Uint8Array(record.subarray(4));
  const floats = new Float32Array(bytes.buffer, 0, bytes.length >> 2);
  return { samples: isFloat ? floats : Int16Array.from(floats, toInt16), timestamp };
}

function toInt16(sample: number): number {
  return Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
}
