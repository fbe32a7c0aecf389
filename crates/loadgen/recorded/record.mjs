// Records the sizes of the RTP packets of each video frame that Chromium sends, as `chromium-vp8.txt` has them.
//
//     node crates/loadgen/recorded/record.mjs > crates/loadgen/recorded/chromium-vp8.txt
//
// One page connects two peer connections and sends a moving picture (1280 × 720, 30 fps, VP8, at most 1.5 Mbit/s) from one to
// the other. Their candidates are replaced by the ports of a relay in this process, which sees every datagram. SRTP leaves the RTP
// header readable: the timestamp tells which packets are one frame. Sizes are those of the RTP packets, from the header to the end
// of the payload, without the tag of SRTP.

import dgram from 'node:dgram';
import { chromium } from 'playwright-core';

/** The encoder's bitrate settles before this time has passed. */
const SETTLE_MS = 15_000;
/** Frames that are recorded: ten seconds. */
const FRAMES = 300;
/** Bytes that SRTP adds, by the name of the cipher in Chromium's statistics. */
const TAG_BYTES = { SRTP_AEAD_AES_128_GCM: 16, SRTP_AEAD_AES_256_GCM: 16, SRTP_AES128_CM_HMAC_SHA1_80: 10 };
/** The payload types of VP8 in Chromium's offer. */
const VP8 = 96;

const relay = await startRelay();
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-features=WebRtcHideLocalIpsWithMdns',
  ],
});
const page = await browser.newPage();
await page.goto('about:blank');
await page.evaluate(call, relay.ports);
await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
const cipher = await page.evaluate(srtpCipher);
if (!(cipher in TAG_BYTES)) throw new Error(`the tag length of ${cipher} is not known`);
const frames = await relay.record(FRAMES, TAG_BYTES[cipher]);
process.stdout.write(`# Sizes in bytes of the RTP packets of consecutive video frames, one frame a line, sent by Chromium ${browser.version()}:\n`);
process.stdout.write('# VP8, 1280 x 720 at up to 30 fps and 1.5 Mbit/s, a moving picture. Recorded by record.mjs, which says how.\n');
for (const sizes of frames) process.stdout.write(`${sizes.join(' ')}\n`);
await browser.close();
relay.close();

/** Runs in the page: calls itself through the relay. */
async function call(ports) {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [1280, 720];
  const context = canvas.getContext('2d');
  const noise = context.createImageData(320, 180);
  setInterval(() => {
    // A moving scene with some noise, as a webcam gives it.
    const time = performance.now() / 1000;
    const gradient = context.createLinearGradient(0, 0, 1280, 720);
    gradient.addColorStop(0, `hsl(${time * 10}, 40%, 40%)`);
    gradient.addColorStop(1, `hsl(${time * 10 + 120}, 40%, 60%)`);
    context.fillStyle = gradient;
    context.fillRect(0, 0, 1280, 720);
    for (let at = 0; at < noise.data.length; at += 4) {
      const value = 128 + 12 * Math.random();
      noise.data.set([value, value, value, 255], at);
    }
    context.putImageData(noise, 480 + 300 * Math.sin(time), 270 + 150 * Math.cos(time * 1.3));
  }, 33);
  const [sender, receiver] = [new RTCPeerConnection(), new RTCPeerConnection()];
  const [track] = canvas.captureStream(30).getVideoTracks();
  const transceiver = sender.addTransceiver(track, { sendEncodings: [{ maxBitrate: 1_500_000 }] });
  const codecs = RTCRtpSender.getCapabilities('video').codecs.filter(({ mimeType }) => /VP8|rtx/.test(mimeType));
  transceiver.setCodecPreferences(codecs);
  const through = (description, port) => ({
    type: description.type,
    sdp: `${description.sdp.replace(/a=candidate:.*\r\n/g, '')}a=candidate:1 1 udp 2122260223 127.0.0.1 ${port} typ host\r\n`,
  });
  const gathered = (connection) =>
    new Promise((resolve) => {
      if (connection.iceGatheringState === 'complete') resolve();
      connection.addEventListener('icegatheringstatechange', () => connection.iceGatheringState === 'complete' && resolve());
    });
  await sender.setLocalDescription();
  await gathered(sender);
  await receiver.setRemoteDescription(through(sender.localDescription, ports.toSender));
  await receiver.setLocalDescription();
  await gathered(receiver);
  await sender.setRemoteDescription(through(receiver.localDescription, ports.toReceiver));
  globalThis.kept = [sender, receiver];
}

/** Runs in the page. */
async function srtpCipher() {
  const stats = await globalThis.kept[0].getStats();
  return [...stats.values()].find(({ type }) => type === 'transport').srtpCipher;
}

/** Two sockets that pass datagrams to each other's caller; a caller is whoever spoke to the socket last. */
async function startRelay() {
  const sockets = [dgram.createSocket('udp4'), dgram.createSocket('udp4')];
  const callers = [undefined, undefined];
  let watch = () => {};
  for (const [side, socket] of sockets.entries()) {
    await new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve));
    socket.on('message', (datagram, from) => {
      callers[side] = from;
      const to = callers[1 - side];
      if (to) sockets[1 - side].send(datagram, to.port, to.address);
      watch(datagram);
    });
  }
  // What the sender speaks to is what passes on to the receiver.
  const ports = { toReceiver: sockets[0].address().port, toSender: sockets[1].address().port };
  const record = (count, tagBytes) =>
    new Promise((resolve) => {
      const frames = new Map();
      watch = (datagram) => {
        if (datagram[0] >> 6 !== 2 || (datagram[1] & 0x7f) !== VP8) return;
        const timestamp = datagram.readUInt32BE(4);
        if (!frames.has(timestamp) && frames.size > count) return resolve([...frames.values()].slice(1));
        frames.set(timestamp, [...(frames.get(timestamp) ?? []), datagram.length - tagBytes]);
      };
    });
  return { ports, record, close: () => sockets.forEach((socket) => socket.close()) };
}
