// Endpoints that speak plain RTP, by others: each sends a picture and a tone into one transport and receives both from
// another one, with and without SRTP, RTCP on the same port or not, told or learned, over IPv4 and IPv6.

import test, { type ExecutionContext } from 'ava';
import { createWorker, type types } from '../ts/index.js';
import {
  CODECS,
  type Codec,
  ffmpegDecodes,
  ffmpegSends,
  flawsOfPicture,
  flawsOfTone,
  freePlace,
  gstreamerDecodes,
  gstreamerSends,
  type Place,
} from './peers/foreign.js';

/** How an endpoint is reached. */
type Way = {
  readonly ip: '127.0.0.1' | '::1';
  readonly rtcpMux: boolean;
  readonly comedia: boolean;
  readonly suite?: types.SrtpCryptoSuite;
};

const PLAIN: Way = { ip: '127.0.0.1', rtcpMux: true, comedia: false };

test.serial('FFmpeg sends and receives Opus and VP8: learned, RTCP apart', async (t) => {
  await byFfmpeg(t, CODECS.vp8, { ...PLAIN, rtcpMux: false, comedia: true });
});

test.serial('FFmpeg sends and receives Opus and VP9: told, over IPv6', async (t) => {
  await byFfmpeg(t, CODECS.vp9, { ...PLAIN, ip: '::1' });
});

test.serial('FFmpeg sends and receives Opus and H.264: AES_CM_128_HMAC_SHA1_80, learned, RTCP apart', async (t) => {
  await byFfmpeg(t, CODECS.h264, { ...PLAIN, rtcpMux: false, comedia: true, suite: 'AES_CM_128_HMAC_SHA1_80' });
});

test.serial('FFmpeg sends and receives Opus and H.265: AES_CM_128_HMAC_SHA1_32, told, RTCP apart', async (t) => {
  await byFfmpeg(t, CODECS.h265, { ...PLAIN, rtcpMux: false, suite: 'AES_CM_128_HMAC_SHA1_32' });
});

test.serial('GStreamer sends and receives Opus and VP8: AEAD_AES_128_GCM, told', async (t) => {
  await byGstreamer(t, CODECS.vp8, { ...PLAIN, suite: 'AEAD_AES_128_GCM' });
});

test.serial('GStreamer sends and receives Opus and VP9: AEAD_AES_256_GCM, learned, over IPv6', async (t) => {
  await byGstreamer(t, CODECS.vp9, { ...PLAIN, ip: '::1', comedia: true, suite: 'AEAD_AES_256_GCM' });
});

test.serial('GStreamer sends and receives Opus and H.264: learned', async (t) => {
  await byGstreamer(t, CODECS.h264, { ...PLAIN, comedia: true });
});

test.serial(
  'what GStreamer sends under AES_CM_128_HMAC_SHA1_32 FFmpeg receives under AES_CM_128_HMAC_SHA1_80',
  async (t) => {
    const router = await openRouter(t);
    const way: Way = { ...PLAIN, suite: 'AES_CM_128_HMAC_SHA1_32' };
    const producer = await published(t, router, CODECS.vp8, way, gstreamerSends);
    const viewer = await openViewer(t, router, producer, { ...way, suite: 'AES_CM_128_HMAC_SHA1_80' });
    t.deepEqual(flawsOfPicture(await ffmpegDecodes(t, viewer.place, viewer.consumer, viewer.srtp)), []);
  },
);

async function byFfmpeg(t: ExecutionContext, video: Codec, way: Way): Promise<void> {
  await call(t, video, way, ffmpegSends, ({ place, consumer, srtp }) => ffmpegDecodes(t, place, consumer, srtp));
}

async function byGstreamer(t: ExecutionContext, video: Codec, way: Way): Promise<void> {
  const decodes = ({ place, consumer, srtp }: Viewer) => {
    const codec = consumer.kind === 'audio' ? CODECS.opus : video;
    return gstreamerDecodes(t, place, consumer, codec, srtp);
  };
  await call(t, video, way, gstreamerSends, decodes);
}

/** Brings a tone and a picture from a sender to a receiver, and looks at what became of them. */
async function call(
  t: ExecutionContext,
  video: Codec,
  way: Way,
  sends: typeof ffmpegSends,
  decodes: (viewer: Viewer) => Promise<Buffer>,
): Promise<void> {
  const router = await openRouter(t);
  const sound = await published(t, router, CODECS.opus, way, sends);
  t.deepEqual(flawsOfTone(await decodes(await openViewer(t, router, sound, way))), []);
  const picture = await published(t, router, video, way, sends);
  t.deepEqual(flawsOfPicture(await decodes(await openViewer(t, router, picture, way))), []);
}

