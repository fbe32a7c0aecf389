// Data messages between JavaScript and a worker, on the real addon: alone, over SCTP and through pipes.
import test, { type ExecutionContext } from 'ava';
import { createWorker, errors, type types } from '../ts/index.js';

const { LimitError, UnsupportedError } = errors;

type Said = [text: string, ppid: number];

test('messages of the application reach the application, in order and to the byte', async (t) => {
  const { router } = await open(t);
  const [source, sink] = [await router.createDirectTransport(), await router.createDirectTransport()];
  const producer = await source.produceData({ label: 'chat', protocol: 'json' });
  const consumer = await sink.consumeData({ dataProducerId: producer.id });
  t.like(producer, { type: 'direct', label: 'chat', sctpStreamParameters: undefined });
  t.like(consumer, { type: 'direct', label: 'chat', protocol: 'json', sctpStreamParameters: undefined });
  const said: Said[] = [];
  consumer.on('message', (message, ppid) => said.push([message.toString('latin1'), ppid]));
  const long = Buffer.alloc(262_144, 'long');
  producer.send('text');
  producer.send(Buffer.from([1, 2, 255]));
  producer.send('');
  producer.send(Buffer.alloc(0));
  producer.send(long);
  producer.send('told', 1234);
  await until(async () => said.length === 6);
  t.deepEqual(said, [
    ['text', 51],
    ['\x01\x02\xff', 53],
    ['\0', 56],
    ['\0', 57],
    [long.toString('latin1'), 53],
    ['told', 1234],
  ]);
  t.like((await producer.getStats())[0], { messagesReceived: 6, bytesReceived: 4 + 3 + 2 + 262_144 + 4 });
  t.like((await consumer.getStats())[0], { messagesSent: 6, bufferedAmount: 0 });
  t.like(await producer.dump(), { type: 'direct' });
  t.deepEqual((await sink.dump()).dataConsumerIds, [consumer.id]);
});

test('the first message after consumeData is not lost, and none comes after close', async (t) => {
  const { router } = await open(t);
  const transport = await router.createDirectTransport();
  const producer = await transport.produceData();
  const timer = setInterval(() => producer.send('tick'), 1);
  t.teardown(() => clearInterval(timer));
  for (let round = 0; round < 30; round += 1) {
    const consumer = await transport.consumeData({ dataProducerId: producer.id });
    let heard = 0;
    consumer.on('message', () => {
      heard += 1;
      t.false(consumer.closed);
    });
    await until(async () => heard > 0);
    const [stat] = await consumer.getStats();
    await until(async () => heard >= (stat?.messagesSent ?? 0));
    consumer.close();
  }
});

test('pausing, subchannels and the required and ignored one choose who hears a message', async (t) => {
  const { router } = await open(t);
  const transport = await router.createDirectTransport();
  const producer = await transport.produceData();
  const heard: string[] = [];
  const consume = async (name: string, subchannels: number[]) => {
    const consumer = await transport.consumeData({ dataProducerId: producer.id, subchannels });
    consumer.on('message', (message) => heard.push(`${name} ${message}`));
    return consumer;
  };
  const none = await consume('none', []);
  await consume('one', [1]);
  await consume('both', [1, 2]);
  producer.send('all');
  producer.send('to 1', undefined, [65_536 + 1]);
  producer.send('to 1 with 2', undefined, [1], 2);
  producer.send('all but 2', undefined, [], undefined, 2);
  await until(async () => heard.length === 3 + 2 + 1 + 2);
  t.deepEqual(heard, [
    ...['none all', 'one all', 'both all', 'one to 1', 'both to 1', 'both to 1 with 2'],
    ...['none all but 2', 'one all but 2'],
  ]);
  heard.length = 0;
  await none.pause();
  producer.send('to two');
  await until(async () => heard.length === 2);
  await producer.pause();
  producer.send('to nobody');
  await producer.resume();
  await none.resume();
  producer.send('again');
  await until(async () => heard.length === 5);
  t.deepEqual(heard, ['one to two', 'both to two', 'none again', 'one again', 'both again']);
});

test('p03 what makes no sense is refused before it crosses, and nothing is sent', async (t) => {
  const { router } = await open(t);
  const transport = await router.createDirectTransport({ maxReceiveMessageSize: 100, maxSendMessageSize: 50 });
  const producer = await transport.produceData();
  const consumer = await transport.consumeData({ dataProducerId: producer.id });
  const heard: number[] = [];
  consumer.on('message', (message) => heard.push(message.length));
  for (const wrong of [
    () => producer.send(7 as never),
    () => producer.send(new Uint8Array(new SharedArrayBuffer(8)) as never),
    () => producer.send('x', 1.5),
    () => producer.send('x', -1),
    () => producer.send('x', 51, 'no' as never),
    () => producer.send('x', 51, [1.5]),
    () => producer.send('x', 51, [], 1.5),
    () => producer.send('x', 51, [], 1, '2' as never),
  ]) {
    t.throws(wrong, { instanceOf: TypeError });
  }
  const many = Array.from({ length: 257 }, (_, at) => at);
  t.throws(() => producer.send('x', 51, many), { instanceOf: LimitError });
  t.throws(() => producer.send('x'.repeat(101)), { instanceOf: LimitError });
  await t.throwsAsync(consumer.send('back'), { instanceOf: errors.InvalidStateError });
  producer.send('x'.repeat(51));
  producer.send('x'.repeat(50));
  await until(async () => heard.length > 0);
  t.deepEqual(heard, [50], 'longer than the sink takes is dropped');
  await t.throwsAsync(router.createDirectTransport({ maxSendMessageSize: 0 }), { instanceOf: TypeError });
  await t.throwsAsync(router.createDirectTransport({ maxSendMessageSize: 524_289 }), { instanceOf: TypeError });
  const plain = await router.createPlainTransport({ listenIp: '127.0.0.1', enableSctp: true });
  const other = await plain.produceData({ sctpStreamParameters: { streamId: 0 } });
  t.throws(() => other.send('x'), { instanceOf: UnsupportedError });
  producer.close();
  t.notThrows(() => producer.send('late'));
});

