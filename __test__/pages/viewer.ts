import { BITS, BLOCK, HEIGHT, WIDTH } from './picture';

/** What a viewer sees and hears. */
export type Look = {
  readonly colour: readonly number[] | undefined;
  readonly frame: number | undefined;
  readonly pitchHz: number | undefined;
};

/** Reads the colour and the number from the pixels of one picture, and the pitch from the spectrum of one voice. */
export class Viewer {
  readonly #video = Object.assign(document.createElement('video'), { autoplay: true, muted: true });
  readonly #audio = Object.assign(document.createElement('audio'), { autoplay: true, muted: true });
  readonly #canvas = Object.assign(document.createElement('canvas'), { width: WIDTH, height: HEIGHT });
  readonly #context = this.#canvas.getContext('2d', { willReadFrequently: true }) as CanvasRenderingContext2D;
  readonly #sound = new AudioContext();
  readonly #analyser = new AnalyserNode(this.#sound, { fftSize: 8192, smoothingTimeConstant: 0 });
  #camera: MediaStreamTrack | undefined;
  #microphone: MediaStreamTrack | undefined;
  #source: MediaStreamAudioSourceNode | undefined;
  #decodedAt = performance.now();
  #longestGapMs = 0;

  constructor() {
    this.#awaitFrame();
  }

  /** Watches these tracks instead of those before. */
  watch(camera: MediaStreamTrack | undefined, microphone: MediaStreamTrack | undefined): void {
    if (camera !== this.#camera) {
      this.#camera = camera;
      this.#video.srcObject = camera ? new MediaStream([camera]) : null;
    }
    if (microphone !== this.#microphone) {
      this.#microphone = microphone;
      this.#listen(microphone);
    }
  }

  /** What is there at this moment. */
  look(): Look {
    return { ...this.#see(), pitchHz: this.#hear() };
  }

  /** Longest time in ms between two decoded frames since the last question, the time since the last one included. */
  longestGapMs(): number {
    const longest = Math.max(this.#longestGapMs, performance.now() - this.#decodedAt);
    this.#longestGapMs = 0;
    return longest;
  }

  /** Lets go of everything. */
  close(): void {
    this.watch(undefined, undefined);
    void this.#sound.close();
  }

  #awaitFrame(): void {
    this.#video.requestVideoFrameCallback((now) => {
      this.#longestGapMs = Math.max(this.#longestGapMs, now - this.#decodedAt);
      this.#decodedAt = now;
      this.#awaitFrame();
    });
  }

  #listen(microphone: MediaStreamTrack | undefined): void {
    this.#source?.disconnect();
    this.#source = undefined;
    // Chromium feeds a received track to the audio graph only while an element plays it, too.
    this.#audio.srcObject = microphone ? new MediaStream([microphone]) : null;
    if (microphone) {
      this.#source = this.#sound.createMediaStreamSource(new MediaStream([microphone]));
      this.#source.connect(this.#analyser);
    }
  }

  #see(): Pick<Look, 'colour' | 'frame'> {
    if (!this.#camera || this.#video.videoWidth === 0) {
      return { colour: undefined, frame: undefined };
    }
    this.#context.drawImage(this.#video, 0, 0, WIDTH, HEIGHT);
    const bits = Array.from({ length: BITS }, (_, bit) => this.#pixel((bit + 0.5) * BLOCK, HEIGHT - BLOCK / 2));
    const frame = bits.reduce((sum, [red = 0], bit) => sum + (red > 127 ? 2 ** bit : 0), 0);
    return { colour: this.#pixel(WIDTH / 2, HEIGHT / 2), frame };
  }

  #pixel(x: number, y: number): number[] {
    return [...this.#context.getImageData(x, y, 1, 1).data.slice(0, 3)];
  }

  #hear(): number | undefined {
    const spectrum = new Float32Array(this.#analyser.frequencyBinCount);
    this.#analyser.getFloatFrequencyData(spectrum);
    const loudest = spectrum.reduce((best, level, bin) => (level > (spectrum[best] as number) ? bin : best), 0);
    const audible = (spectrum[loudest] as number) > SILENCE_DB;
    return audible ? (loudest * this.#sound.sampleRate) / this.#analyser.fftSize : undefined;
  }
}

/** Level under which nothing is heard. */
const SILENCE_DB = -60;
