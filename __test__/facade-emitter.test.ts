import { getEventListeners, on, once } from 'node:events';
import test from 'ava';
import { EnhancedEventEmitter, enhancedOnce } from '../ts/enhanced-event-emitter.js';
import { setLogEventListeners } from '../ts/logger.js';

type Events = { score: [value: number]; close: [] };

test('listeners are called in order with the arguments of the event', (t) => {
  const emitter = new EnhancedEventEmitter<Events>();
  const calls: string[] = [];
  emitter.on('score', (value) => calls.push(`on ${value}`));
  emitter.addListener('score', (value) => calls.push(`added ${value}`));
  emitter.once('score', (value) => calls.push(`once ${value}`));
  t.true(emitter.safeEmit('score', 1));
  t.true(emitter.emit('score', 2));
  t.false(emitter.safeEmit('close'));
  t.deepEqual(calls, ['on 1', 'added 1', 'once 1', 'on 2', 'added 2']);
});

test('a prepended listener is called first', (t) => {
  const emitter = new EnhancedEventEmitter<Events>();
  const calls: string[] = [];
  emitter.on('close', () => calls.push('a'));
  emitter.on('close', () => calls.push('b'));
  emitter.prependListener('close', () => calls.push('first'));
  emitter.prependOnceListener('close', () => calls.push('once'));
  emitter.safeEmit('close');
  emitter.emit('close');
  t.deepEqual(calls, ['once', 'first', 'a', 'b', 'first', 'a', 'b']);
});

test('a listener prepended during an event waits for the next one', (t) => {
  const emitter = new EnhancedEventEmitter<Events>();
  const calls: string[] = [];
  emitter.once('close', () => emitter.prependListener('close', () => calls.push('prepended')));
  emitter.on('close', () => calls.push('a'));
  emitter.safeEmit('close');
  t.deepEqual(calls, ['a']);
});

test('removing a listener that was added twice removes it once', (t) => {
  const emitter = new EnhancedEventEmitter<Events>();
  const listener = (): void => {};
  emitter.on('close', listener).on('close', listener);
  emitter.off('close', listener);
  t.is(emitter.listenerCount('close'), 1);
  emitter.removeListener('close', listener).removeListener('close', listener);
  t.is(emitter.listenerCount('close'), 0);
  t.deepEqual(emitter.eventNames(), []);
});

test('rawListeners wraps once listeners, and the wrapper can be called and removed', (t) => {
  const emitter = new EnhancedEventEmitter<Events>();
  let calls = 0;
  const listener = (): void => {
    calls += 1;
  };
  emitter.once('close', listener);
  const [raw] = emitter.rawListeners('close') as [(() => void) & { listener: unknown }];
  t.is(raw.listener, listener);
  t.is(emitter.rawListeners('close')[0], raw);
  raw();
  t.is(calls, 1);
  t.is(emitter.listenerCount('close'), 0);

  emitter.once('close', listener);
  emitter.off('close', emitter.rawListeners('close')[0] as () => void);
  t.is(emitter.listenerCount('close'), 0);
});

test('the number of listeners is unlimited unless set', (t) => {
  const emitter = new EnhancedEventEmitter<Events>();
  t.is(emitter.getMaxListeners(), Number.POSITIVE_INFINITY);
  t.is(emitter.setMaxListeners(3).getMaxListeners(), 3);
});

test('removeAllListeners empties one event or all', (t) => {
  const emitter = new EnhancedEventEmitter<Events>();
  emitter.on('close', () => {}).on('score', () => {});
  emitter.removeAllListeners('close');
  t.deepEqual(emitter.eventNames(), ['score']);
  emitter.removeAllListeners();
  t.deepEqual(emitter.eventNames(), []);
});

test('once of node:events resolves with the arguments', async (t) => {
  const emitter = new EnhancedEventEmitter<Events>();
  const waiting = once(emitter as unknown as NodeJS.EventEmitter, 'score');
  emitter.safeEmit('score', 7);
  t.deepEqual(await waiting, [7]);
  t.deepEqual(emitter.eventNames(), [], 'nothing is left behind');
});

