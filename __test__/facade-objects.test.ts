import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import type { Consumer } from '../ts/consumer.js';
import { NotFoundError, UnsupportedError } from '../ts/errors.js';
import { setLogEventListeners } from '../ts/logger.js';
import type { Producer } from '../ts/producer.js';
import type { Router } from '../ts/router.js';
import type { Transport } from '../ts/transport.js';
import type { WebRtcTransport } from '../ts/webrtc-transport.js';
import { observer, type Worker } from '../ts/worker.js';
import { FakeAddon, type FakeNativeWorker, RTP_PARAMETERS, refusal } from './fake-addon.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test('settings reach the worker without what is the application own', async (t) => {
  const addon = new FakeAddon();
  const worker = await addon.start({ logLevel: 'warn', rtcMinPort: 40_000, appData: { secret: 1 } });
  t.deepEqual(addon.native.settings, { logLevel: 'warn', rtcMinPort: 40_000 });
  t.deepEqual(worker.appData, { secret: 1 });
});

test('k13 what a worker spares because it does not keep up is told on it', async (t) => {
  const addon = new FakeAddon();
  const worker = await addon.start();
  const told: unknown[] = [];
  worker.on('overload', (load) => told.push(load));
  const target = '00000000-0000-0000-0000-000000000000';
  addon.native.say({ type: 'event', target, event: 'overload', data: { spares: 'lowest' } });
  t.deepEqual(told, [{ spares: 'lowest' }]);
});

test.serial('every new object is announced once on the observer of its parent', async (t) => {
  const seen: string[] = [];
  observer.on('newworker', (worker) => {
    worker.observer.on('newwebrtcserver', (server) => {
      seen.push('server');
      server.observer.on('webrtctransporthandled', () => seen.push('handled'));
    });
    worker.observer.on('newrouter', (router) => {
      seen.push('router');
      router.observer.on('newtransport', (transport) => {
        seen.push(transport.type);
        transport.observer.on('newproducer', ({ kind }) => seen.push(`producer ${kind}`));
        transport.observer.on('newconsumer', ({ kind }) => seen.push(`consumer ${kind}`));
      });
    });
  });
  t.teardown(() => observer.removeAllListeners());
  const worker = await new FakeAddon().start();
  const webRtcServer = await worker.createWebRtcServer({ listenInfos: [] });
  const router = await worker.createRouter();
  const transport: Transport = await router.createWebRtcTransport({ webRtcServer });
  const producer = await transport.produce({ kind: 'video', rtpParameters: RTP_PARAMETERS });
  await transport.consume({ producerId: producer.id, rtpCapabilities: {} });
  t.deepEqual(seen, ['server', 'router', 'webrtc', 'handled', 'producer video', 'consumer video']);
});

test('ids are UUIDs and reach the worker with the options', async (t) => {
  const { native, router, transport, producer, consumer } = await openCall();
  for (const { id } of [router, transport, producer, consumer]) {
    t.regex(id, UUID);
  }
  t.like(native.commands.at(-1), {
    method: 'transport.consume',
    transportId: transport.id,
    producerId: producer.id,
    consumerId: consumer.id,
    rtpCapabilities: {},
  });
  t.false('appData' in (native.commands.at(-1) ?? {}));
  await t.throwsAsync(transport.produce({ id: producer.id, kind: 'video', rtpParameters: RTP_PARAMETERS }), {
    instanceOf: TypeError,
    code: 'ERR_INVALID_ARGUMENT',
  });
});

test('appData is an object, in options and when set', async (t) => {
  const { worker, router, transport, producer, consumer } = await openCall();
  const bad = 'text' as never;
  const refused = { instanceOf: TypeError, code: 'ERR_INVALID_ARGUMENT', message: /appData/ };
  await t.throwsAsync(new FakeAddon().start({ appData: bad }), refused);
  await t.throwsAsync(worker.createWebRtcServer({ listenInfos: [], appData: bad }), refused);
  await t.throwsAsync(worker.createRouter({ appData: bad }), refused);
  await t.throwsAsync(router.createWebRtcTransport({ listenInfos: [], appData: bad }), refused);
  await t.throwsAsync(transport.produce({ kind: 'video', rtpParameters: RTP_PARAMETERS, appData: bad }), refused);
  await t.throwsAsync(transport.consume({ producerId: producer.id, rtpCapabilities: {}, appData: bad }), refused);
  for (const object of [worker, router, transport, producer, consumer]) {
    t.deepEqual(object.appData, {});
    t.throws(() => Object.assign(object, { appData: null }), refused);
    object.appData = { any: 'thing' };
    t.deepEqual(object.appData, { any: 'thing' });
  }
});

