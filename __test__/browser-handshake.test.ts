import type { Server } from 'node:http';
import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import { createWorker, type types } from '../ts/index.js';
import { SdpSession } from '../ts/sdp/index.js';
import { launch, launchFirefox, servePage, type Tab, type TabBrowser, until } from './browser.js';
import { Relay, type Weather } from './peers/relay.js';

type BrowserName = 'Chromium' | 'Firefox';

type Context = { browsers: Record<BrowserName, TabBrowser>; page: Server; url: string };

const test = anyTest as TestFn<Context>;

test.before(async (t) => {
  Object.assign(t.context, await servePage());
  const [Chromium, Firefox] = await Promise.all([launch(), launchFirefox()]);
  t.context.browsers = { Chromium, Firefox };
});

test.after.always(async (t) => {
  await Promise.all(Object.values(t.context.browsers ?? {}).map((browser) => browser.close()));
  t.context.page?.close();
});

/** The relay holds a datagram back until the next one went, while a handshake is young. */
const SWAPPED = 6;

/** The relay loses so many datagrams of a handshake. */
const LOST = 8;

const WEATHERS: readonly [string, () => Weather][] = [
  ['swaps the datagrams of its handshake', () => ({ isHeldBack: (number) => number % 2 === 0 && number < SWAPPED })],
  ['loses every other datagram of its handshake', () => ({ isLost: (number) => number % 2 === 0 && number < LOST })],
  ['loses the first flight of both sides', () => ({ isLost: (number) => number < 2 })],
];

for (const browser of ['Chromium', 'Firefox'] as const) {
  for (const [what, weather] of WEATHERS) {
    test.serial(`${browser} connects through a relay that ${what}`, async (t) => {
      const { page, transport, relay } = await connecting(t, browser, weather());
      await until(async () => (await page.evaluate(() => window.connection.connectionState)) === 'connected');
      t.is(transport.dtlsState, 'connected');
      t.true(relay.disturbed >= 2, `the relay disturbed ${relay.disturbed} datagrams`);
    });
  }

  test.serial(`the post-quantum ClientHello of ${browser} comes in two datagrams`, async (t) => {
    const { page, relay } = await connecting(t, browser, {});
    await until(async () => (await page.evaluate(() => window.connection.connectionState)) === 'connected');
    const [first, second] = relay.handshake;
    for (const datagram of [first, second]) {
      t.is(datagram?.[0], 22, 'a handshake record');
      t.is(datagram?.[13], 1, 'of a ClientHello');
      t.is(datagram?.readUInt16BE(17), 0, 'the same message');
    }
    t.is(first?.readUIntBE(19, 3), 0, 'its start');
    t.true((second?.readUIntBE(19, 3) ?? 0) > 0, 'its end');
  });
}

declare global {
  interface Window {
    connection: RTCPeerConnection;
  }
}

/** A tab that connects to a transport through a relay. */
async function connecting(
  t: ExecutionContext<Context>,
  browser: BrowserName,
  weather: Weather,
): Promise<{ page: Tab; transport: types.WebRtcTransport; relay: Relay }> {
  const worker = await createWorker();
  t.teardown(() => worker.close());
  const router = await worker.createRouter({
    mediaCodecs: [{ kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2 }],
  });
  const transport = await router.createWebRtcTransport({ listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }] });
  const [candidate] = transport.iceCandidates as [types.IceCandidate];
  const relay = await Relay.open(candidate.port, weather);
  t.teardown(() => relay.close());
  const page = await t.context.browsers[browser].newPage();
  t.teardown(() => page.close());
  await page.goto(t.context.url);
  const { iceParameters, dtlsParameters } = transport;
  const relayed = { iceParameters, dtlsParameters, iceCandidates: [{ ...candidate, port: relay.port }] };
  const session = new SdpSession({ transport: relayed, rtpCapabilities: router.rtpCapabilities });
  const { connect } = session.receiveOffer(await page.evaluate(makeOffer));
  await transport.connect(connect as types.WebRtcTransportConnectOptions);
  await page.evaluate(takeAnswer, session.createAnswer());
  return { page, transport, relay };
}

/** In the page. */
async function makeOffer(): Promise<string> {
  window.connection = new RTCPeerConnection();
  window.connection.addTransceiver('audio', { direction: 'sendonly' });
  await window.connection.setLocalDescription();
  return window.connection.localDescription?.sdp as string;
}

/** In the page. */
async function takeAnswer(sdp: string): Promise<void> {
  await window.connection.setRemoteDescription({ type: 'answer', sdp });
}
