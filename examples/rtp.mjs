// RTP and RTCP packets as objects: made, read, changed, written, and taken from an event as they come.

import { EventEmitter } from 'node:events';
import {
  buildRtcp,
  ExtensionIds,
  PacketError,
  packets,
  parseRtcp,
  RtpPacket,
  rtxPayloadTypes,
  unwrapRtx,
  wrapRtx,
} from 'millrace/rtp';

/** What `consumer.rtpParameters` of a camera look like. */
const rtpParameters = {
  codecs: [
    { mimeType: 'video/VP8', payloadType: 96, clockRate: 90000 },
    { mimeType: 'video/rtx', payloadType: 97, clockRate: 90000, parameters: { apt: 96 } },
  ],
  headerExtensions: [
    { uri: 'urn:ietf:params:rtp-hdrext:sdes:mid', id: 1 },
    { uri: 'urn:3gpp:video-orientation', id: 8 },
  ],
};

/** Stands in for a Consumer of a DirectTransport. */
const consumer = Object.assign(new EventEmitter(), { closed: false, observer: new EventEmitter(), rtpParameters });

const ids = new ExtensionIds(rtpParameters.headerExtensions);
const packet = new RtpPacket({
  payloadType: 96,
  sequenceNumber: 65_535,
  timestamp: 3_000,
  ssrc: 0x1234_5678,
  payload: Buffer.from('a picture'),
  ids,
  extensions: { mid: '0', videoOrientation: { camera: true, flip: false, rotation: 90 } },
});
const bytes = packet.toBuffer();

const read = RtpPacket.parse(bytes, ids);
console.log(read.sequenceNumber, read.extension('mid'), read.extension('videoOrientation')?.rotation);
read.sequenceNumber += 1;
read.timestamp += 3_000;
read.setExtension('mid', '1');
read.removeExtension('videoOrientation');
console.log(read.sequenceNumber, read.extension('mid'), read.toBuffer().length, 'bytes');

const compound = buildRtcp([
  { type: 'rr', ssrc: 1, reports: [] },
  { type: 'nack', senderSsrc: 1, mediaSsrc: packet.ssrc, lost: [65_534, 65_535, 0] },
  { type: 'pli', senderSsrc: 1, mediaSsrc: packet.ssrc },
]);
for (const report of parseRtcp(compound)) {
  if (report.type === 'nack') console.log('lost', report.lost);
  if (report.type === 'pli') console.log('a key frame is wanted of', report.mediaSsrc);
}

const payloadTypes = rtxPayloadTypes(rtpParameters.codecs);
const rtx = wrapRtx(packet, { ssrc: 99, payloadType: 97, sequenceNumber: 1 });
console.log('repeated', unwrapRtx(rtx, { ssrc: packet.ssrc, payloadTypes })?.sequenceNumber);

try {
  RtpPacket.parse(bytes.subarray(0, 18));
} catch (error) {
  if (!(error instanceof PacketError)) throw error;
  console.log(error.reason, error.offset, error.message);
}

setImmediate(() => {
  consumer.emit('rtp', bytes);
  consumer.observer.emit('close');
});

const stream = packets(consumer, { queue: 512 });
for await (const { timestamp, payload } of stream) {
  console.log(timestamp, payload.length);
}
console.log(`${stream.dropped} dropped, ${stream.malformed} malformed`);
