import test, { type ExecutionContext } from 'ava';
import { createWorker, errors, ortc, type types } from '../ts/index.js';

const LISTEN = { listenInfos: [{ protocol: 'udp' as const, ip: '127.0.0.1' }], enableSctp: true };

test('a transport with SCTP tells what it takes, one without tells nothing', async (t) => {
  const { router } = await open(t);
  const transport = await router.createWebRtcTransport({ ...LISTEN, maxReceiveMessageSize: 100_000 });
  t.like(transport.sctpParameters, {
    port: 5000,
    OS: 1024,
    MIS: 65_535,
    maxMessageSize: 100_000,
    maxReceiveMessageSize: 100_000,
    maxSendMessageSize: 262_144,
    sendBufferSize: 2_000_000,
    isDataChannel: true,
  });
  t.is(transport.sctpState, 'new');
  t.is(transport.sctpNegotiatedCapabilities, undefined);
  const plain = await router.createWebRtcTransport({ ...LISTEN, enableSctp: false });
  t.is(plain.sctpParameters, undefined);
  t.is(plain.sctpState, undefined);
  t.like(await plain.dump(), { maxSendMessageSize: 262_144, dataProducerIds: [] });
  await t.throwsAsync(plain.produceData({ sctpStreamParameters: { streamId: 0 } }), {
    instanceOf: errors.InvalidStateError,
  });
  transport.close();
  t.is(transport.sctpState, 'closed');
});

test('data producers and consumers say what they are, and dumps agree', async (t) => {
  const { router, source, sink } = await open(t);
  const created: string[] = [];
  source.observer.on('newdataproducer', ({ id }) => created.push(id));
  sink.observer.on('newdataconsumer', ({ id }) => created.push(id));
  const producer = await source.produceData({
    sctpStreamParameters: { streamId: 7, maxRetransmits: 3 },
    label: 'chat',
    protocol: 'json',
    appData: { who: 'red' },
  });
  const consumer = await sink.consumeData({ dataProducerId: producer.id, subchannels: [3, 1, 3] });
  t.deepEqual(created, [producer.id, consumer.id]);
  t.deepEqual(producer.sctpStreamParameters, { streamId: 7, ordered: false, maxRetransmits: 3 });
  t.like(producer, { type: 'sctp', label: 'chat', protocol: 'json', paused: false, appData: { who: 'red' } });
  t.deepEqual(consumer.sctpStreamParameters, { streamId: 0, ordered: false, maxRetransmits: 3 });
  t.like(consumer, { type: 'sctp', label: 'chat', protocol: 'json', dataProducerPaused: false });
  t.deepEqual(consumer.subchannels, [1, 3]);
  await consumer.addSubchannel(9);
  await consumer.removeSubchannel(1);
  t.deepEqual(consumer.subchannels, [3, 9]);
  // Of larger numbers the low 16 bits count, as in mediasoup.
  const wide = await sink.consumeData({ dataProducerId: producer.id, subchannels: [65_535, 65_536, 65_537, 1] });
  t.deepEqual(wide.subchannels, [0, 1, 65_535]);
  await wide.setSubchannels([131_079]);
  await wide.addSubchannel(65_539);
  t.deepEqual(wide.subchannels, [3, 7]);
  await wide.removeSubchannel(65_543);
  t.deepEqual(wide.subchannels, [3]);
  await t.throwsAsync(wide.setSubchannels([1.5]), { instanceOf: TypeError });
  await Promise.all([wide.addSubchannel(1), wide.addSubchannel(2), wide.removeSubchannel(3), wide.addSubchannel(1)]);
  t.deepEqual(wide.subchannels, [1, 2], 'calls at once add up');
  wide.close();
  await consumer.setBufferedAmountLowThreshold(77);
  t.like(await producer.dump(), { id: producer.id, paused: false, type: 'sctp', label: 'chat' });
  t.like(await consumer.dump(), {
    id: consumer.id,
    dataProducerId: producer.id,
    subchannels: [3, 9],
    bufferedAmount: 0,
    bufferedAmountLowThreshold: 77,
  });
  t.like((await producer.getStats())[0], { type: 'data-producer', messagesReceived: 0, label: 'chat' });
  t.like((await consumer.getStats())[0], { type: 'data-consumer', messagesSent: 0, bufferedAmount: 0 });
  const dump = await source.dump();
  t.deepEqual(dump.dataProducerIds, [producer.id]);
  t.deepEqual(dump.sctpListener, { streamIdTable: [{ key: 7, value: producer.id }] });
  const { mapDataProducerIdDataConsumerIds, mapDataConsumerIdDataProducerId } = await router.dump();
  t.deepEqual(mapDataProducerIdDataConsumerIds, [{ key: producer.id, values: [consumer.id] }]);
  t.deepEqual(mapDataConsumerIdDataProducerId, [{ key: consumer.id, value: producer.id }]);
});

