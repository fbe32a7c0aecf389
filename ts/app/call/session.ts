import { Device, parseScalabilityMode, type types } from 'mediasoup-client';
import { ProtooClient } from '../signalling/protoo-client';
import type { Combined, RemoteMedia, Source } from './call-state';
import { layerFor, layersOf } from './layers';

/** How to join. */
export type SessionOptions = {
  /** URL of the signalling, with room and participant. */
  readonly url: string;
  /** Name that others see. */
  readonly displayName: string;
  /** Whether media must not use UDP. */
  readonly forceTcp: boolean;
};

/** What happens in a session. */
export type SessionEvents = {
  peerJoined(id: string, name: string): void;
  peerLeft(id: string): void;
  peerRenamed(id: string, name: string): void;
  mediaAdded(peerId: string, media: RemoteMedia): void;
  /** The sound of all others as one: `mediaRemoved` tells that it ended. */
  combinedAdded(kind: 'audio' | 'video', combined: Combined): void;
  mediaPaused(consumerId: string, paused: boolean): void;
  mediaRemoved(consumerId: string): void;
  /** No way was found for media between the server and a browser of this kind. Another attempt is under way. */
  mediaBlocked(handlerName: string): void;
  /** The connection is lost; nothing more will happen. Not called after `close()`. */
  closed(code: number, reason: string): void;
};

/** One connection to a room, from joining until it breaks: signalling, two transports, what we send and receive. */
export class Session {
  readonly #protoo: ProtooClient;
  readonly #sending: types.Transport;
  readonly #receiving: types.Transport;
  readonly #events: SessionEvents;
  readonly #producers = new Map<Source, types.Producer>();
  /** Each from the moment the server offers it: what the server says of it later has to wait for it. */
  readonly #consumers = new Map<string, Promise<types.Consumer>>();
  /** The layer of each that was asked for last. */
  readonly #layers = new Map<string, number>();
  /** What was asked for last about the combined picture: it is whole when that is answered. */
  #combiningPictures: Promise<unknown> = Promise.resolve();

  private constructor(
    protoo: ProtooClient,
    sending: types.Transport,
    receiving: types.Transport,
    events: SessionEvents,
  ) {
    this.#protoo = protoo;
    this.#sending = sending;
    this.#receiving = receiving;
    this.#events = events;
  }

