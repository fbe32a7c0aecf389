// Cases of hostile-cases.md that a hostile or careless caller of the API provokes, on the real addon.
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { MessageChannel } from 'node:worker_threads';
import test from 'ava';
import { addon } from '../ts/addon.js';
import { createWorker, setLogEventListeners, type types } from '../ts/index.js';
import type { NativeAddon } from '../ts/native-addon.js';
import { startWorker } from '../ts/worker.js';

const MEDIA_CODECS: types.RouterRtpCodecCapability[] = [
  { kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2 },
];

const LISTEN = { listenInfos: [{ protocol: 'udp' as const, ip: '127.0.0.1' }] };

const NATIVE = new URL('../ts/native/', import.meta.url);

test('n01 objects that are closed and disposed of several times at once are closed once', async (t) => {
  const worker = await openWorker(t);
  const { router, receiving, producer, consumer } = await openCall(worker);
  const closed: string[] = [];
  const objects = { consumer, producer, receiving, router, worker };
  for (const [name, object] of Object.entries(objects)) {
    (object.observer as { on(event: 'close', listener: () => void): void }).on('close', () => {
      closed.push(name);
      object.close();
    });
  }
  const disposals = Object.values(objects).flatMap((object) => [
    object[Symbol.asyncDispose](),
    object.close(),
    object[Symbol.asyncDispose](),
  ]);
  await t.notThrowsAsync(Promise.all(disposals));
  t.deepEqual(closed, Object.keys(objects));
});

test('k07 an application that does not read gets every reply and the latest state, and what it missed is counted', async (t) => {
  const worker = await openWorker(t);
  const { producer, consumer } = await openCall(worker);
  let events = 0;
  consumer.on('producerpause', () => {
    events += 1;
  });
  const asked = Array.from({ length: 3000 }, () => [producer.pause(), producer.resume()]).flat();
  const last = producer.pause();
  // JavaScript reads nothing until the worker has carried out everything.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
  t.is((await Promise.all(asked)).length, 6000);
  await last;
  const { worker: counted } = await worker.getMetrics();
  await turn();
  t.true(consumer.producerPaused);
  t.true(
    (counted.state_events_merged ?? 0) > 0 && events < 3000,
    `${counted.state_events_merged} merged, ${events} told`,
  );
});

test.serial(
  'n06 a listener that throws, rejects and calls back in is told of once each and disturbs nothing',
  async (t) => {
    const lines: string[] = [];
    setLogEventListeners({ onerror: (_namespace, log, error) => lines.push(`${log}: ${error?.message}`) });
    t.teardown(() => setLogEventListeners());
    const worker = await openWorker(t);
    const { producer, consumer, receiving } = await openCall(worker);
    const failures: string[] = [];
    const answers: Promise<unknown>[] = [];
    const seen: string[] = [];
    consumer.on('listenererror', (event, error) => failures.push(`${event} ${error.message}`));
    consumer.on('producerpause', () => {
      answers.push(consumer.getStats(), producer.resume());
      throw new Error('thrown');
    });
    consumer.on('producerpause', async () => {
      throw new Error('rejected');
    });
    consumer.on('producerpause', () => seen.push('pause'));
    consumer.on('producerresume', () => {
      seen.push('resume');
      consumer.close();
      receiving.close();
      throw new Error('nobody listens to a closed object, but its listener ran');
    });
    await producer.pause();
    while (seen.length < 2) {
      await turn();
    }
    await Promise.all(answers);
    t.deepEqual(failures.slice(0, 2), ['producerpause thrown', 'producerpause rejected']);
    t.is(failures.length + lines.length, 3, 'each failure is surfaced once');
    t.deepEqual(seen, ['pause', 'resume']);
    t.true(receiving.closed && consumer.closed && !producer.closed);
    await t.notThrowsAsync(producer.getStats());
  },
);

test('n08 two copies of the addon in one process work side by side', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const name = readdirSync(NATIVE).find((file) => file.endsWith('.node')) as string;
  const copy = join(folder, 'copy.node');
  copyFileSync(new URL(name, NATIVE), copy);
  const addon = createRequire(import.meta.url)(copy) as NativeAddon;
  const [ours, theirs] = [await createWorker(), await startWorker(addon)];
  for (const worker of [ours, theirs]) {
    const router = await worker.createRouter({ mediaCodecs: MEDIA_CODECS });
    const transport = await router.createWebRtcTransport(LISTEN);
    t.like(await worker.dump(), { routerIds: [router.id] });
    t.is(transport.iceCandidates.length, 1);
  }
  theirs.close();
  await t.notThrowsAsync(ours.dump());
  ours.close();
});

