/** Width and height of a picture in pixels. */
export const WIDTH = 320;
export const HEIGHT = 240;

/** Bits of the running number, each a block that is black or white, in a row at the bottom. */
export const BITS = 16;

/** Side of a block: large enough to survive coding. */
export const BLOCK = WIDTH / BITS;

/** A picture of one colour with a number that runs. */
export class Picture {
  readonly #canvas = Object.assign(document.createElement('canvas'), { width: WIDTH, height: HEIGHT });
  readonly #context = this.#canvas.getContext('2d') as CanvasRenderingContext2D;
  readonly #colour: string;
  #frame = 0;

  /** `scale` enlarges the picture: browsers make several layers of large ones only. */
  constructor(colour: string, scale = 1) {
    this.#colour = colour;
    this.#canvas.width = WIDTH * scale;
    this.#canvas.height = HEIGHT * scale;
    this.#context.scale(scale, scale);
    // A timer, because animation frames stop in a tab that is not in front.
    setInterval(() => this.#draw(), 1000 / 30);
  }

  /** A track that shows the picture from now on. */
  newTrack(): MediaStreamTrack {
    return this.#canvas.captureStream(30).getVideoTracks()[0] as MediaStreamTrack;
  }

  #draw(): void {
    this.#frame = (this.#frame + 1) % 2 ** BITS;
    this.#context.fillStyle = this.#colour;
    this.#context.fillRect(0, 0, WIDTH, HEIGHT - BLOCK);
    for (let bit = 0; bit < BITS; bit += 1) {
      this.#context.fillStyle = (this.#frame >> bit) & 1 ? '#fff' : '#000';
      this.#context.fillRect(bit * BLOCK, HEIGHT - BLOCK, BLOCK, BLOCK);
    }
  }
}
