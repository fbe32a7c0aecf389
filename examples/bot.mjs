// A bot that sends a tone and measures what it hears, and an echo that it hears it from: both are JavaScript, on DirectTransports.

import { setTimeout as wait } from 'node:timers/promises';
import { createWorker } from 'millrace';
import { packets, RtpPacket } from 'millrace/rtp';

const FREQUENCY_HZ = 440;
const SAMPLES_PER_SECOND = 8_000;
const SAMPLES_PER_PACKET = 160;
const PACKETS = 50;
const SSRC = 0x0b07_0b07;
/** G.711 µ-law: one byte a sample, so that no codec library is needed. */
const PCMU = { mimeType: 'audio/PCMU', payloadType: 0, clockRate: SAMPLES_PER_SECOND, channels: 1 };

// An open worker does not keep the process alive.
const awake = setInterval(() => {}, 60_000);
const worker = await createWorker();
const router = await worker.createRouter({
  mediaCodecs: [{ kind: 'audio', mimeType: 'audio/PCMU', clockRate: SAMPLES_PER_SECOND }],
});

const bot = await router.createDirectTransport();
const microphone = await bot.produce({
  kind: 'audio',
  rtpParameters: { codecs: [PCMU], encodings: [{ ssrc: SSRC }] },
});
router.observer.on('newtransport', (echoing) => {
  echoing.observer.on('newproducer', (echo) => talk(echo));
});

// The echo: what comes goes back, until the microphone is closed.
const transport = await router.createDirectTransport();
const { rtpCapabilities } = router;
const consumer = await transport.consume({ producerId: microphone.id, rtpCapabilities });
const echo = await transport.produce({ kind: 'audio', rtpParameters: consumer.rtpParameters });
for await (const packet of packets(consumer)) {
  echo.send(packet.toBuffer());
}

const [{ rtpBytesSent }] = await transport.getStats();
console.log(`the echo heard ${rtpBytesSent} bytes`);
worker.close();
clearInterval(awake);

/** Sends a second of a tone and tells which tone came back. */
async function talk(echo) {
  const ear = await bot.consume({ producerId: echo.id, rtpCapabilities });
  const heard = packets(ear);
  for (let number = 0; number < PACKETS; number += 1) {
    const timestamp = number * SAMPLES_PER_PACKET;
    const payload = Uint8Array.from({ length: SAMPLES_PER_PACKET }, (_, index) => encoded(tone(timestamp + index)));
    microphone.send(
      new RtpPacket({ payloadType: 0, sequenceNumber: number, timestamp, ssrc: SSRC, payload }).toBuffer(),
    );
    await wait(5);
  }
  const samples = [];
  for await (const { payload } of heard) {
    samples.push(...Array.from(payload, decoded));
    if (samples.length >= PACKETS * SAMPLES_PER_PACKET) break;
  }
  console.log(`the bot heard ${Math.round(frequencyOf(samples))} Hz in ${samples.length} samples`);
  microphone.close();
}

function tone(sample) {
  return Math.round(8_000 * Math.sin((2 * Math.PI * FREQUENCY_HZ * sample) / SAMPLES_PER_SECOND));
}

/** The frequency of a tone, from how often it rises through zero. */
function frequencyOf(samples) {
  const rises = samples.flatMap((sample, index) => (index > 0 && samples[index - 1] < 0 && sample >= 0 ? [index] : []));
  return ((rises.length - 1) * SAMPLES_PER_SECOND) / (rises.at(-1) - rises[0]);
}

/** A sample in µ-law (ITU-T G.711). */
function encoded(sample) {
  const magnitude = Math.min(Math.abs(sample), 32_635) + 132;
  const exponent = 31 - Math.clz32(magnitude) - 7;
  const mantissa = (magnitude >> (exponent + 3)) & 0x0f;
  return ~((sample < 0 ? 0x80 : 0) | (exponent << 4) | mantissa) & 0xff;
}

/** A byte of µ-law as a sample. */
function decoded(byte) {
  const bits = ~byte & 0xff;
  const magnitude = ((((bits & 0x0f) << 3) + 132) << ((bits >> 4) & 7)) - 132;
  return bits & 0x80 ? -magnitude : magnitude;
}
