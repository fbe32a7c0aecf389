import type { Server } from 'node:http';
import type { ExecutionContext } from 'ava';
import type { types as client } from 'mediasoup-client';
import type { Browser, Page } from 'playwright-core';
import type { types } from '../ts/index.js';
import { HANG_MS } from './browser.js';

/** What tests with the page `layers` share: a browser, the page's script, a place to load it. */
export type Stage = { browser: Browser; script: string; page: Server; url: string };

/** A tab with mediasoup-client, and its transport: one way only. */
export type Peer = { page: Page; transport: types.WebRtcTransport; capabilities: types.RtpCapabilities };

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
  wishes: { colour: string; encodings: client.RtpEncodingParameters[]; mimeType: string },
): Promise<types.Producer> {
  return await produced(sender, async () => {
    await sender.page.evaluate(async ([options, wishes]) => await window.layersPeer.publish(options, wishes), [
      clientOptions(sender.transport),
      wishes,
    ] as const);
  });
}

/** Publishes a tone, silent at first. */
export async function publishTone(sender: Peer, pitchHz: number): Promise<types.Producer> {
  return await produced(sender, async () => {
    await sender.page.evaluate(async ([options, pitchHz]) => await window.layersPeer.publishTone(options, pitchHz), [
      clientOptions(sender.transport),
      pitchHz,
    ] as const);
  });
}

async function produced(sender: Peer, publish: () => Promise<void>): Promise<types.Producer> {
  let producer: types.Producer | undefined;
  await sender.page.exposeFunction('produce', async (options: types.ProducerOptions) => {
    producer = await sender.transport.produce(options);
    return producer.id;
  });
  await publish();
  if (!producer) {
    throw new Error('nothing was produced');
  }
  return producer;
}

/** Lets a viewer watch, or listen. */
export async function watch(viewer: Peer, producer: types.Producer): Promise<types.Consumer> {
  await viewer.page.evaluate((options) => window.layersPeer.receive(options), clientOptions(viewer.transport));
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

function clientOptions(transport: types.WebRtcTransport): client.TransportOptions {
  const { id, iceParameters, iceCandidates, dtlsParameters } = transport;
  return { id, iceParameters, iceCandidates, dtlsParameters } as client.TransportOptions;
}

/** Whether two colours are the same but for what coding does to them. */
export function isNear(colour: readonly number[], expected: readonly number[]): boolean {
  return colour.every((channel, at) => Math.abs(channel - (expected[at] as number)) <= COLOUR_ERROR);
}
