import type { Server } from 'node:http';
import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import type { types as client } from 'mediasoup-client';
import type { Browser, Page } from 'playwright-core';
import { createWorker, type types } from '../ts/index.js';
import { HANG_MS, launch, pageScript, servePage } from './browser.js';

const test = anyTest as TestFn<{ browser: Browser; script: string; page: Server; url: string }>;

/** Widths of the three encodings. */
const WIDTHS = [240, 480, 960];

const GREEN = '#20a040';
const GREEN_RGB = [0x20, 0xa0, 0x40];

/** How far a colour may be off after coding, per channel of 0 to 255. */
const COLOUR_ERROR = 40;

/** Simulcast as Chromium sends it: RIDs, from the smallest to the largest. */
const SIMULCAST = [
  { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 150_000, scalabilityMode: 'L1T3' },
  { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 500_000, scalabilityMode: 'L1T3' },
  { rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 1_500_000, scalabilityMode: 'L1T3' },
];

test.before(async (t) => {
  Object.assign(t.context, await servePage());
  t.context.script = await pageScript('layers');
  t.context.browser = await launch();
});

test.after.always(async (t) => {
  await t.context.browser?.close();
  t.context.page?.close();
});

for (const mimeType of ['video/VP8', 'video/VP9', 'video/H264', 'video/AV1']) {
  test.serial(`a viewer changes between three encodings of ${mimeType} and sees no seam`, async (t) => {
    const call = await Call.open(t, mimeType, SIMULCAST);
    t.is(call.producer.type, 'simulcast');
    t.is(call.consumer.type, 'simulcast');
    t.deepEqual(call.consumer.preferredLayers, { spatialLayer: 2, temporalLayer: 2 });
    await call.untilWidth(960);
    for (const spatialLayer of [0, 2, 1]) {
      await call.viewer.evaluate(() => window.layersPeer.longestGapMs());
      await call.consumer.setPreferredLayers({ spatialLayer });
      const look = await call.untilWidth(WIDTHS[spatialLayer] as number);
      t.true(isNear(look.colour, GREEN_RGB), `the colour is ${look.colour}`);
      t.is(call.consumer.currentLayers?.spatialLayer, spatialLayer);
      t.log(
        `to layer ${spatialLayer}: longest gap ${await call.viewer.evaluate(() => window.layersPeer.longestGapMs())} ms`,
      );
      await call.untilRunning();
    }
  });
}

test.serial(
  'a viewer of the lowest temporal layer gets a quarter of the pictures, and all of them again',
  async (t) => {
    const call = await Call.open(t, 'video/VP8', SIMULCAST.slice(2));
    t.is(call.consumer.type, 'svc');
    await call.untilWidth(960);
    const all = await call.picturesIn(2000);
    await call.consumer.setPreferredLayers({ spatialLayer: 0, temporalLayer: 0 });
    t.deepEqual(call.consumer.preferredLayers, { spatialLayer: 0, temporalLayer: 0 });
    await call.picturesIn(500);
    const fewer = await call.picturesIn(2000);
    await call.consumer.setPreferredLayers({ spatialLayer: 0, temporalLayer: 2 });
    await call.picturesIn(500);
    const again = await call.picturesIn(2000);
    t.log({ all, fewer, again });
    t.true(fewer > 0 && fewer < all * 0.5, `${fewer} of ${all}`);
    t.true(again > fewer * 1.5, `${again} after ${fewer}`);
  },
);

/** A publisher and a viewer, each in a tab, and a router between them. */
class Call {
  readonly producer: types.Producer;
  readonly consumer: types.Consumer;
  readonly viewer: Page;

  private constructor(producer: types.Producer, consumer: types.Consumer, viewer: Page) {
    this.producer = producer;
    this.consumer = consumer;
    this.viewer = viewer;
  }

  static async open(
    t: ExecutionContext<{ browser: Browser; script: string; page: Server; url: string }>,
    mimeType: string,
    encodings: client.RtpEncodingParameters[],
  ): Promise<Call> {
    const worker = await createWorker();
    t.teardown(() => worker.close());
    const parameters =
      mimeType === 'video/H264' ? { 'packetization-mode': 1, 'profile-level-id': '42e01f' } : undefined;
    const codec = { kind: 'video' as const, mimeType, clockRate: 90_000, ...(parameters ? { parameters } : {}) };
    const router = await worker.createRouter({ mediaCodecs: [codec] });
    const [sender, viewer] = [await openPeer(t, router), await openPeer(t, router)];
    let producer: types.Producer | undefined;
    await sender.page.exposeFunction('produce', async (options: types.ProducerOptions) => {
      producer = await sender.transport.produce(options);
      return producer.id;
    });
    await sender.page.evaluate(async ([options, wishes]) => await window.layersPeer.publish(options, wishes), [
      clientOptions(sender.transport),
      { colour: GREEN, encodings, mimeType },
    ] as const);
    if (!producer) {
      throw new Error('nothing was produced');
    }
    await viewer.page.evaluate((options) => window.layersPeer.receive(options), clientOptions(viewer.transport));
    const consumer = await viewer.transport.consume({
      producerId: producer.id,
      rtpCapabilities: viewer.capabilities,
      paused: true,
    });
    const { id, producerId, kind, rtpParameters } = consumer;
    const options = { id, producerId, kind, rtpParameters } as client.ConsumerOptions;
    await viewer.page.evaluate(async (options) => await window.layersPeer.watch(options), options);
    await consumer.resume();
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

async function openPeer(
  t: ExecutionContext<{ browser: Browser; script: string; page: Server; url: string }>,
  router: types.Router,
): Promise<{ page: Page; transport: types.WebRtcTransport; capabilities: types.RtpCapabilities }> {
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

function clientOptions(transport: types.WebRtcTransport): client.TransportOptions {
  const { id, iceParameters, iceCandidates, dtlsParameters } = transport;
  return { id, iceParameters, iceCandidates, dtlsParameters } as client.TransportOptions;
}

function isNear(colour: readonly number[], expected: readonly number[]): boolean {
  return colour.every((channel, at) => Math.abs(channel - (expected[at] as number)) <= COLOUR_ERROR);
}
