import type { Server } from 'node:http';
import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import { createWorker, type types } from '../ts/index.js';
import {
  type PeerDescription,
  parseDescription,
  SdpSession,
  type SdpSessionOptions,
  writeDescription,
} from '../ts/sdp/index.js';
import { HANG_MS, launch, launchFirefox, pageScript, servePage, type Tab, type TabBrowser, until } from './browser.js';
import type { Character, Impression } from './pages/plain-peer.js';

type BrowserName = 'Chromium' | 'Firefox';

type Context = { browsers: Readonly<Record<BrowserName, TabBrowser>>; page: Server; url: string; script: string };

const test = anyTest as TestFn<Context>;

const RED: Character = { colour: '#d02020', pitchHz: 500 };
const GREEN: Character = { colour: '#20a030', pitchHz: 900 };
const BLUE: Character = { colour: '#2040d0', pitchHz: 1500 };

test.before(async (t) => {
  Object.assign(t.context, await servePage());
  const [Chromium, Firefox] = await Promise.all([launch(), launchFirefox()]);
  t.context.browsers = { Chromium, Firefox };
  t.context.script = await pageScript('plain-peer');
});

test.after.always(async (t) => {
  await Promise.all(Object.values(t.context.browsers ?? {}).map((browser) => browser.close()));
  t.context.page?.close();
});

