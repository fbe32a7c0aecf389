import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import type { AudioLevelObserver } from '../ts/audio-level-observer.js';
import type { Consumer } from '../ts/consumer.js';
import type { EnhancedEventEmitter } from '../ts/enhanced-event-emitter.js';
import { NotFoundError, WorkerClosedError } from '../ts/errors.js';
import type { Producer } from '../ts/producer.js';
import type { Router } from '../ts/router.js';
import type { WebRtcServer } from '../ts/webrtc-server.js';
import type { WebRtcTransport } from '../ts/webrtc-transport.js';
import type { Worker } from '../ts/worker.js';
import { FakeAddon, type FakeNativeWorker, RTP_PARAMETERS, refusal } from './fake-addon.js';

test('closing a worker closes routers and their contents, then servers, then itself', async (t) => {
  const call = await openCall();
  call.worker.close();
  t.deepEqual(call.events, [
    'producer transportclose',
    'producer.observer close',
    'consumer transportclose',
    'consumer.observer close',
    'transport routerclose',
    'server.observer webrtctransportunhandled',
    'transport.observer close',
    'levels routerclose',
    'levels.observer close',
    'router workerclose',
    'router.observer close',
    'server workerclose',
    'server.observer close',
    'worker.observer close',
  ]);
  t.is(call.native.closed, 1);
  t.false(call.worker.subprocessClosed);
  await turn();
  t.true(call.worker.subprocessClosed);
  t.is(call.events.at(-1), 'worker subprocessclose');
  t.true(Object.values(call.objects).every((object) => object.closed));
});

test('n09 a worker that dies closes everything, then says so', async (t) => {
  const call = await openCall();
  call.native.say({ type: 'died', message: 'boom' });
  t.deepEqual(call.events.slice(-5), [
    'server workerclose',
    'server.observer close',
    'worker died',
    'worker subprocessclose',
    'worker.observer close',
  ]);
  t.true(call.worker.died);
  t.true(Object.values(call.objects).every((object) => object.closed));
});

test('closing a router closes its transports and tells the server', async (t) => {
  const call = await openCall();
  call.router.close();
  t.deepEqual(call.events, [
    'producer transportclose',
    'producer.observer close',
    'consumer transportclose',
    'consumer.observer close',
    'transport routerclose',
    'server.observer webrtctransportunhandled',
    'transport.observer close',
    'levels routerclose',
    'levels.observer close',
    'router.observer close',
  ]);
  t.deepEqual(call.native.methods().slice(-1), ['router.close']);
});

test('closing a transport closes its producers and consumers', async (t) => {
  const call = await openCall();
  call.transport.close();
  t.deepEqual(call.events, [
    'producer transportclose',
    'producer.observer close',
    'consumer transportclose',
    'consumer.observer close',
    'server.observer webrtctransportunhandled',
    'transport.observer close',
  ]);
  t.deepEqual(call.native.methods().slice(-1), ['transport.close']);
  t.is(call.transport.iceState, 'closed');
  t.is(call.transport.dtlsState, 'closed');
  t.is(call.transport.iceSelectedTuple, undefined);
});

test('closing a server closes the transports that use it', async (t) => {
  const call = await openCall();
  call.server.close();
  t.deepEqual(call.events, [
    'producer transportclose',
    'producer.observer close',
    'consumer transportclose',
    'consumer.observer close',
    'transport listenserverclose',
    'transport.observer close',
    'server.observer webrtctransportunhandled',
    'server.observer close',
  ]);
  t.deepEqual(call.native.methods().slice(-1), ['webRtcServer.close']);
  call.events.length = 0;
  call.router.close();
  t.deepEqual(
    call.events,
    ['levels routerclose', 'levels.observer close', 'router.observer close'],
    'the router forgot the transport',
  );
});

test('closing a producer leaves it to the worker to close its consumers', async (t) => {
  const call = await openCall();
  call.producer.close();
  t.deepEqual(call.events, ['producer.observer close']);
  t.deepEqual(call.native.methods().slice(-1), ['producer.close']);
  call.native.emit(call.consumer.id, 'producerclose');
  t.deepEqual(call.events.slice(1), ['consumer producerclose', 'consumer.observer close']);
  call.transport.close();
  t.deepEqual(call.events.slice(3), ['server.observer webrtctransportunhandled', 'transport.observer close']);
});

