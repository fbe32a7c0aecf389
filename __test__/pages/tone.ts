/** A voice of one pitch. */
export class Tone {
  readonly #context = new AudioContext();
  readonly #oscillator: OscillatorNode;

  constructor(pitchHz: number) {
    this.#oscillator = new OscillatorNode(this.#context, { frequency: pitchHz });
    this.#oscillator.start();
  }

  /** A track that carries the tone. */
  newTrack(): MediaStreamTrack {
    const destination = this.#context.createMediaStreamDestination();
    this.#oscillator.connect(destination);
    return destination.stream.getAudioTracks()[0] as MediaStreamTrack;
  }
}