test('options that are no object are a TypeError with a code', async (t) => {
  const { worker, router, transport, consumer } = await openCall();
  const refused = { instanceOf: TypeError, code: 'ERR_INVALID_ARGUMENT' };
  const none = undefined as never;
  await t.throwsAsync(worker.createWebRtcServer(none), refused);
  await t.throwsAsync(router.createWebRtcTransport(none), refused);
  await t.throwsAsync(router.createWebRtcTransport({ webRtcServer: {} as never }), refused);
  await t.throwsAsync(transport.connect(none), refused);
  await t.throwsAsync(consumer.setPreferredLayers(none), refused);
  await t.throwsAsync(worker.updateSettings(null as never), refused);
  await t.throwsAsync(transport.produce(none), refused);
  await t.throwsAsync(transport.consume(none), refused);
  await t.throwsAsync(transport.consume({ rtpCapabilities: {} } as never), refused);
  await t.throwsAsync(transport.enableTraceEvent([1] as never), refused);
});

test('getters return copies', async (t) => {
  const { router, transport, producer, consumer } = await openCall();
  producer.rtpParameters.codecs.length = 0;
  consumer.rtpParameters.codecs.length = 0;
  consumer.score.score = 0;
  transport.iceParameters.password = '';
  transport.dtlsParameters.fingerprints.push({ algorithm: 'sha-1', value: '' });
  router.rtpCapabilities.codecs?.push({} as never);
  t.is(producer.rtpParameters.codecs.length, 1);
  t.is(consumer.rtpParameters.codecs.length, 1);
  t.is(consumer.score.score, 10);
  t.is(transport.iceParameters.password, 'password');
  t.deepEqual(transport.dtlsParameters.fingerprints, []);
  t.deepEqual(router.rtpCapabilities.codecs, []);
});

test('pausing a producer tells its observer once, and not itself', async (t) => {
  const { producer } = await openCall();
  const seen = watch(producer);
  await producer.pause();
  await producer.pause();
  t.true(producer.paused);
  await producer.resume();
  await producer.resume();
  t.false(producer.paused);
  t.deepEqual(seen, ['observer pause', 'observer resume']);
});

test('a consumer flows when neither it nor its producer is paused', async (t) => {
  const { native, consumer } = await openCall();
  const seen = watch(consumer);
  await consumer.pause();
  native.emit(consumer.id, 'producerpause');
  native.emit(consumer.id, 'producerpause');
  t.true(consumer.producerPaused);
  await consumer.resume();
  native.emit(consumer.id, 'producerresume');
  t.deepEqual(seen, ['observer pause', 'producerpause', 'producerresume', 'observer resume']);
});

test('a consumer of a paused producer starts with producerPaused', async (t) => {
  const { addon, transport, producer } = await openCall();
  const answer = addon.answers.get('transport.consume');
  addon.answers.set('transport.consume', (command) => ({ ...(answer?.(command) as object), producerPaused: true }));
  const options = { producerId: producer.id, rtpCapabilities: {}, paused: true };
  const consumer = await transport.consume(options);
  t.true(consumer.paused);
  t.true(consumer.producerPaused);
});

test('the first score of a consumer reaches a listener that was added after the await', async (t) => {
  const { native, transport, producer } = await openCall();
  native.holding = true;
  const seen: unknown[] = [];
  const caller = (async () => {
    const consumer = await transport.consume({ producerId: producer.id, rtpCapabilities: {} });
    consumer.on('score', (score) => seen.push(score.score));
  })();
  const { consumerId } = native.commands.at(-1) as { consumerId?: string };
  native.letGo({ type: 'event', target: consumerId as string, event: 'score', data: { score: 7 } });
  await caller;
  await turn();
  t.deepEqual(seen, [7]);
});