test('closing a consumer concerns nobody else', async (t) => {
  const call = await openCall();
  call.consumer.close();
  t.deepEqual(call.events, ['consumer.observer close']);
  t.deepEqual(call.native.methods().slice(-1), ['consumer.close']);
});

test('closing an RTP observer concerns nobody else', async (t) => {
  const call = await openCall();
  call.levels.close();
  t.deepEqual(call.events, ['levels.observer close']);
  t.deepEqual(call.native.methods().slice(-1), ['rtpObserver.close']);
  call.router.close();
  t.false(call.events.includes('levels routerclose'), 'the router forgot it');
});

test('n01 a second close does nothing', async (t) => {
  const call = await openCall();
  for (const object of Object.values(call.objects).reverse()) {
    object.close();
    const told = call.events.length;
    const asked = call.native.commands.length;
    object.close();
    t.is(call.events.length, told);
    t.is(call.native.commands.length, asked);
  }
  t.is(call.native.closed, 1);
});

test('n01 an object may be closed inside its own events', async (t) => {
  const call = await openCall();
  call.consumer.on('score', () => call.consumer.close());
  call.consumer.observer.on('close', () => call.consumer.close());
  const score = { type: 'event', target: call.consumer.id, event: 'score', data: {} } as const;
  call.native.say(score, score);
  t.deepEqual(call.events, ['consumer score', 'consumer.observer close']);

  call.transport.on('routerclose', () => {
    call.transport.close();
    call.router.close();
    call.worker.close();
  });
  t.notThrows(() => call.router.close());
  t.is(call.events.filter((event) => event === 'router.observer close').length, 1);
  t.is(call.events.filter((event) => event === 'worker.observer close').length, 1);
  t.true(call.worker.closed);
});

test('n01 every method of a closed object rejects with ERR_CLOSED', async (t) => {
  const call = await openCall();
  for (const [name, object] of Object.entries(call.objects).reverse()) {
    object.close();
    for (const [method, invoke] of Object.entries(methodsOf(call)[name as keyof Objects])) {
      const error = await t.throwsAsync(async () => await invoke(), { code: 'ERR_CLOSED' }, `${name}.${method}`);
      t.true(error instanceof (name === 'worker' ? WorkerClosedError : NotFoundError), `${name}.${method}`);
    }
  }
  await t.throwsAsync(call.worker.dump(), { instanceOf: WorkerClosedError });
  t.false(call.router.canConsume({ producerId: call.producer.id, rtpCapabilities: {} }));
});

test('n01 the list of methods that are tried after close is complete', async (t) => {
  const call = await openCall();
  for (const [name, object] of Object.entries(call.objects)) {
    const tried = new Set(Object.keys(methodsOf(call)[name as keyof Objects]));
    const missing = methodNames(object).filter((method) => !tried.has(method) && !HARMLESS_AFTER_CLOSE.has(method));
    t.deepEqual(missing, [], name);
  }
});

test('n01 what a worker answers after its parent was closed is given up', async (t) => {
  const call = await openCall();
  call.native.holding = true;
  const consumer = call.transport.consume({ producerId: call.producer.id, rtpCapabilities: {} });
  const transport = call.router.createWebRtcTransport({ webRtcServer: call.server });
  const paused = call.consumer.pause();
  call.router.close();
  call.events.length = 0;
  call.native.letGo();
  await t.throwsAsync(consumer, { code: 'ERR_CLOSED' });
  await t.throwsAsync(transport, { code: 'ERR_CLOSED' });
  await paused;
  t.deepEqual(call.events, []);
});

test('n01 a transport whose server was closed meanwhile is given up', async (t) => {
  const call = await openCall();
  call.native.holding = true;
  const transport = call.router.createWebRtcTransport({ webRtcServer: call.server });
  call.server.close();
  call.native.letGo();
  await t.throwsAsync(transport, { instanceOf: NotFoundError, code: 'ERR_CLOSED' });
});

