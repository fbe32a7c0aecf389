import type { Server } from 'node:http';
import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import type { Browser, Page } from 'playwright-core';
import { createWorker, type types } from '../ts/index.js';
import { SdpSession } from '../ts/sdp/index.js';
import { launch, openTab, pageScript, servePage, until } from './browser.js';
import type { ClientSides } from './pages/data-client.js';

/** Its types know fewer header extensions, and its code passes over others. */
type ClientCapabilities = Parameters<typeof window.runDataClient>[0];

type OnChannel = (transport: types.WebRtcTransport, channel: types.RemoteDataChannel) => Promise<unknown>;

type Context = { browser: Browser; page: Server; url: string; script: string };

const test = anyTest as TestFn<Context>;

const LISTEN = { listenInfos: [{ protocol: 'udp' as const, ip: '127.0.0.1' }], enableSctp: true };

test.before(async (t) => {
  Object.assign(t.context, await servePage());
  t.context.browser = await launch();
  t.context.script = await pageScript('data-client');
});

test.after.always(async (t) => {
  await t.context.browser?.close();
  t.context.page?.close();
});

test.serial('a plain RTCPeerConnection opens channels, and its messages come back as they were', async (t) => {
  const opened: types.RemoteDataChannel[] = [];
  const { tab, transport } = await plainPeer(t, async (on, channel) => {
    opened.push(channel);
    await echo(on, channel);
  });
  const said = await tab.evaluate(() => window.dataPeer.echo());
  t.deepEqual(said, ['text', 'text:', 'binary:3', 'binary:0', 'binary:200000 intact']);
  t.is(transport.sctpState, 'connected');
  t.deepEqual(transport.sctpNegotiatedCapabilities, {
    negotiatedMaxInboundStreams: 65_535,
    negotiatedMaxOutboundStreams: 1024,
  });
  t.is(opened.length, 1);
  t.is(opened[0]?.label, 'echo');
  t.is(opened[0]?.protocol, 'test');
  t.true(opened[0]?.sctpStreamParameters.ordered);
  const [stat] = await transport.getStats();
  t.is(stat?.sctpState, 'connected');
});

test.serial('a channel is closed and its number opened again, by either side', async (t) => {
  const open = new Map<number, types.DataProducer>();
  let answering: Promise<unknown> = Promise.resolve();
  const { tab, transport } = await plainPeer(t, async (on, channel) => {
    answering = echo(on, channel).then((producer) => open.set(channel.sctpStreamParameters.streamId, producer));
    await answering;
  });
  transport.on('datachannelclose', (stream) => open.get(stream)?.close());
  await until(async () => open.has(0));
  // Browsers choose the lowest number that is free: the same each time.
  for (const round of [1, 2, 3]) {
    t.is(await tab.evaluate(() => window.dataPeer.open(`round`)), 0);
    await until(async () => (await tab.evaluate(() => window.dataPeer.heard())) === round);
    await answering;
    if (round === 2) open.get(0)?.close();
    else await tab.evaluate(() => window.dataPeer.close());
    await tab.evaluate(() => window.dataPeer.closed());
  }
  t.is(transport.sctpState, 'connected');
});

test.serial('mediasoup-client publishes data and another one receives it', async (t) => {
  const { router, tab } = await open(t);
  const [sending, receiving] = [await router.createWebRtcTransport(LISTEN), await router.createWebRtcTransport(LISTEN)];
  const sides = { send: clientSide(sending), receive: clientSide(receiving) } as ClientSides;
  await tab.exposeFunction(
    'connectTransport',
    async (side: 'send' | 'receive', params: types.WebRtcTransportConnectOptions) =>
      (side === 'send' ? sending : receiving).connect(params),
  );
  let producer: types.DataProducer | undefined;
  await tab.exposeFunction('produceData', async (options: types.DataProducerOptions) => {
    producer = await sending.produceData(options);
    return producer.id;
  });
  await tab.exposeFunction('consumeData', async () => {
    const consumer = await receiving.consumeData({ dataProducerId: producer?.id as string });
    const { id, dataProducerId, sctpStreamParameters, label, protocol } = consumer;
    return { id, dataProducerId, sctpStreamParameters, label, protocol };
  });
  const heard = await tab.evaluate(([caps, to]) => window.runDataClient(caps, to), [
    router.rtpCapabilities as ClientCapabilities,
    sides,
  ] as const);
  t.deepEqual(heard, ['hello', '1000 bytes', '200000 bytes', 'bye']);
  const [stat] = (await producer?.getStats()) ?? [];
  t.is(stat?.messagesReceived, 4);
  t.is(stat?.bytesReceived, 5 + 1000 + 200_000 + 3);
  t.is(producer?.label, 'chat');
});

