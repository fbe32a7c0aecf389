import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { buildRtcp, ExtensionIds, parseRtcp, type RtcpPacket, RtpPacket } from '../ts/rtp/index.js';

/** Python with Debian's packages; another one in PATH does not see them. */
const PYTHON = '/usr/bin/python3';

/** Long enough for a busy machine; only what hangs takes so long. */
const HANG_MS = 60_000;

test('aiortc reads our RTP as we mean it, and we read what it writes', (t) => {
  const packets = [
    new RtpPacket({ payloadType: 0, sequenceNumber: 0, timestamp: 0, ssrc: 0 }),
    new RtpPacket({
      payloadType: 111,
      sequenceNumber: 65_535,
      timestamp: 0xffff_fff0,
      ssrc: 0xdead_beef,
      marker: true,
      csrcs: [1, 0xffff_ffff],
      payload: Buffer.from('opus'),
      ids: new ExtensionIds(headerExtensions),
      extensions: {
        mid: 'a',
        rtpStreamId: 'hi',
        repairedRtpStreamId: 'lo',
        absSendTime: 12.25,
        audioLevel: { voice: true, level: -30 },
        transportWideCc: 65_535,
      },
    }),
    new RtpPacket({
      ...{ payloadType: 96, sequenceNumber: 7, timestamp: 8, ssrc: 9, payload: Buffer.from('vp8'), paddingLength: 5 },
      ids: new ExtensionIds(headerExtensions),
      extensions: { mid: 'a name of more than sixteen bytes' },
    }),
  ];
  const answers = judge(packets.map((packet) => ({ kind: 'rtp', hex: packet.toBuffer().toString('hex') })));
  const [plain, full, padded] = answers.map(({ fields }) => fields as Record<string, unknown>);
  t.like(plain, { payload_type: 0, marker: 0, csrc: [], extensions: {}, payload: '', padding_size: 0 });
  t.like(full, { payload_type: 111, marker: 1, sequence_number: 65_535, timestamp: 0xffff_fff0, ssrc: 0xdead_beef });
  t.deepEqual(full?.extensions, {
    ...{ mid: 'a', rtp_stream_id: 'hi', repaired_rtp_stream_id: 'lo' },
    ...{ abs_send_time: 12.25 * 2 ** 18, audio_level: [true, 30], transport_sequence_number: 65_535 },
  });
  t.like(full, { csrc: [1, 0xffff_ffff], payload: Buffer.from('opus').toString('hex') });
  t.like(padded, { payload: Buffer.from('vp8').toString('hex'), padding_size: 5 });
  t.deepEqual(padded?.extensions, { mid: 'a name of more than sixteen bytes' });
  for (const [index, { hex }] of answers.entries()) {
    t.deepEqual(meaning(RtpPacket.parse(Buffer.from(hex, 'hex'))), meaning(packets[index] as RtpPacket));
  }
});

test('aiortc reads our RTCP as we mean it, and we read what it writes', (t) => {
  const answers = judge(COMPOUNDS.map(({ packets }) => ({ kind: 'rtcp', hex: buildRtcp(packets).toString('hex') })));
  for (const [index, { packets, fields }] of COMPOUNDS.entries()) {
    t.deepEqual(answers[index]?.fields, fields);
    t.deepEqual(parseRtcp(Buffer.from(answers[index]?.hex as string, 'hex')), packets);
  }
});

type Answer = { readonly fields: unknown; readonly hex: string };

/** What aiortc reads in packets, and what it writes from that. */
function judge(packets: { kind: 'rtp' | 'rtcp'; hex: string }[]): Answer[] {
  const script = fileURLToPath(new URL('peers/rtp_judge.py', import.meta.url));
  const input = JSON.stringify({ headerExtensions, packets });
  return JSON.parse(execFileSync(PYTHON, [script], { input, timeout: HANG_MS, encoding: 'utf8' })) as Answer[];
}