test('closing a worker rejects pending calls, and its closing children do not mind', async (t) => {
  const call = await openCall();
  call.native.holding = true;
  const dump = call.worker.dump();
  const disposed = call.transport[Symbol.asyncDispose]();
  call.worker.close();
  await t.throwsAsync(dump, { instanceOf: WorkerClosedError, code: 'ERR_WORKER_CLOSED' });
  await t.notThrowsAsync(disposed);
});

test('disposal waits until the worker has closed, for children too', async (t) => {
  const call = await openCall();
  call.native.holding = true;
  call.router.close();
  let disposed = 0;
  const waiting = [call.router, call.transport, call.consumer].map(async (object) => {
    await object[Symbol.asyncDispose]();
    disposed += 1;
  });
  await turn();
  t.is(disposed, 0);
  call.native.letGo();
  await Promise.all(waiting);
  t.is(disposed, 3);
});

test('a worker that dies at its start rejects createWorker', async (t) => {
  const addon = new FakeAddon();
  const starting = addon.start();
  addon.native.say({ type: 'died', message: 'no descriptors left' });
  await t.throwsAsync(starting, { instanceOf: WorkerClosedError, message: 'no descriptors left' });
});

test('settings that the addon refuses reject createWorker with their class', async (t) => {
  const addon = new FakeAddon();
  const NativeWorker = class {
    constructor() {
      throw new Error(JSON.stringify(refusal('TypeError', 'ERR_INVALID_ARGUMENT', 'logLevel: unknown')));
    }
  };
  Object.assign(addon, { NativeWorker });
  await t.throwsAsync(addon.start(), { instanceOf: TypeError, code: 'ERR_INVALID_ARGUMENT' });
});

type Objects = {
  worker: Worker;
  server: WebRtcServer;
  router: Router;
  transport: WebRtcTransport;
  producer: Producer;
  consumer: Consumer;
  levels: AudioLevelObserver;
};

type Call = Objects & { objects: Objects; events: string[]; native: FakeNativeWorker };

/** One object of each kind, parents first, and a record of what they emit from now on. */
async function openCall(): Promise<Call> {
  const addon = new FakeAddon();
  const worker = await addon.start();
  const server = await worker.createWebRtcServer({ listenInfos: [] });
  const router = await worker.createRouter();
  const transport = await router.createWebRtcTransport({ webRtcServer: server });
  const producer = await transport.produce({ kind: 'video', rtpParameters: RTP_PARAMETERS });
  const consumer = await transport.consume({ producerId: producer.id, rtpCapabilities: {} });
  const levels = await router.createAudioLevelObserver();
  const objects = { worker, server, router, transport, producer, consumer, levels };
  const events: string[] = [];
  for (const [name, object] of Object.entries(objects)) {
    record(events, name, object);
    record(events, `${name}.observer`, object.observer as unknown as EnhancedEventEmitter);
  }
  return { ...objects, objects, events, native: addon.native };
}

function record(events: string[], name: string, emitter: unknown): void {
  for (const event of EVENTS) {
    (emitter as EnhancedEventEmitter).on(event, () => events.push(`${name} ${event}`));
  }
}

