import type { Server } from 'node:http';
import type { ExecutionContext } from 'ava';
import type { types as client } from 'mediasoup-client';
import type { Browser, Page } from 'playwright-core';
import { createWorker, type types } from '../ts/index.js';
import { HANG_MS } from './browser.js';

/** What tests with the page `layers` share: a browser, the page's script, a place to load it. */
export type Stage = { browser: Browser; script: string; page: Server; url: string };

/** A tab with mediasoup-client, and its transport: one way only. */
export type Peer = {
  page: Page;
  transport: types.WebRtcTransport;
  capabilities: types.RtpCapabilities;
  /** The port of a relay to the transport, if it is reached through one. */
  port?: number;
};

export const GREEN = '#20a040';
export const GREEN_RGB = [0x20, 0xa0, 0x40];

/** How a {@link Call} differs from the ordinary. */
export type CallOptions = {
  /** Whether the viewer is in another worker, behind a pipe. */
  isPiped?: boolean;
  /** Width of the published picture. */
  width?: number;
  /** Whether the producer's payloads are said to be encrypted. */
  encrypted?: boolean;
  /** What both ends' frames are encrypted with, each byte by exclusive or; 0 for not at all. */
  key?: number;
};

/** How far a colour may be off after coding, per channel of 0 to 255. */
const COLOUR_ERROR = 40;

/** The codec for a router. */
export function videoCodec(mimeType: string): types.RouterRtpCodecCapability {
  const parameters = { 'packetization-mode': 1, 'profile-level-id': '42e01f' };
  return { kind: 'video', mimeType, clockRate: 90_000, ...(mimeType === 'video/H264' ? { parameters } : {}) };
}

/** Opens a tab. */
export async function openPeer(t: ExecutionContext<Stage>, router: types.Router): Promise<Peer> {
  const context = await t.context.browser.newContext();
  t.teardown(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(HANG_MS);
  page.on('pageerror', (error) => console.error(error.stack));
  const transport = await router.createWebRtcTransport({ listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }] });
  await page.exposeFunction('connectTransport', async (_id: string, dtlsParameters: types.DtlsParameters) => {
    await transport.connect({ dtlsParameters });
  });
  await page.goto(t.context.url);
  await page.addScriptTag({ type: 'module', content: t.context.script });
  await page.waitForFunction(() => 'LayersPeer' in window);
  const capabilities = await page.evaluate(async (routerCapabilities) => {
    window.layersPeer = new window.LayersPeer();
    return await window.layersPeer.load(routerCapabilities);
  }, router.rtpCapabilities as client.RtpCapabilities);
  return { page, transport, capabilities: capabilities as types.RtpCapabilities };
}

/** Publishes a picture of one colour. */
export async function publish(
  sender: Peer,
  wishes: {
    colour: string;
    encodings: client.RtpEncodingParameters[];
    mimeType: string;
    width?: number;
    key?: number;
    isBusy?: boolean;
  },
  encrypted = false,
): Promise<types.Producer> {
  const publish = async () => {
    await sender.page.evaluate(async ([options, wishes]) => await window.layersPeer.publish(options, wishes), [
      clientOptions(sender),
      wishes,
    ] as const);
  };
  return await produced(sender, publish, encrypted);
}

/** Publishes a tone, silent at first. */
export async function publishTone(sender: Peer, pitchHz: number): Promise<types.Producer> {
  return await produced(sender, async () => {
    await sender.page.evaluate(async ([options, pitchHz]) => await window.layersPeer.publishTone(options, pitchHz), [
      clientOptions(sender),
      pitchHz,
    ] as const);
  });
}

async function produced(sender: Peer, publish: () => Promise<void>, encrypted = false): Promise<types.Producer> {
  let producer: types.Producer | undefined;
  await sender.page.exposeFunction('produce', async (options: types.ProducerOptions) => {
    producer = await sender.transport.produce({ ...options, encrypted });
    return producer.id;
  });
  await publish();
  if (!producer) {
    throw new Error('nothing was produced');
  }
  return producer;
}

