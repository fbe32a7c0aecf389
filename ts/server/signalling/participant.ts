import type { Consumer } from '../../consumer.js';
import { InvalidStateError } from '../../errors.js';
import type { MediaKind, RtpCapabilities } from '../../generated/model.js';
import { Logger } from '../../logger.js';
import type { Producer } from '../../producer.js';
import type { WebRtcTransport } from '../../webrtc-transport.js';
import type { Limits } from '../limits.js';
import { haveBegun, sentTo, settled } from '../media/handover.js';
import { ParticipantMedia } from '../media/participant-media.js';
import { CLOSE, type Connection } from '../protoo/connection.js';
import { Turnstile } from '../turnstile.js';
import type { LiveRoom } from './live-room.js';
import { handleRequest, type RequestData, type RequestHandlers } from './requests.js';

/** One client in a room: its connection, its media, and the answers to its requests. */
export class Participant {
  readonly #id: string;
  readonly #room: LiveRoom;
  readonly #connection: Connection;
  readonly #media: ParticipantMedia;
  readonly #handlers: RequestHandlers;
  readonly #offers: Turnstile;
  readonly #combinations = new Turnstile(1);
  /** What it hears and sees instead of a stream of each, if it wants it so. */
  readonly #combined = new Map<MediaKind, Consumer>();
  #rtpCapabilities: RtpCapabilities = {};

  constructor(id: string, room: LiveRoom, connection: Connection, limits: Limits, iceConsentTimeout: number) {
    this.#id = id;
    this.#room = room;
    this.#connection = connection;
    this.#offers = new Turnstile(limits.offersInFlightMax);
    this.#media = new ParticipantMedia(room.media, limits, iceConsentTimeout, () =>
      this.close(CLOSE.mediaLost, 'the media path gave no sign of life'),
    );
    this.#handlers = this.#makeHandlers();
    connection.serve({
      onRequest: (method, data) => handleRequest(this.#handlers, method, data),
      onNotification: (method, data) => handleRequest(this.#handlers, method, data),
      onClose: () => this.#leave(),
    });
  }

  /** Id, chosen by the client; unique in the room. */
  get id(): string {
    return this.#id;
  }

  /** What it publishes under this id. */
  producer(id: string): Producer {
    return this.#media.producer(id);
  }

  /** Tells the client something. */
  notify(method: string, data: object): void {
    this.#connection.notify(method, data);
  }

  /** Offers it another participant's Producer: the media flows once the client says that it is ready. */
  async consume(owner: string, producer: Producer): Promise<void> {
    await this.#offers.pass(() => this.#offer(owner, producer, producer.appData));
  }

  /** Ends the connection, telling the client why, and leaves the room. Idempotent. */
  close(code: number, reason: string): void {
    this.#connection.close(code, reason);
  }

  /** Resolves when the client's socket is closed, which is cut off after this time in ms. */
  drained(timeoutMs: number): Promise<void> {
    return this.#connection.drained(timeoutMs);
  }

  #leave(): void {
    this.#media.close();
    this.#room.combined.audio.close(this.#id);
    this.#room.combined.video.close(this.#id);
    this.#room.left(this);
  }

