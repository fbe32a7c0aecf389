import type { WireText } from './bytes.js';

/** A packet of a compound, told by `type`. */
export type RtcpPacket =
  | SenderReport
  | ReceiverReport
  | SourceDescription
  | Goodbye
  | ApplicationDefined
  | Nack
  | TransportFeedback
  | PictureLoss
  | FullIntraRequest
  | Remb
  | OtherFeedback
  | ExtendedReport
  | UnknownPacket;

/** What one source sent, and how it receives others (RFC 3550 §6.4.1). */
export type SenderReport = {
  type: 'sr';
  ssrc: number;
  /** When the report was sent: NTP in 32.32 fixed point, 64 bits. */
  ntpTimestamp: bigint;
  /** The same moment by the stream's timestamp. */
  rtpTimestamp: number;
  /** Packets sent so far, modulo 2^32. */
  packetCount: number;
  /** Bytes of payload sent so far, modulo 2^32. */
  octetCount: number;
  /** At most 31. */
  reports: ReportBlock[];
  /** What a profile puts behind the blocks; a multiple of four bytes. */
  profileExtension?: Uint8Array;
};

/** How an endpoint receives others (RFC 3550 §6.4.2). */
export type ReceiverReport = {
  type: 'rr';
  ssrc: number;
  /** At most 31. */
  reports: ReportBlock[];
  /** What a profile puts behind the blocks; a multiple of four bytes. */
  profileExtension?: Uint8Array;
};

/** How one source is received. */
export type ReportBlock = {
  ssrc: number;
  /** Share of the packets that were lost since the last report, in 1/256: 8 bits. */
  fractionLost: number;
  /** Packets lost so far: 24 bits, signed, because duplicates count as received. */
  packetsLost: number;
  /** Highest sequence number received, with its wraps in the upper 16 bits. */
  highestSequenceNumber: number;
  /** In units of the stream's timestamp. */
  jitter: number;
  /** Middle 32 bits of the NTP time of the last sender report; 0 without one. */
  lastSenderReport: number;
  /** Time since that arrived, in 1/65536 s. */
  delaySinceLastSenderReport: number;
};

/** Who the sources are (RFC 3550 §6.5). */
export type SourceDescription = {
  type: 'sdes';
  /** At most 31. */
  chunks: SourceDescriptionChunk[];
};

/** Who one source is. */
export type SourceDescriptionChunk = { ssrc: number; items: SourceDescriptionItem[] };

/** One item about a source. */
export type SourceDescriptionItem = {
  /** 1 to 255: one of {@link SDES_ITEM} or another. */
  type: number;
  /** At most 255 bytes. */
  text: WireText;
};

/** Sources that end (RFC 3550 §6.6). */
export type Goodbye = {
  type: 'bye';
  /** At most 31. */
  ssrcs: number[];
  /** At most 255 bytes. */
  reason?: WireText;
};

/** A packet whose meaning only an application knows (RFC 3550 §6.7). */
export type ApplicationDefined = {
  type: 'app';
  /** 0 to 31. */
  subtype: number;
  ssrc: number;
  /** Four characters of 8 bits. */
  name: string;
  /** A multiple of four bytes. */
  data: Uint8Array;
};

/** Packets that did not arrive (RFC 4585 §6.2.1). */
export type Nack = {
  type: 'nack';
  senderSsrc: number;
  mediaSsrc: number;
  /** Their sequence numbers in the order of the stream; at least one. */
  lost: number[];
};

/** When which packet arrived (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1). */
export type TransportFeedback = {
  type: 'transport-cc';
  senderSsrc: number;
  mediaSsrc: number;
  /** Transport-wide number of the first packet told about. */
  baseSequenceNumber: number;
  /** Number of packets told about, 1 to 65,535: those in `received` arrived, all others did not. */
  statusCount: number;
  /** The time that arrivals count from: 24 bits, signed, in 64 ms, by the receiver's clock. */
  referenceTime: number;
  /** Number of this feedback packet, 8 bits. */
  feedbackCount: number;
  /** The packets that arrived, in the order of their numbers. */
  received: ReceivedPacket[];
};

