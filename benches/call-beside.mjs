// One sender and one viewer over UDP, for benches/direct.mjs: tells how many packets were lost and how late the others came.
// A process of its own; its arguments are the port to send to, the SSRC and the payload type.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';

const PACKETS_A_MILLISECOND = 1;
const PAYLOAD_AT = 12;
/** Time in which what is late still comes. */
const SETTLE_MS = 300;

const [to, ssrc, payloadType] = process.argv.slice(2).map(Number);
const sender = createSocket('udp4');
const receiver = createSocket('udp4');
receiver.bind(0, '127.0.0.1');
await once(receiver, 'listening');
let delays = [];
let number = 0;
receiver.on('message', (packet) => {
  // Reports come as well.
  if ((packet[1] & 0x7f) >= 72 && (packet[1] & 0x7f) <= 76) return;
  delays.push(Number(process.hrtime.bigint() - packet.readBigUInt64BE(packet.length - 8)) / 1e6);
});
process.send(receiver.address().port);
process.on('message', async (seconds) => {
  delays = [];
  const began = performance.now();
  let sent = 0;
  await new Promise((resolve) => {
    const timer = setInterval(() => {
      const elapsed = performance.now() - began;
      while (sent < elapsed * PACKETS_A_MILLISECOND) {
        send();
        sent += 1;
      }
      if (elapsed >= seconds * 1_000) {
        clearInterval(timer);
        resolve();
      }
    }, 1);
  });
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  delays.sort((one, other) => one - other);
  process.send({ lost: sent - delays.length, p99Ms: delays[Math.floor(delays.length * 0.99)] });
});

function send() {
  number += 1;
  const packet = Buffer.alloc(PAYLOAD_AT + 100);
  packet.writeUInt8(0x80, 0);
  packet.writeUInt8(payloadType, 1);
  packet.writeUInt16BE(number & 0xffff, 2);
  packet.writeUInt32BE((number * 960) >>> 0, 4);
  packet.writeUInt32BE(ssrc, 8);
  packet.writeBigUInt64BE(process.hrtime.bigint(), packet.length - 8);
  sender.send(packet, to, '127.0.0.1');
}