/** What of a packet does not depend on who wrote it: its parts. */
function meaning(packet: RtpPacket): object {
  const { marker, payloadType, sequenceNumber, timestamp, ssrc, csrcs, paddingLength } = packet;
  const extensions = packet.extensions.map(({ id, bytes }): [number, string] => [
    id,
    Buffer.from(bytes).toString('hex'),
  ]);
  const payload = Buffer.from(packet.payload).toString('hex');
  const sorted = extensions.sort(([a], [b]) => a - b);
  return { marker, payloadType, sequenceNumber, timestamp, ssrc, csrcs: [...csrcs], paddingLength, payload, sorted };
}

/** Those that aiortc knows. */
const headerExtensions = [
  { uri: 'urn:ietf:params:rtp-hdrext:sdes:mid', id: 1 },
  { uri: 'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id', id: 2 },
  { uri: 'urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id', id: 3 },
  { uri: 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time', id: 4 },
  { uri: 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01', id: 5 },
  { uri: 'urn:ietf:params:rtp-hdrext:ssrc-audio-level', id: 14 },
];

const BLOCK = {
  ssrc: 5,
  fractionLost: 255,
  packetsLost: -8_388_608,
  highestSequenceNumber: 0xffff_0001,
  jitter: 7,
  lastSenderReport: 8,
  delaySinceLastSenderReport: 9,
};

const FOREIGN_BLOCK = {
  ssrc: 5,
  fraction_lost: 255,
  packets_lost: -8_388_608,
  highest_sequence: 0xffff_0001,
  jitter: 7,
  lsr: 8,
  dlsr: 9,
};

/** Compounds, and what aiortc calls their parts. */
const COMPOUNDS: { packets: RtcpPacket[]; fields: object[] }[] = [
  {
    packets: [
      {
        ...{ type: 'sr', ssrc: 1, ntpTimestamp: 0x10_0000_0000_0000n, rtpTimestamp: 3, packetCount: 4, octetCount: 5 },
        reports: [BLOCK],
      },
      { type: 'sdes', chunks: [{ ssrc: 1, items: [{ type: 1, text: 'millrace' }] }] },
    ],
    fields: [
      {
        ...{ class: 'RtcpSrPacket', ssrc: 1, reports: [FOREIGN_BLOCK] },
        sender_info: { ntp_timestamp: 0x10_0000_0000_0000, rtp_timestamp: 3, packet_count: 4, octet_count: 5 },
      },
      { class: 'RtcpSdesPacket', chunks: [{ ssrc: 1, items: [[1, Buffer.from('millrace').toString('hex')]] }] },
    ],
  },
  {
    packets: [
      { type: 'rr', ssrc: 1, reports: [BLOCK, BLOCK] },
      { type: 'bye', ssrcs: [1, 0xffff_ffff] },
    ],
    fields: [
      { class: 'RtcpRrPacket', ssrc: 1, reports: [FOREIGN_BLOCK, FOREIGN_BLOCK] },
      { class: 'RtcpByePacket', sources: [1, 0xffff_ffff] },
    ],
  },
  {
    packets: [
      { type: 'nack', senderSsrc: 1, mediaSsrc: 2, lost: [10, 11, 26, 27, 500] },
      { type: 'pli', senderSsrc: 1, mediaSsrc: 2 },
      { type: 'remb', senderSsrc: 1, mediaSsrc: 0, bitrate: 4_160_000, ssrcs: [2_529_072_847] },
    ],
    fields: [
      { class: 'RtcpRtpfbPacket', fmt: 1, ssrc: 1, media_ssrc: 2, lost: [10, 11, 26, 27, 500] },
      { class: 'RtcpPsfbPacket', fmt: 1, ssrc: 1, media_ssrc: 2, fci: '' },
      // 260,000 times 2^4.
      { class: 'RtcpPsfbPacket', fmt: 15, ssrc: 1, media_ssrc: 0, fci: '52454d420113f7a096be96cf' },
    ],
  },
  {
    packets: [{ type: 'fir', senderSsrc: 1, mediaSsrc: 0, requests: [{ ssrc: 2, sequenceNumber: 3 }] }],
    fields: [{ class: 'RtcpPsfbPacket', fmt: 4, ssrc: 1, media_ssrc: 0, fci: '0000000203000000' }],
  },
];
