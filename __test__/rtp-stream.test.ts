import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import { EnhancedEventEmitter } from '../ts/enhanced-event-emitter.js';
import { LimitError } from '../ts/errors.js';
import {
  BoundedQueue,
  buildRtcp,
  packets,
  QUEUE_ITEMS_MAX,
  QUEUE_READERS_MAX,
  RtpPacket,
  type RtpSource,
  rtcpPackets,
} from '../ts/rtp/index.js';

test('packets come parsed, with the extensions of the consumer by name, until it closes', async (t) => {
  const consumer = new FakeConsumer();
  const seen: [number, string | undefined][] = [];
  const loop = (async () => {
    for await (const packet of packets(consumer)) {
      seen.push([packet.sequenceNumber, packet.extension('mid')]);
    }
  })();
  consumer.send(1);
  await setImmediate();
  consumer.send(2);
  consumer.close();
  consumer.send(3);
  await loop;
  t.deepEqual(seen, [
    [1, 'm'],
    [2, 'm'],
  ]);
  t.is(consumer.listeners('rtp').length + consumer.observer.listeners('close').length, 0);
});

test('packets that come before the loop begins wait', async (t) => {
  const consumer = new FakeConsumer();
  const stream = packets(consumer);
  consumer.send(1);
  consumer.send(2);
  consumer.close();
  t.deepEqual(await numbersOf(stream), [1, 2]);
});

test('a loop that is too slow misses the oldest packets, and they are counted', async (t) => {
  const consumer = new FakeConsumer();
  const stream = packets(consumer, { queue: 3 });
  for (let number = 1; number <= 10; number += 1) {
    consumer.send(number);
  }
  t.deepEqual([stream.size, stream.dropped], [3, 7]);
  consumer.close();
  t.deepEqual(await numbersOf(stream), [8, 9, 10]);
  t.is(stream.size, 0);
});

test('what is no packet is left out and counted', async (t) => {
  const consumer = new FakeConsumer();
  const stream = packets(consumer);
  consumer.safeEmit('rtp', Buffer.from('nonsense'));
  consumer.send(1);
  consumer.close();
  t.deepEqual(await numbersOf(stream), [1]);
  t.is(stream.malformed, 1);
});

test('a loop that is left, an aborted signal and a disposal stop listening', async (t) => {
  const consumer = new FakeConsumer();
  consumer.send(0);
  const controller = new AbortController();
  const streams = [packets(consumer), packets(consumer, { signal: controller.signal }), packets(consumer)] as const;
  consumer.send(1);
  for await (const { sequenceNumber } of streams[0]) {
    t.is(sequenceNumber, 1);
    break;
  }
  controller.abort();
  await streams[2][Symbol.asyncDispose]();
  t.is(consumer.listeners('rtp').length + consumer.observer.listeners('close').length, 0);
  t.deepEqual(
    streams.map(({ ended, size }) => [ended, size]),
    [
      [true, 0],
      [true, 1],
      [true, 0],
    ],
  );
  t.deepEqual(await numbersOf(streams[1]), [1], 'what came before the abort can still be taken');
});

test('the stream of what is closed or aborted already ends at once', async (t) => {
  const consumer = new FakeConsumer();
  t.deepEqual(await numbersOf(packets(consumer, { signal: AbortSignal.abort() })), []);
  consumer.close();
  t.deepEqual(await numbersOf(packets(consumer)), []);
});

test('who waits when the consumer closes is told the end', async (t) => {
  const consumer = new FakeConsumer();
  const waiting = packets(consumer).next();
  consumer.close();
  t.deepEqual(await waiting, { done: true, value: undefined });
});

test('compounds of RTCP come parsed', async (t) => {
  const transport = Object.assign(new EnhancedEventEmitter<{ rtcp: [Buffer] }>(), {
    closed: false,
    observer: new EnhancedEventEmitter<{ close: [] }>(),
  });
  const stream = rtcpPackets(transport);
  transport.safeEmit('rtcp', buildRtcp([{ type: 'bye', ssrcs: [7] }]));
  transport.safeEmit('rtcp', Buffer.alloc(3));
  t.deepEqual(await stream.next(), { done: false, value: [{ type: 'bye', ssrcs: [7] }] });
  t.is(stream.malformed, 1);
});

test('a queue keeps its order however it fills and empties', async (t) => {
  const queue = new BoundedQueue<number>(100);
  const taken: number[] = [];
  let next = 0;
  for (let round = 0; round < 50; round += 1) {
    for (let count = 0; count < (round * 7) % 60; count += 1) {
      queue.push(next);
      next += 1;
    }
    for (let count = Math.min(queue.size, (round * 11) % 50); count > 0; count -= 1) {
      taken.push((await queue.next()).value as number);
    }
  }
  queue.end();
  for await (const item of queue) {
    taken.push(item);
  }
  t.is(taken.length + queue.dropped, next);
  t.true(queue.dropped > 0 && taken.every((item, index) => index === 0 || item > (taken[index - 1] as number)));
  t.is(taken.at(-1), next - 1);
});

test('calls of next() are answered in their order, and only so many may wait', async (t) => {
  const queue = new BoundedQueue<number>(1);
  const waiting = Array.from({ length: QUEUE_READERS_MAX }, () => queue.next());
  await t.throwsAsync(queue.next(), { instanceOf: LimitError });
  waiting.forEach((_, index) => {
    queue.push(index);
  });
  t.deepEqual(
    (await Promise.all(waiting)).map(({ value }) => value),
    waiting.map((_, index) => index),
  );
  t.is(queue.dropped, 0);
});

test('the end is told once, to whoever fills the queue, and nothing comes after it', async (t) => {
  let ends = 0;
  const queue = new BoundedQueue<number>(2, () => {
    ends += 1;
  });
  queue.push(1);
  queue.end();
  queue.push(2);
  queue.end();
  await queue.return();
  t.is(ends, 1);
  t.deepEqual([queue.size, queue.ended], [0, true]);
  t.deepEqual(await queue.next(), { done: true, value: undefined });
});

test('the capacity of a queue is a number from 1 to its bound', (t) => {
  for (const capacity of [0, -1, 1.5, Number.NaN, QUEUE_ITEMS_MAX + 1]) {
    t.throws(() => new BoundedQueue(capacity), { instanceOf: TypeError });
    t.throws(() => packets(new FakeConsumer(), { queue: capacity }), { instanceOf: TypeError });
  }
  t.notThrows(() => new BoundedQueue(QUEUE_ITEMS_MAX));
});

/** What of a Consumer of a DirectTransport a stream uses. */
class FakeConsumer extends EnhancedEventEmitter<{ rtp: [rtpPacket: Buffer] }> implements RtpSource {
  readonly observer = new EnhancedEventEmitter<{ close: [] }>();
  readonly rtpParameters = { headerExtensions: [{ uri: 'urn:ietf:params:rtp-hdrext:sdes:mid', id: 5 }] };
  closed = false;

  send(sequenceNumber: number): void {
    const packet = new RtpPacket({ payloadType: 1, sequenceNumber, timestamp: 2, ssrc: 3 });
    packet.setExtensionBytes(5, Buffer.from('m'));
    this.safeEmit('rtp', packet.toBuffer());
  }

  close(): void {
    this.closed = true;
    this.observer.safeEmit('close');
  }
}

async function numbersOf(stream: AsyncIterable<RtpPacket>): Promise<number[]> {
  const numbers: number[] = [];
  for await (const { sequenceNumber } of stream) {
    numbers.push(sequenceNumber);
  }
  return numbers;
}