test('events of the worker change what getters say before listeners hear of it', async (t) => {
  const { native, transport, producer, consumer } = await openCall();
  const tuple = { localAddress: 'a', localIp: 'a', localPort: 1, remoteIp: 'b', remotePort: 2, protocol: 'udp' };
  const seen: unknown[] = [];
  transport.on('icestatechange', (state) => seen.push([state, transport.iceState]));
  transport.on('dtlsstatechange', (state) => seen.push([state, transport.dtlsState, transport.dtlsRemoteCert]));
  transport.observer.on('iceselectedtuplechange', () => seen.push(transport.iceSelectedTuple));
  producer.on('score', (score) => seen.push([score, producer.score]));
  producer.observer.on('videoorientationchange', (orientation) => seen.push(orientation));
  consumer.on('layerschange', (layers) => seen.push([layers, consumer.currentLayers]));
  native.emit(transport.id, 'icestatechange', 'connected');
  native.emit(transport.id, 'iceselectedtuplechange', tuple);
  native.emit(transport.id, 'dtlsstatechange', { state: 'connected', remoteCert: 'PEM' });
  native.emit(producer.id, 'score', [{ score: 9 }]);
  native.emit(producer.id, 'videoorientationchange', { rotation: 90 });
  native.emit(consumer.id, 'layerschange', { spatialLayer: 1 });
  native.emit(consumer.id, 'layerschange', null);
  t.deepEqual(seen, [
    ['connected', 'connected'],
    tuple,
    ['connected', 'connected', 'PEM'],
    [[{ score: 9 }], [{ score: 9 }]],
    { rotation: 90 },
    [{ spatialLayer: 1 }, { spatialLayer: 1 }],
    [undefined, undefined],
  ]);
});

test('connecting settles the local role, restarting ICE changes the credentials, neither emits', async (t) => {
  const { transport } = await openCall();
  const seen = watch(transport);
  await transport.connect({ dtlsParameters: { fingerprints: [] } });
  t.is(transport.dtlsParameters.role, 'client');
  const iceParameters = await transport.restartIce();
  t.deepEqual(iceParameters, transport.iceParameters);
  t.is(iceParameters.usernameFragment, 'new');
  t.deepEqual(seen, []);
});

test('preferred layers and priority are those that the worker took', async (t) => {
  const { addon, consumer } = await openCall();
  await consumer.setPreferredLayers({ spatialLayer: 2, temporalLayer: 1 });
  t.deepEqual(consumer.preferredLayers, { spatialLayer: 2, temporalLayer: 1 });
  addon.answers.set('consumer.setPreferredLayers', () => null);
  await consumer.setPreferredLayers({ spatialLayer: 2 });
  t.is(consumer.preferredLayers, undefined);
  await t.throwsAsync(consumer.setPreferredLayers({} as never), { instanceOf: TypeError });
  await t.throwsAsync(consumer.setPreferredLayers({ spatialLayer: 1, temporalLayer: '1' } as never), {
    instanceOf: TypeError,
  });

  t.is(consumer.priority, 1);
  await consumer.setPriority(5);
  t.is(consumer.priority, 5);
  await consumer.unsetPriority();
  t.is(consumer.priority, 1);
  await t.throwsAsync(consumer.setPriority('high' as never), { instanceOf: TypeError });
  await t.throwsAsync(consumer.setPriority(-1), { instanceOf: TypeError });
});

test('p03 what the worker refuses creates nothing', async (t) => {
  const { addon, transport, producer } = await openCall();
  addon.answers.set('transport.produce', () => {
    throw refusal('TypeError', 'ERR_INVALID_ARGUMENT', 'rtpParameters.codecs: expected at least one');
  });
  addon.answers.set('transport.consume', () => {
    throw refusal('UnsupportedError', 'ERR_UNSUPPORTED', 'rtpCapabilities: no codec in common');
  });
  transport.observer.on('newproducer', () => t.fail()).on('newconsumer', () => t.fail());
  await t.throwsAsync(transport.produce({ kind: 'audio', rtpParameters: { codecs: [] } }), { instanceOf: TypeError });
  await t.throwsAsync(transport.consume({ producerId: producer.id, rtpCapabilities: {} }), {
    instanceOf: UnsupportedError,
  });
  await t.throwsAsync(transport.consume({ producerId: 'unknown', rtpCapabilities: {} }), { instanceOf: NotFoundError });
});

