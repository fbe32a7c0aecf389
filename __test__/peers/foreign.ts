// FFmpeg and GStreamer as endpoints of plain transports: they send a picture of two colours and a tone, or receive and
// decode, and what they decoded is looked at and listened to here.

import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { types } from '../../ts/index.js';

/** Long enough for a busy machine; only what hangs takes so long. */
const HANG_MS = 90_000;

/** What is sent. */
export const PICTURE = { width: 320, height: 240, left: [40, 90, 200], right: [200, 50, 40] } as const;
export const PITCH_HZ = 650;

/** How far a colour may be off after coding, per channel of 0 to 255. */
const COLOUR_ERROR = 30;
const PITCH_ERROR_HZ = 10;
const SAMPLE_RATE = 16_000;

/** Pictures, and samples of the tone, that a receiver has to decode. */
const FRAMES = 20;
const SAMPLES = SAMPLE_RATE;

/** A codec by what each program calls it. */
export type Codec = {
  readonly mimeType: string;
  readonly payloadType: number;
  readonly clockRate: number;
  readonly channels?: number;
  readonly parameters?: Record<string, string | number>;
  /** What FFmpeg encodes with. */
  readonly ffmpeg: readonly string[];
  /** What GStreamer encodes and packs with. */
  readonly encode: string;
  /** What GStreamer unpacks and decodes with. */
  readonly decode: string;
};

/** A key frame every half second, because a sender of a pipeline does not hear of key-frame requests. */
export const CODECS = {
  opus: {
    mimeType: 'audio/opus',
    payloadType: 100,
    clockRate: 48_000,
    channels: 2,
    ffmpeg: ['-c:a', 'libopus', '-ac', '2', '-b:a', '48k'],
    encode: 'opusenc ! rtpopuspay',
    decode: 'rtpopusdepay ! opusdec',
  },
  vp8: {
    mimeType: 'video/VP8',
    payloadType: 101,
    clockRate: 90_000,
    ffmpeg: ['-c:v', 'libvpx', '-deadline', 'realtime', '-cpu-used', '8', '-b:v', '500k', '-g', '12'],
    encode: 'vp8enc deadline=1 cpu-used=8 keyframe-max-dist=12 target-bitrate=500000 ! rtpvp8pay',
    decode: 'rtpvp8depay ! vp8dec',
  },
  vp9: {
    mimeType: 'video/VP9',
    payloadType: 103,
    clockRate: 90_000,
    parameters: { 'profile-id': 0 },
    ffmpeg: [
      ...['-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-cpu-used', '8', '-b:v', '500k', '-g', '12'],
      ...['-strict', 'experimental'],
    ],
    encode: 'vp9enc deadline=1 cpu-used=8 keyframe-max-dist=12 target-bitrate=500000 ! rtpvp9pay',
    decode: 'rtpvp9depay ! vp9dec',
  },
  h264: {
    mimeType: 'video/H264',
    payloadType: 105,
    clockRate: 90_000,
    parameters: { 'packetization-mode': 1, 'profile-level-id': '42e01f', 'level-asymmetry-allowed': 1 },
    ffmpeg: ['-c:v', 'libx264', '-profile:v', 'baseline', '-preset', 'ultrafast', '-tune', 'zerolatency', '-g', '12'],
    encode: 'openh264enc gop-size=12 bitrate=500000 ! h264parse config-interval=-1 ! rtph264pay',
    decode: 'rtph264depay ! h264parse ! openh264dec',
  },
  h265: {
    mimeType: 'video/H265',
    payloadType: 107,
    clockRate: 90_000,
    ffmpeg: [
      ...['-c:v', 'libx265', '-preset', 'ultrafast', '-tune', 'zerolatency'],
      ...['-x265-params', 'keyint=12:repeat-headers=1:log-level=none:pools=1'],
    ],
    encode: '',
    decode: '',
  },
} as const satisfies Record<string, Codec>;

/** Where a program sends from and receives. */
export type Place = { readonly ip: string; readonly port: number; readonly rtcpPort: number };

