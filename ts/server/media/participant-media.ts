import type { Consumer } from '../../consumer.js';
import { LimitError, NotFoundError } from '../../errors.js';
import type { DtlsParameters, MediaKind, RtpCapabilities, RtpParameters } from '../../generated/model.js';
import { Logger } from '../../logger.js';
import type { Producer } from '../../producer.js';
import type { WebRtcTransport } from '../../webrtc-transport.js';
import type { Limits } from '../limits.js';
import type { MediaRoom } from './workers.js';

/** How a Transport is wanted. */
export type TransportWish = {
  /** Whether UDP must not be used. Default: false. */
  readonly forceTcp?: boolean;
  /** Whether the client will send over it. */
  readonly producing?: boolean;
  /** Whether the client will receive over it. */
  readonly consuming?: boolean;
};

/** What a client publishes. */
export type Publication = {
  readonly transportId: string;
  readonly kind: MediaKind;
  readonly rtpParameters: RtpParameters;
  readonly paused?: boolean;
  readonly appData: Record<string, unknown>;
};

/** The media of one participant: its Transports, Producers and Consumers, and the bounds on them. */
export class ParticipantMedia {
  readonly #room: MediaRoom;
  readonly #limits: Limits;
  readonly #iceConsentTimeout: number;
  readonly #onLost: () => void;
  readonly #transports = new Map<string, WebRtcTransport>();
  readonly #producers = new Map<string, Producer>();
  readonly #consumers = new Map<string, Consumer>();
  #transportsAsked = 0;
  #producersAsked = 0;
  #closed = false;

  /** `onLost` is called when the client has given no sign of life on a media path for the consent time (RFC 7675). */
  constructor(room: MediaRoom, limits: Limits, iceConsentTimeout: number, onLost: () => void) {
    this.#room = room;
    this.#limits = limits;
    this.#iceConsentTimeout = iceConsentTimeout;
    this.#onLost = onLost;
  }

  /** Opens a Transport. */
  async createTransport({ forceTcp = false, producing, consuming }: TransportWish): Promise<WebRtcTransport> {
    this.#transportsAsked += 1;
    try {
      checkBound('transports', this.#transportsAsked, this.#limits.transportsPerPeerMax);
      const transport = await this.#room.router.createWebRtcTransport({
        webRtcServer: this.#room.webRtcServer,
        enableUdp: !forceTcp,
        enableTcp: true,
        preferUdp: true,
        iceConsentTimeout: this.#iceConsentTimeout,
        appData: { producing, consuming },
      });
      this.#keepTransport(transport);
      return transport;
    } catch (error) {
      this.#transportsAsked -= 1;
      throw error;
    }
  }

  /** Gives the client's side of DTLS to a Transport. */
  async connectTransport(transportId: string, dtlsParameters: DtlsParameters): Promise<void> {
    await this.transport(transportId).connect({ dtlsParameters });
  }

  /** Publishes what the client sends. */
  async produce({ transportId, ...options }: Publication): Promise<Producer> {
    this.#producersAsked += 1;
    try {
      checkBound('producers', this.#producersAsked, this.#limits.producersPerPeerMax);
      const producer = await this.transport(transportId).produce(options);
      this.#producers.set(producer.id, producer);
      producer.observer.once('close', () => {
        this.#producers.delete(producer.id);
        this.#producersAsked -= 1;
      });
      return producer;
    } catch (error) {
      this.#producersAsked -= 1;
      throw error;
    }
  }

  /**
   * Makes a paused Consumer of another participant's Producer; `undefined` where the client cannot receive it or has no
   * Transport to receive on.
   */
  async consume(producerId: string, rtpCapabilities: RtpCapabilities): Promise<Consumer | undefined> {
    const transport = [...this.#transports.values()].find(({ appData }) => appData.consuming === true);
    if (!transport || !this.#room.router.canConsume({ producerId, rtpCapabilities })) {
      logger.debug(`a participant cannot consume: ${transport ? 'no common codec' : 'no transport for it'}`);
      return undefined;
    }
    const consumer = await transport.consume({ producerId, rtpCapabilities, paused: true });
    this.#consumers.set(consumer.id, consumer);
    consumer.observer.once('close', () => this.#consumers.delete(consumer.id));
    return consumer;
  }

  /** One of the client's Transports. */
  transport(id: string): WebRtcTransport {
    return find('transport', id, this.#transports);
  }

  /** One of the client's Producers. */
  producer(id: string): Producer {
    return find('producer', id, this.#producers);
  }

  /** The client's Consumers. */
  get consumers(): Consumer[] {
    return [...this.#consumers.values()];
  }

  /** One of the client's Consumers. */
  consumer(id: string): Consumer {
    return find('consumer', id, this.#consumers);
  }

  /** Closes everything. */
  close(): void {
    this.#closed = true;
    for (const transport of this.#transports.values()) {
      transport.close();
    }
  }

  #keepTransport(transport: WebRtcTransport): void {
    this.#transports.set(transport.id, transport);
    transport.observer.once('close', () => {
      this.#transports.delete(transport.id);
      this.#transportsAsked -= 1;
    });
    transport.on('icestatechange', (state) => {
      if (state === 'disconnected' && transport.dtlsState === 'connected') {
        this.#onLost();
      }
    });
    transport.on('dtlsstatechange', (state) => {
      if (state === 'failed' || state === 'closed') {
        transport.close();
      }
    });
    if (this.#closed) {
      // The participant left while the Transport was being made.
      transport.close();
    }
  }
}

function checkBound(what: string, count: number, max: number): void {
  if (count > max) {
    throw new LimitError(`a participant may have ${max} ${what}`);
  }
}

function find<T>(what: string, id: string, map: ReadonlyMap<string, T>): T {
  const found = map.get(id);
  if (!found) {
    throw new NotFoundError(`this participant has no ${what} with the id "${id}"`);
  }
  return found;
}

const logger = new Logger('Server');