test('producers can be consumed over any transport of their router until they are closed', async (t) => {
  const { router, transport, producer } = await openCall();
  const other = await router.createWebRtcTransport({ listenInfos: [] });
  await t.notThrowsAsync(other.consume({ producerId: producer.id, rtpCapabilities: {} }));
  transport.close();
  await t.throwsAsync(other.consume({ producerId: producer.id, rtpCapabilities: {} }), { instanceOf: NotFoundError });
});

test.serial('canConsume asks the addon and is false for what cannot be judged', async (t) => {
  setLogEventListeners();
  const { addon, router, producer } = await openCall();
  const asked: unknown[] = [];
  addon.canConsume = (...args: string[]) => {
    asked.push(...args.map((arg) => JSON.parse(arg)));
    return asked.length === 2;
  };
  t.true(router.canConsume({ producerId: producer.id, rtpCapabilities: { codecs: [] } }));
  t.false(router.canConsume({ producerId: producer.id, rtpCapabilities: {} }));
  t.deepEqual(asked.slice(0, 2), [RTP_PARAMETERS, { codecs: [] }]);
  addon.canConsume = () => {
    throw new Error(JSON.stringify(refusal('TypeError', 'ERR_INVALID_ARGUMENT', 'codecs: expected an array')));
  };
  t.false(router.canConsume({ producerId: producer.id, rtpCapabilities: {} }));
  t.false(router.canConsume({ producerId: 'unknown', rtpCapabilities: {} }));
});

test('new media codecs change the capabilities at once, or nothing', async (t) => {
  const { addon, native, router } = await openCall();
  const mediaCodecs = [{ kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2 }] as const;
  router.updateMediaCodecs([...mediaCodecs]);
  t.deepEqual(router.rtpCapabilities.codecs as unknown, mediaCodecs);
  t.like(native.commands.at(-1), { method: 'router.updateMediaCodecs', routerId: router.id, mediaCodecs });
  addon.generateRouterRtpCapabilities = () => {
    throw new Error(JSON.stringify(refusal('UnsupportedError', 'ERR_UNSUPPORTED', 'no such codec')));
  };
  t.throws(() => router.updateMediaCodecs([]), { instanceOf: UnsupportedError });
  t.deepEqual(router.rtpCapabilities.codecs as unknown, mediaCodecs);
});

type Call = {
  addon: FakeAddon;
  native: FakeNativeWorker;
  worker: Worker;
  router: Router;
  transport: WebRtcTransport;
  producer: Producer;
  consumer: Consumer;
};

async function openCall(): Promise<Call> {
  const addon = new FakeAddon();
  const worker = await addon.start();
  const router = await worker.createRouter();
  const transport = await router.createWebRtcTransport({ listenInfos: [] });
  const producer = await transport.produce({ kind: 'video', rtpParameters: RTP_PARAMETERS });
  const consumer = await transport.consume({ producerId: producer.id, rtpCapabilities: {} });
  return { addon, native: addon.native, worker, router, transport, producer, consumer };
}

/** Records everything that an object and its observer emit. */
function watch(object: WebRtcTransport | Producer | Consumer): string[] {
  const seen: string[] = [];
  const emitters = { '': object, 'observer ': object.observer };
  for (const [prefix, emitter] of Object.entries(emitters)) {
    const emit = emitter.safeEmit.bind(emitter) as (event: string, ...args: unknown[]) => boolean;
    Object.assign(emitter, {
      safeEmit: (event: string, ...args: unknown[]) => {
        seen.push(`${prefix}${event}`);
        return emit(event, ...args);
      },
    });
  }
  return seen;
}
