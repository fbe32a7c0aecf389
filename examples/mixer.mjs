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
// Whoever publishes audio into the router can be an input. Here it is another mixer, which stands in for a microphone.
const microphone = await speaking('a microphone', PERSON_HZ);

// Outputs are ordinary producers: everybody for those who only listen, and for each talker all others.
const mixer = await worker.createAudioMixer({ topK: 4 });
const person = await mixer.addInput({ producerId: microphone.id, appData: { name: 'the person' } });
const everybody = await mixer.createOutput({ router, codec: 'opus' });
const forThePerson = await mixer.createOutput({ router, codec: 'opus', exclude: [person] });
mixer.on('activeinput', (input) => console.log(`the loudest is ${input.appData.name}`));

// A bot speaks by samples, written as fast as they are heard. Half as loud here, so that there is somebody who is loudest.
const bot = await mixer.addInput({ pcm: { sampleRate: SAMPLE_RATE }, gain: 0.5, appData: { name: 'the bot' } });
const stop = say(bot, BOT_HZ);
console.log(`${mixer.outputs.length} outputs, ${everybody.producer.kind} as ${forThePerson.codec}`);

await transcribe('the listener', everybody.frames({ sampleRate: SAMPLE_RATE }));
await transcribe('the person', forThePerson.frames({ sampleRate: SAMPLE_RATE }));
await transcribe('the transcription', mixer.frames({ sampleRate: SAMPLE_RATE, exclude: [bot] }));

const { inputs } = await mixer.getStats();
console.log(`${inputs.filter(({ chosen }) => chosen).length} inputs are heard`);
stop();
worker.close();
clearInterval(awake);

/** Reads sound, 20 ms at a time, until it has understood what is said: a transcription would never end. */
async function transcribe(name, frames) {
  const heard = [];
  for await (const { samples } of frames) {
    heard.push(...samples);
    if (understands(name, heard)) break;
  }
}

/** Prints which of the tones are in the last second, once any is; for the listener, once both are. */
function understands(name, heard) {
  const last = heard.slice(-SECONDS_HEARD * SAMPLE_RATE);
  if (last.length < SECONDS_HEARD * SAMPLE_RATE) return false;
  const tones = [PERSON_HZ, BOT_HZ].filter((pitchHz) => loudness(last, pitchHz) > 500);
  if (tones.length < (name === 'the listener' ? 2 : 1)) return false;
  console.log(`${name} hears ${tones.join(' and ')} Hz`);
  return true;
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