/** A place on this machine that is free, with an even port for RTP and the next one for RTCP. */
export async function freePlace(ip: string): Promise<Place> {
  for (;;) {
    const sockets = [
      createSocket(ip.includes(':') ? 'udp6' : 'udp4'),
      createSocket(ip.includes(':') ? 'udp6' : 'udp4'),
    ];
    const [rtp, rtcp] = sockets as [(typeof sockets)[0], (typeof sockets)[0]];
    try {
      // Below the ports that the system gives out by itself and that workers take.
      const port = 2 * (2500 + Math.floor(Math.random() * 2400));
      rtp.bind(port, ip);
      await once(rtp, 'listening');
      rtcp.bind(port + 1, ip);
      await once(rtcp, 'listening');
      return { ip, port, rtcpPort: port + 1 };
    } catch {
      // One of the two is taken.
    } finally {
      for (const socket of sockets) socket.close();
    }
  }
}

/** Media on their way: from where, with which numbers, under which key. */
export type Stream = {
  readonly codec: Codec;
  readonly ssrc: number;
  readonly srtp?: types.SrtpParameters | undefined;
};

/** Lets FFmpeg send a stream from a place to a transport, until the test ends. */
export function ffmpegSends(t: ExecutionContext, from: Place, to: types.PlainTransport, stream: Stream): void {
  const { codec, ssrc, srtp } = stream;
  const { localIp, localPort } = to.tuple;
  const host = localIp.includes(':') ? `[${localIp}]` : localIp;
  const ports = `rtcpport=${to.rtcpTuple?.localPort ?? localPort}&localrtpport=${from.port}&localrtcpport=${from.rtcpPort}`;
  const [left, right] = [PICTURE.left, PICTURE.right].map((rgb) => `0x${Buffer.from(rgb).toString('hex')}`);
  const half = PICTURE.width / 2;
  const source = isAudio(codec)
    ? `sine=frequency=${PITCH_HZ}:sample_rate=48000`
    : `color=c=${left}:s=${PICTURE.width}x${PICTURE.height}:r=25,` +
      `drawbox=x=${half}:y=0:w=${half}:h=${PICTURE.height}:color=${right}:t=fill,format=yuv420p`;
  run(t, 'ffmpeg', [
    ...['-hide_banner', '-loglevel', 'error', '-re', '-f', 'lavfi', '-i', source, ...codec.ffmpeg],
    ...['-f', 'rtp', '-payload_type', `${codec.payloadType}`, '-ssrc', `${ssrc}`],
    ...(srtp ? ['-srtp_out_suite', srtp.cryptoSuite, '-srtp_out_params', srtp.keyBase64] : []),
    `${srtp ? 'srtp' : 'rtp'}://${host}:${localPort}?${ports}&pkt_size=1200`,
  ]);
}

/** Lets FFmpeg receive a Consumer at a place, and tells what it decoded. */
export async function ffmpegDecodes(
  t: ExecutionContext,
  at: Place,
  { rtpParameters }: types.Consumer,
  srtp?: types.SrtpParameters,
): Promise<Buffer> {
  const [codec] = rtpParameters.codecs as [types.RtpCodecParameters];
  const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'session.sdp');
  writeFileSync(file, sessionOf(codec, at, srtp));
  const decoded = isAudio(codec)
    ? ['-t', '1.5', '-ac', '1', '-ar', `${SAMPLE_RATE}`, '-f', 's16le']
    : ['-frames:v', `${FRAMES}`, '-pix_fmt', 'rgb24', '-f', 'rawvideo'];
  return await output(
    run(t, 'ffmpeg', [
      ...['-hide_banner', '-loglevel', 'fatal', '-protocol_whitelist', 'file,udp,rtp,srtp'],
      ...['-analyzeduration', '2000000', '-i', file, ...decoded, 'pipe:1'],
    ]),
    bytesOf(codec),
  );
}

/**
 * Lets FFmpeg decode a Consumer of AV1 that is received at a place, and tells what it decoded. The frames are put together
 * here: FFmpeg before 8 and Debian's GStreamer have no depacketizer of AV1.
 */
export async function ffmpegDecodesAv1(t: ExecutionContext, at: Place): Promise<Buffer> {
  const socket = createSocket('udp4').bind(at.port, at.ip);
  t.teardown(() => socket.close());
  const units = new Av1Units();
  const stream = await new Promise<Buffer>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no pictures came')), HANG_MS);
    socket.on('message', (packet) => {
      // Reports come to the same port (RFC 5761 §4).
      const isReport = (packet[1] as number) >= 192 && (packet[1] as number) < 224;
      if (!isReport && units.push(packet) > FRAMES) {
        clearTimeout(timer);
        resolve(units.stream());
      }
    });
  });
  const decoder = run(
    t,
    'ffmpeg',
    [
      ...['-hide_banner', '-loglevel', 'fatal', '-f', 'obu', '-i', 'pipe:0'],
      ...['-frames:v', `${FRAMES}`, '-pix_fmt', 'rgb24', '-f', 'rawvideo', 'pipe:1'],
    ],
    stream,
  );
  return await output(decoder, bytesOf({ mimeType: 'video/AV1' }));
}