  #makeHandlers(): RequestHandlers {
    const media = this.#media;
    return {
      getRouterRtpCapabilities: () => this.#room.media.router.rtpCapabilities,
      join: (data) => this.#join(data),
      createWebRtcTransport: async (data) => transportInfo(await media.createTransport(data)),
      connectWebRtcTransport: ({ transportId, dtlsParameters }) => media.connectTransport(transportId, dtlsParameters),
      restartIce: ({ transportId }) => media.transport(transportId).restartIce(),
      produce: (data) => this.#produce(data),
      closeProducer: ({ producerId }) => media.producer(producerId).close(),
      pauseProducer: ({ producerId }) => media.producer(producerId).pause(),
      resumeProducer: ({ producerId }) => media.producer(producerId).resume(),
      pauseConsumer: ({ consumerId }) => media.consumer(consumerId).pause(),
      resumeConsumer: ({ consumerId }) => media.consumer(consumerId).resume(),
      setConsumerPreferredLayers: ({ consumerId, ...layers }) => media.consumer(consumerId).setPreferredLayers(layers),
      setConsumerPriority: ({ consumerId, priority }) => media.consumer(consumerId).setPriority(priority),
      setCombinedSound: ({ enabled }) => this.#combinations.pass(() => this.#setCombined('audio', enabled)),
      setCombinedPicture: ({ enabled }) => this.#combinations.pass(() => this.#setCombined('video', enabled)),
      requestConsumerKeyFrame: ({ consumerId }) => media.consumer(consumerId).requestKeyFrame(),
      changeDisplayName: ({ displayName }) => this.#room.rename(this, displayName),
      getTransportStats: ({ transportId }) => media.transport(transportId).getStats(),
      getProducerStats: ({ producerId }) => media.producer(producerId).getStats(),
      getConsumerStats: ({ consumerId }) => media.consumer(consumerId).getStats(),
    };
  }

  #join({ displayName, device = {}, rtpCapabilities }: RequestData<'join'>): object {
    const answer = this.#room.join(this, { displayName, device });
    this.#rtpCapabilities = rtpCapabilities ?? {};
    return answer;
  }

  async #produce({ appData = {}, ...publication }: RequestData<'produce'>): Promise<object> {
    this.#room.ensureJoined(this);
    const producer = await this.#media.produce({ ...publication, appData: { ...appData, peerId: this.#id } });
    producer.on('score', (score) => this.notify('producerScore', { producerId: producer.id, score }));
    producer.on('wantedlayerchange', (spatialLayer) =>
      this.notify('producerWantedLayer', { producerId: producer.id, spatialLayer: spatialLayer ?? null }),
    );
    this.#room.publish(this, producer);
    return { id: producer.id };
  }

  /** One stream of everybody's sound or pictures instead of a stream of each, or back. */
  async #setCombined(kind: MediaKind, enabled: boolean): Promise<void> {
    this.#room.ensureJoined(this);
    const [combined, current] = [this.#room.combined[kind], this.#combined.get(kind)];
    if (enabled === (current !== undefined)) {
      return;
    }
    if (!enabled) {
      await (kind === 'video' ? this.#bringBackPictures() : this.#resumeOthers(kind));
      current?.close();
      this.notify('consumerClosed', { consumerId: current?.id });
      combined.close(this.#id);
      return;
    }
    const producer = await combined.open(this.#id);
    const consumer = await this.#offers.pass(() => this.#offer(this.#id, producer, { source: 'combined' }));
    if (!consumer) {
      combined.close(this.#id);
      throw new InvalidStateError('this participant cannot receive what is combined');
    }
    this.#combined.set(kind, consumer);
    consumer.observer.once('close', () => {
      this.#combined.delete(kind);
      void this.#resumeOthers(kind);
    });
    if (kind === 'video') {
      // Both flow until everybody is in it: a viewer is never without a picture.
      const { video } = this.#room.combined;
      await settled(async () => (await haveBegun([consumer], [0])) && (await video.isWhole()));
    }
    // Unless it ended meanwhile, and the others stand in for it again.
    if (this.#combined.get(kind) === consumer) {
      await Promise.allSettled(this.#others(kind).map((other) => other.pause()));
    }
  }

  /** Lets the picture of each go on, and waits until there is something of all to see. */
  async #bringBackPictures(): Promise<void> {
    const others = this.#others('video');
    const before = await sentTo(others);
    await this.#resumeOthers('video');
    await settled(() => haveBegun(others, before));
  }

  /** Lets what something combined stands in for go on. */
  async #resumeOthers(kind: MediaKind): Promise<void> {
    // Those that were closed meanwhile need nothing.
    await Promise.allSettled(this.#others(kind).map((other) => other.resume()));
  }

  #others(kind: MediaKind): Consumer[] {
    const combined = this.#combined.get(kind);
    return this.#media.consumers.filter((consumer) => consumer.kind === kind && consumer !== combined);
  }

  async #offer(owner: string, producer: Producer, appData: object): Promise<Consumer | undefined> {
    const consumer = await this.#media.consume(producer.id, this.#rtpCapabilities);
    if (!consumer) {
      return undefined;
    }
    this.#tellOf(consumer);
    try {
      await this.#connection.request('newConsumer', { peerId: owner, ...describe(consumer), appData });
      if (!this.#combined.has(consumer.kind)) {
        await consumer.resume();
      }
      this.notify('consumerScore', { consumerId: consumer.id, score: consumer.score });
      return consumer;
    } catch (error) {
      logger.debug(`newConsumer was refused: ${(error as Error).message}`);
      consumer.close();
      return undefined;
    }
  }

  #tellOf(consumer: Consumer): void {
    const consumerId = consumer.id;
    consumer.on('producerclose', () => this.notify('consumerClosed', { consumerId }));
    consumer.on('producerpause', () => this.notify('consumerPaused', { consumerId }));
    consumer.on('producerresume', () => this.notify('consumerResumed', { consumerId }));
    consumer.on('score', (score) => this.notify('consumerScore', { consumerId, score }));
    consumer.on('layerschange', (layers) =>
      this.notify('consumerLayersChanged', {
        consumerId,
        spatialLayer: layers?.spatialLayer ?? null,
        temporalLayer: layers?.temporalLayer ?? null,
      }),
    );
  }
}

function transportInfo(transport: WebRtcTransport): object {
  const { id, iceParameters, iceCandidates, dtlsParameters } = transport;
  return { id, iceParameters, iceCandidates, dtlsParameters };
}

function describe(consumer: Consumer): object {
  const { id, producerId, kind, rtpParameters, type, producerPaused } = consumer;
  return { id, producerId, kind, rtpParameters, type, producerPaused };
}

const logger = new Logger('Signalling');