  /** Connects and joins. */
  static async join(options: SessionOptions, events: SessionEvents): Promise<Session> {
    let open: (session: Session) => void = () => {};
    const opened = new Promise<Session>((resolve) => {
      open = resolve;
    });
    const protoo = await ProtooClient.open(options.url, {
      onRequest: async (method, data) => (await opened).#onRequest(method, data),
      onNotification: (method, data) => void opened.then((session) => session.#onNotification(method, data)),
      onClose: (code, reason) => events.closed(code, reason),
    });
    try {
      const device = await Device.factory();
      await device.load({ routerRtpCapabilities: await protoo.request('getRouterRtpCapabilities') });
      const onFailed = () => events.mediaBlocked(device.handlerName);
      const sending = await makeTransport(protoo, device, 'producing', options.forceTcp, onFailed);
      const receiving = await makeTransport(protoo, device, 'consuming', options.forceTcp, onFailed);
      const session = new Session(protoo, sending, receiving, events);
      await session.#join(device, options.displayName);
      open(session);
      return session;
    } catch (error) {
      protoo.close();
      throw error;
    }
  }

  /** Sends a track to everyone in the room. */
  async publish(source: Source, track: MediaStreamTrack, paused: boolean): Promise<void> {
    const producer = await this.#sending.produce({
      track,
      stopTracks: false,
      appData: { source },
      codecOptions: track.kind === 'audio' ? OPUS_OPTIONS : VIDEO_OPTIONS,
      ...(source === 'camera' && { encodings: layersOf(track.getSettings().width ?? 0) }),
    });
    this.#producers.set(source, producer);
    if (paused) {
      await this.setPaused(source, true);
    }
  }

  /** Stops sending. */
  async unpublish(source: Source): Promise<void> {
    const producer = this.#producers.get(source);
    this.#producers.delete(source);
    if (producer) {
      producer.close();
      await this.#protoo.request('closeProducer', { producerId: producer.id });
    }
  }

  /** Stops and starts sending while everyone keeps waiting for more. */
  async setPaused(source: Source, paused: boolean): Promise<void> {
    const producer = this.#producers.get(source);
    if (!producer) {
      return;
    }
    if (paused) {
      producer.pause();
    } else {
      producer.resume();
    }
    await this.#protoo.request(paused ? 'pauseProducer' : 'resumeProducer', { producerId: producer.id });
  }

  /** Asks for the sound of all others as one stream, or for a stream of each. */
  async setCombinedSound(enabled: boolean): Promise<void> {
    await this.#protoo.request('setCombinedSound', { enabled });
  }

  /** Asks for the pictures of all as one, or for a picture of each. */
  async setCombinedPicture(enabled: boolean): Promise<void> {
    this.#combiningPictures = this.#protoo.request('setCombinedPicture', { enabled });
    await this.#combiningPictures;
  }

  /** Asks for a picture that is as large as it is shown, in pixels of the screen. */
  async showAt(consumerId: string, pixels: number): Promise<void> {
    const consumer = await this.#consumers.get(consumerId);
    const mode = consumer?.rtpParameters.encodings?.[0]?.scalabilityMode;
    const { spatialLayers } = parseScalabilityMode(mode);
    const spatialLayer = layerFor(pixels, spatialLayers);
    if (spatialLayers > 1 && this.#layers.get(consumerId) !== spatialLayer) {
      this.#layers.set(consumerId, spatialLayer);
      // Refused where it has just ended.
      await this.#protoo.request('setConsumerPreferredLayers', { consumerId, spatialLayer }).catch(() => {});
    }
  }

  /** Looks for new network paths while media flows on the old ones. */
  async restartIce(): Promise<void> {
    await Promise.all([this.#sending, this.#receiving].map((transport) => restartIce(this.#protoo, transport)));
  }

  /** What the browser counted: of what we send, and of what we receive. */
  async stats(): Promise<{ readonly sent: RTCStatsReport; readonly received: RTCStatsReport }> {
    const [sent, received] = await Promise.all([this.#sending.getStats(), this.#receiving.getStats()]);
    return { sent, received };
  }

  /** Leaves. */
  close(): void {
    this.#protoo.close();
    this.#sending.close();
    this.#receiving.close();
  }

  async #join(device: Device, displayName: string): Promise<void> {
    const { peers } = await this.#protoo.request<{ peers: PeerInfo[] }>('join', {
      displayName,
      device: { flag: 'browser', name: device.handlerName },
      rtpCapabilities: device.recvRtpCapabilities,
    });
    for (const { id, displayName: name } of peers) {
      this.#events.peerJoined(id, name);
    }
  }

  async #onRequest(method: string, data: NewConsumer): Promise<void> {
    if (method !== 'newConsumer') {
      throw new Error(`unknown request ${method}`);
    }
    const { id, producerId, kind, rtpParameters, peerId, producerPaused, appData } = data;
    const isCombined = appData.source === 'combined';
    const source = sourceOf(kind, appData);
    const streamId = isCombined ? 'combined' : `${peerId}-${source === 'screen' ? 'screen' : 'face'}`;
    const consuming = this.#receiving.consume({ id, producerId, kind, rtpParameters, streamId });
    this.#consumers.set(id, consuming);
    const consumer = await consuming;
    const { track, rtpReceiver: receiver } = consumer;
    if (isCombined) {
      const ready = kind === 'video' ? this.#combiningPictures : Promise.resolve();
      // Not awaited: the server takes the answer for our being ready. It closes what it cannot combine.
      void ready.catch(() => {}).then(() => this.#addCombined(kind, { consumerId: id, track }));
      return;
    }
    this.#events.mediaAdded(peerId, { consumerId: id, source, track, receiver, paused: producerPaused });
  }

  #addCombined(kind: 'audio' | 'video', combined: Combined): void {
    // Unless it ended meanwhile.
    if (this.#consumers.has(combined.consumerId)) {
      this.#events.combinedAdded(kind, combined);
    }
  }

  #onNotification(method: string, data: NotificationData): void {
    switch (method) {
      case 'newPeer':
        this.#events.peerJoined(data.id, data.displayName);
        break;
      case 'peerClosed':
        this.#events.peerLeft(data.peerId);
        break;
      case 'peerDisplayNameChanged':
        this.#events.peerRenamed(data.peerId, data.displayName);
        break;
      case 'consumerPaused':
      case 'consumerResumed':
      case 'consumerClosed':
        void this.#onConsumer(method, data.consumerId);
        break;
      case 'producerWantedLayer':
        void this.#sendUpTo(data.producerId, data.spatialLayer ?? 0);
        break;
      // The rest is scores and the like, which the page does not show.
    }
  }

  /** Sends no layers that nobody asks for. */
  async #sendUpTo(producerId: string, spatialLayer: number): Promise<void> {
    const producer = [...this.#producers.values()].find(({ id }) => id === producerId);
    if ((producer?.rtpParameters.encodings?.length ?? 0) > 1) {
      await producer?.setMaxSpatialLayer(spatialLayer);
    }
  }

  async #onConsumer(method: string, consumerId: string): Promise<void> {
    const consumer = await this.#consumers.get(consumerId);
    if (method === 'consumerClosed') {
      this.#consumers.delete(consumerId);
      this.#layers.delete(consumerId);
      consumer?.close();
      this.#events.mediaRemoved(consumerId);
    } else {
      this.#events.mediaPaused(consumerId, method === 'consumerPaused');
    }
  }
}