/** A packet that arrived. */
export type ReceivedPacket = {
  /** Its transport-wide number. */
  sequenceNumber: number;
  /** Time since the one before it arrived (the first one: since the reference time), in 250 µs: 16 bits, signed. */
  delta: number;
};

/** A picture was lost: a request for a key frame (RFC 4585 §6.3.1). */
export type PictureLoss = { type: 'pli'; senderSsrc: number; mediaSsrc: number };

/** A request for key frames of named streams (RFC 5104 §4.3.1). */
export type FullIntraRequest = {
  type: 'fir';
  senderSsrc: number;
  /** 0. */
  mediaSsrc: number;
  /** At least one; the number tells a new request from a repeated one and has 8 bits. */
  requests: { ssrc: number; sequenceNumber: number }[];
};

/** What a receiver believes to be able to receive (draft-alvestrand-rmcat-remb-03). */
export type Remb = {
  type: 'remb';
  senderSsrc: number;
  /** 0. */
  mediaSsrc: number;
  /** bit/s, up to 2^81; of a number to be written the 18 highest bits count. */
  bitrate: number;
  /** The streams that share it, at most 255. */
  ssrcs: number[];
};

/** Feedback that this package knows no more of: SLI and RPSI (RFC 4585 §6.3.2, §6.3.3), TMMBR and whatever follows. */
export type OtherFeedback = {
  type: 'feedback';
  /** 205 is about transport, 206 about payload. */
  packetType: 205 | 206;
  /** 0 to 31; see {@link FEEDBACK_FORMAT}. */
  format: number;
  senderSsrc: number;
  mediaSsrc: number;
  /** The feedback control information: a multiple of four bytes, unless the packet was padded. */
  fci: Uint8Array;
};

/** An extended report (RFC 3611). */
export type ExtendedReport = { type: 'xr'; ssrc: number; blocks: ExtendedReportBlock[] };

/** A block of an extended report, told by `type`. */
export type ExtendedReportBlock =
  | {
      /** Receiver reference time (RFC 3611 §4.4): when the report was sent, NTP in 32.32 fixed point. */
      type: 'rrt';
      ntpTimestamp: bigint;
    }
  | {
      /** Answers to reference times (RFC 3611 §4.5). */
      type: 'dlrr';
      reports: DelaySinceReference[];
    }
  | {
      /** A block that this package knows no more of. */
      type: 'raw';
      /** 8 bits. */
      blockType: number;
      /** 8 bits. */
      typeSpecific: number;
      /** A multiple of four bytes. */
      content: Uint8Array;
    };

/** How long ago a reference time was received. */
export type DelaySinceReference = {
  /** The receiver whose reference time is answered. */
  ssrc: number;
  /** Middle 32 bits of it. */
  lastReference: number;
  /** Time since it arrived, in 1/65536 s. */
  delay: number;
};

/** A packet of a type that this package does not know. */
export type UnknownPacket = {
  type: 'unknown';
  /** 8 bits. */
  packetType: number;
  /** The five bits behind the padding bit. */
  count: number;
  /** What follows the first four bytes, without padding. */
  body: Uint8Array;
};

/** Types of items about a source (RFC 3550 §6.5). */
export const SDES_ITEM = { cname: 1, name: 2, email: 3, phone: 4, loc: 5, tool: 6, note: 7, priv: 8 } as const;

/** RTCP packet types. */
export const PACKET_TYPE = {
  senderReport: 200,
  receiverReport: 201,
  sourceDescription: 202,
  goodbye: 203,
  applicationDefined: 204,
  transportFeedback: 205,
  payloadFeedback: 206,
  extendedReport: 207,
} as const;

/** Formats of feedback: the first two are about transport (205), the others about payload (206). */
export const FEEDBACK_FORMAT = {
  nack: 1,
  transportCc: 15,
  pli: 1,
  sli: 2,
  rpsi: 3,
  fir: 4,
  application: 15,
} as const;