/** Frames of AV1 from RTP packets that come in order (RTP Payload Format For AV1 §4.4), from the first key frame on. */
class Av1Units {
  readonly #units: Buffer[] = [];
  #obus: Buffer[] = [];
  #part: Buffer | undefined;

  /** Takes a packet. Returns how many frames are whole. */
  push(packet: Buffer): number {
    const first = packet[0] as number;
    let at = 12 + 4 * (first & 15);
    at += first & 0x10 ? 4 + 4 * packet.readUInt16BE(at + 2) : 0;
    const head = packet[at] as number;
    at += 1;
    // The first packet of a key frame has its N bit.
    if (this.#units.length === 0 && this.#obus.length === 0 && !this.#part && !(head & 0x08)) {
      return 0;
    }
    const elements: Buffer[] = [];
    const count = (head >> 4) & 3;
    while (at < packet.length) {
      let length = packet.length - at;
      if (count === 0 || elements.length + 1 < count) {
        [length, at] = readLeb128(packet, at);
      }
      elements.push(packet.subarray(at, at + length));
      at += length;
    }
    for (const [index, element] of elements.entries()) {
      const begun = index === 0 && head & 0x80 ? (this.#part ?? Buffer.alloc(0)) : Buffer.alloc(0);
      const joined = Buffer.concat([begun, element]);
      const isPart = index === elements.length - 1 && head & 0x40;
      this.#part = isPart ? joined : undefined;
      if (!isPart) this.#obus.push(withSize(joined));
    }
    if ((packet[1] as number) & 0x80) {
      // A temporal delimiter stands before each.
      this.#units.push(Buffer.concat([Buffer.from([0x12, 0]), ...this.#obus]));
      this.#obus = [];
    }
    return this.#units.length;
  }

  stream(): Buffer {
    return Buffer.concat(this.#units);
  }
}

/** An OBU that says how long it is (AV1 §5.3). */
function withSize(obu: Buffer): Buffer {
  const head = obu[0] as number;
  const headBytes = head & 4 ? 2 : 1;
  const size: number[] = [];
  for (let rest = obu.length - headBytes; ; rest >>= 7) {
    size.push((rest & 127) | (rest > 127 ? 128 : 0));
    if (rest <= 127) break;
  }
  return Buffer.concat([
    Buffer.from([head | 2]),
    obu.subarray(1, headBytes),
    Buffer.from(size),
    obu.subarray(headBytes),
  ]);
}

/** A number of groups of seven bits, and where it ends. */
function readLeb128(bytes: Buffer, from: number): [value: number, at: number] {
  let [value, at] = [0, from];
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at] as number;
    value |= (byte & 127) << shift;
    at += 1;
    if (byte < 128) return [value, at];
  }
}

/** A description of one stream that FFmpeg receives. */
function sessionOf(codec: types.RtpCodecParameters, at: Place, srtp: types.SrtpParameters | undefined): string {
  const [kind, name] = codec.mimeType.split('/') as [string, string];
  const fmtp = Object.entries(codec.parameters ?? {}).map(([key, value]) => `${key}=${value}`);
  return [
    'v=0',
    `o=- 0 0 IN IP4 127.0.0.1`,
    's=-',
    `c=IN ${at.ip.includes(':') ? 'IP6' : 'IP4'} ${at.ip}`,
    't=0 0',
    `m=${kind} ${at.port} ${srtp ? 'RTP/SAVP' : 'RTP/AVP'} ${codec.payloadType}`,
    `a=rtpmap:${codec.payloadType} ${name}/${codec.clockRate}${codec.channels ? `/${codec.channels}` : ''}`,
    ...(fmtp.length > 0 ? [`a=fmtp:${codec.payloadType} ${fmtp.join(';')}`] : []),
    `a=rtcp:${at.rtcpPort}`,
    ...(srtp ? [`a=crypto:1 ${srtp.cryptoSuite} inline:${srtp.keyBase64}`] : []),
    '',
  ].join('\r\n');
}

