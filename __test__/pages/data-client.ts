import { Device, type types } from 'mediasoup-client';

/** What both transports of a client are made of. */
export type ClientSides = { readonly send: types.TransportOptions; readonly receive: types.TransportOptions };

/** What the test's own side does for a client. */
type Server = {
  connectTransport(side: 'send' | 'receive', params: object): Promise<void>;
  produceData(options: object): Promise<string>;
  consumeData(): Promise<types.DataConsumerOptions>;
};

/** Publishes messages with mediasoup-client, and says what another transport of it received. */
async function runDataClient(routerRtpCapabilities: types.RtpCapabilities, sides: ClientSides): Promise<string[]> {
  const server = window as unknown as Server;
  const device = await Device.factory();
  await device.load({ routerRtpCapabilities });
  const sending = device.createSendTransport(sides.send);
  const receiving = device.createRecvTransport(sides.receive);
  for (const [side, transport] of [['send', sending] as const, ['receive', receiving] as const]) {
    transport.on('connect', (params, done, failed) => {
      server.connectTransport(side, params).then(done, failed);
    });
  }
  sending.on('producedata', ({ sctpStreamParameters, label, protocol }, done, failed) => {
    server.produceData({ sctpStreamParameters, label, protocol }).then((id) => done({ id }), failed);
  });
  const producer = await sending.produceData({ label: 'chat', ordered: true });
  const consumer = await receiving.consumeData(await server.consumeData());
  const heard: string[] = [];
  const ended = new Promise<void>((resolve) => {
    consumer.on('message', (message: string | ArrayBuffer) => {
      heard.push(typeof message === 'string' ? message : `${message.byteLength} bytes`);
      if (message === 'bye') resolve();
    });
  });
  await Promise.all([producer, consumer].map(opened));
  for (const message of ['hello', new Uint8Array(1000), new Uint8Array(200_000), 'bye'])
    producer.send(message as string);
  await ended;
  return heard;
}

function opened(channel: types.DataProducer | types.DataConsumer): Promise<void> | void {
  if (channel.readyState !== 'open') {
    return new Promise((resolve) => (channel as types.DataProducer).on('open', resolve));
  }
}

/** A peer that is an `RTCPeerConnection` with data channels and nothing else. */
class DataPeer {
  readonly connection = new RTCPeerConnection();
  #channel = this.connection.createDataChannel('echo', { protocol: 'test' });
  #heard = 0;
  #sizes: number[] = [];

  async offer(): Promise<string> {
    await this.connection.setLocalDescription();
    return this.connection.localDescription?.sdp as string;
  }

  async takeAnswer(sdp: string): Promise<void> {
    await this.connection.setRemoteDescription({ type: 'answer', sdp });
    await isOpen(this.#channel);
  }

  /** Sends messages of every kind and describes what comes back. */
  async echo(): Promise<string[]> {
    const channel = this.#channel;
    channel.binaryType = 'arraybuffer';
    const long = Uint8Array.from({ length: 200_000 }, (_, at) => at % 251);
    const said: string[] = [];
    const ended = new Promise<void>((resolve) => {
      channel.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
        said.push(described(data, long, said.length));
        if (said.length === 5) resolve();
      };
    });
    // What is sent before the other side has made its ends of the channel is lost; it says so by the first message.
    const first = new Promise<void>((resolve) => channel.addEventListener('message', () => resolve(), { once: true }));
    const again = setInterval(() => said.length === 0 && channel.send('text'), 50);
    await first;
    clearInterval(again);
    await new Promise((resolve) => setTimeout(resolve, 200));
    said.length = 1;
    for (const message of ['', new Uint8Array(3), new Uint8Array(0), long]) channel.send(message as string);
    await ended;
    return said;
  }

  /** Opens a channel by the lowest free number and sends until something comes back. */
  async open(label: string): Promise<number | null> {
    this.#channel.close();
    await this.closed();
    this.#channel = this.connection.createDataChannel(label);
    await isOpen(this.#channel);
    const channel = this.#channel;
    const again = setInterval(() => channel.readyState === 'open' && channel.send('hello'), 50);
    channel.onmessage = () => {
      if (channel === this.#channel) this.#heard += 1;
      channel.onmessage = null;
      clearInterval(again);
    };
    return channel.id;
  }

  heard(): number {
    return this.#heard;
  }

  close(): void {
    this.#channel.close();
  }

  async closed(): Promise<void> {
    const channel = this.#channel;
    if (channel.readyState !== 'closed') await new Promise((resolve) => channel.addEventListener('close', resolve));
  }

  /** Opens a channel that was agreed on elsewhere. */
  async negotiated(id: number): Promise<void> {
    const channel = this.connection.createDataChannel('agreed', { negotiated: true, id });
    channel.binaryType = 'arraybuffer';
    channel.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
      this.#sizes.push(typeof data === 'string' ? data.length : data.byteLength);
    };
    await isOpen(channel);
  }

  /** Lengths of the messages that came, once there are so many. */
  async sizes(count: number): Promise<number[]> {
    while (this.#sizes.length < count) await new Promise((resolve) => setTimeout(resolve, 10));
    return this.#sizes;
  }
}

function described(data: string | ArrayBuffer, long: Uint8Array, at: number): string {
  if (typeof data === 'string') return at === 0 ? data : `text:${data}`;
  const intact = data.byteLength === long.length && new Uint8Array(data).every((byte, index) => byte === long[index]);
  return `binary:${data.byteLength}${intact ? ' intact' : ''}`;
}

async function isOpen(channel: RTCDataChannel): Promise<void> {
  if (channel.readyState !== 'open') await new Promise((resolve) => channel.addEventListener('open', resolve));
}

declare global {
  interface Window {
    runDataClient: typeof runDataClient;
    dataPeer: DataPeer;
  }
}

window.runDataClient = runDataClient;
window.dataPeer = new DataPeer();
