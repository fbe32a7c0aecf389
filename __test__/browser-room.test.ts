import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type { Browser, Page } from 'playwright-core';
import { HANG_MS, launch, until } from './browser.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const COLOURS = { red: [200, 30, 30], green: [30, 160, 40], blue: [30, 50, 200] } as const;

type Colour = keyof typeof COLOURS;

test('everybody in the room of the example sees who is there, and nobody who has left', async (t) => {
  const { process: server, url } = await startRoom();
  const browser = await launch();
  t.teardown(async () => {
    await browser.close();
    server.kill();
    await once(server, 'exit');
  });
  const red = await enter(browser, url, 'red');
  // At once: who joins while another begins to publish sees it all the same, and once.
  const [green, blue] = await Promise.all([enter(browser, url, 'green'), enter(browser, url, 'blue')]);
  await until(async () => (await seenBy(red)).join() === 'blue,green');
  await until(async () => (await seenBy(green)).join() === 'blue,red');
  await until(async () => (await seenBy(blue)).join() === 'green,red');
  await blue.close();
  await until(async () => (await seenBy(red)).join() === 'green');
  await until(async () => (await seenBy(green)).join() === 'red');
  const returned = await enter(browser, url, 'blue');
  await until(async () => (await seenBy(returned)).join() === 'green,red');
  await until(async () => (await seenBy(red)).join() === 'blue,green');
  t.pass();
});

async function startRoom(): Promise<{ process: ChildProcess; url: string }> {
  const stdio = ['ignore', 'pipe', 'inherit'] as const;
  const room = spawn(process.execPath, ['examples/room.mjs'], {
    cwd: root,
    env: { ...process.env, PORT: '0' },
    stdio: [...stdio],
    timeout: 3 * HANG_MS,
  });
  const [line] = await once(room.stdout as NodeJS.ReadableStream, 'data');
  return { process: room, url: String(line).match(/http:\S+/)?.[0] ?? '' };
}

/** Opens the room in a tab whose camera shows one colour. */
async function enter(browser: Browser, url: string, colour: Colour): Promise<Page> {
  const context = await browser.newContext();
  await context.addInitScript((rgb) => {
    navigator.mediaDevices.getUserMedia = async () => {
      const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 240 });
      const pen = canvas.getContext('2d') as CanvasRenderingContext2D;
      setInterval(() => {
        pen.fillStyle = `rgb(${rgb.join()})`;
        pen.fillRect(0, 0, 320, 240);
      }, 50);
      const sound = new AudioContext().createMediaStreamDestination().stream;
      return new MediaStream([...canvas.captureStream(20).getTracks(), ...sound.getTracks()]);
    };
  }, COLOURS[colour]);
  const page = await context.newPage();
  page.on('pageerror', (error) => console.error(`${colour}: ${error.stack}`));
  await page.goto(url);
  return page;
}

/** The colours of the pictures of others, sorted; `?` for one that is none of them or has not come. */
async function seenBy(page: Page): Promise<string[]> {
  const pixels = await page.evaluate(() =>
    [...document.querySelectorAll<HTMLVideoElement>('video.remote')].map((video) => {
      const pen = Object.assign(document.createElement('canvas'), { width: 8, height: 8 }).getContext('2d');
      pen?.drawImage(video, 0, 0, 8, 8);
      return [...(pen?.getImageData(4, 4, 1, 1).data ?? [])].slice(0, 3);
    }),
  );
  const nearest = (pixel: number[]) =>
    Object.entries(COLOURS).find(([, rgb]) => rgb.every((value, index) => Math.abs(value - (pixel[index] ?? 0)) < 40));
  return pixels.map((pixel) => nearest(pixel)?.[0] ?? '?').sort();
}
