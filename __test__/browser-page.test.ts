import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import type { Browser, Page } from 'playwright-core';
import { type Server, startServer } from '../ts/server/server.js';
import { HANG_MS, launch, openTab, until } from './browser.js';

const test = anyTest as TestFn<{ browser: Browser; server: Server }>;

test.before(async (t) => {
  t.context.server = await startServer({ port: 0, mediaPort: 0 });
  t.context.browser = await launch();
});

test.after.always(async (t) => {
  await t.context.browser?.close();
  await t.context.server?.close();
});

test.serial('two people meet by keyboard alone: join, mute, camera off, share, leave', async (t) => {
  const ada = await joined(t, 'keyboard', 'Ada');
  const grace = await joined(t, 'keyboard', 'Grace');
  await moving(grace, 'Ada');
  await ada.keyboard.press('m');
  await tile(grace, 'Ada').getByLabel('muted').waitFor();
  await ada.keyboard.press('m');
  await tile(grace, 'Ada').getByLabel('muted').waitFor({ state: 'detached' });
  await ada.keyboard.press('v');
  await tile(grace, 'Ada').locator('video').waitFor({ state: 'detached' });
  await tile(ada, 'Ada (you)').getByText('A', { exact: true }).waitFor();
  await ada.keyboard.press('v');
  await moving(grace, 'Ada');
  await ada.keyboard.press('s');
  await moving(grace, 'Ada’s screen');
  await ada.keyboard.press('s');
  await tile(grace, 'Ada’s screen').waitFor({ state: 'detached' });
  await ada.getByRole('button', { name: 'Leave the call' }).press('Enter');
  await ada.getByText('You left the call.').waitFor();
  await tile(grace, 'Ada').waitFor({ state: 'detached' });
  await ada.getByRole('button', { name: 'Join again' }).press('Enter');
  await ready(ada);
  await ada.getByRole('button', { name: 'Join', exact: true }).press('Enter');
  await moving(grace, 'Ada');
  t.pass();
});

test.serial('on request the connection is shown in plain numbers', async (t) => {
  const ada = await joined(t, 'numbers', 'Ada');
  const grace = await joined(t, 'numbers', 'Grace');
  await moving(ada, 'Grace');
  await ada.keyboard.press('i');
  const numbers = ada.getByLabel('Connection in numbers', { exact: true });
  await numbers
    .filter({ hasText: /up [1-9]\d* kbit\/s.*down [1-9]\d* kbit\/s.*loss .* %.*round trip [\d.]+ ms/ })
    .waitFor();
  await ada.keyboard.press('i');
  await numbers.waitFor({ state: 'detached' });
  await grace.close();
  t.pass();
});

test.serial('a camera comes as large as it is shown, and in a larger window larger', async (t) => {
  const ada = await joined(t, 'window', 'Ada');
  const grace = await joined(t, 'window', 'Grace');
  await ada.setViewportSize({ width: 360, height: 640 });
  await moving(ada, 'Grace');
  const width = () =>
    tile(ada, 'Grace')
      .locator('video')
      .evaluate((video) => (video as HTMLVideoElement).videoWidth);
  await until(async () => (await width()) === 320);
  await ada.setViewportSize({ width: 1900, height: 1000 });
  await until(async () => (await width()) > 320);
  await grace.close();
  t.pass();
});

test.serial('without permission the page says so in plain words, and one joins as a listener', async (t) => {
  const grace = await joined(t, 'listener', 'Grace');
  const ada = await openTab(t.context.browser, 'about:blank');
  t.teardown(() => ada.close());
  await ada.addInitScript(() => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('denied', 'NotAllowedError'));
  });
  await ada.goto(t.context.server.urls.meet('listener')[0] as string);
  await ada.getByRole('alert').filter({ hasText: 'does not let this page use your camera and microphone' }).waitFor();
  await ada.getByLabel('Your name').fill('Ada');
  await ada.getByRole('button', { name: 'Join as a listener' }).click();
  await moving(ada, 'Grace');
  await tile(grace, 'Ada').waitFor();
  t.is(await tile(grace, 'Ada').locator('video').count(), 0);
  await ada.keyboard.press('v');
  await ada.getByRole('alert').filter({ hasText: 'does not let this page use your camera' }).waitFor();
});

test.serial('who comes and goes is said to those who cannot see it', async (t) => {
  const ada = await joined(t, 'spoken', 'Ada');
  const grace = await joined(t, 'spoken', 'Grace');
  const spoken = ada.locator('[aria-live=polite]');
  await spoken.filter({ hasText: 'Grace is in the call.' }).waitFor();
  await grace.close();
  await spoken.filter({ hasText: 'Grace left the call.' }).waitFor();
  t.pass();
});

test.serial('every button and field has a name', async (t) => {
  const lobby = await openTab(t.context.browser, t.context.server.urls.meet('names')[0] as string);
  const ada = await joined(t, 'names', 'Ada');
  for (const page of [lobby, ada]) {
    for (const control of await page.locator('button, input').all()) {
      const name = await control.evaluate(
        (element: HTMLInputElement) => element.ariaLabel || element.labels?.[0]?.textContent || element.textContent,
      );
      t.truthy(name, await control.evaluate(({ outerHTML }) => outerHTML));
    }
  }
  await lobby.close();
});

test.serial('the page obeys its own security policy', async (t) => {
  const ada = await openTab(t.context.browser, t.context.server.urls.meet('policy')[0] as string);
  t.teardown(() => ada.close());
  const complaints: string[] = [];
  ada.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  await ada.reload();
  await ada.getByRole('button', { name: 'Join', exact: true }).click();
  await ada.getByText('Nobody else is here yet.').waitFor();
  t.deepEqual(complaints, []);
});

/** Opens the page of a room and joins under this name. */
async function joined(
  t: ExecutionContext<{ browser: Browser; server: Server }>,
  room: string,
  name: string,
): Promise<Page> {
  const page = await openTab(t.context.browser, t.context.server.urls.meet(room)[0] as string);
  t.teardown(() => page.close());
  await page.getByLabel('Your name').fill(name);
  await ready(page);
  await page.keyboard.press('Enter');
  await tile(page, `${name} (you)`).waitFor();
  return page;
}

/** Waits until the lobby has asked for the camera: until then a press of "Join" is no press. */
async function ready(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Join', exact: true }).and(page.locator(':enabled')).waitFor();
}

function tile(page: Page, name: string) {
  return page.getByRole('listitem').filter({ has: page.getByText(name, { exact: true }) });
}

/** Waits until the picture of someone moves. */
async function moving(page: Page, name: string): Promise<void> {
  const video = tile(page, name).locator('video');
  await video.waitFor();
  await video.evaluate(
    (element: HTMLVideoElement, hangMs) =>
      new Promise<void>((resolve, reject) => {
        setTimeout(() => reject(new Error('the picture stands still')), hangMs);
        element.requestVideoFrameCallback(() => element.requestVideoFrameCallback(() => resolve()));
      }),
    HANG_MS,
  );
}