function methodsOf(call: Call): { [Name in keyof Objects]: Record<string, () => unknown> } {
  const { worker, server, router, transport, producer, consumer, levels } = call;
  const observed = { producerId: producer.id };
  const rtpCapabilities = {};
  const options = { kind: 'video', rtpParameters: RTP_PARAMETERS } as const;
  return {
    worker: {
      dump: () => worker.dump(),
      getResourceUsage: () => worker.getResourceUsage(),
      getMetrics: () => worker.getMetrics(),
      updateSettings: () => worker.updateSettings(),
      createWebRtcServer: () => worker.createWebRtcServer({ listenInfos: [] }),
      createRouter: () => worker.createRouter(),
      createAudioMixer: () => worker.createAudioMixer(),
      snapshot: () => worker.snapshot({ producerId: producer.id }),
      createVideoMixer: () => worker.createVideoMixer(),
      createVideoTranscoder: () => worker.createVideoTranscoder({ producerId: producer.id, router, codec: 'vp8' }),
      createAudioTranscoder: () => worker.createAudioTranscoder({ producerId: producer.id, router, codec: 'opus' }),
    },
    server: { dump: () => server.dump() },
    router: {
      dump: () => router.dump(),
      createWebRtcTransport: () => router.createWebRtcTransport({ listenInfos: [] }),
      createPlainTransport: () => router.createPlainTransport({ listenIp: '127.0.0.1' }),
      createPipeTransport: () => router.createPipeTransport({ listenIp: '127.0.0.1' }),
      pipeToRouter: () => router.pipeToRouter({ producerId: producer.id, router }),
      updateMediaCodecs: () => router.updateMediaCodecs([]),
      createDirectTransport: () => router.createDirectTransport(),
      createRingTransport: () => router.createRingTransport('ring'),
      createAudioLevelObserver: () => router.createAudioLevelObserver(),
      createActiveSpeakerObserver: () => router.createActiveSpeakerObserver(),
      createActiveAudioSelector: () => router.createActiveAudioSelector(),
    },
    transport: {
      dump: () => transport.dump(),
      getStats: () => transport.getStats(),
      connect: () => transport.connect({ dtlsParameters: { fingerprints: [] } }),
      restartIce: () => transport.restartIce(),
      startCapture: () => transport.startCapture('calls.pcapng'),
      stopCapture: () => transport.stopCapture(),
      setMaxIncomingBitrate: () => transport.setMaxIncomingBitrate(0),
      setMaxOutgoingBitrate: () => transport.setMaxOutgoingBitrate(0),
      setMinOutgoingBitrate: () => transport.setMinOutgoingBitrate(0),
      produce: () => transport.produce(options),
      consume: () => transport.consume({ producerId: producer.id, rtpCapabilities }),
      produceData: () => transport.produceData(),
      consumeData: () => transport.consumeData({ dataProducerId: producer.id }),
      enableTraceEvent: () => transport.enableTraceEvent(),
    },
    producer: {
      dump: () => producer.dump(),
      getStats: () => producer.getStats(),
      pause: () => producer.pause(),
      resume: () => producer.resume(),
      enableTraceEvent: () => producer.enableTraceEvent(),
    },
    consumer: {
      dump: () => consumer.dump(),
      getStats: () => consumer.getStats(),
      pause: () => consumer.pause(),
      resume: () => consumer.resume(),
      setPreferredLayers: () => consumer.setPreferredLayers({ spatialLayer: 0 }),
      setPriority: () => consumer.setPriority(1),
      unsetPriority: () => consumer.unsetPriority(),
      requestKeyFrame: () => consumer.requestKeyFrame(),
      replaceProducer: () => consumer.replaceProducer({ producerId: producer.id }),
      enableTraceEvent: () => consumer.enableTraceEvent(),
    },
    levels: {
      pause: () => levels.pause(),
      resume: () => levels.resume(),
      addProducer: () => levels.addProducer(observed),
      removeProducer: () => levels.removeProducer(observed),
    },
  };
}

/** The methods of an object's own classes, without those of every object and of every emitter. */
function methodNames(object: object): string[] {
  const names: string[] = [];
  for (let type = Object.getPrototypeOf(object); type.constructor.name !== 'RemoteObject'; ) {
    const members = Object.entries(Object.getOwnPropertyDescriptors(type));
    names.push(...members.filter(([, { value }]) => typeof value === 'function').map(([name]) => name));
    type = Object.getPrototypeOf(type);
  }
  return names;
}

/** Closing itself, what parents call, and what answers `false` instead. */
const HARMLESS_AFTER_CLOSE = new Set([
  'mixerOutputCreated',
  'mixerOutputClosed',
  'constructor',
  'close',
  'workerClosed',
  'routerClosed',
  'listenServerClosed',
  'transportClosed',
  'handleWebRtcTransport',
  'onEnd',
  'ask',
  'takeSctpState',
  'consumeWith',
  'canConsume',
  'handle',
  'notePaused',
  'producerOf',
  'send',
  'sendRtcp',
]);

const EVENTS = [
  'close',
  'workerclose',
  'routerclose',
  'listenserverclose',
  'transportclose',
  'producerclose',
  'died',
  'subprocessclose',
  'webrtctransporthandled',
  'webrtctransportunhandled',
  'pause',
  'resume',
  'score',
  'listenererror',
];