test('n09 a panic of a worker rejects what is pending, says died, and leaves other workers alone', async (t) => {
  const [doomed, other] = [await openWorker(t), await openWorker(t)];
  const { consumer } = await openCall(doomed);
  const died = new Promise<Error>((resolve) => {
    doomed.on('died', resolve);
  });
  const asked = doomed as unknown as { request(method: string): Promise<unknown> };
  const pending = [asked.request('worker.panic'), doomed.dump(), consumer.getStats()];
  for (const outcome of await Promise.allSettled(pending)) {
    t.like(outcome, { status: 'rejected', reason: { code: 'ERR_WORKER_CLOSED' } });
  }
  t.regex((await died).message, /panicked/);
  t.true(doomed.died && consumer.closed);
  await t.throwsAsync(doomed.dump(), { code: 'ERR_CLOSED' });
  await t.notThrowsAsync(other.createRouter({ mediaCodecs: MEDIA_CODECS }));
});

test('n09 every function of the addon turns a panic into an error instead of ending the process', (t) => {
  const folder = new URL('../crates/node/src/', import.meta.url);
  const sources = readdirSync(folder).map((file) => readFileSync(new URL(file, folder), 'utf8'));
  const functions = sources.flatMap((source) => [...source.matchAll(/#\[napi(\(.*\))?\]\s+pub fn (\w+)/g)]);
  t.true(functions.length >= 8, 'the functions were found');
  for (const [, attribute, name] of functions) {
    t.true(attribute?.includes('catch_unwind'), name);
  }
});

test('n11 an object that is posted to another thread stays with its owner', async (t) => {
  const worker = await openWorker(t);
  const router = await worker.createRouter({ mediaCodecs: MEDIA_CODECS });
  const native = new addon.NativeWorker('{}', () => {});
  const { port1, port2 } = new MessageChannel();
  t.teardown(() => port1.close());
  const { prototype } = addon.NativeWorker as unknown as { prototype: { request(text: string): void; close(): void } };
  for (const [name, object] of Object.entries({ worker, router, native })) {
    const posted = new Promise<unknown>((resolve) => {
      port2.once('message', resolve);
    });
    try {
      port1.postMessage(object);
    } catch (error) {
      t.is((error as Error).name, 'DataCloneError', name);
      port2.removeAllListeners();
      continue;
    }
    // Before Node.js 22.10 an object cannot refuse to be copied; the copy is an empty shell.
    const copy = (await posted) as { request?: unknown; close?: unknown; dump?: unknown };
    t.is(copy.dump ?? copy.request ?? copy.close, undefined, name);
    t.throws(() => prototype.request.call(copy, '{}'), undefined, name);
    t.throws(() => prototype.close.call(copy), undefined, name);
  }
  await t.notThrowsAsync(router.dump());
  native.close();
  t.notThrows(() => native.request('{}'), 'after close it does nothing');
});

/** Seeds of the property test; one that once failed stays here. */
const SEEDS = [1, 2, 3, 4];
const CALLS_PER_SEED = 600;

for (const seed of SEEDS) {
  test.serial(
    `p04 any JSON into any method in any order succeeds or is a typed error, and nothing leaks (seed ${seed})`,
    async (t) => {
      const worker = await openWorker(t);
      const baseline = await held(worker);
      const codes = documentedCodes();
      const model = new Model(worker, seed);
      const outcomes = new Map<string, number>();
      for (let count = 0; count < CALLS_PER_SEED; count += 1) {
        const { object, method, args, mustFail } = model.next();
        const call = `call ${count}: ${object.constructor.name}.${method}(${JSON.stringify(args)})`;
        try {
          const value = await (object as unknown as Record<string, (...args: unknown[]) => unknown>)[method]?.(...args);
          t.false(mustFail, `${call} succeeded on a closed object`);
          model.made(object, method, value);
          outcomes.set('success', (outcomes.get('success') ?? 0) + 1);
        } catch (error) {
          const { code } = error as { code?: string };
          t.true(error instanceof Error && codes.has(code ?? ''), `${call} failed with ${error}`);
          t.not(code, 'ERR_INTERNAL', call);
          outcomes.set(code ?? '', (outcomes.get(code ?? '') ?? 0) + 1);
        }
        await model.settled();
        t.deepEqual(model.disagreements(), [], call);
      }
      t.true(
        (outcomes.get('success') ?? 0) > 50 && (outcomes.get('ERR_INVALID_ARGUMENT') ?? 0) > 50,
        `${[...outcomes]}`,
      );
      model.closeAll();
      t.deepEqual(await held(worker), baseline);
    },
  );
}

type Any = types.Worker | types.WebRtcServer | types.Router | types.WebRtcTransport | types.Producer | types.Consumer;

/** What is open, as a list of objects with their parents; a closed parent takes its children along. */
class Model {
  readonly #entries: { object: Any; parents: Any[]; closed: boolean }[] = [];
  readonly #worker: types.Worker;
  #state: number;

  constructor(worker: types.Worker, seed: number) {
    this.#worker = worker;
    this.#state = seed;
    this.#entries.push({ object: worker, parents: [], closed: false });
  }

  /** Draws an object, a method of it and arguments. */
  next(): { object: Any; method: string; args: unknown[]; mustFail: boolean } {
    const open = this.#entries.filter(({ closed }) => !closed);
    const entry = this.#chance(0.15) ? this.#pick(this.#entries) : this.#pick(open);
    const { object, closed } = entry;
    const methods = Object.entries(this.#methods(object));
    const [method, valid] = this.#pick(methods);
    const args = this.#arguments(valid);
    return { object, method, args, mustFail: closed && !['close', 'canConsume'].includes(method) };
  }

  /** Takes note of a call that succeeded. */
  made(object: Any, method: string, value: unknown): void {
    if (method === 'close') {
      this.#close(object);
    } else if (/^(create|produce|consume)/.test(method)) {
      const child = value as Any & { readonly producerId?: string };
      const also = this.#entries.filter(({ object: other }) => (other as { id?: string }).id === child.producerId);
      const parents = [object, ...(child.producerId ? also.map((entry) => entry.object) : [])];
      this.#entries.push({ object: child, parents: parents, closed: false });
    }
  }

  /** Waits until the worker has told of what it closed. */
  async settled(): Promise<void> {
    await this.#worker.dump();
    await turn();
    await turn();
  }

  /** The objects that are open or closed against expectation. */
  disagreements(): string[] {
    const wrong = this.#entries.filter(({ object, closed }) => object.closed !== closed);
    return wrong.map(({ object, closed }) => `${object.constructor.name} should be ${closed ? 'closed' : 'open'}`);
  }

  closeAll(): void {
    for (const { object } of this.#entries.slice(1)) {
      object.close();
    }
  }

  #close(object: Any): void {
    const entry = this.#entries.find((other) => other.object === object);
    if (entry && !entry.closed) {
      entry.closed = true;
      for (const child of this.#entries.filter(({ parents }) => parents.includes(object))) {
        this.#close(child.object);
      }
    }
  }

  /** The methods of an object with arguments that make sense. */
  #methods(object: Any): Record<string, unknown[]> {
    const closing: Record<string, unknown[]> = this.#chance(0.5) ? { close: [] } : {};
    const traces = [['rtp', 'keyframe', 'nack', 'pli', 'fir']];
    switch (object.constructor.name) {
      case 'Worker':
        return {
          ...{ dump: [], getResourceUsage: [], getMetrics: [], updateSettings: [{ logLevel: 'warn' }] },
          createWebRtcServer: [LISTEN],
          createRouter: [{ mediaCodecs: MEDIA_CODECS }],
        };
      case 'WebRtcServer':
        return { dump: [], ...closing };
      case 'Router': {
        const rtpCapabilities = (object as types.Router).rtpCapabilities;
        return {
          ...{ dump: [], canConsume: [{ producerId: this.#producerId(), rtpCapabilities }], ...closing },
          updateMediaCodecs: [MEDIA_CODECS],
          createWebRtcTransport: [LISTEN],
        };
      }
      case 'WebRtcTransport': {
        const transport = object as types.WebRtcTransport;
        const rtpCapabilities = { codecs: [{ ...MEDIA_CODECS[0], preferredPayloadType: 100 }] };
        const { fingerprints } = transport.dtlsParameters;
        return {
          ...{ dump: [], getStats: [], restartIce: [], enableTraceEvent: [['bwe', 'probation']], ...closing },
          ...{ setMaxIncomingBitrate: [500_000], setMaxOutgoingBitrate: [500_000], setMinOutgoingBitrate: [50_000] },
          connect: [{ dtlsParameters: { role: 'client', fingerprints } }],
          produce: [{ kind: 'audio', rtpParameters: { codecs: [OPUS], encodings: [{ ssrc: this.#random() >>> 1 }] } }],
          consume: [{ producerId: this.#producerId(), rtpCapabilities }],
        };
      }
      case 'Producer':
        return { dump: [], getStats: [], pause: [], resume: [], enableTraceEvent: traces, ...closing };
      default:
        return {
          ...{ dump: [], getStats: [], pause: [], resume: [], enableTraceEvent: traces, ...closing },
          ...{ setPreferredLayers: [{ spatialLayer: 0 }], setPriority: [2], unsetPriority: [], requestKeyFrame: [] },
        };
    }
  }

  #producerId(): string {
    const producers = this.#entries.filter(({ object }) => object.constructor.name === 'Producer');
    return producers.length > 0 ? (this.#pick(producers).object as types.Producer).id : 'nobody';
  }

  /** Arguments that make sense, some with one part replaced, or any JSON. */
  #arguments(valid: unknown[]): unknown[] {
    if (this.#chance(0.5)) {
      return valid;
    }
    if (this.#chance(0.5)) {
      return valid.map((argument) => this.#spoil(structuredClone(argument)));
    }
    return Array.from({ length: this.#random() % 3 }, () => this.#json(0));
  }

  /** Replaces a part somewhere below a value. */
  #spoil(value: unknown): unknown {
    if (typeof value !== 'object' || value === null || this.#chance(0.2)) {
      return this.#json(0);
    }
    const entries = Object.keys(value);
    if (entries.length > 0) {
      const key = this.#pick(entries);
      const inside = value as Record<string, unknown>;
      inside[key] = this.#spoil(inside[key]);
    }
    return value;
  }

  #json(depth: number): unknown {
    const kinds = depth > 3 ? 5 : 7;
    switch (this.#random() % kinds) {
      case 0:
        return null;
      case 1:
        return this.#chance(0.5);
      case 2:
        return this.#pick([0, -1, 1.5, 255, 65_536, 2 ** 32, 2 ** 53, -(2 ** 53), 1e308, 5e-324]);
      case 3:
        return this.#pick([
          '',
          'audio',
          'udp',
          '127.0.0.1',
          '__proto__',
          '\ud800',
          '\0',
          'x'.repeat(5000),
          'audio/opus',
        ]);
      case 4:
        return this.#producerId();
      case 5:
        return Array.from({ length: this.#random() % 4 }, () => this.#json(depth + 1));
      default:
        return Object.fromEntries(
          Array.from({ length: this.#random() % 4 }, () => [this.#pick(KEYS), this.#json(depth + 1)]),
        );
    }
  }

  #pick<T>(values: readonly T[]): T {
    return values[this.#random() % values.length] as T;
  }

  #chance(probability: number): boolean {
    return this.#random() / 2 ** 32 < probability;
  }

  /** Mulberry32: 32 bits of chance from a seed. */
  #random(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }
}

const KEYS = [
  'kind',
  'codecs',
  'ssrc',
  'rtpParameters',
  'listenInfos',
  'ip',
  'appData',
  'id',
  '__proto__',
  'method',
  '',
];

const OPUS = { mimeType: 'audio/opus', payloadType: 111, clockRate: 48_000, channels: 2 };

/** What a worker holds: everything that a leak would show in. */
async function held(worker: types.Worker): Promise<unknown> {
  const { webRtcServerIds, routerIds, channelMessageHandlers } = await worker.dump();
  return { webRtcServerIds, routerIds, channelMessageHandlers, transports: (await worker.getMetrics()).transports };
}

/** The codes that docs/internals/errors.md promises. */
function documentedCodes(): Set<string> {
  const page = readFileSync(new URL('../docs/internals/errors.md', import.meta.url), 'utf8');
  return new Set([...page.matchAll(/^\| `(ERR_\w+)`/gm)].map(([, code]) => code as string));
}

async function openWorker(t: { teardown(fn: () => void): void }): Promise<types.Worker> {
  const worker = await createWorker();
  t.teardown(() => worker.close());
  return worker;
}

type Call = {
  router: types.Router;
  producer: types.Producer;
  consumer: types.Consumer;
  receiving: types.WebRtcTransport;
};

async function openCall(worker: types.Worker): Promise<Call> {
  const router = await worker.createRouter({ mediaCodecs: MEDIA_CODECS });
  const sending = await router.createWebRtcTransport(LISTEN);
  const receiving = await router.createWebRtcTransport(LISTEN);
  const rtpParameters = { codecs: [OPUS], encodings: [{ ssrc: 11 }] };
  const producer = await sending.produce({ kind: 'audio', rtpParameters });
  const { rtpCapabilities } = router;
  return {
    router,
    producer,
    consumer: await receiving.consume({ producerId: producer.id, rtpCapabilities }),
    receiving,
  };
}
