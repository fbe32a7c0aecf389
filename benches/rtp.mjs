// What a packet costs in JavaScript: parsing, changing, writing. `node benches/rtp.mjs` after `npm run build:ts`.
//
// Each figure is the best of several rounds, in ns an operation: what the machine can do when it is left alone.

import { buildRtcp, ExtensionIds, parseRtcp, RtpPacket } from '../dist/rtp/index.js';

const ROUNDS = 500;
const OPERATIONS = 2_000;

const ids = new ExtensionIds([
  { uri: 'urn:ietf:params:rtp-hdrext:sdes:mid', id: 1 },
  { uri: 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time', id: 4 },
  { uri: 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01', id: 5 },
  { uri: 'urn:ietf:params:rtp-hdrext:ssrc-audio-level', id: 6 },
]);
const video = new RtpPacket({
  ...{ payloadType: 96, sequenceNumber: 1, timestamp: 2, ssrc: 3, payload: new Uint8Array(1_100), ids },
  extensions: { mid: '1', absSendTime: 1.5, transportWideCc: 7 },
}).toBuffer();
const audio = new RtpPacket({
  ...{ payloadType: 111, sequenceNumber: 1, timestamp: 2, ssrc: 3, payload: new Uint8Array(80), ids },
  extensions: { mid: '0', audioLevel: { voice: true, level: -30 } },
}).toBuffer();
const reports = buildRtcp([
  {
    ...{ type: 'sr', ssrc: 1, ntpTimestamp: 1n, rtpTimestamp: 2, packetCount: 3, octetCount: 4 },
    reports: [
      {
        ...{ ssrc: 5, fractionLost: 0, packetsLost: 0, highestSequenceNumber: 9, jitter: 1 },
        ...{ lastSenderReport: 0, delaySinceLastSenderReport: 0 },
      },
    ],
  },
  { type: 'nack', senderSsrc: 1, mediaSsrc: 2, lost: [1, 2, 5, 40] },
]);
const slot = new Uint8Array(1_500);

const figures = {
  parseVideoNs: measure(() => RtpPacket.parse(video, ids).payloadLength),
  parseEditBuildVideoNs: measure((index) => edited(video, index).toBuffer().length),
  parseEditBuildAudioNs: measure((index) => edited(audio, index).toBuffer().length),
  parseEditWriteToVideoNs: measure((index) => edited(video, index).writeTo(slot)),
  parseAndSetTwoExtensionsVideoNs: measure((index) => {
    const packet = edited(video, index);
    packet.setExtension('mid', '2');
    packet.setExtension('transportWideCc', index & 0xffff);
    return packet.toBuffer().length;
  }),
  readAudioLevelNs: measure(() => RtpPacket.parse(audio, ids).extension('audioLevel').level),
  parseReportsNs: measure(() => parseRtcp(reports).length),
};
process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);

function edited(bytes, index) {
  const packet = RtpPacket.parse(bytes, ids);
  packet.sequenceNumber = index;
  packet.timestamp += 3_000;
  packet.ssrc = 0x1234_5678;
  packet.payloadType = 97;
  return packet;
}

/** Best time of an operation over all rounds. */
function measure(operation) {
  let best = Number.POSITIVE_INFINITY;
  let sum = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const started = process.hrtime.bigint();
    for (let index = 0; index < OPERATIONS; index += 1) sum += operation(index);
    best = Math.min(best, Number(process.hrtime.bigint() - started) / OPERATIONS);
  }
  if (Number.isNaN(sum)) throw new Error('an operation gave no number');
  return Math.round(best);
}
