import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import type { Browser, Page } from 'playwright-core';
import { type Server, startServer } from '../ts/server/server.js';
import { launch, openTab, until } from './browser.js';

const test = anyTest as TestFn<{ browser: Browser; server: Server }>;

/** The tone that each person says, in Hz. */
const TONES = { Ada: 500, Grace: 1_100, Mary: 1_900 } as const;

type Name = keyof typeof TONES;

test.before(async (t) => {
  t.context.server = await startServer({ port: 0, mediaPort: 0 });
  t.context.browser = await launch();
});

test.after.always(async (t) => {
  await t.context.browser?.close();
  await t.context.server?.close();
});

test('everybody else is heard as one sound, and apart again, while the call goes on', async (t) => {
  const ada = await joined(t, 'Ada');
  await joined(t, 'Grace');
  await until(async () => (await heard(ada)).join(' ') === 'Grace');
  await ada.keyboard.press('c');
  await ada.getByRole('button', { name: 'Hear everyone apart' }).waitFor();
  await until(async () => (await heard(ada)).join(' ') === 'Grace');
  // Who comes later is in it too.
  const mary = await joined(t, 'Mary');
  await until(async () => (await heard(ada)).join(' ') === 'Grace+Mary');
  await until(async () => (await heard(mary)).join(' ') === 'Ada Grace');
  await ada.keyboard.press('c');
  await ada.getByRole('button', { name: 'Hear everyone as one combined sound' }).waitFor();
  await until(async () => (await heard(ada)).join(' ') === 'Grace Mary');
  await mary.keyboard.press('c');
  await until(async () => (await heard(mary)).join(' ') === 'Ada+Grace');
  // Who mutes is not in it any more.
  await ada.keyboard.press('m');
  await until(async () => (await heard(mary)).join(' ') === 'Grace');
  t.pass();
});

/** Opens the page and joins, saying one's tone. */
async function joined(t: ExecutionContext<{ browser: Browser; server: Server }>, name: Name): Promise<Page> {
  const page = await openTab(t.context.browser, 'about:blank');
  t.teardown(() => page.close());
  await page.addInitScript((frequency) => {
    navigator.mediaDevices.getUserMedia = async () => {
      const context = new AudioContext();
      const output = context.createMediaStreamDestination();
      const level = new GainNode(context, { gain: 0.3 });
      const tone = new OscillatorNode(context, { frequency });
      tone.connect(level).connect(output);
      tone.start();
      return output.stream;
    };
  }, TONES[name]);
  await page.goto(t.context.server.urls.meet('combined')[0] as string);
  await page.getByLabel('Your name').fill(name);
  await page.getByRole('button', { name: 'Join', exact: true }).and(page.locator(':enabled')).click();
  await page.getByText(`${name} (you)`).waitFor();
  return page;
}

/** Whose tones are in each of the sounds that the page plays, sorted; sounds with none are left out. */
async function heard(page: Page): Promise<string[]> {
  const sounds = await page.evaluate(async (tones) => {
    const context = new AudioContext();
    const streams = [...document.querySelectorAll('audio')].map(({ srcObject }) => srcObject as MediaStream);
    const analysers = streams.map((stream) => {
      const analyser = new AnalyserNode(context, { fftSize: 4096, smoothingTimeConstant: 0 });
      context.createMediaStreamSource(stream).connect(analyser);
      return analyser;
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    const names = analysers.map((analyser) => {
      const bins = new Float32Array(analyser.frequencyBinCount);
      analyser.getFloatFrequencyData(bins);
      return Object.entries(tones)
        .filter(([, hz]) => (bins[Math.round((hz * 4096) / context.sampleRate)] ?? Number.NEGATIVE_INFINITY) > -45)
        .map(([name]) => name)
        .join('+');
    });
    await context.close();
    return names;
  }, TONES);
  return sounds.filter(Boolean).sort();
}