test('a reader that is busy loses the oldest messages, and they are counted', async (t) => {
  const { worker, router } = await open(t);
  const transport = await router.createDirectTransport();
  const producer = await transport.produceData();
  const consumer = await transport.consumeData({ dataProducerId: producer.id });
  const numbers: number[] = [];
  consumer.on('message', (message) => numbers.push(message.readUInt32LE(0)));
  const message = Buffer.alloc(200_000);
  const sent = 200;
  // In one turn of the event loop, so that nothing is read meanwhile: 40 MB.
  for (let number = 0; number < sent; number += 1) {
    message.writeUInt32LE(number, 0);
    producer.send(message);
  }
  await until(async () => numbers.at(-1) === sent - 1);
  const { worker: counters } = await worker.getMetrics();
  const dropped = (counters.application_packets_dropped ?? 0) + (counters.packets_to_application_dropped ?? 0);
  t.is(numbers.length + dropped, sent);
  t.true(numbers.length < sent);
  t.deepEqual(
    numbers,
    [...numbers].sort((a, b) => a - b),
  );
});

test('data of SCTP endpoints reaches the application, and back', async (t) => {
  const { router } = await open(t);
  const settings = { listenIp: '127.0.0.1', enableSctp: true };
  const [near, far] = [await router.createPlainTransport(settings), await router.createPlainTransport(settings)];
  await near.connect({ ip: '127.0.0.1', port: far.tuple.localPort });
  await far.connect({ ip: '127.0.0.1', port: near.tuple.localPort });
  await until(async () => near.sctpState === 'connected' && far.sctpState === 'connected');
  const direct = await router.createDirectTransport();
  const asked = await direct.produceData();
  // What the application says leaves over SCTP by `near`, comes in by `far`, and goes back to the application.
  const out = await near.consumeData({ dataProducerId: asked.id });
  const { streamId = 0 } = out.sctpStreamParameters ?? {};
  const answered = await far.produceData({ sctpStreamParameters: { streamId, ordered: true } });
  const heard = await direct.consumeData({ dataProducerId: answered.id });
  const said: Said[] = [];
  heard.on('message', (message, ppid) => said.push([message.toString(), ppid]));
  const long = 'x'.repeat(200_000);
  asked.send('hello');
  asked.send(long);
  asked.send(Buffer.from('bytes'));
  await until(async () => said.length === 3);
  t.deepEqual(said, [
    ['hello', 51],
    [long, 51],
    ['bytes', 53],
  ]);
});

for (const isSameWorker of [true, false]) {
  test(`subchannels cross a pipe to ${isSameWorker ? 'the same' : 'another'} worker`, async (t) => {
    const { worker, router } = await open(t);
    const other = isSameWorker ? worker : await createWorker();
    t.teardown(() => other.close());
    const far = await other.createRouter();
    const source = await router.createDirectTransport();
    const producer = await source.produceData();
    const piped = await router.pipeToRouter({ dataProducerId: producer.id, router: far, keepId: !isSameWorker });
    const { pipeDataProducer, pipeDataConsumer } = piped as Required<types.PipeToRouterResult>;
    const sink = await far.createDirectTransport();
    const heard: string[] = [];
    for (const [name, subchannels] of [['none', []] as const, ['one', [1]] as const, ['both', [1, 2]] as const]) {
      const dataProducerId = pipeDataProducer.id;
      const consumer = await sink.consumeData({ dataProducerId, subchannels: [...subchannels] });
      consumer.on('message', (message) => heard.push(`${name} ${message}`));
    }
    await until(async () => {
      producer.send('?');
      return heard.includes('both ?');
    });
    await until(async () => (await pipeDataConsumer.getBufferedAmount()) === 0);
    heard.length = 0;
    producer.send('to 1', undefined, [1]);
    producer.send('to 2', undefined, [1, 2], 2);
    producer.send('not to 2', undefined, undefined, undefined, 2);
    // As long as a message may be: whom it is for has room beside it.
    producer.send('y'.repeat(262_143), undefined, [2], 1, 3);
    await until(async () => heard.some((text) => text.startsWith('both y')));
    t.deepEqual(
      heard.filter((text) => !text.endsWith('?')).map((text) => text.slice(0, 16)),
      ['one to 1', 'both to 1', 'both to 2', 'none not to 2', 'one not to 2', 'both yyyyyyyyyyy'],
    );
    await pipeDataConsumer.send('for all');
    await until(async () => heard.includes('none for all'));
  });
}

/** Waits until something holds: an event that is awaited does not keep the process alive, a timer does. */
async function until(met: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await met())) {
    if (performance.now() > deadline) throw new Error('it never happened');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function open(t: ExecutionContext) {
  const worker = await createWorker();
  t.teardown(() => worker.close());
  return { worker, router: await worker.createRouter() };
}
