import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import type { Browser } from 'playwright-core';
import type { ServerOptions } from '../ts/server/options/schema.js';
import { type Server, startServer } from '../ts/server/server.js';
import { HANG_MS, launch, launchProcess, personScript, TabPerson } from './browser.js';
import type { Impression, PersonOptions } from './pages/person.js';

type Character = Omit<PersonOptions, 'url'>;

const test = anyTest as TestFn<{ browser: Browser; script: string }>;

const ADA: Character = { name: 'ada', colour: '#d02020', pitchHz: 500 };
const GRACE: Character = { name: 'grace', colour: '#20a030', pitchHz: 900 };
const ALAN: Character = { name: 'alan', colour: '#2040d0', pitchHz: 1500 };

/** ICE consent of the tests, in s: Chromium checks its path every 2.5 s, and the WebSocket would notice after 20 s. */
const CONSENT_S = 8;

test.before(async (t) => {
  t.context.browser = await launch();
  t.context.script = await personScript();
});

test.after.always(async (t) => {
  await t.context.browser?.close();
});

const WAYS: readonly [string, ServerOptions, string, { protocol: string; address: string }][] = [
  ['UDP', { host: '127.0.0.1' }, '', { protocol: 'udp', address: '127.0.0.1' }],
  ['TCP alone', { host: '127.0.0.1' }, '?forceTcp=true', { protocol: 'tcp', address: '127.0.0.1' }],
  ['IPv6', { host: '::1' }, '', { protocol: 'udp', address: '::1' }],
];

for (const [way, options, query, path] of WAYS) {
  test.serial(`over ${way}, each of three sees and hears who each of the others is`, async (t) => {
    const people = await callOf(t, options, query, [ADA, GRACE, ALAN]);
    for (const person of people) {
      for (const other of [ADA, GRACE, ALAN].filter(({ name }) => name !== person.name)) {
        const { frame } = await person.until(other.name, (impression) => is(other, impression));
        await person.until(other.name, (impression) => is(other, impression) && impression.frame !== frame);
      }
      const paths = await person.page.evaluate(() => window.person.paths());
      t.is(paths.length, 2);
      for (const used of paths) {
        t.like(used, path);
      }
    }
  });
}

test.serial('a picture that is closed goes, and one that is opened again comes', async (t) => {
  const [ada, grace] = await pair(t);
  await grace.until('ada', (impression) => is(ADA, impression));
  await ada.page.evaluate(() => window.person.hidePicture());
  await grace.until('ada', ({ colour, pitchHz }) => colour === undefined && near(pitchHz, ADA.pitchHz));
  await ada.page.evaluate(() => window.person.showPicture());
  await grace.until('ada', (impression) => is(ADA, impression));
  t.pass();
});

test.serial('what is paused stands still and falls silent until it is resumed', async (t) => {
  const [ada, grace] = await pair(t);
  await grace.until('ada', (impression) => is(ADA, impression));
  await ada.page.evaluate(() => window.person.setPaused('microphone', true));
  await ada.page.evaluate(() => window.person.setPaused('camera', true));
  const { paused } = await grace.until('ada', (now) => now.paused.length === 2 && now.pitchHz === undefined);
  t.deepEqual([...paused].sort(), ['camera', 'microphone']);
  await ada.page.evaluate(() => window.person.setPaused('microphone', false));
  await ada.page.evaluate(() => window.person.setPaused('camera', false));
  const { frame } = await grace.until('ada', (now) => is(ADA, now) && now.paused.length === 0);
  await grace.until('ada', (now) => is(ADA, now) && now.frame !== frame);
});

test.serial('decoded frames keep growing while both ends restart ICE', async (t) => {
  const [ada, grace] = await pair(t);
  const { frame = 0 } = await grace.until('ada', (impression) => is(ADA, impression));
  const before = await fragments(grace);
  await grace.page.evaluate(() => window.person.longestGapMs('ada'));
  await Promise.all([ada, grace].map(({ page }) => page.evaluate(() => window.person.restartIce())));
  await until(async () => (await fragments(grace)).every((fragment) => !before.includes(fragment)));
  await grace.until('ada', (now) => is(ADA, now) && (now.frame ?? 0) > frame + 60);
  const gapMs = await grace.page.evaluate(() => window.person.longestGapMs('ada'));
  t.log(`longest gap between two decoded frames: ${gapMs.toFixed(0)} ms`);
  t.true(gapMs < LONGEST_GAP_MS);
});