async function openRouter(t: ExecutionContext): Promise<types.Router> {
  const worker = await createWorker();
  t.teardown(() => worker.close());
  const mediaCodecs = Object.values(CODECS).map((codec: Codec) => ({
    kind: codec.mimeType.startsWith('audio/') ? ('audio' as const) : ('video' as const),
    mimeType: codec.mimeType as types.RtpCodecCapability['mimeType'],
    preferredPayloadType: codec.payloadType,
    clockRate: codec.clockRate,
    ...(codec.channels && { channels: codec.channels }),
    ...(codec.parameters && { parameters: codec.parameters }),
  }));
  return worker.createRouter({ mediaCodecs });
}

function openTransport(router: types.Router, { ip, rtcpMux, comedia, suite }: Way): Promise<types.PlainTransport> {
  return router.createPlainTransport({
    listenInfo: { protocol: 'udp', ip },
    rtcpMux,
    comedia,
    ...(suite && { enableSrtp: true, srtpCryptoSuite: suite }),
  });
}

/** What a program sends, as a Producer that receives. */
async function published(
  t: ExecutionContext,
  router: types.Router,
  codec: Codec,
  way: Way,
  sends: typeof ffmpegSends,
): Promise<types.Producer> {
  const transport = await openTransport(router, way);
  const place = await freePlace(way.ip);
  const ssrc = 1000 + codec.payloadType;
  const producer = await transport.produce({
    kind: codec.mimeType.startsWith('audio/') ? 'audio' : 'video',
    rtpParameters: { codecs: [codecParameters(codec)], encodings: [{ ssrc }] },
  });
  const srtp = way.suite && keyOf(way.suite);
  const learned = [
    ...(way.comedia ? [happened(transport, 'tuple')] : []),
    ...(way.comedia && !way.rtcpMux ? [happened(transport, 'rtcptuple')] : []),
  ];
  if (srtp || !way.comedia) {
    const { ip, port, rtcpPort } = place;
    await transport.connect({
      ...(!way.comedia && { ip, port, ...(!way.rtcpMux && { rtcpPort }) }),
      ...(srtp && { srtpParameters: srtp }),
    });
  }
  t.is(transport.tuple.remotePort, way.comedia ? undefined : place.port);
  sends(t, place, transport, { codec, ssrc, srtp });
  await Promise.all(learned);
  t.is(transport.tuple.remotePort, place.port);
  t.is(transport.tuple.remoteIp, way.ip);
  t.is(transport.rtcpTuple?.remotePort, way.rtcpMux ? undefined : place.rtcpPort);
  return producer;
}

type Viewer = {
  readonly place: Place;
  readonly consumer: types.Consumer;
  readonly srtp: types.SrtpParameters | undefined;
};

/** A place where a program can receive a Producer. */
async function openViewer(
  t: ExecutionContext,
  router: types.Router,
  producer: types.Producer,
  way: Way,
): Promise<Viewer> {
  const transport = await openTransport(router, { ...way, comedia: false });
  const place = await freePlace(way.ip);
  const { ip, port, rtcpPort } = place;
  await transport.connect({
    ip,
    port,
    ...(!way.rtcpMux && { rtcpPort }),
    ...(way.suite && { srtpParameters: keyOf(way.suite) }),
  });
  const consumer = await transport.consume({
    producerId: producer.id,
    rtpCapabilities: router.rtpCapabilities,
    enableRtx: false,
  });
  t.is(transport.srtpParameters?.cryptoSuite, way.suite);
  return { place, consumer, srtp: transport.srtpParameters };
}

function codecParameters({ mimeType, payloadType, clockRate, channels, parameters }: Codec): types.RtpCodecParameters {
  return {
    mimeType: mimeType as types.RtpCodecParameters['mimeType'],
    payloadType,
    clockRate,
    ...(channels && { channels }),
    ...(parameters && { parameters }),
  };
}

/** A key that a program makes for its side. */
function keyOf(cryptoSuite: types.SrtpCryptoSuite): types.SrtpParameters {
  const length = {
    AEAD_AES_256_GCM: 44,
    AEAD_AES_128_GCM: 28,
    AES_CM_128_HMAC_SHA1_80: 30,
    AES_CM_128_HMAC_SHA1_32: 30,
  };
  return { cryptoSuite, keyBase64: Buffer.alloc(length[cryptoSuite], 'a key of its own').toString('base64') };
}

/** The next event with this name. */
function happened(transport: types.PlainTransport, event: 'tuple' | 'rtcptuple'): Promise<unknown> {
  return new Promise((resolve) => transport.once(event, resolve));
}
