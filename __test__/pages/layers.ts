import { Device, type types } from 'mediasoup-client';
import { BITS, BLOCK } from './picture';
import { Tone } from './tone';
import { Viewer } from './viewer';

/** Width and height of the published picture: large enough for Chromium to send three encodings of it. */
const WIDTH = 960;
const HEIGHT = 540;
const SCALE = WIDTH / (BITS * BLOCK);

/** Blocks of a busy picture that change each time, and their width. */
const BUSY_BLOCKS = 60;
const BUSY_BLOCK = 24;

/** Calls of the test's process, which holds the server. */
declare function connectTransport(id: string, dtlsParameters: types.DtlsParameters): Promise<void>;
declare function produce(options: object): Promise<string>;

/** What is published. */
type Publication = {
  colour: string;
  encodings: types.RtpEncodingParameters[];
  mimeType: string;
  /** Width of the picture. Default: large enough for three encodings. */
  width?: number;
  /** See {@link encrypt}. Default: none. */
  key?: number;
  /** Whether the picture changes so much that its encodings need their bitrates. Default: no. */
  isBusy?: boolean;
};

/** A sender or receiver whose frames a page may change (Chromium's form of RTCRtpScriptTransform). */
type Streams = { createEncodedStreams(): { readable: ReadableStream; writable: WritableStream } };

/** Bytes at the start of a frame that stay in the clear: Chromium reads the VP8 frame header (RFC 7741 §4.3) itself. */
const CLEAR_BYTES = 10;

/** Options of a transport whose frames this page may change. */
function withStreams(options: types.TransportOptions, key: number): types.TransportOptions {
  const additionalSettings = { encodedInsertableStreams: true } as Partial<RTCConfiguration>;
  return key === 0 ? options : { ...options, additionalSettings };
}

/** Encrypts what is sent, or decrypts what is received, with an exclusive or of each byte; 0 leaves all as it is. */
function encrypt(end: unknown, key: number): void {
  if (key === 0) {
    return;
  }
  const { readable, writable } = (end as Streams).createEncodedStreams();
  const transform = new TransformStream<{ data: ArrayBuffer }>({
    transform(frame, controller) {
      const bytes = new Uint8Array(frame.data.slice(0));
      frame.data = bytes.map((byte, at) => (at < CLEAR_BYTES ? byte : byte ^ key)).buffer;
      controller.enqueue(frame);
    },
  });
  void readable.pipeThrough(transform).pipeTo(writable);
}

/** One who publishes a picture in several encodings or a tone, and watches and listens, by mediasoup-client. */
export class LayersPeer {
  readonly #canvas = Object.assign(document.createElement('canvas'), { width: WIDTH, height: HEIGHT });
  readonly #video = Object.assign(document.createElement('video'), { autoplay: true, muted: true });
  readonly #device = new Device();
  #receiving: types.Transport | undefined;
  #consumer: types.Consumer | undefined;
  #producer: types.Producer | undefined;
  #tone: Tone | undefined;
  #listener: Viewer | undefined;
  #key = 0;
  #frame = 0;
  #decodedAt = performance.now();
  #longestGapMs = 0;

  /** Learns what the router can do; tells what this browser can receive. */
  async load(routerRtpCapabilities: types.RtpCapabilities): Promise<types.RtpCapabilities> {
    await this.#device.load({ routerRtpCapabilities });
    return this.#device.recvRtpCapabilities;
  }

