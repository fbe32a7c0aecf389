import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import test from 'ava';
import { Channel } from '../ts/channel.js';
import {
  InvalidStateError,
  LimitError,
  MillraceError,
  NotFoundError,
  UnsupportedError,
  WorkerClosedError,
} from '../ts/errors.js';
import { setLogEventListeners } from '../ts/logger.js';
import { errorFromAddon, errorFromWire } from '../ts/native-events.js';
import { FakeAddon, type FakeNativeWorker, refusal } from './fake-addon.js';

test('a request is numbered and resolves with its own reply', async (t) => {
  const { channel, native } = open();
  native.holding = true;
  const first = channel.request('a.first', { value: 1, id: 99, method: 'x' });
  const second = channel.request('a.second');
  const [one, two] = native.commands;
  t.like(one, { method: 'a.first', value: 1 });
  t.not(one?.id, two?.id);
  native.say({ type: 'reply', id: two?.id as number, ok: 'two' }, { type: 'reply', id: one?.id as number, ok: 'one' });
  t.deepEqual(await Promise.all([first, second]), ['one', 'two']);
});

test('an event that follows a reply waits until the caller has seen the reply', async (t) => {
  const { channel, native } = open();
  native.holding = true;
  const seen: unknown[] = [];
  const caller = (async () => {
    await channel.request('a.create');
    await Promise.resolve();
    channel.subscribe('id', (event) => seen.push(event));
  })();
  native.letGo(event('id', 'one'), event('id', 'two'));
  native.emit('id', 'three');
  t.deepEqual(seen, []);
  await caller;
  await turn();
  t.deepEqual(seen, ['one', 'two', 'three']);
});

test('events without a reply before them are delivered at once', (t) => {
  const { channel, native } = open();
  const seen: unknown[] = [];
  channel.subscribe('id', (name, data) => seen.push([name, data]));
  native.say(event('id', 'score', 5), event('other', 'score', 6));
  t.deepEqual(seen, [['score', 5]]);
});

test('n05 ten thousand events after a blocked loop arrive complete and in order', async (t) => {
  const { channel, native } = open();
  const seen: unknown[] = [];
  channel.subscribe('id', (_name, data) => seen.push(data));
  native.holding = true;
  const reply = channel.request('a.b');
  native.letGo();
  for (let number = 0; number < 10_000; number += 100) {
    native.say(...Array.from({ length: 100 }, (_, index) => event('id', 'trace', number + index)));
  }
  await reply;
  await turn();
  t.deepEqual(
    seen,
    Array.from({ length: 10_000 }, (_, index) => index),
  );
});

test.serial('n06 a handler that throws does not lose the rest of the batch', (t) => {
  const lines: string[] = [];
  setLogEventListeners({ onerror: (_namespace, log) => lines.push(log) });
  t.teardown(() => setLogEventListeners());
  const { channel, native } = open();
  const seen: unknown[] = [];
  channel.subscribe('bad', () => {
    throw new Error('thrown');
  });
  channel.subscribe('good', (name) => seen.push(name));
  native.say(event('bad', 'one'), event('good', 'two'));
  t.deepEqual(seen, ['two']);
  t.deepEqual(lines, ["handling 'one' failed"]);
});

test('n06 a handler may send a request and close the channel in the middle of a batch', async (t) => {
  const { channel, native } = open();
  const seen: unknown[] = [];
  let request: Promise<unknown> | undefined;
  channel.subscribe('id', (name) => {
    seen.push(name);
    request = channel.request('a.b');
    channel.close();
  });
  native.say(event('id', 'one'), event('id', 'two'));
  await t.throwsAsync(request as Promise<unknown>, { instanceOf: WorkerClosedError, code: 'ERR_WORKER_CLOSED' });
  native.emit('id', 'three');
  t.deepEqual(seen, ['one']);
});

test('closing rejects what is pending, and what comes later', async (t) => {
  const { channel, native } = open();
  native.holding = true;
  const pending = channel.request('a.b');
  channel.close();
  channel.close();
  t.is(native.closed, 1);
  await t.throwsAsync(pending, { instanceOf: WorkerClosedError, code: 'ERR_WORKER_CLOSED' });
  await t.throwsAsync(channel.request('a.b'), { instanceOf: WorkerClosedError, code: 'ERR_CLOSED' });
});