/** Lets a viewer watch, or listen. */
export async function watch(viewer: Peer, producer: types.Producer, key = 0): Promise<types.Consumer> {
  await viewer.page.evaluate(([options, key]) => window.layersPeer.receive(options, key), [
    clientOptions(viewer),
    key,
  ] as const);
  const consumer = await viewer.transport.consume({
    producerId: producer.id,
    rtpCapabilities: viewer.capabilities,
    paused: true,
  });
  const { id, producerId, kind, rtpParameters } = consumer;
  const options = { id, producerId, kind, rtpParameters } as client.ConsumerOptions;
  if (kind === 'video') {
    await viewer.page.evaluate(async (options) => await window.layersPeer.watch(options), options);
  } else {
    await viewer.page.evaluate(async (options) => await window.layersPeer.hear(options), options);
  }
  await consumer.resume();
  return consumer;
}

function clientOptions({ transport, port }: Peer): client.TransportOptions {
  const { id, iceParameters, dtlsParameters } = transport;
  const iceCandidates = transport.iceCandidates.map((candidate) => (port ? { ...candidate, port } : candidate));
  return { id, iceParameters, iceCandidates, dtlsParameters } as client.TransportOptions;
}

/** Whether two colours are the same but for what coding does to them. */
export function isNear(colour: readonly number[], expected: readonly number[]): boolean {
  return colour.every((channel, at) => Math.abs(channel - (expected[at] as number)) <= COLOUR_ERROR);
}

/** A publisher and a viewer, each in a tab, and a router between them. */
export class Call {
  readonly producer: types.Producer;
  readonly consumer: types.Consumer;
  readonly viewer: Page;

  private constructor(producer: types.Producer, consumer: types.Consumer, viewer: Page) {
    this.producer = producer;
    this.consumer = consumer;
    this.viewer = viewer;
  }

  static async open(
    t: ExecutionContext<Stage>,
    mimeType: string,
    encodings: client.RtpEncodingParameters[],
    { isPiped = false, width = 960, encrypted = false, key = 0 }: CallOptions = {},
  ): Promise<Call> {
    const router = await openRouter(t, mimeType);
    const far = isPiped ? await openRouter(t, mimeType) : router;
    const [sender, viewer] = [await openPeer(t, router), await openPeer(t, far)];
    let producer = await publish(sender, { colour: GREEN, encodings, mimeType, width, key }, encrypted);
    if (isPiped) {
      const { pipeProducer } = await router.pipeToRouter({ producerId: producer.id, router: far });
      producer = pipeProducer as types.Producer;
    }
    const consumer = await watch(viewer, producer, key);
    return new Call(producer, consumer, viewer.page);
  }

  /** Waits until the picture is so wide. */
  async untilWidth(width: number): Promise<{ width: number; colour: number[]; frame: number }> {
    await this.viewer.waitForFunction((expected) => window.layersPeer.look().width === expected, width);
    return await this.viewer.evaluate(() => window.layersPeer.look());
  }

  /** Waits until the picture's number has changed a few times. */
  async untilRunning(): Promise<void> {
    for (let change = 0; change < 3; change += 1) {
      const { frame } = await this.viewer.evaluate(() => window.layersPeer.look());
      await this.viewer.waitForFunction((before) => window.layersPeer.look().frame !== before, frame);
    }
  }

  /** Pictures decoded within some time. */
  async picturesIn(ms: number): Promise<number> {
    const before = await this.viewer.evaluate(async () => await window.layersPeer.decoded());
    await new Promise((resolve) => setTimeout(resolve, ms));
    return (await this.viewer.evaluate(async () => await window.layersPeer.decoded())) - before;
  }
}

/** A router in a worker of its own. */
async function openRouter(t: ExecutionContext<Stage>, mimeType: string): Promise<types.Router> {
  const worker = await createWorker();
  t.teardown(() => worker.close());
  return await worker.createRouter({ mediaCodecs: [videoCodec(mimeType)] });
}