for (const browser of ['Chromium', 'Firefox'] as const) {
  test.serial(`${browser} offers: it publishes and views in one connection, under its own numbers`, async (t) => {
    const router = await openRouter(t);
    const red = await PlainTab.open(t, browser, router, RED);
    const green = await PlainTab.open(t, browser, router, GREEN);
    await red.publish('sendonly');
    await red.offers([]);
    // One offer that sends and receives on the same m-lines.
    await green.publish('sendrecv');
    await green.offers([red]);
    await green.until(RED);
    // And one that views in m-lines of their own, later.
    await red.page.evaluate(() => window.peer.view());
    await red.offers([green]);
    await red.until(GREEN);
    const [, video] = router.rtpCapabilities.codecs?.filter(({ mimeType }) => !mimeType.endsWith('/rtx')) ?? [];
    const received = await green.page.evaluate(() => window.peer.received());
    const vp8 = received.find(({ codec }) => codec === 'video/VP8');
    t.truthy(vp8);
    t.not(vp8?.payloadType, video?.preferredPayloadType, 'the router has another number, or the test shows nothing');
  });

  test.serial(`what ${browser} offers is read and written without a loss`, async (t) => {
    const router = await openRouter(t);
    const red = await PlainTab.open(t, browser, router, RED);
    await red.publish('sendrecv', [{ rid: 'q', scaleResolutionDownBy: 2 }, { rid: 'f' }]);
    await red.publish('sendonly');
    await red.page.evaluate(() => window.peer.view());
    await red.page.evaluate(() => void window.peer.connection.createDataChannel('chat'));
    const offer = await red.page.evaluate(() => window.peer.offer());
    const description = parseDescription(offer);
    t.deepEqual(parseDescription(writeDescription(description)), description);
    t.deepEqual(description.bundles, [description.media.map(({ mid }) => mid as string)]);
    t.deepEqual(
      description.media.map(({ kind, direction }) => `${kind} ${direction}`),
      [
        'audio sendrecv',
        'video sendrecv',
        'audio sendonly',
        'video sendonly',
        'audio recvonly',
        'video recvonly',
        'application sendrecv',
      ],
    );
    const { media } = red.session.receiveOffer(offer);
    const [, simulcast, , single] = media.map(({ produceOptions }) => produceOptions?.rtpParameters);
    t.deepEqual(simulcast?.encodings, [{ rid: 'q' }, { rid: 'f' }]);
    const [ssrc, rtx] = description.media[3]?.sourceGroups[0]?.ssrcs ?? [];
    t.deepEqual(single?.encodings, [{ ssrc, rtx: { ssrc: rtx } }]);
    t.deepEqual(
      single?.codecs.map(({ mimeType }) => mimeType),
      ['video/VP8', 'video/rtx'],
    );
    t.is(
      single?.msid,
      media[2]?.produceOptions?.rtpParameters.msid?.replace(/ .*/, single?.msid?.replace(/^\S+/, '') ?? ''),
      'one stream',
    );
    t.deepEqual(
      media.map(({ outgoing }) => outgoing),
      ['possible', 'possible', 'none', 'none', 'possible', 'possible', 'none'],
    );
  });

  test.serial(`${browser} answers: it publishes and views in one connection that the server offers`, async (t) => {
    const router = await openRouter(t);
    const red = await PlainTab.open(t, browser, router, RED);
    const green = await PlainTab.open(t, browser, router, GREEN);
    for (const peer of [red, green]) {
      peer.session.addReceiver('audio');
      peer.session.addReceiver('video');
      await peer.answers();
    }
    await red.offerView(green);
    await green.offerView(red);
    await red.until(GREEN);
    await green.until(RED);
    t.is(red.transport.dtlsState, 'connected');
  });

  for (const dtlsVersion of ['1.2', '1.3', 'auto'] as const) {
    test.serial(`${browser} is the DTLS server (${dtlsVersion}), as offerer and as answerer`, async (t) => {
      const router = await openRouter(t);
      const [red, green] = await Promise.all(
        [RED, GREEN].map((who) => PlainTab.open(t, browser, router, who, { dtlsRole: 'client' }, { dtlsVersion })),
      );
      await showEachOther(red as PlainTab, green as PlainTab);
      for (const { transport } of [red, green] as PlainTab[]) {
        t.is(transport.dtlsParameters.role, 'client');
        t.is(transport.dtlsState, 'connected');
      }
      t.like(await red?.dtls(), { role: 'server', version: WIRE_VERSIONS[dtlsVersion] });
    });
  }

  for (const dtlsVersion of ['1.3', 'auto'] as const) {
    test.serial(`${browser} is the DTLS client (${dtlsVersion}), as offerer and as answerer`, async (t) => {
      const router = await openRouter(t);
      const [red, green] = await Promise.all(
        [RED, GREEN].map((who) => PlainTab.open(t, browser, router, who, {}, { dtlsVersion })),
      );
      await showEachOther(red as PlainTab, green as PlainTab);
      t.is(red?.transport.dtlsParameters.role, 'server');
      t.like(await red?.dtls(), { role: 'client', version: WIRE_VERSIONS[dtlsVersion] });
    });
  }

  test.serial(`m-lines with ${browser} come and go, by both sides, while pictures move on`, async (t) => {
    const router = await openRouter(t);
    const [red, green, blue] = (await Promise.all(
      [RED, GREEN, BLUE].map((character) => PlainTab.open(t, browser, router, character)),
    )) as [PlainTab, PlainTab, PlainTab];
    for (const peer of [red, green, blue]) {
      await peer.publish('sendonly');
      await peer.offers([]);
    }
    // The peer's own numbers are 0 and 1; the server adds two, then two more.
    const fromGreen = await red.offerView(green);
    await red.until(GREEN);
    const fromBlue = await red.offerView(blue);
    const { stream, frame: before = 0 } = await red.until(BLUE);
    await red.longestGapMs(stream);
    // The server closes the first two.
    for (const mid of fromGreen) red.session.closeMedia(mid);
    await red.answers();
    t.deepEqual(await red.mids(), ['0', '1', ...fromBlue]);
    // Their places are used again, under new MIDs.
    const again = await red.offerView(green);
    t.is(again.filter((mid) => fromGreen.includes(mid)).length, 0);
    const offer = await red.page.evaluate(() => window.peer.connection.remoteDescription?.sdp as string);
    t.deepEqual(midsOf(offer), ['0', '1', ...again, ...fromBlue]);
    await red.until(GREEN);
    // The peer stops its picture and adds another one by an offer of its own.
    await red.page.evaluate(() => window.peer.stop('1'));
    const stopped = await red.offers([]);
    t.like(stopped.media[1], { closed: true, incoming: 'stopped' });
    await red.publish('sendonly');
    const added = await red.offers([]);
    t.is(added.media.filter(({ incoming }) => incoming === 'started').length, 2);
    const { frame: after = 0 } = await red.until(BLUE, (now) => (now.frame ?? 0) > before + 30);
    const longestGapMs = await red.longestGapMs(stream);
    t.log(`frames of blue from ${before} to ${after}, longest gap ${longestGapMs.toFixed(0)} ms`);
    t.true(longestGapMs < LONGEST_GAP_MS[browser]);
  });

  test.serial(`what ${browser} stops sending, it sends again on the same m-line`, async (t) => {
    const router = await openRouter(t);
    const red = await PlainTab.open(t, browser, router, RED);
    const green = await PlainTab.open(t, browser, router, GREEN);
    await green.publish('sendonly');
    await green.offers([]);
    await red.page.evaluate(() => window.peer.view());
    await red.offers([green]);
    await red.until(GREEN);
    await green.direct('inactive');
    const held = await green.offers([]);
    t.deepEqual(
      held.media.map(({ incoming, closed }) => [incoming, closed]),
      [
        ['stopped', false],
        ['stopped', false],
      ],
    );
    await green.direct('sendonly');
    const back = await green.offers([]);
    t.deepEqual(
      back.media.map(({ incoming }) => incoming),
      ['started', 'started'],
    );
    for (const mid of red.sending) red.session.stopSending(mid);
    await red.answers();
    await red.offerView(green);
    await red.until(GREEN);
  });

  test.serial(
    `data channels of ${browser} are refused where the transport has none, and media flows beside`,
    async (t) => {
      const router = await openRouter(t);
      const red = await PlainTab.open(t, browser, router, RED);
      await red.publish('sendonly');
      await red.page.evaluate(() => void window.peer.connection.createDataChannel('chat'));
      const { media } = await red.offers([]);
      t.like(media[2], { kind: 'application', closed: true });
      t.regex(media[2]?.refusal ?? '', /SCTP/);
      await until(async () => (await red.page.evaluate(() => window.peer.connection.connectionState)) === 'connected');
      t.is(red.transport.dtlsState, 'connected');
    },
  );

  test.serial(`simulcast of ${browser} that is refused leaves one stream, which flows`, async (t) => {
    const router = await openRouter(t);
    const red = await PlainTab.open(t, browser, router, { ...RED, scale: LARGE }, { enableSimulcast: false });
    await red.publish('sendonly', LAYERS);
    const { media } = await red.offers([]);
    t.deepEqual(media[1]?.produceOptions?.rtpParameters.encodings, [{}]);
    const green = await PlainTab.open(t, browser, router, GREEN);
    await green.page.evaluate(() => window.peer.view());
    await green.offers([red]);
    await green.until(RED);
  });

  for (const way of ['offers', 'is asked for'] as const) {
    test.serial(`simulcast that ${browser} ${way} is what a viewer chooses from`, async (t) => {
      const router = await openRouter(t);
      const red = await PlainTab.open(t, browser, router, { ...RED, scale: LARGE });
      if (way === 'offers') {
        await red.publish('sendonly', LAYERS);
      } else {
        red.session.addReceiver('audio');
        red.session.addReceiver(
          'video',
          LAYERS.map(({ rid }) => rid),
        );
      }
      const { media } = way === 'offers' ? await red.offers([]) : await red.answers();
      t.deepEqual(
        media[1]?.produceOptions?.rtpParameters.encodings,
        LAYERS.map(({ rid }) => ({ rid })),
      );
      t.is(await red.encodings(), LAYERS.length);
      const green = await PlainTab.open(t, browser, router, GREEN);
      await green.page.evaluate(() => window.peer.view());
      await green.offers([red]);
      const consumer = green.consumers.find(({ type }) => type === 'simulcast') as types.Consumer;
      // Encodings that the server asks for have no scale of their own, so all but their order is the browser's choice.
      const widths = way === 'offers' ? LAYERS.map(({ scaleResolutionDownBy }) => WIDTH / scaleResolutionDownBy) : [];
      for (const spatialLayer of [0, 1, 0]) {
        await consumer.setPreferredLayers({ spatialLayer });
        const { frame = 0 } = await green.until(RED, () => consumer.currentLayers?.spatialLayer === spatialLayer);
        await green.until(RED, (now) => (now.frame ?? 0) > frame);
        const width = widths[spatialLayer];
        if (width) await until(async () => (await green.page.evaluate(() => window.peer.widths())).includes(width));
      }
    });
  }

  test.serial(`ICE restarts with ${browser} by an offer of either side while pictures move on`, async (t) => {
    const router = await openRouter(t);
    const red = await PlainTab.open(t, browser, router, RED);
    const green = await PlainTab.open(t, browser, router, GREEN);
    await green.publish('sendonly');
    await green.offers([]);
    await red.page.evaluate(() => window.peer.view());
    await red.offers([green]);
    const { frame = 0 } = await red.until(GREEN);
    await red.page.evaluate(() => window.peer.connection.restartIce());
    const { iceRestart } = await red.offers([]);
    t.true(iceRestart);
    await green.transport.restartIce();
    await green.answers();
    await red.until(GREEN, (now) => (now.frame ?? 0) > frame + 30);
  });
}

