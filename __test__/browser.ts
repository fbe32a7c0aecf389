import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserServer, chromium, type Page } from 'playwright-core';
import { build } from 'vite';
import type { Impression, PersonOptions } from './pages/person.js';

/** Long enough for a busy machine; only what hangs takes so long. */
export const HANG_MS = 60_000;

/** Debian's Chromium, or another one. */
const CHROMIUM = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium';

const OPTIONS = {
  executablePath: CHROMIUM,
  headless: true,
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

/** Bundles the script of a test person, which any page can run. */
export async function personScript(): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: 'error',
    build: {
      write: false,
      minify: false,
      target: 'es2022',
      lib: { entry: fileURLToPath(new URL('pages/person.ts', import.meta.url)), formats: ['es'], fileName: 'person' },
    },
  });
  const [bundle] = [built].flat();
  if (!bundle || !('output' in bundle)) {
    throw new Error('nothing was built');
  }
  return bundle.output[0].code;
}

/** Someone in a call, in a tab of Chromium. */
export class TabPerson {
  readonly page: Page;
  readonly name: string;
  readonly url: string;

  private constructor(page: Page, { name, url }: PersonOptions) {
    this.page = page;
    this.name = name;
    this.url = url;
  }

  /** Opens a tab and joins a call. */
  static async join(browser: Browser, script: string, options: PersonOptions): Promise<TabPerson> {
    const context = await browser.newContext();
    const page = await context.newPage();
    page.setDefaultTimeout(HANG_MS);
    page.on('pageerror', (error) => console.error(`${options.name}: ${error.stack}`));
    // Any page of the server will do: Chromium lets pages from elsewhere not connect to this machine.
    await page.goto(new URL('/healthz', options.url).href);
    await page.addScriptTag({ type: 'module', content: script });
    // A module runs after the call that adds it has returned.
    await page.waitForFunction(() => 'Person' in window);
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
    await this.page.waitForFunction(
      (expected) => JSON.stringify(window.person.others().sort()) === JSON.stringify(expected),
      names.sort(),
    );
  }
}
