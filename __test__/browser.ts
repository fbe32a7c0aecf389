import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserServer, chromium, type Page } from 'playwright-core';
import puppeteer from 'puppeteer-core';
import { build } from 'vite';
import type { Impression, PersonOptions } from './pages/person.js';
import { SoundServer } from './peers/sound-server.js';

/** Long enough for a busy machine; only what hangs takes so long. */
export const HANG_MS = 60_000;

/** Debian's Chromium, or another one. */
const CHROMIUM = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium';

const OPTIONS = {
  executablePath: CHROMIUM,
  headless: true,
  // Whatever Node.js was told to load before the addon is not meant for Chromium.
  env: { ...process.env, LD_PRELOAD: '' },
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--disable-background-timer-throttling',
    '--disable-backgrounding-occluded-windows',
    '--disable-renderer-backgrounding',
    '--autoplay-policy=no-user-gesture-required',
    '--use-fake-ui-for-media-stream',
    '--use-fake-device-for-media-stream',
    '--auto-select-desktop-capture-source=Entire screen',
  ],
};

/** Debian's Firefox ESR, or another one. */
const FIREFOX = process.env.FIREFOX_PATH ?? '/usr/bin/firefox-esr';

const FIREFOX_OPTIONS = {
  browser: 'firefox',
  executablePath: FIREFOX,
  headless: true,
  extraPrefsFirefox: {
    'media.navigator.permission.disabled': true,
    'media.navigator.streams.fake': true,
    'media.autoplay.default': 0,
    'media.autoplay.blocking_policy': 0,
    // The server of a test listens on the loopback interface. There Firefox gathers candidates only when it is told to,
    // and on any interface but that of the default route only for pages that may use camera and microphone.
    'media.peerconnection.ice.loopback': true,
    'permissions.default.camera': 1,
    'permissions.default.microphone': 1,
  },
} as const;

/** What the tests of calls do with a tab, in any browser. */
export type Tab = {
  goto(url: string): Promise<unknown>;
  on(event: 'pageerror', listener: (error: unknown) => void): unknown;
  evaluate<Result, Argument = void>(
    script: (argument: Argument) => Result | Promise<Result>,
    argument: Argument,
  ): Promise<Result>;
  evaluate<Result>(script: () => Result | Promise<Result>): Promise<Result>;
  close(): Promise<void>;
};

/** A browser, as far as the tests of calls use it. */
export type TabBrowser = { newPage(): Promise<Tab>; close(): Promise<void> };

/** Starts Firefox, with something to play sound on. */
export async function launchFirefox(preferences: Readonly<Record<string, boolean>> = {}): Promise<TabBrowser> {
  const sound = await SoundServer.open();
  const firefox = await puppeteer.launch({
    ...FIREFOX_OPTIONS,
    env: { ...process.env, ...sound.environment },
    extraPrefsFirefox: { ...FIREFOX_OPTIONS.extraPrefsFirefox, ...preferences },
  });
  return {
    newPage: () => firefox.newPage(),
    close: async () => {
      await firefox.close();
      await sound.close();
    },
  };
}

/** Starts Chromium. */
export function launch(): Promise<Browser> {
  return chromium.launch(OPTIONS);
}

/** Starts Chromium as a process that a test may freeze or kill. */
export async function launchProcess(): Promise<{ browser: Browser; server: BrowserServer; pid: number }> {
  const server = await chromium.launchServer(OPTIONS);
  const browser = await chromium.connect(server.wsEndpoint());
  return { browser, server, pid: server.process().pid as number };
}

/** Opens a tab of its own kind, which reports what goes wrong in it. */
export async function openTab(browser: Browser, url: string): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 760 } });
  const page = await context.newPage();
  page.setDefaultTimeout(HANG_MS);
  page.on('pageerror', (error) => console.error(`${url}: ${error.stack}`));
  await page.goto(url);
  return page;
}

/** Serves an empty page, which counts as secure because it is this machine's. */
export async function servePage(): Promise<{ page: Server; url: string }> {
  const page = createServer((_, response) => response.end('<!doctype html>')).listen(0, '127.0.0.1');
  await once(page, 'listening');
  return { page, url: `http://127.0.0.1:${(page.address() as AddressInfo).port}/` };
}

/** Bundles the script of a test person, which any page can run. */
export function personScript(): Promise<string> {
  return pageScript('person');
}

/** Bundles one of the scripts for pages. */
export async function pageScript(name: string): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: 'error',
    build: {
      write: false,
      minify: false,
      target: 'es2022',
      lib: { entry: fileURLToPath(new URL(`pages/${name}.ts`, import.meta.url)), formats: ['es'], fileName: name },
    },
  });
  const [bundle] = [built].flat();
  if (!bundle || !('output' in bundle)) {
    throw new Error('nothing was built');
  }
  return bundle.output[0].code;
}

/** Someone in a call, in a tab of a browser. */
export class TabPerson {
  readonly page: Tab;
  readonly name: string;
  readonly url: string;

  private constructor(page: Tab, { name, url }: PersonOptions) {
    this.page = page;
    this.name = name;
    this.url = url;
  }

  /** Opens a tab and joins a call. */
  static async join(browser: TabBrowser, script: string, options: PersonOptions): Promise<TabPerson> {
    const page = await browser.newPage();
    page.on('pageerror', (error) => console.error(`${options.name}:`, error));
    // Any page of the server will do: Chromium lets pages from elsewhere not connect to this machine.
    await page.goto(new URL('/healthz', options.url).href);
    await page.evaluate(async (module) => {
      await import(URL.createObjectURL(new Blob([module], { type: 'text/javascript' })));
    }, script);
    const reason = await page.evaluate(async (person) => {
      window.person = new window.Person(person);
      return await window.person.join();
    }, options);
    if (reason !== '') {
      throw new Error(`${options.name} did not join: ${reason}`);
    }
    return new TabPerson(page, options);
  }

  /** Waits until what is seen and heard of another fits, and returns it. */
  async until(other: string, fits: (impression: Impression) => boolean): Promise<Impression> {
    let last: Impression | undefined;
    const deadline = performance.now() + HANG_MS;
    while (performance.now() < deadline) {
      last = (await this.page.evaluate(() => window.person.impressions())).find(({ name }) => name === other);
      if (last && fits(last)) {
        return last;
      }
    }
    throw new Error(`${this.name} never saw it of ${other}; the last was ${JSON.stringify(last)}`);
  }

  /** Waits until these are in the call besides this one. */
  async untilOthers(...names: string[]): Promise<void> {
    const expected = JSON.stringify(names.sort());
    await until(
      async () => JSON.stringify((await this.page.evaluate(() => window.person.others())).sort()) === expected,
    );
  }
}

/** Waits until something holds. */
export async function until(met: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + HANG_MS;
  while (!(await met())) {
    if (performance.now() > deadline) {
      throw new Error('it never happened');
    }
    // Lets the event loop turn, for what is met by events alone.
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
