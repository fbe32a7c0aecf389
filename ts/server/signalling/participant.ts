import type { Consumer } from '../../consumer.js';
import type { RtpCapabilities } from '../../generated/model.js';
import { Logger } from '../../logger.js';
import type { Producer } from '../../producer.js';
import type { WebRtcTransport } from '../../webrtc-transport.js';
import type { Limits } from '../limits.js';
import { ParticipantMedia } from '../media/participant-media.js';
import { CLOSE, type Connection } from '../protoo/connection.js';
import type { LiveRoom } from './live-room.js';
import { handleRequest, type RequestData, type RequestHandlers } from './requests.js';
import { Turnstile } from './turnstile.js';

/** One client in a room: its connection, its media, and the answers to its requests. */
export class Participant {
  readonly #id: string;
  readonly #room: LiveRoom;
  readonly #connection: Connection;
  readonly #media: ParticipantMedia;
  readonly #handlers: RequestHandlers;
  readonly #offers: Turnstile;
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
    await this.#offers.pass(() => this.#offer(owner, producer));
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
    this.#room.publish(this, producer);
    return { id: producer.id };
  }

  async #offer(owner: string, producer: Producer): Promise<void> {
    const consumer = await this.#media.consume(producer.id, this.#rtpCapabilities);
    if (!consumer) {
      return;
    }
    this.#tellOf(consumer);
    try {
      await this.#connection.request('newConsumer', { peerId: owner, ...describe(consumer, producer) });
      await consumer.resume();
      this.notify('consumerScore', { consumerId: consumer.id, score: consumer.score });
    } catch (error) {
      logger.debug(`newConsumer was refused: ${(error as Error).message}`);
      consumer.close();
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

function describe(consumer: Consumer, producer: Producer): object {
  const { id, producerId, kind, rtpParameters, type, producerPaused } = consumer;
  return { id, producerId, kind, rtpParameters, type, producerPaused, appData: producer.appData };
}

const logger = new Logger('Signalling');