async function makeTransport(
  protoo: ProtooClient,
  device: Device,
  use: 'producing' | 'consuming',
  forceTcp: boolean,
  onFailed: () => void,
): Promise<types.Transport> {
  const wish = { forceTcp, producing: use === 'producing', consuming: use === 'consuming' };
  const options = await protoo.request<types.TransportOptions>('createWebRtcTransport', wish);
  const transport = use === 'producing' ? device.createSendTransport(options) : device.createRecvTransport(options);
  transport.on('connect', ({ dtlsParameters }, callback, errback) => {
    protoo.request('connectWebRtcTransport', { transportId: transport.id, dtlsParameters }).then(callback, errback);
  });
  transport.on('produce', ({ kind, rtpParameters, appData }, callback, errback) => {
    protoo
      .request<{ id: string }>('produce', { transportId: transport.id, kind, rtpParameters, appData })
      .then(callback, errback);
  });
  transport.on('connectionstatechange', (state) => {
    if (state === 'failed') {
      onFailed();
    }
    if (state === 'disconnected' || state === 'failed') {
      // Where the signalling is gone as well, its end is what counts.
      restartIce(protoo, transport).catch(() => {});
    }
  });
  return transport;
}

async function restartIce(protoo: ProtooClient, transport: types.Transport): Promise<void> {
  const iceParameters = await protoo.request<types.IceParameters>('restartIce', { transportId: transport.id });
  await transport.restartIce({ iceParameters });
}

function sourceOf(kind: types.MediaKind, { source }: { source?: unknown }): Source {
  if (kind === 'audio') {
    return 'microphone';
  }
  return source === 'screen' ? 'screen' : 'camera';
}

type PeerInfo = { readonly id: string; readonly displayName: string };

type NewConsumer = {
  readonly id: string;
  readonly producerId: string;
  readonly kind: types.MediaKind;
  readonly rtpParameters: types.RtpParameters;
  readonly peerId: string;
  readonly producerPaused: boolean;
  readonly appData: { source?: unknown };
};

type NotificationData = PeerInfo & {
  readonly peerId: string;
  readonly consumerId: string;
  readonly producerId: string;
  readonly spatialLayer: number | null;
};

const OPUS_OPTIONS = { opusDtx: true, opusFec: true };

/** Begin near a good picture instead of at the browser's 300 kbit/s. */
const VIDEO_OPTIONS = { videoGoogleStartBitrate: 1000 };
