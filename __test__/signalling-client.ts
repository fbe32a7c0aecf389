import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { Server } from '../ts/server/server.js';

/** Long enough for a busy machine; only what hangs takes so long. */
export const HANG_MS = 30_000;

/** A message as it came. */
export type Received = { readonly id?: number; readonly method?: string; readonly data?: never } & Record<
  string,
  unknown
>;

/** A client of the signalling that says exactly what a test wants. */
export class SignallingClient {
  readonly socket: WebSocket;
  /** How the server closed the connection. */
  readonly closed: Promise<{ code: number; reason: string }>;
  /** Everything that came and was not taken yet. */
  readonly #received: Received[] = [];
  readonly #waiting = new Set<Waiting>();
  #nextId = 0;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data) => this.#receive(JSON.parse(String(data))));
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      socket.once('close', (code, reason) => resolve({ code, reason: String(reason) }));
    });
    void this.closed.then(({ code, reason }) => {
      for (const waiting of this.#waiting) {
        waiting.reject(new Error(`closed with ${code}: ${reason}`));
      }
    });
  }

  /** Connects to a room. */
  static async connect(server: Server, roomId: string, peerId: string): Promise<SignallingClient> {
    const client = new SignallingClient(new WebSocket(signallingUrl(server, roomId, peerId), 'protoo'));
    await once(client.socket, 'open');
    return client;
  }

  /** Connects and joins, able to receive everything. */
  static async join(server: Server, roomId: string, peerId: string): Promise<SignallingClient> {
    const client = await SignallingClient.connect(server, roomId, peerId);
    const rtpCapabilities = await client.ask('getRouterRtpCapabilities');
    await client.ask('join', { displayName: peerId, device: {}, rtpCapabilities });
    return client;
  }

  /** Asks and takes the answer's data; throws the refusal. */
  async ask<T = Record<string, never>>(method: string, data: unknown = {}): Promise<T> {
    const id = this.#nextId;
    this.#nextId += 1;
    this.say({ request: true, id, method, data });
    const answer = await this.take((message) => message.response === true && message.id === id);
    if (!answer.ok) {
      throw Object.assign(new Error(String(answer.errorReason)), { status: answer.errorCode });
    }
    return answer.data as T;
  }

  /** Asks and takes the status of the refusal. */
  async refused(method: string, data: unknown = {}): Promise<{ status: unknown; message: string }> {
    try {
      await this.ask(method, data);
    } catch (error) {
      return { status: (error as { status?: unknown }).status, message: (error as Error).message };
    }
    throw new Error(`${method} was not refused`);
  }

  /** Takes the first message, past or future, with this method. */
  async next<T = Record<string, never>>(method: string): Promise<T> {
    return (await this.take((message) => message.method === method)).data as T;
  }

  /** Takes the first request of the server with this method, and accepts it. */
  async accept<T = Record<string, never>>(method: string): Promise<T> {
    const { id, data } = await this.take((message) => message.method === method && message.request === true);
    this.say({ response: true, id, ok: true, data: {} });
    return data as T;
  }

  /** Takes the first message, past or future, that fits. */
  async take(fits: (message: Received) => boolean): Promise<Received> {
    const index = this.#received.findIndex(fits);
    if (index >= 0) {
      return this.#received.splice(index, 1)[0] as Received;
    }
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(() => waiting.reject(new Error('nothing came')), HANG_MS);
      const end = (settle: () => void) => {
        clearTimeout(timer);
        this.#waiting.delete(waiting);
        settle();
      };
      const waiting: Waiting = {
        fits,
        resolve: (message) => end(() => resolve(message)),
        reject: (error) => end(() => reject(error)),
      };
      this.#waiting.add(waiting);
    });
  }

  /** How many messages with this method came and were not taken. */
  count(method: string): number {
    return this.#received.filter((message) => message.method === method).length;
  }

  /** Sends an object, or a text as it is. */
  say(message: object | string): void {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  /** Opens a transport; answers its id. */
  async openTransport(use: 'producing' | 'consuming'): Promise<string> {
    const { id } = await this.ask<{ id: string }>('createWebRtcTransport', {
      producing: use === 'producing',
      consuming: use === 'consuming',
    });
    return id;
  }

  /** Publishes a video that never sends a packet; answers the producer's id. */
  async publish(transportId: string, ssrc: number): Promise<string> {
    const rtpParameters = {
      mid: String(ssrc),
      codecs: [{ mimeType: 'video/VP8', payloadType: 96, clockRate: 90_000, rtcpFeedback: [{ type: 'nack' }] }],
      encodings: [{ ssrc }],
      rtcp: { cname: 'test' },
    };
    const { id } = await this.ask<{ id: string }>('produce', {
      transportId,
      kind: 'video',
      rtpParameters,
      appData: { source: 'camera' },
    });
    return id;
  }

  /** Goes without a word. */
  drop(): void {
    this.socket.terminate();
  }

  #receive(message: Received): void {
    const waiting = [...this.#waiting].find(({ fits }) => fits(message));
    if (waiting) {
      waiting.resolve(message);
    } else {
      this.#received.push(message);
    }
  }
}

type Waiting = {
  readonly fits: (message: Received) => boolean;
  readonly resolve: (message: Received) => void;
  readonly reject: (error: Error) => void;
};

/** The address of a room's signalling. */
export function signallingUrl(server: Server, roomId: string, peerId: string): string {
  return `${server.urls.protoo[0]}?roomId=${roomId}&peerId=${peerId}`;
}
