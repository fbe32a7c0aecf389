import { typeError } from './native-events.js';

/** Widest picture that is written, in columns. A wider one is refused. */
export const PICTURE_WIDTH_MAX = 4096;

/** Highest picture that is written, in rows. A higher one is refused, but for one turned by a quarter. */
export const PICTURE_HEIGHT_MAX = 2304;

/** A picture as an application writes it. */
export type VideoPicture = {
  /** Columns. */
  width: number;
  /** Rows. */
  height: number;
  /**
   * How its samples lie: `rgba`, rows of red, green, blue and alpha bytes, of which alpha is not looked at; or `i420`, a
   * plane of luma and two of chroma of half the width and height, rounded up. Default: `rgba`.
   */
  format?: 'rgba' | 'i420';
  /** The samples, without padding. */
  data: Uint8Array;
};

/**
 * A picture as bytes for a mixer.
 *
 * @internal
 */
export function writePicture(picture: VideoPicture, use: 'frame' | 'avatar'): Uint8Array {
  if (typeof picture !== 'object' || picture === null || !(picture.data instanceof Uint8Array)) {
    throw typeError('picture: expected { width, height, data }, data a Uint8Array');
  }
  const { width, height, format = 'rgba', data } = picture;
  const long = Math.max(width, height);
  if (!(isSide(width) && isSide(height)) || long > PICTURE_WIDTH_MAX || Math.min(width, height) > PICTURE_HEIGHT_MAX) {
    throw typeError(
      `picture: expected a size of 1x1 to ${PICTURE_WIDTH_MAX}x${PICTURE_HEIGHT_MAX}, got ${width}x${height}`,
    );
  }
  if (format !== 'rgba' && format !== 'i420') {
    throw typeError('picture.format: expected "rgba" or "i420"');
  }
  const expected = format === 'rgba' ? width * height * 4 : i420Bytes(width, height);
  if (data.length !== expected) {
    throw typeError(`picture.data: expected ${expected} bytes for ${width}x${height} as ${format}, got ${data.length}`);
  }
  const record = Buffer.allocUnsafe(HEAD_BYTES + data.length);
  record.writeUInt32LE((format === 'rgba' ? 1 : 0) | (use === 'avatar' ? 0x100 : 0), 0);
  record.writeUInt32LE(width, 4);
  record.writeUInt32LE(height, 8);
  record.set(data, HEAD_BYTES);
  return record;
}

const HEAD_BYTES = 12;

function isSide(side: unknown): boolean {
  return Number.isInteger(side) && (side as number) > 0;
}

function i420Bytes(width: number, height: number): number {
  return width * height + 2 * Math.ceil(width / 2) * Math.ceil(height / 2);
}
