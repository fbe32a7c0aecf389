import type { BatchHandler } from '../ts/channel.js';
import type { ErrorClass } from '../ts/generated/model.js';
import type { NativeAddon } from '../ts/native-addon.js';
import type { NativeMessage, WireError } from '../ts/native-events.js';
import { readPackets } from '../ts/packet-batch.js';
import { startWorker, type Worker, type WorkerSettings } from '../ts/worker.js';

/** A request as the facade wrote it. */
export type Command = { readonly id: number; readonly method: string; readonly [param: string]: unknown };

/** Answers a request with a value, or throws a wire error. */
export type Answer = (command: Command) => unknown;

/** A native worker without a thread: it records requests, answers them in the next turn, and says what a test wants. */
export class FakeNativeWorker {
  readonly commands: Command[] = [];
  readonly settings: unknown;
  readonly #onMessages: BatchHandler;
  /** The packets that were sent, each as its number and its bytes. */
  readonly packets: [number: number, packet: Buffer][] = [];
  readonly #answers: Map<string, Answer>;
  readonly #held: Command[] = [];
  /** Whether answers wait for `letGo`. */
  holding = false;
  closed = 0;

  constructor(settings: string, onMessages: BatchHandler, answers: Map<string, Answer>) {
    this.settings = JSON.parse(settings);
    this.#onMessages = onMessages;
    this.#answers = answers;
  }

  request(text: string): void {
    const command = JSON.parse(text) as Command;
    this.commands.push(command);
    if (this.holding) {
      this.#held.push(command);
    } else {
      setImmediate(() => this.say(this.#reply(command)));
    }
  }

  sendPackets(batch: Uint8Array): void {
    readPackets(Buffer.from(batch), (number, packet) => this.packets.push([number, packet]));
  }

  close(): void {
    this.closed += 1;
  }

  /** Delivers these packets, without a message. */
  deliver(...packets: [number: number, packet: Buffer][]): void {
    const records = packets.flatMap(([number, packet]) => [
      Buffer.from(new Uint32Array([number, packet.length]).buffer),
      packet,
    ]);
    this.#onMessages('[]', Buffer.concat(records));
  }

  /** Delivers these messages as one batch, at once. */
  say(...messages: NativeMessage[]): void {
    this.#onMessages(JSON.stringify(messages));
  }

  /** Delivers an event. */
  emit(target: string, event: string, data: unknown = null): void {
    this.say({ type: 'event', target, event, data });
  }

  /** Delivers the answers that were held back, followed by `more`, as one batch. */
  letGo(...more: NativeMessage[]): void {
    this.holding = false;
    this.say(...this.#held.splice(0).map((command) => this.#reply(command)), ...more);
  }

  /** The methods that were requested, in order. */
  methods(): string[] {
    return this.commands.map(({ method }) => method);
  }

  #reply(command: Command): NativeMessage {
    try {
      return { type: 'reply', id: command.id, ok: (this.#answers.get(command.method)?.(command) as unknown) ?? null };
    } catch (error) {
      return { type: 'reply', id: command.id, error: error as WireError };
    }
  }
}

/** An addon whose workers are fakes. `answers` may be changed by a test. */
export class FakeAddon implements NativeAddon {
  readonly workers: FakeNativeWorker[] = [];
  readonly answers = new Map<string, Answer>(Object.entries(ANSWERS));
  readonly NativeWorker: NativeAddon['NativeWorker'];
  canConsume = (): boolean => true;
  generateRouterRtpCapabilities = (options: string): string =>
    JSON.stringify({ codecs: JSON.parse(options).mediaCodecs });
  writeImage = async (rgba: Buffer): Promise<Buffer> => rgba;

  constructor() {
    const { workers, answers } = this;
    this.NativeWorker = class extends FakeNativeWorker {
      constructor(settings: string, onMessages: BatchHandler) {
        super(settings, onMessages, answers);
        workers.push(this);
      }
    };
  }

  /** The worker that was made last. */
  get native(): FakeNativeWorker {
    return this.workers.at(-1) as FakeNativeWorker;
  }

  /** Starts a Worker on this addon. */
  start(settings?: WorkerSettings): Promise<Worker> {
    return startWorker(this, settings);
  }
}

/** What an answer throws to refuse a request. */
export function refusal(name: ErrorClass, code: string, message: string): WireError {
  return { class: name, code, message };
}

export const RTP_PARAMETERS = {
  codecs: [{ mimeType: 'video/VP8', payloadType: 96, clockRate: 90_000 }],
  encodings: [{ ssrc: 1111 }],
};

const ANSWERS: Record<string, Answer> = {
  'worker.dump': () => ({ webRtcServerIds: [], routerIds: [] }),
  'worker.createRouter': ({ mediaCodecs }) => ({
    rtpCapabilities: { codecs: mediaCodecs ?? [], headerExtensions: [] },
  }),
  'router.createWebRtcTransport': () => ({
    iceRole: 'controlled',
    iceParameters: { usernameFragment: 'ufrag', password: 'password', iceLite: true },
    iceCandidates: [],
    iceState: 'new',
    dtlsParameters: { role: 'auto', fingerprints: [] },
    dtlsState: 'new',
  }),
  'router.createActiveAudioSelector': ({ producerIds }) => ({
    producers: (producerIds as string[]).map(() => ({
      type: 'simple',
      rtpParameters: RTP_PARAMETERS,
      consumableRtpParameters: RTP_PARAMETERS,
    })),
  }),
  'transport.connect': () => ({ dtlsLocalRole: 'client' }),
  'transport.restartIce': () => ({ usernameFragment: 'new', password: 'new', iceLite: true }),
  'transport.produce': ({ rtpParameters }) => ({
    type: 'simple',
    rtpParameters,
    consumableRtpParameters: rtpParameters,
  }),
  'transport.consume': () => ({
    kind: 'video',
    type: 'simple',
    rtpParameters: RTP_PARAMETERS,
    producerPaused: false,
    score: { score: 10, producerScore: 10, producerScores: [] },
  }),
  'consumer.setPreferredLayers': ({ spatialLayer, temporalLayer }) => ({ spatialLayer, temporalLayer }),
  'consumer.setPriority': ({ priority }) => ({ priority }),
};