test.serial('the application sends to an endpoint and learns what waits', async (t) => {
  const { tab, transport, router } = await plainPeer(t, async () => {});
  const producer = await transport.produceData({ sctpStreamParameters: { streamId: 100 } });
  const consumer = await transport.consumeData({ dataProducerId: producer.id, streamId: 101 });
  const early = await (await router.createWebRtcTransport(LISTEN)).consumeData({ dataProducerId: producer.id });
  await t.throwsAsync(early.send('too early'), { code: 'ERR_INVALID_STATE' });
  await tab.evaluate(() => window.dataPeer.negotiated(101));
  const amount = await consumer.send('x'.repeat(100_000));
  t.is(amount, 100_000);
  t.true((await consumer.send('')) <= 100_001);
  await consumer.send(Buffer.from([1, 2, 3]));
  const low = new Promise<number>((resolve) => consumer.on('bufferedamountlow', resolve));
  t.true((await low) <= 1024);
  t.deepEqual(await tab.evaluate(() => window.dataPeer.sizes(3)), [100_000, 0, 3]);
  // The last of it may not have been acknowledged yet.
  await until(async () => (await consumer.getBufferedAmount()) === 0);
  const [stat] = await consumer.getStats();
  t.is(stat?.messagesSent, 3);
  await t.throwsAsync(consumer.send(Buffer.alloc(262_145)), { instanceOf: TypeError });
});

/** A tab with a connection of its own and our end of it, connected by an offer of the tab. */
async function plainPeer(t: ExecutionContext<Context>, onChannel: OnChannel) {
  const { router, tab } = await open(t);
  const transport = await router.createWebRtcTransport(LISTEN);
  transport.on('datachannel', (channel) => {
    onChannel(transport, channel).catch((error) => t.fail(String(error)));
  });
  const session = new SdpSession({ transport, rtpCapabilities: router.rtpCapabilities });
  const { connect } = session.receiveOffer(await tab.evaluate(() => window.dataPeer.offer()));
  if (connect) await transport.connect(connect);
  await tab.evaluate((sdp) => window.dataPeer.takeAnswer(sdp), session.createAnswer());
  return { tab, transport, router };
}

async function open(t: ExecutionContext<Context>): Promise<{ router: types.Router; tab: Page }> {
  const worker = await createWorker();
  t.teardown(() => worker.close());
  const router = await worker.createRouter();
  const tab = await openTab(t.context.browser, t.context.url);
  t.teardown(() => tab.context().close());
  await tab.evaluate(async (module) => {
    await import(URL.createObjectURL(new Blob([module], { type: 'text/javascript' })));
  }, t.context.script);
  return { router, tab };
}

/** Sends what comes on a channel back on the same one. */
async function echo(transport: types.WebRtcTransport, channel: types.RemoteDataChannel): Promise<types.DataProducer> {
  const producer = await transport.produceData(channel);
  await transport.consumeData({ dataProducerId: producer.id, streamId: channel.sctpStreamParameters.streamId });
  return producer;
}

function clientSide({ id, iceParameters, iceCandidates, dtlsParameters, sctpParameters }: types.WebRtcTransport) {
  return { id, iceParameters, iceCandidates, dtlsParameters, sctpParameters };
}