test('a peer may send on any stream that a data producer is on, and 0 retransmissions say nothing of the order', async (t) => {
  const { source, sink } = await open(t);
  const high = await source.produceData({ sctpStreamParameters: { streamId: 12_345, maxPacketLifeTime: 5000 } });
  t.deepEqual(high.sctpStreamParameters, { streamId: 12_345, ordered: false, maxPacketLifeTime: 5000 });
  const consumer = await sink.consumeData({ dataProducerId: high.id });
  t.deepEqual(consumer.sctpStreamParameters, { streamId: 0, ordered: false, maxPacketLifeTime: 5000 });
  const inOrder = await sink.consumeData({ dataProducerId: high.id, ordered: true, maxRetransmits: 4 });
  t.deepEqual(inOrder.sctpStreamParameters, { streamId: 1, ordered: true });
  // As mediasoup-client asks for it.
  const sctpStreamParameters = { streamId: 1, ordered: true, maxRetransmits: 0 };
  const zero = await source.produceData({ sctpStreamParameters });
  t.deepEqual(zero.sctpStreamParameters, sctpStreamParameters);
});

test('pausing is told once, whoever pauses', async (t) => {
  const { source, sink } = await open(t);
  const producer = await source.produceData({ sctpStreamParameters: { streamId: 0 } });
  const consumer = await sink.consumeData({ dataProducerId: producer.id });
  const said: string[] = [];
  for (const event of ['dataproducerpause', 'dataproducerresume'] as const) consumer.on(event, () => said.push(event));
  for (const event of ['pause', 'resume'] as const) {
    producer.observer.on(event, () => said.push(`producer ${event}`));
    consumer.observer.on(event, () => said.push(`consumer ${event}`));
  }
  await producer.pause();
  await producer.pause();
  await consumer.getStats();
  await consumer.pause();
  await producer.resume();
  await consumer.resume();
  await consumer.getStats();
  t.deepEqual(said, [
    'producer pause',
    'dataproducerpause',
    'consumer pause',
    'producer resume',
    'dataproducerresume',
    'consumer resume',
  ]);
  t.false(consumer.dataProducerPaused);
});

test('closing goes down and across, and tells each once', async (t) => {
  const { source, sink } = await open(t);
  const said: string[] = [];
  const [first, second] = await Promise.all(
    [0, 1].map((streamId) => source.produceData({ sctpStreamParameters: { streamId } })),
  );
  const consumers = await Promise.all(
    [first, second].map((producer) => sink.consumeData({ dataProducerId: producer?.id as string })),
  );
  const ended = consumers.map(
    (consumer, at) =>
      new Promise<void>((resolve) => {
        consumer.on('dataproducerclose', () => {
          said.push(`consumer ${at} dataproducerclose`);
          resolve();
        });
      }),
  );
  second?.on('transportclose', () => said.push('producer transportclose'));
  second?.observer.on('close', () => said.push('producer close'));
  first?.close();
  first?.close();
  await ended[0];
  source.close();
  await ended[1];
  t.deepEqual(said, [
    'consumer 0 dataproducerclose',
    'producer transportclose',
    'producer close',
    'consumer 1 dataproducerclose',
  ]);
  t.true(consumers.every(({ closed }) => closed));
  t.deepEqual((await sink.dump()).dataConsumerIds, []);
  await t.throwsAsync(first?.pause() ?? Promise.resolve(), { code: 'ERR_CLOSED' });
});

test('p03 malformed options are TypeErrors, what is missing a NotFoundError, and nothing is created', async (t) => {
  const { router, source, sink } = await open(t);
  const producer = await source.produceData({ sctpStreamParameters: { streamId: 0 } });
  const invalid: [string, () => Promise<unknown>][] = [
    ['no stream', () => source.produceData()],
    ['a stream too high', () => source.produceData({ sctpStreamParameters: { streamId: 65_535 } })],
    ['a stream that is taken', () => source.produceData({ sctpStreamParameters: { streamId: 0 } })],
    [
      'order and limit',
      () => source.produceData({ sctpStreamParameters: { streamId: 1, ordered: true, maxRetransmits: 1 } }),
    ],
    ['two limits', () => sink.consumeData({ dataProducerId: producer.id, maxRetransmits: 1, maxPacketLifeTime: 1 })],
    ['an id that is none', () => source.produceData({ id: 'x', sctpStreamParameters: { streamId: 1 } })],
    ['no id', () => sink.consumeData({} as never)],
    ['a label that is none', () => source.produceData({ label: 7 as never, sctpStreamParameters: { streamId: 1 } })],
    ['a buffer of nothing', () => router.createWebRtcTransport({ ...LISTEN, sctpSendBufferSize: 0 })],
    ['a message size beyond all', () => router.createWebRtcTransport({ ...LISTEN, maxSendMessageSize: 2 ** 31 })],
  ];
  for (const [what, call] of invalid) await t.throwsAsync(call(), { instanceOf: TypeError }, what);
  const missing = { dataProducerId: '67e55044-10b1-426f-9247-bb680e5fe0c8' };
  await t.throwsAsync(sink.consumeData(missing), { instanceOf: errors.NotFoundError });
  const consumer = await sink.consumeData({ dataProducerId: producer.id });
  await t.throwsAsync(consumer.send(7 as never), { instanceOf: TypeError });
  await t.throwsAsync(consumer.send('early'), { instanceOf: errors.InvalidStateError });
  await t.throwsAsync(consumer.setSubchannels(Array.from({ length: 257 }, (_, at) => at)), {
    code: 'ERR_LIMIT_EXCEEDED',
  });
  t.is((await source.dump()).dataProducerIds.length, 1);
  // What is refused is not in the way of what is asked for at the same time.
  for (const wrong of [7, null, ['x']]) {
    const refused = t.throwsAsync(consumer.setSubchannels(wrong as never), { instanceOf: TypeError });
    await consumer.addSubchannel(3);
    await refused;
    t.deepEqual(consumer.subchannels, [3]);
  }
});

