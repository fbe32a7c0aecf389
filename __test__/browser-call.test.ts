import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import type { ServerOptions } from '../ts/server/options/config.js';
import { type Server, startServer } from '../ts/server/server.js';
import { launch, launchFirefox, launchProcess, personScript, type TabBrowser, TabPerson, until } from './browser.js';
import type { Impression, PersonOptions } from './pages/person.js';

type Character = Omit<PersonOptions, 'url'>;

/** Where someone takes part, and who. */
type Seat = readonly [browser: BrowserName, person: Character];

type BrowserName = 'Chromium' | 'Firefox';

type Context = { browsers: Readonly<Record<BrowserName, TabBrowser>>; script: string };

const test = anyTest as TestFn<Context>;

const ADA: Character = { name: 'ada', colour: '#d02020', pitchHz: 500 };
const GRACE: Character = { name: 'grace', colour: '#20a030', pitchHz: 900 };
const ALAN: Character = { name: 'alan', colour: '#2040d0', pitchHz: 1500 };

/** ICE consent of the tests, in s: Chromium checks its path every 2.5 s, and the WebSocket would notice after 20 s. */
const CONSENT_S = 8;

test.before(async (t) => {
  const [Chromium, Firefox] = await Promise.all([launch(), launchFirefox()]);
  t.context.browsers = { Chromium, Firefox };
  t.context.script = await personScript();
});

test.after.always(async (t) => {
  await Promise.all(Object.values(t.context.browsers ?? {}).map((browser) => browser.close()));
});

type Way = readonly [way: string, options: ServerOptions, query: string, path: { protocol: string; address: string }];

const UDP: Way = ['UDP', { host: '127.0.0.1' }, '', { protocol: 'udp', address: '127.0.0.1' }];
const TCP: Way = ['TCP alone', { host: '127.0.0.1' }, '?forceTcp=true', { protocol: 'tcp', address: '127.0.0.1' }];
const IPV6: Way = ['IPv6', { host: '::1' }, '', { protocol: 'udp', address: '::1' }];

const ALL_CHROMIUM: readonly Seat[] = [
  ['Chromium', ADA],
  ['Chromium', GRACE],
  ['Chromium', ALAN],
];
const WITH_FIREFOX: readonly Seat[] = [
  ['Firefox', ADA],
  ['Chromium', GRACE],
];

const CALLS: readonly [Way, readonly Seat[]][] = [
  ...[UDP, TCP, IPV6].map((way): [Way, readonly Seat[]] => [way, ALL_CHROMIUM]),
  ...[UDP, TCP, IPV6].map((way): [Way, readonly Seat[]] => [way, WITH_FIREFOX]),
];

for (const [[way, options, query, path], seats] of CALLS) {
  const browsers = seats.map(([browser]) => browser).join(', ');
  test.serial(`over ${way}, each of ${browsers} sees and hears who each of the others is`, async (t) => {
    const people = await callOf(t, options, query, seats);
    for (const person of people) {
      for (const [, other] of seats.filter(([, { name }]) => name !== person.name)) {
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

const PAIRS: readonly [BrowserName, BrowserName][] = [
  ['Chromium', 'Chromium'],
  ['Firefox', 'Chromium'],
  ['Chromium', 'Firefox'],
];

for (const [from, to] of PAIRS) {
  test.serial(`${from} to ${to}: a picture that is closed goes, and one that is opened again comes`, async (t) => {
    const [ada, grace] = await pair(t, from, to);
    await grace.until('ada', (impression) => is(ADA, impression));
    await ada.page.evaluate(() => window.person.hidePicture());
    await grace.until('ada', ({ colour, pitchHz }) => colour === undefined && near(pitchHz, ADA.pitchHz));
    await ada.page.evaluate(() => window.person.showPicture());
    await grace.until('ada', (impression) => is(ADA, impression));
    t.pass();
  });

  test.serial(`${from} to ${to}: what is paused stands still and falls silent until it is resumed`, async (t) => {
    const [ada, grace] = await pair(t, from, to);
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

  test.serial(`${from} to ${to}: decoded frames keep growing while both ends restart ICE`, async (t) => {
    const [ada, grace] = await pair(t, from, to);
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
}

test.serial('Firefox as it is installed, which finds no way to a server on localhost, says what to do', async (t) => {
  const server = await startServer({ port: 0, mediaPort: 0 });
  t.teardown(() => server.close());
  const firefox = await launchFirefox({ 'media.peerconnection.ice.loopback': false });
  t.teardown(() => firefox.close());
  const ada = await TabPerson.join(firefox, t.context.script, { url: urlOf(server, ''), ...ADA });
  await until(async () => (await ada.page.evaluate(() => window.person.trouble())).includes('--lan'));
  t.pass();
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
  const { browsers, script } = t.context;
  const first = await startServer({ host: '127.0.0.1', port: 0, mediaPort: 0 });
  const url = first.urls.meet('back')[0] as string;
  const ada = await TabPerson.join(browsers.Chromium, script, { url, ...ADA });
  const grace = await TabPerson.join(browsers.Chromium, script, { url, ...GRACE });
  t.teardown(() => Promise.all([ada.page.close(), grace.page.close()]));
  await grace.until('ada', (impression) => is(ADA, impression));
  await first.close();
  await until(async () => (await grace.page.evaluate(() => window.person.phase())) === 'reconnecting');
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
  t: ExecutionContext<Context>,
  options: ServerOptions,
  query: string,
  seats: readonly Seat[],
): Promise<TabPerson[]> {
  const server = await startServer({ port: 0, mediaPort: 0, ...options });
  t.teardown(() => server.close());
  const { browsers, script } = t.context;
  const joined = await Promise.all(
    seats.map(([browser, person]) =>
      TabPerson.join(browsers[browser], script, { url: urlOf(server, query), ...person }),
    ),
  );
  t.teardown(() => Promise.all(joined.map(({ page }) => page.close())));
  return joined;
}

/** Ada in one browser and Grace in another. */
async function pair(t: ExecutionContext<Context>, adas: BrowserName, graces: BrowserName) {
  const seats: readonly Seat[] = [
    [adas, ADA],
    [graces, GRACE],
  ];
  return (await callOf(t, { host: '127.0.0.1' }, '', seats)) as [TabPerson, TabPerson];
}

/** Ada in a tab, and Mallory in a Chromium of its own, who see and hear each other. */
async function withOwnProcess(t: ExecutionContext<Context>): Promise<{ ada: TabPerson; mallory: { pid: number } }> {
  const { script } = t.context;
  const [ada] = (await callOf(t, { host: '127.0.0.1', iceConsentTimeout: CONSENT_S }, '', [['Chromium', ADA]])) as [
    TabPerson,
  ];
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
