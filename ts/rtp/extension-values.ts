import { typeError } from '../native-events.js';
import { i24, putU16, putU32, U16, U24, U32, u16, u24, u32, u64 } from './bytes.js';
import { checkBytes, checkUnsigned } from './errors.js';

/** The header extensions that are known by name, and what their values look like. */
export type ExtensionValues = {
  /** Media description that the stream belongs to (RFC 9143). At most 255 bytes of UTF-8. */
  mid: string;
  /** RID of the stream (RFC 8852). */
  rtpStreamId: string;
  /** RID of the stream that this one repairs (RFC 8852). */
  repairedRtpStreamId: string;
  /** When the packet was sent: seconds, modulo 64, in steps of 2^-18. */
  absSendTime: number;
  /** Number of the packet on its transport (draft-holmer-rmcat-transport-wide-cc-extensions-01), 16 bits. */
  transportWideCc: number;
  /** Loudness of the audio (RFC 6464). */
  audioLevel: AudioLevel;
  /** AV1's dependency descriptor as it is. */
  dependencyDescriptor: Uint8Array;
  /** How the camera is held (3GPP TS 26.114 §7.4.5). */
  videoOrientation: VideoOrientation;
  /** Time of sending less the timestamp, in units of the timestamp (RFC 5450): 24 bits, signed. */
  timestampOffset: number;
  /** When the media was captured. */
  absCaptureTime: AbsCaptureTime;
  /** How long a receiver may wait before it plays. */
  playoutDelay: PlayoutDelay;
  /** mediasoup's number of the packet, 32 bits. */
  packetId: number;
};

/** Name of a header extension. */
export type ExtensionName = keyof ExtensionValues;

/** Loudness of the audio in a packet. */
export type AudioLevel = {
  /** Whether the sender takes it for speech. */
  voice: boolean;
  /** Loudness in dBov, −127 (silence) to 0. */
  level: number;
};

/** How the camera is held; fields as in `ProducerVideoOrientation`. */
export type VideoOrientation = {
  /** Whether it is the back camera. */
  camera: boolean;
  /** Whether the picture is mirrored. */
  flip: boolean;
  /** Clockwise rotation that shows it upright. */
  rotation: 0 | 90 | 180 | 270;
};

/** When the media of a packet was captured. */
export type AbsCaptureTime = {
  /** By the capturer's clock: NTP in 32.32 fixed point, 64 bits. */
  ntpTimestamp: bigint;
  /** What the sender adds to the capturer's clock to get its own: signed 32.32 fixed point. */
  clockOffset?: bigint;
};

/** How long a receiver may wait before it plays, in steps of 10 ms up to 40,950 ms. */
export type PlayoutDelay = { minMs: number; maxMs: number };

/** How the value of one extension is read and written. */
export type ExtensionCodec<Value> = {
  readonly uri: string;
  /** The value of `bytes[start..end]`; `undefined` when these bytes are none. */
  read(bytes: Uint8Array, start: number, end: number): Value | undefined;
  /** The bytes of a value. Throws a `TypeError` for what is no value. */
  write(value: Value): Uint8Array;
};

function text(uri: string): ExtensionCodec<string> {
  return {
    uri,
    read: (bytes, start, end) => asciiText(bytes, start, end) ?? utf8Text(bytes, start, end),
    write: (value) => {
      if (typeof value !== 'string') {
        throw typeError(`${uri}: expected a string`);
      }
      return asciiBytes(value) ?? Buffer.from(value);
    },
  };
}

/** Nearly every identifier is a few letters, for which a decoder costs more than the rest of the packet. */
function asciiText(bytes: Uint8Array, start: number, end: number): string | undefined {
  let text = '';
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at] as number;
    if (byte > 0x7f) {
      return undefined;
    }
    text += String.fromCharCode(byte);
  }
  return text;
}

function asciiBytes(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code > 0x7f) {
      return undefined;
    }
    bytes[at] = code;
  }
  return bytes;
}

function utf8Text(bytes: Uint8Array, start: number, end: number): string | undefined {
  try {
    return UTF8.decode(bytes.subarray(start, end));
  } catch {
    return undefined;
  }
}

const absSendTime: ExtensionCodec<number> = {
  uri: 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
  read: (bytes, start, end) => (end - start === 3 ? u24(bytes, start) / SEND_TIME_SECOND : undefined),
  write: (seconds) => {
    if (!Number.isFinite(seconds) || seconds < 0) {
      throw typeError(`absSendTime: expected seconds, got ${String(seconds)}`);
    }
    const steps = Math.round((seconds % SEND_TIME_WRAP_SECONDS) * SEND_TIME_SECOND) & U24;
    return threeBytes(steps);
  },
};

const transportWideCc: ExtensionCodec<number> = {
  uri: 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
  read: (bytes, start, end) => (end - start === 2 ? u16(bytes, start) : undefined),
  write: (number) => {
    const value = new Uint8Array(2);
    putU16(value, 0, checkUnsigned(number, U16, 'transportWideCc'));
    return value;
  },
};

const audioLevel: ExtensionCodec<AudioLevel> = {
  uri: 'urn:ietf:params:rtp-hdrext:ssrc-audio-level',
  read: (bytes, start, end) => {
    const byte = bytes[start] as number;
    return end - start === 1 ? { voice: byte > 0x7f, level: 0 - (byte & 0x7f) } : undefined;
  },
  write: ({ voice, level }) => {
    if (!Number.isInteger(level) || level > 0 || level < -0x7f) {
      throw typeError(`audioLevel.level: expected a whole number from -127 to 0, got ${String(level)}`);
    }
    return oneByte((voice ? 0x80 : 0) | -level);
  },
};