test('ortc checks and fills in the parameters of a stream', (t) => {
  const parameters: types.SctpStreamParameters = { streamId: 1, maxPacketLifeTime: 100 };
  ortc.validateAndNormalizeSctpStreamParameters(parameters);
  t.deepEqual(parameters, { streamId: 1, ordered: false, maxPacketLifeTime: 100 });
  const wrong = { streamId: 1, ordered: true, maxRetransmits: 1 };
  t.throws(() => ortc.validateAndNormalizeSctpStreamParameters(wrong), { instanceOf: TypeError });
});

test('a plain transport carries data without DTLS, both ways', async (t) => {
  const { router } = await open(t);
  const settings = { listenIp: '127.0.0.1', enableSctp: true };
  const ends = await Promise.all([router.createPlainTransport(settings), router.createPlainTransport(settings)]);
  const states: types.SctpState[][] = ends.map((end) => {
    const seen: types.SctpState[] = [];
    end.on('sctpstatechange', (state) => seen.push(state));
    return seen;
  });
  t.is(ends[0]?.sctpState, 'new');
  t.false(ends[0]?.sctpParameters?.isDataChannel);
  const [one, other] = ends as [types.PlainTransport, types.PlainTransport];
  await one.connect({ ip: '127.0.0.1', port: other.tuple.localPort });
  await other.connect({ ip: '127.0.0.1', port: one.tuple.localPort });
  // Looks again and again: an event that is awaited does not keep the process alive.
  await until(async () => states.every((seen) => seen.at(-1) === 'connected'));
  t.deepEqual(states, [
    ['connecting', 'connected'],
    ['connecting', 'connected'],
  ]);
  const agreed = { negotiatedMaxOutboundStreams: 1024, negotiatedMaxInboundStreams: 1024 };
  t.deepEqual(one.sctpNegotiatedCapabilities, agreed, 'the peer sends on as many as we do');
  t.deepEqual((await one.dump()).sctpNegotiatedCapabilities, agreed);
  for (const [from, to] of [[one, other] as const, [other, one] as const]) {
    const source = await from.produceData({ sctpStreamParameters: { streamId: 9 } });
    const consumer = await from.consumeData({ dataProducerId: source.id, streamId: 3 });
    const sink = await to.produceData({ sctpStreamParameters: { streamId: 3 } });
    await consumer.send('x'.repeat(200_000));
    await until(async () => (await sink.getStats())[0]?.bytesReceived === 200_000);
  }
});

for (const isSameWorker of [true, false]) {
  test(`data is piped to a router of ${isSameWorker ? 'the same' : 'another'} worker, with its fate`, async (t) => {
    const { worker, router, source } = await open(t);
    const other = isSameWorker ? undefined : await createWorker();
    t.teardown(() => other?.close());
    const far = await (other ?? worker).createRouter();
    const producer = await source.produceData({
      sctpStreamParameters: { streamId: 0 },
      label: 'chat',
      appData: { a: 1 },
    });
    await producer.pause();
    const piped = await router.pipeToRouter({ dataProducerId: producer.id, router: far, keepId: !isSameWorker });
    const { pipeDataConsumer, pipeDataProducer } = piped as Required<types.PipeToRouterResult>;
    t.is(pipeDataProducer.id === producer.id, !isSameWorker);
    t.like(pipeDataProducer, { label: 'chat', paused: true, type: 'sctp', appData: { a: 1 } });
    await producer.resume();
    await until(async () => !pipeDataProducer.paused);
    await until(async () => {
      await pipeDataConsumer.send('hello').catch(() => {});
      return ((await pipeDataProducer.getStats())[0]?.messagesReceived ?? 0) > 0;
    });
    producer.close();
    await until(async () => pipeDataConsumer.closed && pipeDataProducer.closed);
    const wrong = { dataProducerId: producer.id, producerId: producer.id, router: far };
    await t.throwsAsync(router.pipeToRouter(wrong), { instanceOf: TypeError });
  });
}

/** Waits until something holds. */
async function until(met: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await met())) {
    if (performance.now() > deadline) throw new Error('it never happened');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function open(t: ExecutionContext) {
  const worker = await createWorker();
  t.teardown(() => worker.close());
  const router = await worker.createRouter();
  const [source, sink] = await Promise.all([
    router.createWebRtcTransport(LISTEN),
    router.createWebRtcTransport(LISTEN),
  ]);
  return { worker, router, source, sink };
}
