// What the facade does with packets, on an addon without a thread.
import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import { PACKET_BATCH_BYTES_MAX, PacketWriter, readPackets } from '../ts/packet-batch.js';
import { FakeAddon } from './fake-addon.js';

test('packets of one turn cross together, in order, and not before the turn ends', async (t) => {
  const batches: [number, string][][] = [];
  const writer = writerInto(batches);
  writer.add(1, Buffer.from('one'));
  writer.add(2, Buffer.from('two'));
  writer.add(1, Buffer.from('three'));
  t.is(batches.length, 0);
  await turn();
  t.deepEqual(batches, [
    [
      [1, 'one'],
      [2, 'two'],
      [1, 'three'],
    ],
  ]);
  writer.add(4, Buffer.from('four'));
  writer.flush();
  await turn();
  t.deepEqual(batches.slice(1), [[[4, 'four']]]);
});

test('a batch that is full crosses at once', async (t) => {
  const batches: [number, string][][] = [];
  const writer = writerInto(batches);
  const packet = Buffer.alloc(1_500, 'x');
  const count = Math.ceil(PACKET_BATCH_BYTES_MAX / packet.length);
  for (let number = 0; number < count; number += 1) {
    writer.add(number, packet);
  }
  t.is(batches.length, 1);
  await turn();
  t.deepEqual(
    batches.flat().map(([number]) => number),
    Array.from({ length: count }, (_, number) => number),
  );
});

test('packets and requests stay in order', async (t) => {
  const { native, consumer, producer } = await openDirect();
  producer.send(Buffer.from('first'));
  t.is(native.packets.length, 0);
  const paused = producer.pause();
  t.deepEqual(native.packets, [[PRODUCER_NUMBER, Buffer.from('first')]]);
  await paused;
  consumer.on('rtp', () => {});
  producer.send(Buffer.from('second'));
  consumer.close();
  t.deepEqual(native.methods().slice(-3), ['producer.pause', 'consumer.listen', 'consumer.close']);
  t.is(native.packets.length, 2);
});

test('the worker is told of the first listener and of the end of the last, by whichever method', async (t) => {
  const { native, consumer, transport } = await openDirect();
  const listener = (): void => {};
  const told = (method: string) =>
    native.commands.filter((command) => command.method === method).map(({ listens }) => listens);
  consumer.on('rtp', listener).addListener('rtp', listener).prependListener('rtp', listener).on('score', listener);
  t.deepEqual(told('consumer.listen'), [true]);
  consumer.off('rtp', listener).removeListener('rtp', listener).off('rtp', listener).off('rtp', listener);
  t.deepEqual(told('consumer.listen'), [true, false]);
  consumer.prependOnceListener('rtp', listener);
  native.deliver([CONSUMER_NUMBER, Buffer.from('packet')]);
  t.deepEqual(told('consumer.listen'), [true, false, true, false]);
  consumer.once('rtp', listener);
  consumer.emit('rtp', Buffer.alloc(0));
  consumer.on('rtp', listener).removeAllListeners();
  t.deepEqual(told('consumer.listen').slice(4), [true, false, true, false]);
  transport.observer.on('rtcp', listener);
  transport.on('rtcp', listener).off('rtcp', listener);
  t.deepEqual(told('transport.listen'), [true]);
  transport.observer.removeAllListeners('rtcp');
  t.deepEqual(told('transport.listen'), [true, false]);
});

test('packets reach their object until it is closed, and those of nobody harm nobody', async (t) => {
  const { native, consumer, transport } = await openDirect();
  const heard: string[] = [];
  consumer.on('rtp', (packet) => heard.push(`rtp ${packet}`));
  transport.on('rtcp', (packet) => heard.push(`rtcp ${packet}`));
  transport.observer.on('rtcp', (packet) => heard.push(`observed ${packet}`));
  native.deliver([CONSUMER_NUMBER, Buffer.from('a')], [999, Buffer.from('b')], [TRANSPORT_NUMBER, Buffer.from('c')]);
  t.deepEqual(heard.splice(0), ['rtp a', 'rtcp c', 'observed c']);
  consumer.on('rtp', () => consumer.close());
  native.deliver([CONSUMER_NUMBER, Buffer.from('d')], [CONSUMER_NUMBER, Buffer.from('e')]);
  t.deepEqual(heard.splice(0), ['rtp d']);
  transport.close();
  native.deliver([TRANSPORT_NUMBER, Buffer.from('f')]);
  t.deepEqual(heard, []);
});

const TRANSPORT_NUMBER = 1;
const PRODUCER_NUMBER = 2;
const CONSUMER_NUMBER = 3;

function writerInto(batches: [number, string][][]): PacketWriter {
  return new PacketWriter({
    sendPackets(batch) {
      const packets: [number, string][] = [];
      readPackets(Buffer.from(batch), (number, packet) => packets.push([number, packet.toString()]));
      batches.push(packets);
    },
  });
}

async function openDirect() {
  const addon = new FakeAddon();
  addon.answers.set('router.createDirectTransport', () => ({ packetNumber: TRANSPORT_NUMBER }));
  for (const [method, packetNumber] of [
    ['transport.produce', PRODUCER_NUMBER],
    ['transport.consume', CONSUMER_NUMBER],
  ] as const) {
    const answer = addon.answers.get(method);
    addon.answers.set(method, (command) => ({ ...(answer?.(command) as object), packetNumber }));
  }
  const worker = await addon.start();
  const router = await worker.createRouter();
  const transport = await router.createDirectTransport();
  const producer = await transport.produce({ kind: 'video', rtpParameters: { codecs: [] } });
  const consumer = await transport.consume({ producerId: producer.id, rtpCapabilities: {} });
  return { native: addon.native, transport, producer, consumer };
}
