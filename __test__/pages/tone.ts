/** A voice of one pitch. */
export class Tone {
  readonly #context = new AudioContext();
  readonly #oscillator: OscillatorNode;
  readonly #gain = new GainNode(this.#context);

  constructor(pitchHz: number) {
    this.#oscillator = new OscillatorNode(this.#context, { frequency: pitchHz });
    this.#oscillator.connect(this.#gain);
    this.#oscillator.start();
  }

  /** How loud it is, from 0 to 1. Default: 1. */
  set loudness(loudness: number) {
    this.#gain.gain.value = loudness;
  }

  /** A track that carries the tone. */
  newTrack(): MediaStreamTrack {
    const destination = this.#context.createMediaStreamDestination();
    this.#gain.connect(destination);
    return destination.stream.getAudioTracks()[0] as MediaStreamTrack;
  }
}