  /** Publishes a picture of one colour with a running number. */
  async publish(
    options: types.TransportOptions,
    { colour, encodings, mimeType, width = WIDTH, key = 0, isBusy = false }: Publication,
  ): Promise<void> {
    Object.assign(this.#canvas, { width, height: (width * HEIGHT) / WIDTH });
    setInterval(() => this.#draw(colour, isBusy), 1000 / 30);
    const transport = this.#sendTransport(withStreams(options, key));
    const codec = this.#device.sendRtpCapabilities.codecs?.find((known) => known.mimeType === mimeType);
    const producer = await transport.produce({
      track: this.#canvas.captureStream(30).getVideoTracks()[0] as MediaStreamTrack,
      encodings,
      ...(codec ? { codec } : {}),
      codecOptions: { videoGoogleStartBitrate: 2500 },
    });
    this.#producer = producer;
    encrypt(producer.rtpSender, key);
  }

  /** Stops encoding what lies above a layer, and begins again up to it. */
  async limitLayers(spatialLayer: number): Promise<void> {
    await this.#producer?.setMaxSpatialLayer(spatialLayer);
  }

  /** Bytes of the picture sent so far, by encoding, as mediasoup-client names them. */
  async sentBytes(): Promise<number[]> {
    const report = await this.#producer?.getStats();
    const streams = [...(report?.values() ?? [])].filter(({ type }) => type === 'outbound-rtp');
    return ['r0', 'r1', 'r2'].map((rid) => streams.find((stream) => stream.rid === rid)?.bytesSent ?? 0);
  }

  /** Publishes a tone, silent at first. */
  async publishTone(options: types.TransportOptions, pitchHz: number): Promise<void> {
    this.#tone = new Tone(pitchHz);
    this.#tone.loudness = 0;
    await this.#sendTransport(options).produce({ track: this.#tone.newTrack() });
  }

  /** How loud its tone is, from 0 to 1. */
  speak(loudness: number): void {
    if (this.#tone) {
      this.#tone.loudness = loudness;
    }
  }

  /** Listens. */
  async hear(options: types.ConsumerOptions): Promise<void> {
    this.#consumer = await this.#receiving?.consume(options);
    this.#listener = new Viewer();
    this.#listener.watch(undefined, this.#consumer?.track);
  }

  /** What it hears at this moment: a pitch in Hz, or nothing. */
  pitchHz(): number | undefined {
    return this.#listener?.look().pitchHz;
  }

  /** Seconds of sound that came, and of those how many were made up because packets were missing. */
  async sound(): Promise<{ seconds: number; madeUp: number }> {
    const report = await this.#receiving?.getStats();
    const inbound = [...(report?.values() ?? [])].find(({ type, kind }) => type === 'inbound-rtp' && kind === 'audio');
    const { totalSamplesReceived = 0, concealedSamples = 0, silentConcealedSamples = 0 } = inbound ?? {};
    return { seconds: totalSamplesReceived / 48_000, madeUp: (concealedSamples - silentConcealedSamples) / 48_000 };
  }

  /** Makes the transport to watch and listen by, if there is none yet. */
  receive(options: types.TransportOptions, key = 0): void {
    if (this.#receiving) {
      return;
    }
    this.#key = key;
    const transport = this.#device.createRecvTransport(withStreams(options, key));
    transport.on('connect', ({ dtlsParameters }, callback, errback) => {
      connectTransport(transport.id, dtlsParameters).then(callback, errback);
    });
    this.#receiving = transport;
  }

  /** Watches. */
  async watch(options: types.ConsumerOptions): Promise<void> {
    this.#consumer = await this.#receiving?.consume(options);
    encrypt(this.#consumer?.rtpReceiver, this.#key);
    this.#video.srcObject = new MediaStream([this.#consumer?.track as MediaStreamTrack]);
    this.#awaitFrame();
  }

  /** The colours of the picture at points given in parts of its width and height. */
  colours(points: readonly (readonly [x: number, y: number])[]): number[][] {
    const canvas = Object.assign(document.createElement('canvas'), { width: WIDTH, height: HEIGHT });
    const context = canvas.getContext('2d') as CanvasRenderingContext2D;
    if (this.#video.videoWidth > 0) {
      context.drawImage(this.#video, 0, 0, WIDTH, HEIGHT);
    }
    return points.map(([x, y]) => [...context.getImageData(x * WIDTH, y * HEIGHT, 1, 1).data.slice(0, 3)]);
  }

  /** The picture at this moment: its width, the colour of its middle, its number. */
  look(): { width: number; colour: number[]; frame: number } {
    const blocks = Array.from({ length: BITS }, (_, bit) => [(bit + 0.5) / BITS, 1 - BLOCK / HEIGHT] as const);
    const [colour = [], ...bits] = this.colours([[0.5, 0.5], ...blocks]);
    const frame = bits.reduce((sum, [red = 0], bit) => sum + (red > 127 ? 2 ** bit : 0), 0);
    return { width: this.#video.videoWidth, colour, frame };
  }

  /** Pictures decoded so far. */
  async decoded(): Promise<number> {
    const report = await this.#consumer?.getStats();
    const inbound = [...(report?.values() ?? [])].find(({ type }) => type === 'inbound-rtp');
    return inbound?.framesDecoded ?? 0;
  }

  /** Pictures that were lost, times that the picture stood still, and times that the decoder asked to start anew. */
  async troubles(): Promise<{ dropped: number; freezes: number; frozenMs: number; requests: number }> {
    const report = await this.#consumer?.getStats();
    const inbound = [...(report?.values() ?? [])].find(({ type }) => type === 'inbound-rtp');
    const { framesDropped = 0, freezeCount = 0, totalFreezesDuration = 0, pliCount = 0 } = inbound ?? {};
    const frozenMs = totalFreezesDuration * 1000;
    return { dropped: framesDropped, freezes: freezeCount, frozenMs, requests: pliCount };
  }

  /** Longest time in ms between two decoded pictures since the last question. */
  longestGapMs(): number {
    const longest = Math.max(this.#longestGapMs, performance.now() - this.#decodedAt);
    this.#longestGapMs = 0;
    return longest;
  }

  #sendTransport(options: types.TransportOptions): types.Transport {
    const transport = this.#device.createSendTransport(options);
    transport.on('connect', ({ dtlsParameters }, callback, errback) => {
      connectTransport(transport.id, dtlsParameters).then(callback, errback);
    });
    transport.on('produce', ({ kind, rtpParameters }, callback, errback) => {
      produce({ kind, rtpParameters }).then((id) => callback({ id }), errback);
    });
    return transport;
  }

  #awaitFrame(): void {
    this.#video.requestVideoFrameCallback((now) => {
      this.#longestGapMs = Math.max(this.#longestGapMs, now - this.#decodedAt);
      this.#decodedAt = now;
      this.#awaitFrame();
    });
  }

  #draw(colour: string, isBusy: boolean): void {
    const context = this.#canvas.getContext('2d') as CanvasRenderingContext2D;
    context.setTransform(this.#canvas.width / WIDTH, 0, 0, this.#canvas.height / HEIGHT, 0, 0);
    this.#frame = (this.#frame + 1) % 2 ** BITS;
    context.fillStyle = colour;
    context.fillRect(0, 0, WIDTH, HEIGHT);
    // The upper part only: the number and the middle stay as they are.
    for (let block = 0; isBusy && block < BUSY_BLOCKS; block += 1) {
      context.fillStyle = `hsl(${Math.random() * 360} 80% ${20 + Math.random() * 60}%)`;
      context.fillRect(Math.random() * WIDTH, Math.random() * (HEIGHT / 2 - 2 * BUSY_BLOCK), BUSY_BLOCK, BUSY_BLOCK);
    }
    for (let bit = 0; bit < BITS; bit += 1) {
      context.fillStyle = (this.#frame >> bit) & 1 ? '#fff' : '#000';
      context.fillRect(bit * BLOCK * SCALE, HEIGHT - BLOCK * SCALE, BLOCK * SCALE, BLOCK * SCALE);
    }
  }
}

declare global {
  interface Window {
    LayersPeer: typeof LayersPeer;
    layersPeer: LayersPeer;
  }
}

window.LayersPeer = LayersPeer;
