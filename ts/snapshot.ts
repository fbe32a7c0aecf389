import { InvalidStateError } from './errors.js';
import type { NativeAddon } from './native-addon.js';
import { typeError } from './native-events.js';
import type { VideoFrames, VideoFramesOptions } from './video-frames.js';

/** Longest time that a snapshot waits for a picture unless its signal ends it, in ms; then it rejects. */
export const SNAPSHOT_WAIT_MAX_MS = 10_000;

/** Options of {@link VideoMixer.snapshot} and {@link Worker.snapshot}. */
export type SnapshotOptions = Pick<VideoFramesOptions, 'width' | 'height' | 'signal'> & {
  /** As what the picture is written. Default: `png`. */
  format?: 'png' | 'jpeg';
  /** Quality of a JPEG, 1 to 100. Default: 85. */
  quality?: number;
};

/**
 * The next picture as a file.
 *
 * @internal
 */
export async function takeSnapshot(
  addon: NativeAddon,
  options: SnapshotOptions,
  open: (options: VideoFramesOptions) => VideoFrames,
): Promise<Buffer> {
  const { format = 'png', quality = 85, width, height, signal } = options;
  if (format !== 'png' && format !== 'jpeg') {
    throw typeError('format: expected "png" or "jpeg"');
  }
  if (!Number.isInteger(quality) || quality < 1 || quality > 100) {
    throw typeError(`quality: expected 1 to 100, got ${quality}`);
  }
  const limit = AbortSignal.timeout(SNAPSHOT_WAIT_MAX_MS);
  const frames = open({ width, height, signal: signal ? AbortSignal.any([signal, limit]) : limit });
  try {
    const { value: frame, done } = await frames.next();
    if (done) {
      throw new InvalidStateError('there is no picture any more');
    }
    const rgba = Buffer.from(frame.data.buffer, frame.data.byteOffset, frame.data.byteLength);
    return await addon.writeImage(rgba, frame.width, frame.height, format === 'jpeg' ? quality : undefined);
  } catch (error) {
    throw limit.aborted && error === limit.reason
      ? new InvalidStateError(`no picture came within ${SNAPSHOT_WAIT_MAX_MS} ms`)
      : error;
  } finally {
    frames.end();
  }
}