test.serial('a browser that is frozen without goodbye leaves when its consent expires', async (t) => {
  const { ada, mallory } = await withOwnProcess(t);
  const started = performance.now();
  process.kill(-mallory.pid, 'SIGSTOP');
  await ada.untilOthers();
  const seconds = (performance.now() - started) / 1000;
  t.log(`left after ${seconds.toFixed(1)} s, with a consent of ${CONSENT_S} s`);
  t.true(seconds < CONSENT_S + 4);
});

test.serial('a browser that is killed without goodbye leaves within the consent time', async (t) => {
  const { ada, mallory } = await withOwnProcess(t);
  const started = performance.now();
  process.kill(-mallory.pid, 'SIGKILL');
  await ada.untilOthers();
  t.true((performance.now() - started) / 1000 < CONSENT_S + 4);
});

test.serial('when the server comes back, so does everyone, seen and heard', async (t) => {
  const { browser, script } = t.context;
  const first = await startServer({ host: '127.0.0.1', port: 0, mediaPort: 0 });
  const url = first.urls.meet('back')[0] as string;
  const ada = await TabPerson.join(browser, script, { url, ...ADA });
  const grace = await TabPerson.join(browser, script, { url, ...GRACE });
  t.teardown(() => Promise.all([ada.page.close(), grace.page.close()]));
  await grace.until('ada', (impression) => is(ADA, impression));
  await first.close();
  await grace.page.waitForFunction(() => window.person.phase() === 'reconnecting');
  const second = await startServer({ host: '127.0.0.1', port: Number(new URL(url).port), mediaPort: 0 });
  t.teardown(() => second.close());
  await grace.until('ada', (impression) => is(ADA, impression));
  await ada.until('grace', (impression) => is(GRACE, impression));
  t.pass();
});

/** A pause of this length in ms would be seen by everyone. */
const LONGEST_GAP_MS = 2000;

/** How far a colour may be off after coding, per channel of 0 to 255. */
const COLOUR_ERROR = 40;

/** How far a pitch may be off, in Hz: the spectrum has a line every 6 Hz. */
const PITCH_ERROR_HZ = 12;

function is({ colour, pitchHz }: Character, impression: Impression): boolean {
  const channels = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
  const seen = impression.colour?.every((value, index) => Math.abs(value - (channels[index] ?? 0)) < COLOUR_ERROR);
  return seen === true && near(impression.pitchHz, pitchHz);
}

function near(heardHz: number | undefined, pitchHz: number): boolean {
  return heardHz !== undefined && Math.abs(heardHz - pitchHz) < PITCH_ERROR_HZ;
}

async function callOf(
  t: ExecutionContext<{ browser: Browser; script: string }>,
  options: ServerOptions,
  query: string,
  people: readonly Character[],
): Promise<TabPerson[]> {
  const server = await startServer({ port: 0, mediaPort: 0, ...options });
  t.teardown(() => server.close());
  const { browser, script } = t.context;
  const joined = await Promise.all(
    people.map((person) => TabPerson.join(browser, script, { url: urlOf(server, query), ...person })),
  );
  t.teardown(() => Promise.all(joined.map(({ page }) => page.close())));
  return joined;
}

async function pair(t: ExecutionContext<{ browser: Browser; script: string }>): Promise<[TabPerson, TabPerson]> {
  return (await callOf(t, { host: '127.0.0.1' }, '', [ADA, GRACE])) as [TabPerson, TabPerson];
}

/** Ada in a tab, and Mallory in a Chromium of its own, who see and hear each other. */
async function withOwnProcess(
  t: ExecutionContext<{ browser: Browser; script: string }>,
): Promise<{ ada: TabPerson; mallory: { pid: number } }> {
  const { script } = t.context;
  const [ada] = (await callOf(t, { host: '127.0.0.1', iceConsentTimeout: CONSENT_S }, '', [ADA])) as [TabPerson];
  const own = await launchProcess();
  t.teardown(() => own.server.kill());
  await TabPerson.join(own.browser, script, { ...GRACE, url: ada.url, name: 'mallory' });
  await ada.until('mallory', (impression) => is(GRACE, impression));
  return { ada, mallory: { pid: own.pid } };
}

function urlOf(server: Server, query: string): string {
  return `${server.urls.meet('call')[0]}${query}`;
}

async function fragments(person: TabPerson): Promise<string[]> {
  return (await person.page.evaluate(() => window.person.paths())).map(({ fragment }) => fragment);
}

async function until(met: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + HANG_MS;
  while (!(await met())) {
    if (performance.now() > deadline) {
      throw new Error('it never happened');
    }
  }
}