/** The DTLS version that browsers end up with, as they tell it; they have DTLS 1.3 without being asked. */
const WIRE_VERSIONS = { '1.2': 'FEFD', '1.3': 'FEFC', auto: 'FEFC' } as const;

/** One offers and one is offered to, and each sees and hears the other. */
async function showEachOther(offering: PlainTab, answering: PlainTab): Promise<void> {
  answering.session.addReceiver('audio');
  answering.session.addReceiver('video');
  await answering.answers();
  await offering.publish('sendrecv');
  await offering.offers([answering]);
  await answering.offerView(offering);
  await Promise.all([offering, answering].map((peer) => peer.until(peer === offering ? GREEN : RED)));
}

/** How much larger a picture is that browsers make layers of, and its width in pixels. */
const LARGE = 3;
const WIDTH = 320 * LARGE;

/** Layers of simulcast, the smallest first. */
const LAYERS = [
  { rid: 'q', scaleResolutionDownBy: 4 },
  { rid: 'h', scaleResolutionDownBy: 2 },
  { rid: 'f', scaleResolutionDownBy: 1 },
];

/**
 * Longest pauses between pictures in ms. Firefox begins its other pictures anew when an m-line is used again, and asks for the
 * key frame after about a second.
 */
const LONGEST_GAP_MS: Readonly<Record<BrowserName, number>> = { Chromium: 2000, Firefox: 4000 };

