import type { Channel } from './channel.js';
import { EnhancedEventEmitter } from './enhanced-event-emitter.js';
import type { MediaKind } from './generated/model.js';
import { Logger } from './logger.js';
import { Producer, type ProducerReply } from './producer.js';
import { type AppData, RemoteObject } from './remote-object.js';
import type { Router } from './router.js';

/** Events of an output of a mixer. */
export type MixerOutputEvents = {
  /** The Router was closed, and the output with it. */
  routerclose: [];
  /** The mixer was closed, and the output with it. */
  mixerclose: [];
};

/** Observer of an output of a mixer. */
export type MixerOutputObserver = EnhancedEventEmitter<MixerOutputObserverEvents>;

/** Events of the observer of an output of a mixer. */
export type MixerOutputObserverEvents = {
  /** The output was closed, by whomever. */
  close: [];
};

/** What an output needs of its mixer. */
export type MixerOutputParent = {
  /** As what requests name the mixer. */
  readonly reference: { audioMixerId: string } | { videoMixerId: string };
  /** The output was closed, but not by its mixer. */
  removed(): void;
};

/** What an output is made of. */
export type MixerOutputSetup = {
  readonly outputId: string;
  readonly producerId: string;
  readonly kind: MediaKind;
  readonly router: Router;
  readonly appData?: AppData | undefined;
  readonly reply: MixerOutputReply;
};

/** What the worker says of an output. */
export type MixerOutputReply = ProducerReply & { readonly passesThrough?: boolean };

/**
 * A mix as a Producer. Its mixer, its Router and the closing of its Producer close it; its Producer then emits
 * `transportclose`: the output stands in for a Transport.
 */
export abstract class MixerOutput<OutputAppData extends AppData = AppData> extends RemoteObject<
  MixerOutputEvents,
  MixerOutputObserver,
  OutputAppData
> {
  readonly #id: string;
  readonly #parent: MixerOutputParent;
  readonly #router: Router;
  readonly #producer: Producer;
  readonly #passesThrough: boolean;

  /** @internal */
  constructor(channel: Channel, parent: MixerOutputParent, setup: MixerOutputSetup) {
    const { outputId, producerId, kind, router, appData, reply } = setup;
    super(channel, new EnhancedEventEmitter(), appData as OutputAppData | undefined);
    this.#id = outputId;
    this.#parent = parent;
    this.#router = router;
    this.#passesThrough = reply.passesThrough ?? false;
    const published = { kind, rtpParameters: reply.rtpParameters };
    this.#producer = new Producer(channel, producerId, published, reply, () => this.close());
    this.subscribe(outputId, (event) => this.#handle(event));
  }

  /** Id, a UUID. */
  get id(): string {
    return this.#id;
  }

  /** The mix as a Producer of the Router. Closing it closes the output. */
  get producer(): Producer {
    return this.#producer;
  }

  /**
   * Whether packets of the one input are handed on as they are.
   *
   * @internal
   */
  get passesThrough(): boolean {
    return this.#passesThrough;
  }

  /** Closes the output and its Producer. Idempotent. */
  close(): void {
    if (this.closed) {
      return;
    }
    this.#end(this.command(`${this.noun}.closeOutput`, { ...this.#parent.reference, outputId: this.#id }));
    this.#parent.removed();
    this.observer.safeEmit('close');
  }

  /** @internal */
  mixerClosed(released: Promise<void>): void {
    if (this.closed) {
      return;
    }
    this.#end(released);
    this.safeEmit('mixerclose');
    this.observer.safeEmit('close');
  }

  /** @internal */
  routerClosed(released: Promise<void>): void {
    if (this.closed) {
      return;
    }
    // The worker's mixer notices it a moment later by itself.
    this.#end(released);
    this.#parent.removed();
    this.safeEmit('routerclose');
    this.observer.safeEmit('close');
  }

  /** @internal */
  protected abstract readonly noun: 'audioMixer' | 'videoMixer';

  #end(released: Promise<void>): void {
    this.end(released, this.#id);
    this.#router.mixerOutputClosed(this as unknown as MixerOutput);
    this.#producer.transportClosed(released);
  }

  #handle(event: string): void {
    if (event !== 'routerclose') {
      logger.error(`ignoring unknown event '${event}'`);
      return;
    }
    this.routerClosed(Promise.resolve());
  }
}

const logger = new Logger('MixerOutput');