const dependencyDescriptor: ExtensionCodec<Uint8Array> = {
  uri: 'https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension',
  read: (bytes, start, end) => bytes.subarray(start, end),
  write: (value) => checkBytes(value, 'dependencyDescriptor'),
};

const videoOrientation: ExtensionCodec<VideoOrientation> = {
  uri: 'urn:3gpp:video-orientation',
  read: (bytes, start, end) => {
    const byte = bytes[start] as number;
    const rotation = ((byte & 3) * 90) as VideoOrientation['rotation'];
    return end - start === 1 ? { camera: (byte & 8) !== 0, flip: (byte & 4) !== 0, rotation } : undefined;
  },
  write: ({ camera, flip, rotation }) => {
    if (![0, 90, 180, 270].includes(rotation)) {
      throw typeError(`videoOrientation.rotation: expected 0, 90, 180 or 270, got ${String(rotation)}`);
    }
    return oneByte((camera ? 8 : 0) | (flip ? 4 : 0) | (rotation / 90));
  },
};

const timestampOffset: ExtensionCodec<number> = {
  uri: 'urn:ietf:params:rtp-hdrext:toffset',
  read: (bytes, start, end) => (end - start === 3 ? i24(bytes, start) : undefined),
  write: (offset) => {
    if (!Number.isInteger(offset) || offset < -0x80_0000 || offset > 0x7f_ffff) {
      throw typeError(`timestampOffset: expected a whole number of 24 bits, got ${String(offset)}`);
    }
    return threeBytes(offset);
  },
};

const absCaptureTime: ExtensionCodec<AbsCaptureTime> = {
  uri: 'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time',
  read: (bytes, start, end) => {
    switch (end - start) {
      case 8:
        return { ntpTimestamp: u64(bytes, start) };
      case 16:
        return { ntpTimestamp: u64(bytes, start), clockOffset: BigInt.asIntN(64, u64(bytes, start + 8)) };
      default:
        return undefined;
    }
  },
  write: ({ ntpTimestamp, clockOffset }) => {
    const value = Buffer.allocUnsafe(clockOffset === undefined ? 8 : 16);
    putU64(value, 0, ntpTimestamp, BigInt.asUintN(64, ntpTimestamp) === ntpTimestamp, 'absCaptureTime.ntpTimestamp');
    if (clockOffset !== undefined) {
      putU64(value, 8, clockOffset, BigInt.asIntN(64, clockOffset) === clockOffset, 'absCaptureTime.clockOffset');
    }
    return value;
  },
};

const playoutDelay: ExtensionCodec<PlayoutDelay> = {
  uri: 'http://www.webrtc.org/experiments/rtp-hdrext/playout-delay',
  read: (bytes, start, end) => {
    if (end - start !== 3) {
      return undefined;
    }
    const both = u24(bytes, start);
    return { minMs: (both >>> 12) * DELAY_STEP_MS, maxMs: (both & 0xfff) * DELAY_STEP_MS };
  },
  write: ({ minMs, maxMs }) => {
    const both = (delaySteps(minMs, 'playoutDelay.minMs') << 12) | delaySteps(maxMs, 'playoutDelay.maxMs');
    return threeBytes(both);
  },
};

const packetId: ExtensionCodec<number> = {
  uri: 'urn:mediasoup:params:rtp-hdrext:packet-id',
  read: (bytes, start, end) => (end - start === 4 ? u32(bytes, start) : undefined),
  write: (id) => {
    const value = new Uint8Array(4);
    putU32(value, 0, checkUnsigned(id, U32, 'packetId'));
    return value;
  },
};

function putU64(bytes: Uint8Array, at: number, value: bigint, fits: boolean, name: string): void {
  if (!fits) {
    throw typeError(`${name}: expected a bigint of 64 bits, got ${String(value)}`);
  }
  const unsigned = BigInt.asUintN(64, value);
  putU32(bytes, at, Number(unsigned >> 32n));
  putU32(bytes, at + 4, Number(unsigned & 0xffff_ffffn));
}

// Plain stores: `Uint8Array.of` walks its arguments as an iterable, which takes longer than the rest of the packet.

function oneByte(value: number): Uint8Array {
  const bytes = new Uint8Array(1);
  bytes[0] = value;
  return bytes;
}

function threeBytes(value: number): Uint8Array {
  const bytes = new Uint8Array(3);
  bytes[0] = value >>> 16;
  bytes[1] = value >>> 8;
  bytes[2] = value;
  return bytes;
}

function delaySteps(ms: number, name: string): number {
  const steps = Math.round(ms / DELAY_STEP_MS);
  if (!(steps >= 0 && steps <= 0xfff)) {
    throw typeError(`${name}: expected ms from 0 to ${0xfff * DELAY_STEP_MS}, got ${String(ms)}`);
  }
  return steps;
}

/** Steps of abs-send-time in a second: 6.18 fixed point. */
const SEND_TIME_SECOND = 1 << 18;
const SEND_TIME_WRAP_SECONDS = 64;
/** Playout delays are written in 10 ms. */
const DELAY_STEP_MS = 10;

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The URI and the value of every extension that has a name. */
export const EXTENSION_CODECS: { readonly [Name in ExtensionName]: ExtensionCodec<ExtensionValues[Name]> } = {
  mid: text('urn:ietf:params:rtp-hdrext:sdes:mid'),
  rtpStreamId: text('urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id'),
  repairedRtpStreamId: text('urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id'),
  absSendTime,
  transportWideCc,
  audioLevel,
  dependencyDescriptor,
  videoOrientation,
  timestampOffset,
  absCaptureTime,
  playoutDelay,
  packetId,
};
