import type { Channel } from './channel.js';
import { FrameIterator, type FrameSource } from './frame-iterator.js';
import { typeError } from './native-events.js';

/** Most pictures that wait for a slow reader; older ones are dropped and counted. */
export const WAITING_PICTURES_MAX = 3;

/** Options of {@link VideoMixer.frames}. */
export type VideoFramesOptions = {
  /** How samples lie; see {@link VideoPicture.format}. Default: `rgba`. */
  format?: 'rgba' | 'i420';
  /** Columns, 16 to 4096; together with `height`. Default: the mix's. */
  width?: number;
  /** Rows, 16 to 2304; together with `width`. Default: the mix's. */
  height?: number;
  /** Pictures a second, 1 to the mix's. Default: the mix's. */
  frameRate?: number;
  /** Ends the iteration, with the signal's reason as an error. */
  signal?: AbortSignal;
};

/** One picture. */
export type VideoFrame = {
  /** Columns. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
  /** How its samples lie. */
  readonly format: 'rgba' | 'i420';
  /** The samples, without padding. */
  readonly data: Uint8Array;
  /** Its time, in ticks of 90 kHz since the mixer began; it wraps at 2³². */
  readonly timestamp: number;
};

/** Pictures for the application, one after the other. See {@link VideoMixer.frames}. */
export class VideoFrames extends FrameIterator<VideoFrame> {
  /** @internal */
  constructor(channel: Channel, options: VideoFramesOptions, source: FrameSource) {
    const { format = 'rgba', signal } = options;
    if (format !== 'rgba' && format !== 'i420') {
      throw typeError('format: expected "rgba" or "i420"');
    }
    const reading = {
      read: (record: Buffer) => readFrame(record, format),
      weigh: () => 1,
      weightMax: WAITING_PICTURES_MAX,
    };
    super(channel, source, reading, signal);
  }
}

function readFrame(record: Buffer, format: 'rgba' | 'i420'): VideoFrame {
  const [timestamp, width, height] = [record.readUInt32LE(0), record.readUInt32LE(4), record.readUInt32LE(8)];
  // Copied: the record shares its memory with others.
  return { width, height, format, data: new Uint8Array(record.subarray(12)), timestamp };
}
