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

const OPUS = { mimeType: 'audio/opus', payloadType: 111, clockRate: 48_000, channels: 2 };

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
