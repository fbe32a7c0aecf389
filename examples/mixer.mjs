// A call that is mixed on the server: somebody speaks over a DirectTransport, a bot speaks samples, a listener gets one sound, and a
// stub of a transcription reads everything but the bot.

import { setTimeout as wait } from 'node:timers/promises';
import { createWorker } from 'millrace';

const SAMPLE_RATE = 16_000;
const PERSON_HZ = 500;
const BOT_HZ = 1_200;
const SECONDS_HEARD = 1;

// An open worker does not keep the process alive.
const awake = setInterval(() => {}, 60_000);
const worker = await createWorker();
const router = await worker.createRouter({
  mediaCodecs: [{ kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2 }],
});
const mixer = await worker.createAudioMixer({ topK: 4 });
mixer.on('activeinput', (input) => console.log(`the loudest is ${input.appData.name}`));

// Whoever publishes audio into the router can be an input. Here it is another mixer, which stands in for a microphone.
const microphone = await speaking('a microphone', PERSON_HZ);
const person = await mixer.addInput({ producerId: microphone.id, appData: { name: 'the person' } });

// A bot speaks by samples, written as fast as they are heard. Half as loud here, so that there is somebody who is loudest.
const bot = await mixer.addInput({ pcm: { sampleRate: SAMPLE_RATE }, gain: 0.5, appData: { name: 'the bot' } });
const stop = say(bot, BOT_HZ);

// An ordinary producer: everybody for those who only listen, and for each talker all others.
const everybody = await mixer.createOutput({ router, codec: 'opus' });
const forThePerson = await mixer.createOutput({ router, codec: 'opus', exclude: [person] });
console.log(`${mixer.outputs.length} outputs, ${everybody.producer.kind} as ${forThePerson.codec}`);

await transcribe('the listener', everybody.frames({ sampleRate: SAMPLE_RATE }));
await transcribe('the person', forThePerson.frames({ sampleRate: SAMPLE_RATE }));
await transcribe('the transcription', mixer.frames({ sampleRate: SAMPLE_RATE, exclude: [bot] }));

const { inputs } = await mixer.getStats();
console.log(`${inputs.filter(({ chosen }) => chosen).length} inputs are heard`);
stop();
worker.close();
clearInterval(awake);

/** Prints which of the tones are in a second of sound, once any is: a transcription would print words. */
async function transcribe(name, frames) {
  const samples = [];
  for await (const frame of frames) {
    samples.push(...frame.samples);
    if (samples.length < SECONDS_HEARD * SAMPLE_RATE) continue;
    samples.splice(0, samples.length - SECONDS_HEARD * SAMPLE_RATE);
    const heard = [PERSON_HZ, BOT_HZ].filter((pitchHz) => loudness(samples, pitchHz) > 500);
    if (heard.length > (name === 'the listener' ? 1 : 0)) {
      console.log(`${name} hears ${heard.join(' and ')} Hz`);
      break;
    }
  }
}

/** A producer of a tone. */
async function speaking(name, pitchHz) {
  const source = await worker.createAudioMixer();
  const voice = await source.addInput({ pcm: { sampleRate: SAMPLE_RATE }, appData: { name } });
  say(voice, pitchHz);
  const output = await source.createOutput({ router, codec: 'opus' });
  return output.producer;
}

/** Writes a tone, 20 ms at a time and a little ahead, until it is stopped. */
function say(input, pitchHz) {
  const started = performance.now();
  let written = 0;
  let goesOn = true;
  (async () => {
    while (goesOn && !input.closed) {
      const due = ((performance.now() - started) / 1000 + 0.1) * SAMPLE_RATE;
      for (; written < due; written += SAMPLE_RATE / 50) {
        input.write(
          Int16Array.from(
            { length: SAMPLE_RATE / 50 },
            (_, index) => 8_000 * Math.sin((2 * Math.PI * pitchHz * (written + index)) / SAMPLE_RATE),
          ),
        );
      }
      await wait(10);
    }
  })();
  return () => {
    goesOn = false;
  };
}

/** How loud a tone is in samples (Goertzel's way: one term of a Fourier transform). */
function loudness(samples, pitchHz) {
  let [real, imaginary] = [0, 0];
  for (const [index, sample] of samples.entries()) {
    const angle = (2 * Math.PI * pitchHz * index) / SAMPLE_RATE;
    real += sample * Math.cos(angle);
    imaginary += sample * Math.sin(angle);
  }
  return (2 * Math.hypot(real, imaginary)) / samples.length;
}