/** Lets GStreamer send a stream from a place to a transport, until the test ends. */
export function gstreamerSends(t: ExecutionContext, from: Place, to: types.PlainTransport, stream: Stream): void {
  const { codec, ssrc, srtp } = stream;
  const { localIp, localPort } = to.tuple;
  const [left, right] = [PICTURE.left, PICTURE.right].map((rgb) => `0xff${Buffer.from(rgb).toString('hex')}`);
  const half = `video/x-raw,width=${PICTURE.width / 2},height=${PICTURE.height},framerate=25/1`;
  const source = isAudio(codec)
    ? `audiotestsrc is-live=true freq=${PITCH_HZ} ! audioconvert ! audio/x-raw,rate=48000,channels=2`
    : `compositor name=both sink_1::xpos=${PICTURE.width / 2} ! videoconvert ! video/x-raw,format=I420`;
  const halves = `videotestsrc is-live=true pattern=solid-color foreground-color=${left} ! ${half} ! both.sink_0
     videotestsrc is-live=true pattern=solid-color foreground-color=${right} ! ${half} ! both.sink_1`;
  gstreamer(t, [
    `${source} ! ${codec.encode} mtu=1200 pt=${codec.payloadType} ssrc=${ssrc}`,
    ...(srtp
      ? [
          `! srtpenc key="${hex(srtp)}" ${Object.entries(ciphersOf(srtp))
            .map(([k, v]) => `${k}=${v}`)
            .join(' ')}`,
        ]
      : []),
    `! udpsink host=${localIp} port=${localPort} bind-address=${from.ip} bind-port=${from.port} sync=false`,
    isAudio(codec) ? '' : halves,
  ]);
}

/** Lets GStreamer receive a Consumer at a place, and tells what it decoded. */
export async function gstreamerDecodes(
  t: ExecutionContext,
  at: Place,
  { rtpParameters }: types.Consumer,
  { decode }: Codec,
  srtp?: types.SrtpParameters,
): Promise<Buffer> {
  const [codec] = rtpParameters.codecs as [types.RtpCodecParameters];
  const [kind, name] = codec.mimeType.split('/') as [string, string];
  const caps = [
    `${srtp ? 'application/x-srtp' : 'application/x-rtp'},media=${kind},clock-rate=${codec.clockRate}`,
    `encoding-name=${name.toUpperCase()},payload=${codec.payloadType}`,
  ];
  if (srtp) {
    const keys = Object.entries(ciphersOf(srtp)).map(
      ([cipher, value]) =>
        `${cipher.replace('rtp-', 'srtp-').replace('rtcp-', 'srtcp-').replace('ssrtp', 'srtp')}=${value}`,
    );
    caps.push(`ssrc=(uint)${rtpParameters.encodings?.[0]?.ssrc}`, `srtp-key=(buffer)${hex(srtp)}`, ...keys);
  }
  const raw = isAudio(codec)
    ? `audioconvert ! audioresample ! audio/x-raw,format=S16LE,channels=1,rate=${SAMPLE_RATE}`
    : 'videoconvert ! video/x-raw,format=RGB';
  const pipeline = gstreamer(t, [
    `udpsrc address=${at.ip} port=${at.port} caps="${caps.join(',')}"`,
    // Reports come to the same port. Who opens them wants to give them to somebody.
    srtp ? '! srtpdec name=opened opened.rtcp_src ! fakesink sync=false async=false opened.rtp_src' : '',
    `! rtpjitterbuffer latency=100 ! ${decode} ! ${raw} ! fdsink fd=1 sync=false`,
  ]);
  return await output(pipeline, bytesOf(codec));
}

/** What srtpenc and the caps of srtpdec call a suite. */
function ciphersOf({ cryptoSuite }: types.SrtpParameters): Record<string, string> {
  const [cipher, auth] = {
    AEAD_AES_256_GCM: ['aes-256-gcm', 'null'],
    AEAD_AES_128_GCM: ['aes-128-gcm', 'null'],
    AES_CM_128_HMAC_SHA1_80: ['aes-128-icm', 'hmac-sha1-80'],
    AES_CM_128_HMAC_SHA1_32: ['aes-128-icm', 'hmac-sha1-32'],
  }[cryptoSuite] as [string, string];
  // SRTCP tags are never shortened.
  const rtcpAuth = auth === 'hmac-sha1-32' ? 'hmac-sha1-80' : auth;
  return { 'rtp-cipher': cipher, 'rtp-auth': auth, 'rtcp-cipher': cipher, 'rtcp-auth': rtcpAuth };
}

function hex({ keyBase64 }: types.SrtpParameters): string {
  return Buffer.from(keyBase64, 'base64').toString('hex');
}