/** How far a colour may be off after coding, per channel of 0 to 255. */
const COLOUR_ERROR = 40;

/** How far a pitch may be off, in Hz: the spectrum has a line every 6 Hz. */
const PITCH_ERROR_HZ = 12;

function is({ colour, pitchHz }: Character, impression: Impression): boolean {
  const channels = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
  const isSeen = impression.colour?.every((value, index) => Math.abs(value - (channels[index] ?? 0)) < COLOUR_ERROR);
  return isSeen === true && impression.pitchHz !== undefined && Math.abs(impression.pitchHz - pitchHz) < PITCH_ERROR_HZ;
}

/** The MIDs of a description's m-lines in their order. */
function midsOf(sdp: string): string[] {
  return [...sdp.matchAll(/^a=mid:(\S+)/gm)].map(([, mid]) => mid as string);
}

async function openRouter(t: ExecutionContext<Context>): Promise<types.Router> {
  const worker = await createWorker();
  t.teardown(() => worker.close());
  return worker.createRouter({
    mediaCodecs: [
      { kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2 },
      { kind: 'video', mimeType: 'video/VP8', clockRate: 90_000 },
    ],
  });
}

/** A plain peer in a tab, with our end of its connection. */
class PlainTab {
  readonly page: Tab;
  readonly transport: types.WebRtcTransport;
  readonly session: SdpSession;
  /** M-lines on which something is sent to the peer. */
  readonly sending: string[] = [];
  readonly consumers: types.Consumer[] = [];
  readonly #producers = new Map<string, types.Producer>();
  #waiting: types.Consumer[] = [];

  private constructor(page: Tab, transport: types.WebRtcTransport, session: SdpSession) {
    this.page = page;
    this.transport = transport;
    this.session = session;
  }

  static async open(
    t: ExecutionContext<Context>,
    browser: BrowserName,
    router: types.Router,
    character: Character,
    options: Partial<SdpSessionOptions> = {},
    transportOptions: Pick<types.WebRtcTransportOptions, 'dtlsVersion'> = {},
  ): Promise<PlainTab> {
    const listenInfos = [{ protocol: 'udp', ip: '127.0.0.1' }] as const;
    const transport = await router.createWebRtcTransport({ listenInfos: [...listenInfos], ...transportOptions });
    const session = new SdpSession({ transport, rtpCapabilities: router.rtpCapabilities, ...options });
    const page = await t.context.browsers[browser].newPage();
    t.teardown(() => page.close());
    page.on('pageerror', (error) => console.error(`${browser}:`, error));
    await page.goto(t.context.url);
    await page.evaluate(async (module) => {
      await import(URL.createObjectURL(new Blob([module], { type: 'text/javascript' })));
    }, t.context.script);
    await page.evaluate((who) => {
      window.peer = new window.PlainPeer(who);
    }, character);
    return new PlainTab(page, transport, session);
  }

  async publish(direction: 'sendonly' | 'sendrecv', encodings: RTCRtpEncodingParameters[] = []): Promise<void> {
    await this.page.evaluate((as) => window.peer.publish(as.direction, as.encodings), { direction, encodings });
  }

