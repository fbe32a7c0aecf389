// A room for tests of mixed pictures: who is seen in which colour, and what a picture shows.

import { spawn } from 'node:child_process';
import type { ExecutionContext } from 'ava';
import { createWorker, type types } from '../ts/index.js';
import type { Worker } from '../ts/worker.js';
import { HANG_MS } from './sound-room.js';

export const VIDEO_CODECS: types.RouterRtpCodecCapability[] = [
  { kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2 },
  { kind: 'video', mimeType: 'video/VP8', clockRate: 90_000 },
  { kind: 'video', mimeType: 'video/VP9', clockRate: 90_000, parameters: { 'profile-id': 0 } },
  {
    kind: 'video',
    mimeType: 'video/H264',
    clockRate: 90_000,
    parameters: { 'packetization-mode': 1, 'profile-level-id': '42e01f', 'level-asymmetry-allowed': 1 },
  },
  { kind: 'video', mimeType: 'video/AV1', clockRate: 90_000 },
];

export type Colour = readonly [red: number, green: number, blue: number];

export const RED: Colour = [200, 50, 40];
export const GREEN: Colour = [40, 180, 70];
export const BLUE: Colour = [40, 90, 200];
export const YELLOW: Colour = [220, 200, 40];
export const BLACK: Colour = [0, 0, 0];

/** How far a colour may be off after coding, per channel of 0 to 255. */
const COLOUR_ERROR = 16;

export async function openVideo(t: ExecutionContext): Promise<{ worker: types.Worker; router: types.Router }> {
  const worker = await createWorker();
  // Who waits for nothing but events would end the process.
  const awake = setInterval(() => {}, 1_000);
  t.teardown(() => {
    worker.close();
    clearInterval(awake);
  });
  return { worker, router: await worker.createRouter({ mediaCodecs: VIDEO_CODECS }) };
}

/** A picture of one colour. */
export function solid([red, green, blue]: Colour, width: number, height: number): types.VideoPicture {
  const data = new Uint8Array(width * height * 4);
  for (let at = 0; at < data.length; at += 4) {
    data.set([red, green, blue, 255], at);
  }
  return { width, height, data };
}

/** Adds an input of one colour. */
export async function paint(
  mixer: types.VideoMixer,
  colour: Colour,
  options: { width?: number; height?: number } & Omit<types.VideoMixerInputOptions, 'pictures'> = {},
): Promise<types.VideoMixerInput> {
  const { width = 320, height = 180, ...rest } = options;
  const input = await mixer.addInput({ ...rest, pictures: true });
  input.write(solid(colour, width, height));
  return input;
}

/** Publishes one colour, encoded, by a mixer of its own. */
export async function publish(
  worker: types.Worker,
  router: types.Router,
  colour: Colour,
  options: Partial<types.VideoMixerOutputOptions> & { width?: number; height?: number } = {},
): Promise<types.Producer> {
  const { width = 320, height = 180, ...output } = options;
  const mixer = await worker.createVideoMixer({ width, height });
  await paint(mixer, colour, { width, height });
  return (await mixer.createOutput({ codec: 'vp8', ...output, router })).producer;
}

/** The colour of a point. */
export function colourAt({ width, data }: types.VideoFrame, x: number, y: number): Colour {
  const at = (Math.floor(y) * width + Math.floor(x)) * 4;
  return [data[at] as number, data[at + 1] as number, data[at + 2] as number];
}

export function isColour(seen: Colour, wanted: Colour): boolean {
  return wanted.every((channel, at) => Math.abs(channel - (seen[at] as number)) <= COLOUR_ERROR);
}

/** Points of a picture, in parts of its width and height, and their colours. */
export type Points = readonly (readonly [x: number, y: number, colour: Colour])[];

/** Waits until pictures show these colours at these points. Returns the first that does. */
export async function shows(t: ExecutionContext, frames: types.VideoFrames, points: Points): Promise<types.VideoFrame> {
  const started = performance.now();
  let last = '';
  // Not `for await`, which would end them.
  while (performance.now() - started < HANG_MS) {
    const { value: frame, done } = await frames.next();
    if (done) {
      break;
    }
    const seen = points.map(([x, y]) => colourAt(frame, x * frame.width, y * frame.height));
    if (points.every(([, , colour], at) => isColour(seen[at] as Colour, colour))) {
      t.pass();
      return frame;
    }
    last = seen.join('; ');
  }
  throw new Error(`expected ${points.map(([x, y, colour]) => `${colour} at ${x}, ${y}`)}; the last one has ${last}`);
}

/** What a viewer of a producer sees: it is decoded by another mixer of its size. */
export async function view(
  worker: types.Worker,
  producer: types.Producer,
  options: types.VideoMixerOptions & { width: number; height: number } = { width: 320, height: 180 },
): Promise<types.VideoFrames> {
  const mixer = await worker.createVideoMixer(options);
  await mixer.addInput({ producerId: producer.id });
  return mixer.frames();
}

/** Asks a debug build for a fault in the mixer's next tick. */
export async function failVideo(worker: types.Worker, mixer: types.VideoMixer, hang?: number): Promise<void> {
  const asked = worker as unknown as Worker & { request(method: string, params: object): Promise<void> };
  await asked.request('videoMixer.fail', { videoMixerId: mixer.id, hang });
}

/** What FFmpeg makes of a PNG or JPEG: its size, and the colour in its middle. */
export async function decodeImage(file: Buffer): Promise<{ size: [number, number]; middle: Colour }> {
  const [size, pixels] = await Promise.all([
    piped('ffprobe', ['-v', 'error', '-show_entries', 'stream=width,height', '-of', 'csv=p=0', '-'], file),
    piped('ffmpeg', ['-v', 'error', '-i', '-', '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-'], file),
  ]);
  const [width, height] = size.toString().trim().split(',').map(Number) as [number, number];
  const middle = (Math.floor(height / 2) * width + Math.floor(width / 2)) * 3;
  return { size: [width, height], middle: [...pixels.subarray(middle, middle + 3)] as unknown as Colour };
}

async function piped(command: string, args: string[], input: Buffer): Promise<Buffer> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  // It may have read enough and closed.
  child.stdin.on('error', () => {}).end(input);
  const chunks: Buffer[] = [];
  for await (const chunk of child.stdout) {
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