/** Says what is wrong with decoded pictures; nothing when they show what was sent. */
export function flawsOfPicture(pixels: Buffer): string[] {
  const { width, height, left, right } = PICTURE;
  const frame = pixels.subarray((FRAMES - 1) * width * height * 3, FRAMES * width * height * 3);
  const flaws: string[] = [];
  for (const [name, from, expected] of [['left', 0.1, left] as const, ['right', 0.6, right] as const]) {
    const found = averageColour(frame, Math.round(width * from), Math.round(width * (from + 0.3)));
    if (found.some((value, channel) => !(Math.abs(value - (expected[channel] ?? 0)) < COLOUR_ERROR))) {
      flaws.push(`${name}: ${found.map(Math.round)} instead of ${expected}`);
    }
  }
  return flaws;
}

function averageColour(frame: Buffer, fromX: number, toX: number): number[] {
  const sums = [0, 0, 0];
  let count = 0;
  for (let y = Math.round(PICTURE.height * 0.1); y < PICTURE.height * 0.9; y += 1) {
    for (let x = fromX; x < toX; x += 1) {
      for (const channel of [0, 1, 2]) {
        sums[channel] = (sums[channel] ?? 0) + (frame[3 * (y * PICTURE.width + x) + channel] ?? Number.NaN);
      }
      count += 1;
    }
  }
  return sums.map((sum) => sum / count);
}

/** Says what is wrong with decoded sound; nothing when it is the tone that was sent. */
export function flawsOfTone(sound: Buffer): string[] {
  const samples = new Int16Array(sound.buffer, sound.byteOffset, SAMPLES);
  // The beginning is the codec's and the jitter buffer's; a tenth of a second tells pitches 10 Hz apart.
  const window = samples.subarray(SAMPLES / 2, SAMPLES / 2 + SAMPLES / 10);
  const power = (pitch: number): number => {
    const step = (2 * Math.PI * pitch) / SAMPLE_RATE;
    let [real, imaginary] = [0, 0];
    for (const [at, sample] of window.entries()) {
      real += sample * Math.cos(step * at);
      imaginary += sample * Math.sin(step * at);
    }
    return Math.hypot(real, imaginary) / window.length;
  };
  const pitches = Array.from({ length: 200 }, (_, at) => 100 + 10 * at);
  const loudest = pitches.reduce((best, pitch) => (power(pitch) > power(best) ? pitch : best));
  const flaws = Math.abs(loudest - PITCH_HZ) <= PITCH_ERROR_HZ ? [] : [`${loudest} Hz instead of ${PITCH_HZ} Hz`];
  return power(loudest) > 500 ? flaws : [...flaws, `a loudness of ${power(loudest)} is silence`];
}

function isAudio({ mimeType }: { mimeType: string }): boolean {
  return mimeType.startsWith('audio/');
}

function bytesOf(codec: { mimeType: string }): number {
  return isAudio(codec) ? 2 * SAMPLES : FRAMES * PICTURE.width * PICTURE.height * 3;
}

function gstreamer(t: ExecutionContext, pipeline: string[]): ChildProcess {
  const words = pipeline.join(' ').match(/[^\s"]*"[^"]*"|\S+/g) ?? [];
  return run(t, 'gst-launch-1.0', ['-q', ...words.map((word) => word.replaceAll('"', ''))]);
}

/** Starts a program that ends with the test at the latest. What it complains of is logged when the test fails. */
function run(t: ExecutionContext, program: string, words: string[], input?: Buffer): ChildProcess {
  const child = spawn(program, words, { stdio: [input ? 'pipe' : 'ignore', 'pipe', 'pipe'] });
  // It may end before it has read all.
  child.stdin?.on('error', () => {}).end(input);
  const complaints: Buffer[] = [];
  child.stderr?.on('data', (chunk) => complaints.push(chunk));
  t.teardown(() => {
    child.kill('SIGKILL');
    if (!t.passed) process.stderr.write(`${program} ${words.join(' ')}\n${Buffer.concat(complaints)}\n`);
  });
  return child;
}

/** The first bytes that a program writes; it is ended then. */
async function output(child: ChildProcess, length: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let received = 0;
  const timer = setTimeout(() => child.kill('SIGKILL'), HANG_MS);
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    received += chunk.length;
    if (received >= length) break;
  }
  clearTimeout(timer);
  child.kill('SIGKILL');
  if (received < length) throw new Error(`only ${received} of ${length} bytes were decoded`);
  return Buffer.concat(chunks);
}