  /** Lets the peer send or not on the m-lines that it offered. */
  async direct(direction: RTCRtpTransceiverDirection): Promise<void> {
    await this.page.evaluate((to) => {
      for (const transceiver of window.peer.connection.getTransceivers()) transceiver.direction = to;
    }, direction);
  }

  /** The peer offers, and gets in its m-lines what others publish. */
  async offers(others: readonly PlainTab[]): Promise<PeerDescription> {
    const description = this.session.receiveOffer(await this.page.evaluate(() => window.peer.offer()));
    await this.#apply(description);
    const sources = others.flatMap((other) => [...other.#producers.values()]);
    for (const { mid, kind, consumeOptions } of description.media.filter((one) => one.consumeOptions)) {
      const at = sources.findIndex((producer) => producer.kind === kind);
      const [source] = at < 0 ? [] : sources.splice(at, 1);
      if (source && consumeOptions) await this.#send(mid, source, consumeOptions);
    }
    const answer = this.session.createAnswer();
    await this.page.evaluate((sdp) => window.peer.takeAnswer(sdp), answer);
    await this.#resume();
    return description;
  }

  /** The server offers m-lines with what another one publishes. */
  async offerView(other: PlainTab): Promise<string[]> {
    const mids: string[] = [];
    for (const source of other.#producers.values()) {
      const { mid, consumeOptions } = this.session.addSender(source.kind);
      await this.#send(mid, source, consumeOptions);
      mids.push(mid);
    }
    await this.answers();
    return mids;
  }

  /** The peer answers what the server offers. */
  async answers(): Promise<PeerDescription> {
    const answer = await this.page.evaluate((sdp) => window.peer.answer(sdp), this.session.createOffer());
    const description = this.session.receiveAnswer(answer);
    await this.#apply(description);
    await this.#resume();
    return description;
  }

  /** Waits until another one is seen and heard. */
  async until(other: Character, fits: (impression: Impression) => boolean = () => true): Promise<Impression> {
    let all: Impression[] = [];
    const deadline = performance.now() + HANG_MS;
    while (performance.now() < deadline) {
      all = await this.page.evaluate(() => window.peer.impressions());
      const found = all.find((impression) => is(other, impression));
      if (found && fits(found)) {
        return found;
      }
    }
    throw new Error(`it never saw ${JSON.stringify(other)}; the last was ${JSON.stringify(all)}`);
  }

  /** The peer's role and what was agreed upon in the DTLS handshake. */
  dtls(): Promise<{ role?: string; version?: string; cipher?: string; srtpCipher?: string }> {
    return this.page.evaluate(() => window.peer.dtls());
  }

  /** Longest time in ms between two pictures of a stream since the last question. */
  longestGapMs(stream: string): Promise<number> {
    return this.page.evaluate((of) => window.peer.longestGapMs(of), stream);
  }

  /** M-lines that are open. */
  mids(): Promise<string[]> {
    return this.page.evaluate(() => window.peer.mids());
  }

  /** Streams that the peer's picture has. */
  async encodings(): Promise<number> {
    return this.page.evaluate(() => {
      const senders = window.peer.connection.getSenders().filter(({ track }) => track?.kind === 'video');
      return senders[0]?.getParameters().encodings.length ?? 0;
    });
  }

  async #send(mid: string, source: types.Producer, options: Pick<types.ConsumerOptions, 'rtpCapabilities'>) {
    const consumer = await this.transport.consume({ producerId: source.id, ...options, paused: true });
    this.session.send(mid, consumer.rtpParameters);
    this.sending.push(mid);
    this.consumers.push(consumer);
    this.#waiting.push(consumer);
  }

  async #resume(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const consumer of waiting) await consumer.resume();
  }

  /** Does to the transport what a description of the peer means. */
  async #apply({ connect, iceRestart, media }: PeerDescription): Promise<void> {
    if (connect) await this.transport.connect(connect);
    if (iceRestart) await this.transport.restartIce();
    for (const { mid, incoming, produceOptions } of media) {
      if (incoming === 'stopped' || incoming === 'changed') {
        this.#producers.get(mid)?.close();
        this.#producers.delete(mid);
      }
      if (produceOptions && (incoming === 'started' || incoming === 'changed')) {
        this.#producers.set(mid, await this.transport.produce(produceOptions));
      }
    }
  }
}