test('once of node:events rejects when the emitter emits error', async (t) => {
  const emitter = new EnhancedEventEmitter<{ close: []; error: [Error] }>();
  const waiting = enhancedOnce(emitter, 'close');
  emitter.safeEmit('error', new Error('boom'));
  await t.throwsAsync(waiting, { message: 'boom' });
  t.deepEqual(emitter.eventNames(), []);
});

test('enhancedOnce is typed by the event map and obeys a signal', async (t) => {
  const emitter = new EnhancedEventEmitter<Events>();
  const waiting = enhancedOnce<Events, 'score'>(emitter, 'score');
  emitter.safeEmit('score', 9);
  const [value] = await waiting;
  t.is(value satisfies number, 9);

  const abort = new AbortController();
  const aborted = enhancedOnce(emitter, 'close', { signal: abort.signal });
  abort.abort();
  await t.throwsAsync(aborted, { name: 'AbortError' });
  t.is(emitter.listenerCount('close'), 0);
});

test('on and getEventListeners of node:events work', async (t) => {
  const emitter = new EnhancedEventEmitter<Events>();
  const iterator = on(emitter as unknown as NodeJS.EventEmitter, 'score');
  t.is(getEventListeners(emitter as unknown as NodeJS.EventEmitter, 'score').length, 1);
  emitter.safeEmit('score', 1);
  emitter.safeEmit('score', 2);
  t.deepEqual((await iterator.next()).value, [1]);
  t.deepEqual((await iterator.next()).value, [2]);
  await iterator.return?.();
  t.deepEqual(emitter.eventNames(), []);
});

test('n06 a listener that throws emits listenererror once and the others are still called', (t) => {
  const emitter = new EnhancedEventEmitter<Events>();
  const errors: unknown[] = [];
  const calls: string[] = [];
  emitter.on('listenererror', (eventName, error) => errors.push([eventName, error.message]));
  emitter.on('close', () => {
    throw new Error('thrown');
  });
  emitter.on('close', () => calls.push('second'));
  t.true(emitter.safeEmit('close'));
  t.deepEqual(errors, [['close', 'thrown']]);
  t.deepEqual(calls, ['second']);
});

test('n06 a listener whose promise is rejected emits listenererror', async (t) => {
  const emitter = new EnhancedEventEmitter<Events>();
  const told = once(emitter as unknown as NodeJS.EventEmitter, 'listenererror');
  emitter.on('close', async () => {
    throw new Error('rejected');
  });
  emitter.safeEmit('close');
  const [eventName, error] = await told;
  t.is(eventName, 'close');
  t.like(error, { message: 'rejected' });
});

test('n06 what a listener throws may be no error at all', (t) => {
  const emitter = new EnhancedEventEmitter<Events>();
  let told: Error | undefined;
  emitter.once('listenererror', (_eventName, error) => {
    told = error;
  });
  emitter.on('close', () => {
    throw 'a string';
  });
  emitter.safeEmit('close');
  t.true(told instanceof Error);
  t.is(told?.cause, 'a string');
  t.is(emitter.listenerCount('listenererror'), 0);
});

test.serial('n06 a failure that nobody listens for is logged once, a throwing listenererror listener too', (t) => {
  const lines: string[] = [];
  setLogEventListeners({ onerror: (namespace, log, error) => lines.push(`${namespace} ${log}: ${error?.message}`) });
  t.teardown(() => setLogEventListeners());
  const emitter = new EnhancedEventEmitter<Events>();
  emitter.on('close', () => {
    throw new Error('unheard');
  });
  emitter.safeEmit('close');
  emitter.on('listenererror', () => {
    throw new Error('again');
  });
  emitter.safeEmit('close');
  t.deepEqual(lines, [
    "millrace:ERROR:EnhancedEventEmitter a listener of 'close' failed: unheard",
    "millrace:ERROR:EnhancedEventEmitter a listener of 'listenererror' failed: again",
  ]);
});

test('n06 a listener may remove itself and emit again', (t) => {
  const emitter = new EnhancedEventEmitter<Events>();
  const calls: number[] = [];
  const listener = (value: number): void => {
    calls.push(value);
    emitter.off('score', listener);
    emitter.safeEmit('score', value + 1);
  };
  emitter.on('score', listener);
  emitter.on('score', (value) => calls.push(value * 10));
  emitter.safeEmit('score', 1);
  t.deepEqual(calls, [1, 20, 10]);
});