test('n09 a worker that dies rejects what is pending, then tells once', async (t) => {
  const { channel, native, deaths } = open();
  native.holding = true;
  const pending = channel.request('a.b');
  native.say({ type: 'died', message: 'boom' }, event('id', 'late'));
  t.true(channel.closed);
  t.deepEqual(
    deaths.map((error) => error.message),
    ['boom'],
  );
  await t.throwsAsync(pending, { instanceOf: WorkerClosedError, message: 'boom' });
});

test('numbers that JSON would turn into null are refused before anything is sent', async (t) => {
  const { channel, native } = open();
  await t.throwsAsync(channel.request('a.b', { depth: { bitrate: Number.NaN } }), {
    instanceOf: TypeError,
    code: 'ERR_INVALID_ARGUMENT',
    message: /bitrate/,
  });
  await t.throwsAsync(channel.request('a.b', { big: 1n }), { instanceOf: TypeError });
  t.deepEqual(native.commands, []);
});

test('an addon that refuses a request rejects it', async (t) => {
  const { channel, native } = open();
  native.request = () => {
    throw new Error(JSON.stringify(refusal('Error', 'ERR_LIMIT_EXCEEDED', 'too many')));
  };
  await t.throwsAsync(channel.request('a.b'), { instanceOf: LimitError, message: 'too many' });
});

test('every error has a class, a stable code and the stack of its caller', async (t) => {
  const classes = { TypeError, UnsupportedError, NotFoundError, InvalidStateError, WorkerClosedError };
  for (const [name, instanceOf] of Object.entries(classes) as [keyof typeof classes, ErrorConstructor][]) {
    const error = errorFromWire(refusal(name, 'ERR_SOME', 'message'));
    t.true(error instanceof instanceOf, name);
    t.like(error, { name, code: 'ERR_SOME', message: 'message' });
  }
  t.is(errorFromWire(refusal('Error', 'ERR_IO', 'message')).constructor, MillraceError);
  t.is(errorFromWire(refusal('Error', 'ERR_LIMIT_EXCEEDED', 'message')).constructor, LimitError);
  const foreign = new Error('not JSON');
  t.is(errorFromAddon(foreign), foreign);

  const { channel, addon } = open();
  addon.answers.set('a.b', () => {
    throw refusal('TypeError', 'ERR_INVALID_ARGUMENT', 'bad');
  });
  const error = await t.throwsAsync(async function callerWithAName() {
    await channel.request('a.b');
  });
  t.true(error?.stack?.includes('callerWithAName'));
});

test.serial('every request leaves a debug line', async (t) => {
  const lines: string[] = [];
  setLogEventListeners({ ondebug: (namespace, log) => lines.push(`${namespace} ${log}`) });
  t.teardown(() => setLogEventListeners());
  await open().channel.request('router.dump');
  t.deepEqual(lines, ['millrace:Channel request 1 router.dump']);
});

test.serial('log lines of the worker carry their tag and level', (t) => {
  const lines: string[] = [];
  setLogEventListeners({
    ondebug: (namespace, log) => lines.push(`${namespace} ${log}`),
    onwarn: (namespace, log) => lines.push(`${namespace} ${log}`),
  });
  t.teardown(() => setLogEventListeners());
  open().native.say(
    { type: 'log', level: 'debug', tag: 'ice', message: 'one' },
    { type: 'log', level: 'warn', message: 'two' },
  );
  t.deepEqual(lines, ['millrace:Worker [ice] one', 'millrace:WARN:Worker two']);
});

test('n02 an abandoned worker is collected and closed, unless a call is pending', async (t) => {
  const addon = new FakeAddon();
  const abandoned = await addon.start().then(() => addon.native);
  const waiting = await addon.start().then((worker) => {
    addon.native.holding = true;
    return { native: addon.native, dump: worker.dump() };
  });
  for (let rounds = 0; abandoned.closed === 0 || rounds < 20; rounds += 1) {
    collectGarbage();
    await turn();
  }
  t.is(waiting.native.closed, 0);
  waiting.native.letGo();
  await t.notThrowsAsync(waiting.dump);
});

function open(): { channel: Channel; native: FakeNativeWorker; addon: FakeAddon; deaths: Error[] } {
  const addon = new FakeAddon();
  const deaths: Error[] = [];
  const channel = new Channel(
    (onMessages) => new addon.NativeWorker('{}', onMessages),
    (error) => deaths.push(error),
  );
  return { channel, native: addon.native, addon, deaths };
}

function event(target: string, name: string, data: unknown = null) {
  return { type: 'event', target, event: name, data } as const;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;
