// Pictures mixed on the server: slides that a program draws, beside whoever films himself, published as one stream, and a wall of
// thumbnails that another program reads from it.

import { createWorker } from 'millrace';

const worker = await createWorker();
const router = await worker.createRouter({
  mediaCodecs: [{ kind: 'video', mimeType: 'video/VP8', clockRate: 90_000 }],
});
// Whoever publishes video into the router can be an input. Here it is another mixer, which stands in for a camera.
const camera = await filming('#28b446');

const mixer = await worker.createVideoMixer({ width: 640, height: 360, frameRate: 10, background: '#101418' });
const slides = await mixer.addInput({ pictures: true });
const person = await mixer.addInput({ producerId: camera.id, label: 'Ada' });
await mixer.setLayout({
  regions: [
    { id: 'slides', area: { left: '0/1', top: '0/1', width: '3/4', height: '1/1' }, fit: 'crop' },
    { id: 'person', area: { left: '3/4', top: '0/1', width: '1/4', height: '1/2' }, fit: 'crop' },
  ],
});
const output = await mixer.createOutput({ router, codec: 'vp8', bitrate: 500_000, keyFrameInterval: 10 });
console.log(`the picture is ${output.producer.kind} in ${output.codec}, of ${person.label} and the slides`);

for (const [number, colour] of [
  [200, 50, 40],
  [40, 90, 200],
].entries()) {
  slides.write(plain(colour, 320, 180));
  await mixer.setCaptions([{ text: `Slide ${number + 1}`, place: 'bottom-left' }]);
  await thumbnail(`slide ${number + 1}`, colour);
}
worker.close();

/** Reads small pictures until the slide is seen: a server of thumbnails would keep each and never end. */
async function thumbnail(name, colour) {
  for await (const { data, width, height } of mixer.frames({ width: 160, height: 90 })) {
    const middle = (Math.floor(height / 2) * width + Math.floor(width / 3)) * 4;
    if (colour.every((channel, index) => Math.abs(channel - data[middle + index]) < 16)) {
      console.log(`a thumbnail of ${width}x${height} shows ${name}`);
      return;
    }
  }
}

/** A picture of one colour, as rows of red, green, blue and alpha. */
function plain(colour, width, height) {
  const data = new Uint8Array(width * height * 4);
  for (let at = 0; at < data.length; at += 4) data.set([...colour, 255], at);
  return { width, height, data };
}

/** A producer of a picture of one colour. */
async function filming(background) {
  const source = await worker.createVideoMixer({ width: 320, height: 180, background });
  return (await source.createOutput({ router, codec: 'vp8' })).producer;
}
