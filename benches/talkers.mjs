// Talkers over plain RTP, for benches/mix.mjs: each sends Opus every 20 ms from a port of its own and counts what comes back.

import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

const FRAME_MS = 20;
export const PACKETS_A_SECOND = 1_000 / FRAME_MS;
const SAMPLES_A_FRAME = 960;
const RTP_HEADER_BYTES = 12;
export const OPUS_PAYLOAD_TYPE = 111;

/** Something like a voice: harmonics of a pitch that moves, in syllables. */
const VOICE =
  '0.1*(0.6+0.4*sin(2*PI*4*t))*(sin(2*PI*(130*t+2*sin(3*t)))+sin(4*PI*(130*t+2*sin(3*t)))/2+sin(8*PI*(130*t+2*sin(3*t)))/4+sin(20*PI*(130*t+2*sin(3*t)))/8)';

/** Talkers are this many packets apart in the same voice. */
const APART = 37;

/** Opus packets of `seconds` of a voice: mono, 32 kbit/s, complexity 5. */
export function voicePackets(seconds) {
  const source = `aevalsrc=${VOICE}:s=48000:d=${seconds}`;
  const encoder = ['-c:a', 'libopus', '-b:a', '32k', '-application', 'voip', '-frame_duration', String(FRAME_MS)];
  const quiet = ['-hide_banner', '-loglevel', 'error', '-f', 'lavfi', '-i', source, '-ac', '1'];
  const { stdout, stderr, status } = spawnSync(
    'ffmpeg',
    [...quiet, ...encoder, '-compression_level', '5', '-f', 'ogg', '-'],
    {
      maxBuffer: 1 << 26,
    },
  );
  if (status !== 0) throw new Error(`ffmpeg did not make a voice: ${stderr}`);
  return oggPackets(stdout).slice(2);
}

/** The packets of an Ogg file (RFC 3533 §6). */
function oggPackets(file) {
  const packets = [];
  const parts = [];
  for (let at = 0; at < file.length; ) {
    const segments = file[at + 26];
    let payload = at + 27 + segments;
    for (const length of file.subarray(at + 27, at + 27 + segments)) {
      parts.push(file.subarray(payload, payload + length));
      payload += length;
      if (length < 255) packets.push(Buffer.concat(parts.splice(0)));
    }
    at = payload;
  }
  return packets;
}

/** Opens a talker's socket. Whoever joins it to a server adds where it sends to, and the payload type of what it hears. */
export async function openTalker(ssrc) {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const talker = { socket, ssrc, port: socket.address().port, heard: 0, heardBytes: 0 };
  socket.on('message', (packet) => {
    // Reports come as well.
    if ((packet[1] & 0x7f) !== talker.payloadType) return;
    talker.heard += 1;
    talker.heardBytes += packet.length - RTP_HEADER_BYTES;
  });
  return talker;
}

/** Sends the voice from all talkers, each at another place of it, until `stop()`. */
export function talk(talkers, packets) {
  let frame = 0;
  const began = performance.now();
  const timer = setInterval(() => {
    for (; frame * FRAME_MS <= performance.now() - began; frame += 1) {
      for (const [index, talker] of talkers.entries()) {
        const packet = rtp(talker.ssrc, frame, packets[(frame + index * APART) % packets.length]);
        talker.socket.send(packet, talker.sendTo, '127.0.0.1');
      }
    }
  }, 5);
  return { stop: () => clearInterval(timer) };
}

function rtp(ssrc, frame, payload) {
  const packet = Buffer.alloc(RTP_HEADER_BYTES + payload.length);
  packet.writeUInt8(0x80, 0);
  packet.writeUInt8(OPUS_PAYLOAD_TYPE, 1);
  packet.writeUInt16BE(frame & 0xffff, 2);
  packet.writeUInt32BE((frame * SAMPLES_A_FRAME) >>> 0, 4);
  packet.writeUInt32BE(ssrc, 8);
  payload.copy(packet, RTP_HEADER_BYTES);
  return packet;
}
