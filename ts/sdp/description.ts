import type { DtlsFingerprint, IceParameters, RtpCodecParameters } from '../generated/model.js';

/** A description in the parts that WebRTC uses; session-level attributes stand in each m-line that they hold for. */
export type SessionDescription = {
  /** Session id (`o=`), digits. */
  readonly id: string;
  /** Version of the description (`o=`), digits; it grows with each one of a session. */
  readonly version: string;
  /** Whether the side is ICE-lite (RFC 8445 §2.5). */
  readonly iceLite: boolean;
  /** Whether header extensions of both forms may be mixed (RFC 8285 §6). */
  readonly extmapAllowMixed: boolean;
  /** MIDs of each BUNDLE group (RFC 9143 §7.1); the first of a group names the m-line with the transport. */
  readonly bundles: readonly (readonly string[])[];
  /** The m-lines in their order. */
  readonly media: readonly MediaSection[];
};

/** Who sends (RFC 8866 §6.7), seen from the side that wrote the description. */
export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';

/** Role in the TLS handshake (RFC 8842 §5). */
export type Setup = 'active' | 'passive' | 'actpass' | 'holdconn';

/** One m-line with its attributes. */
export type MediaSection = {
  /** `audio`, `video`, `application`, or what WebRTC does not know. */
  readonly kind: string;
  /** Port; 0 where the m-line is closed, refused, or only bundled. */
  readonly port: number;
  /** Protocol: `UDP/TLS/RTP/SAVPF`, `UDP/DTLS/SCTP`. */
  readonly protocol: string;
  /** Formats: payload types in order of preference, or `webrtc-datachannel`. */
  readonly formats: readonly string[];
  /** Address of the connection (`c=`). */
  readonly address?: string;
  /** Media identification (RFC 9143 §15). */
  readonly mid?: string;
  /** Who sends. */
  readonly direction: Direction;
  /** Whether the m-line is good only within its BUNDLE group (RFC 9143 §6). */
  readonly bundleOnly: boolean;
  /** Whether RTCP comes on the port of RTP (RFC 5761). */
  readonly rtcpMux: boolean;
  /** Whether RTCP packets may be sent alone (RFC 5506). */
  readonly rtcpReducedSize: boolean;
  /** ICE credentials (RFC 8839 §5.4). */
  readonly ice?: Omit<IceParameters, 'iceLite'>;
  /** ICE options (RFC 8839 §5.6). */
  readonly iceOptions: readonly string[];
  /** Candidates (RFC 8839 §5.1). */
  readonly candidates: readonly Candidate[];
  /** Whether no further candidates come (RFC 8838 §8.2). */
  readonly endOfCandidates: boolean;
  /** Role in the TLS handshake. */
  readonly setup?: Setup;
  /** Fingerprints of the certificate (RFC 8122 §5). */
  readonly fingerprints: readonly DtlsFingerprint[];
  /** Codecs with their parameters and feedback, in order of preference. */
  readonly codecs: readonly RtpCodecParameters[];
  /** Header extensions (RFC 8285 §5). */
  readonly headerExtensions: readonly HeaderExtension[];
  /** The streams that the track belongs to (RFC 8830). */
  readonly msids: readonly Msid[];
  /** RTP streams by name (RFC 8851). */
  readonly rids: readonly Rid[];
  /** Which of them are simulcast (RFC 8853). */
  readonly simulcast?: Simulcast;
  /** RTP streams by SSRC (RFC 5576 §4.1). */
  readonly sources: readonly Source[];
  /** Which of them belong together (RFC 5576 §4.2). */
  readonly sourceGroups: readonly SourceGroup[];
  /** Data channels (RFC 8841). */
  readonly sctp?: SctpPort;
};

/** One address of a side (RFC 8839 §5.1, RFC 6544 §4.5). */
export type Candidate = {
  readonly foundation: string;
  readonly component: number;
  /** `udp` or `tcp`. */
  readonly protocol: string;
  readonly priority: number;
  /** IP address or host name. */
  readonly address: string;
  readonly port: number;
  /** `host`, `srflx`, `prflx`, `relay`. */
  readonly type: string;
  /** `active`, `passive` or `so`; only with TCP. */
  readonly tcpType?: string;
};

/** One header extension as a description lists it. */
export type HeaderExtension = {
  readonly id: number;
  readonly uri: string;
  /** Who sends it. Default: as the media. */
  readonly direction?: string;
};

/** A stream, and which track of it this is (RFC 8830). */
export type Msid = { readonly stream: string; readonly track: string };

/** One RTP stream with a name (RFC 8851). */
export type Rid = {
  readonly id: string;
  readonly direction: 'send' | 'recv';
  /** Restrictions such as `max-br`, and formats as `pt`. */
  readonly restrictions: Readonly<Record<string, string>>;
};

/** Simulcast streams of both directions; each stream is one of several alternatives (RFC 8853 §5.1). */
export type Simulcast = {
  readonly send: readonly (readonly SimulcastAlternative[])[];
  readonly receive: readonly (readonly SimulcastAlternative[])[];
};

/** One alternative of a simulcast stream. */
export type SimulcastAlternative = { readonly rid: string; readonly paused: boolean };

/** One RTP stream by SSRC. */
export type Source = {
  readonly ssrc: number;
  /** CNAME (RFC 3550 §6.5.1). */
  readonly cname?: string;
  /** What was written before RFC 8830: `stream track`. */
  readonly msid?: string;
};

/** RTP streams that belong together: `FID` media and retransmissions, `SIM` layers. */
export type SourceGroup = { readonly semantics: string; readonly ssrcs: readonly number[] };

/** Where data channels are. */
export type SctpPort = {
  /** SCTP port (RFC 8841 §5). */
  readonly port: number;
  /** Longest message in bytes that the side takes; 0 for any (RFC 8841 §6). Default: 65536. */
  readonly maxMessageSize: number;
};

/** Whether an m-line takes part: it is neither closed nor refused. */
export function isActive({ port, bundleOnly }: MediaSection): boolean {
  return port !== 0 || bundleOnly;
}

/** Whether the side that wrote `direction` sends. */
export function sends(direction: Direction): boolean {
  return direction === 'sendrecv' || direction === 'sendonly';
}

/** Whether the side that wrote `direction` receives. */
export function receives(direction: Direction): boolean {
  return direction === 'sendrecv' || direction === 'recvonly';
}

/** The direction of a side that sends or not, and receives or not. */
export function directionOf(isSending: boolean, isReceiving: boolean): Direction {
  if (isSending) {
    return isReceiving ? 'sendrecv' : 'sendonly';
  }
  return isReceiving ? 'recvonly' : 'inactive';
}
