// What applications of mediasoup write must compile with this package. Nothing here runs: `npm run lint` checks it.

import type * as errors from '../ts/errors.js';
import type * as millrace from '../ts/index.js';
import type { Consumer, Router, Transport, types, WebRtcTransportOptions } from '../ts/index.js';

/** Steps of a conference application, from a worker to a consumer. */
export async function application({ createWorker, observer, extras }: typeof millrace): Promise<void> {
  observer.on('newworker', (worker) => worker.observer.on('newrouter', (router: Router) => router.id));
  const worker: types.Worker<{ index: number }> = await createWorker({ logLevel: 'warn', appData: { index: 1 } });
  worker.appData.index.toFixed();
  worker.on('died', (error: Error) => error.message);
  worker.on('listenererror', (eventName, error) => `${eventName} ${error.message}`);
  const webRtcServer = await worker.createWebRtcServer({ listenInfos: [{ protocol: 'udp', ip: '0.0.0.0', port: 1 }] });
  const router = await worker.createRouter({
    mediaCodecs: [{ kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2, parameters: { dtx: 1 } }],
  });
  const transport = await router.createWebRtcTransport<{ peer: string }>({ webRtcServer, appData: { peer: 'a' } });
  const transports = new Map<string, types.Transport>([[transport.id, transport]]);
  transports.get('')?.on('routerclose', () => {});
  transport.on('icestatechange', (state) => state === 'completed');
  transport.observer.on('newproducer', (producer) => producer.kind);
  await transport.connect({ dtlsParameters: { fingerprints: [{ algorithm: 'sha-256', value: '' }], role: 'client' } });
  const producer = await transport.produce({
    kind: 'video',
    rtpParameters: { codecs: [] },
    appData: { source: 'cam' },
  });
  producer.appData.source.toUpperCase();
  const { rtpCapabilities } = router;
  if (router.canConsume({ producerId: producer.id, rtpCapabilities })) {
    const consumer: Consumer = await transport.consume({ producerId: producer.id, rtpCapabilities, paused: true });
    consumer.on('score', (score) => score.producerScores.length);
    consumer.on('layerschange', (layers) => layers?.spatialLayer);
    await extras.enhancedOnce<types.ConsumerEvents>(consumer, 'producerpause');
    await consumer.getStats();
  }
}

/** Recording by FFmpeg, and rooms spread over workers. */
export async function recording(router: Router, other: Router, producer: types.Producer): Promise<void> {
  const recorder = await router.createPlainTransport({ listenInfo: { protocol: 'udp', ip: '::1' }, rtcpMux: false });
  recorder.on('rtcptuple', ({ remotePort }) => remotePort?.toFixed());
  await recorder.connect({ ip: '::1', port: 5004, rtcpPort: 5005 });
  const secured = await router.createPlainTransport<{ room: string }>({
    listenIp: { ip: '0.0.0.0', announcedIp: '192.0.2.1' },
    comedia: true,
    enableSrtp: true,
    srtpCryptoSuite: 'AEAD_AES_128_GCM',
    appData: { room: 'a' },
  });
  const srtpParameters: types.SrtpParameters = { cryptoSuite: 'AEAD_AES_128_GCM', keyBase64: secured.appData.room };
  await secured.connect({ srtpParameters });
  const pipe: types.PipeTransport = await router.createPipeTransport({ listenIp: '127.0.0.1', enableRtx: true });
  await pipe.connect({ ip: '192.0.2.2', port: 4000 });
  const consumer: Consumer<{ to: string }> = await pipe.consume({ producerId: producer.id, appData: { to: 'b' } });
  const options: types.PipeToRouterOptions = { producerId: producer.id, router: other, enableSctp: true };
  const { pipeConsumer, pipeProducer }: types.PipeToRouterResult = await router.pipeToRouter(options);
  pipeProducer?.observer.on('close', () => pipeConsumer?.close() ?? consumer.close());
  const transports: Transport[] = [recorder, secured, pipe];
  for (const transport of transports) transport.close();
}

/** The three ways to say where to listen exclude each other. */
export const LISTEN_OPTIONS = (webRtcServer: types.WebRtcServer): WebRtcTransportOptions[] => [
  { webRtcServer, enableTcp: true },
  { listenInfos: [{ protocol: 'tcp', ip: '::', portRange: { min: 1, max: 2 } }], preferUdp: true },
  { listenIps: ['127.0.0.1', { ip: '10.0.0.1', announcedIp: '192.0.2.1' }], port: 4000 },
  // @ts-expect-error two ways at once
  { webRtcServer, listenInfos: [] },
  // @ts-expect-error no way at all
  { enableUdp: true },
];

/** A subclass's events are known to whoever holds it as its base. */
export const asTransport = (transport: types.WebRtcTransport): Transport => transport;

/** Every error of this package has a code. */
export const codeOf = (error: errors.MillraceError): string => error.code;
