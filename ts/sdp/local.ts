import type {
  DtlsParameters,
  IceCandidate,
  IceParameters,
  MediaKind,
  RtpCapabilities,
  RtpCodecParameters,
  RtpHeaderExtensionParameters,
} from '../generated/model.js';
import { answeredParameters, commonFeedback } from './codecs.js';
import {
  directionOf,
  type MediaSection,
  type SctpPort,
  type SessionDescription,
  type Setup,
  sends,
} from './description.js';
import type { Line } from './line.js';
import { type Common, receivedRids, sourceLines } from './parameters.js';

/** What a description needs of our end; a `WebRtcTransport` has it. It is read anew for each description. */
export type LocalTransport = {
  /** Credentials; new ones after `restartIce()`. */
  readonly iceParameters: IceParameters;
  /** Addresses. */
  readonly iceCandidates: readonly IceCandidate[];
  /** Certificates. */
  readonly dtlsParameters: DtlsParameters;
  /** Our end of the data channels. Without it they are refused. */
  readonly sctpParameters?: SctpPort | undefined;
};

/** A session as `o=` names it. */
export type Origin = { readonly id: string; readonly version: number };

/** What makes one of our m-lines. */
export type Written = {
  readonly line: Line;
  readonly transport: LocalTransport;
  readonly setup: Setup;
};

/** Our answer for one m-line of the peer's offer. */
export function answerSection(written: Written, capabilities: RtpCapabilities): MediaSection {
  const { line, transport, setup } = written;
  if (line.isClosed || line.isClosing || !line.peer) {
    return closedSection(written);
  }
  const isSending = line.outgoing !== undefined && line.isFlowing;
  const isReceiving = line.isReceiving && sends(line.peer.direction) && line.kind !== 'application';
  const { codecs, headerExtensions } = answeredFormats(line, isSending && !isReceiving);
  return {
    ...transportLines(transport, setup),
    ...mediaLines(
      line,
      codecs.map((codec) => ({ ...codec, parameters: answeredParameters(codec, capabilities) })),
    ),
    protocol: line.peer.protocol,
    direction: line.kind === 'application' ? 'sendrecv' : directionOf(isSending, isReceiving),
    rtcpReducedSize: line.peer.rtcpReducedSize,
    headerExtensions: headerExtensions.map(({ id, uri }) => ({ id, uri })),
    ...receivedRids(isReceiving ? line.rids : []),
    ...(isSending && line.outgoing ? sourceLines(line.outgoing, line.key) : {}),
    ...dataLines(line, transport),
  };
}

/**
 * Our offer for one m-line, new or known.
 *
 * @param fresh - What both sides may receive, for an m-line in which nothing was negotiated.
 */
export function offerSection(written: Written, fresh: RtpCapabilities): MediaSection {
  const { line, transport, setup } = written;
  if (line.isClosed || line.isClosing) {
    return closedSection(written);
  }
  const { codecs, headerExtensions } = offeredFormats(line, fresh);
  const isSending = line.outgoing !== undefined;
  return {
    ...transportLines(transport, setup),
    ...mediaLines(line, codecs),
    direction: line.kind === 'application' ? 'sendrecv' : directionOf(isSending, line.isReceiving),
    rtcpReducedSize: line.kind !== 'application',
    headerExtensions: headerExtensions.map(({ id, uri }) => ({ id, uri })),
    ...receivedRids(line.isReceiving ? line.rids : []),
    ...(line.outgoing ? sourceLines(line.outgoing, line.key) : {}),
    ...dataLines(line, transport),
  };
}

/** A description of ours around its m-lines. */
export function localDescription(
  { id, version }: Origin,
  media: readonly MediaSection[],
  { isBundled, extmapAllowMixed }: { readonly isBundled: boolean; readonly extmapAllowMixed: boolean },
): SessionDescription {
  const mids = media.flatMap(({ mid, port }) => (mid === undefined || port === 0 ? [] : [mid]));
  const bundles = isBundled && mids.length > 0 ? [mids] : [];
  return { id, version: String(version), iceLite: true, extmapAllowMixed, bundles, media };
}

type Formats = {
  readonly codecs: readonly RtpCodecParameters[];
  readonly headerExtensions: readonly Pick<RtpHeaderExtensionParameters, 'id' | 'uri'>[];
};

/** What an answer lists: what both know, and where we only send, what is sent of it. */
function answeredFormats({ common, outgoing }: Line, isSendingOnly: boolean): Common {
  if (!isSendingOnly || !outgoing) {
    return common;
  }
  const uris = new Set(outgoing.headerExtensions?.map(({ uri }) => uri));
  const codecs = common.codecs.flatMap((codec) => {
    const sent = outgoing.codecs.find(({ payloadType }) => payloadType === codec.payloadType);
    return sent ? [{ ...codec, rtcpFeedback: commonFeedback(codec, sent) }] : [];
  });
  return { codecs, headerExtensions: common.headerExtensions.filter(({ uri }) => uris.has(uri)) };
}

/** What an offer lists: what was negotiated before, and what we send; for a new m-line, all that we could take. */
function offeredFormats({ kind, common, outgoing, isReceiving }: Line, fresh: RtpCapabilities): Formats {
  const sent: Formats = { codecs: outgoing?.codecs ?? [], headerExtensions: outgoing?.headerExtensions ?? [] };
  if (outgoing && !isReceiving) {
    return sent;
  }
  const known = common.codecs.length > 0 ? common : formatsOf(kind as MediaKind, fresh);
  const isNew = ({ payloadType }: RtpCodecParameters): boolean =>
    !known.codecs.some((codec) => codec.payloadType === payloadType);
  const isNewExtension = ({ id }: { id: number }): boolean => !known.headerExtensions.some((one) => one.id === id);
  return {
    codecs: [...known.codecs, ...sent.codecs.filter(isNew)],
    headerExtensions: [...known.headerExtensions, ...sent.headerExtensions.filter(isNewExtension)],
  };
}

function formatsOf(kind: MediaKind, { codecs = [], headerExtensions = [] }: RtpCapabilities): Formats {
  return {
    codecs: codecs.map(({ kind: _, preferredPayloadType, ...codec }) => ({
      ...codec,
      payloadType: preferredPayloadType,
    })),
    headerExtensions: headerExtensions
      .filter((extension) => extension.kind === kind)
      .map(({ preferredId, uri }) => ({ id: preferredId, uri })),
  };
}

/** The same of every m-line: they share one transport, and peers differ in which of them they read (RFC 9143 §7.1.3). */
function transportLines({ iceParameters, iceCandidates, dtlsParameters }: LocalTransport, setup: Setup) {
  // RFC 8839 §4.2.1.2: c= and m= name the default candidate.
  const first = iceCandidates.find(({ protocol }) => protocol === 'udp') ?? iceCandidates[0];
  return {
    port: first?.port ?? DISCARD_PORT,
    address: first?.address ?? '0.0.0.0',
    ice: { usernameFragment: iceParameters.usernameFragment, password: iceParameters.password },
    // Renomination as libwebrtc has it, and RFC 8445 instead of RFC 5245.
    iceOptions: ['ice2', 'renomination'],
    candidates: iceCandidates.map(({ foundation, protocol, priority, address, port, type, tcpType }) => ({
      foundation,
      component: 1,
      protocol,
      priority,
      address,
      port,
      type,
      ...(tcpType === undefined || tcpType === null ? {} : { tcpType }),
    })),
    endOfCandidates: true,
    setup,
    fingerprints: dtlsParameters.fingerprints,
  };
}

/** RFC 863: what stands where there is no port yet (RFC 8840 §4.1.1). */
const DISCARD_PORT = 9;

function mediaLines({ kind, mid }: Line, codecs: readonly RtpCodecParameters[]) {
  const isData = kind === 'application';
  return {
    kind,
    protocol: isData ? 'UDP/DTLS/SCTP' : 'UDP/TLS/RTP/SAVPF',
    formats: isData ? ['webrtc-datachannel'] : codecs.map(({ payloadType }) => String(payloadType)),
    ...(mid === undefined ? {} : { mid }),
    codecs,
    bundleOnly: false,
    rtcpMux: !isData,
    msids: [],
    sources: [],
    sourceGroups: [],
  };
}

function dataLines({ kind }: Line, { sctpParameters }: LocalTransport): { sctp?: SctpPort } {
  if (kind !== 'application' || !sctpParameters) {
    return {};
  }
  return { sctp: { port: sctpParameters.port, maxMessageSize: sctpParameters.maxMessageSize } };
}

/**
 * RFC 3264 §6: a closed or refused m-line keeps its kind, its protocol and at least one format. Its transport says nothing,
 * but aiortc demands one.
 */
function closedSection({ line, transport, setup }: Written): MediaSection {
  const { kind, mid, peer } = line;
  return {
    ...transportLines(transport, setup),
    kind,
    port: 0,
    protocol: peer?.protocol ?? 'UDP/TLS/RTP/SAVPF',
    formats: peer?.formats.length ? peer.formats : ['0'],
    ...(mid === undefined ? {} : { mid }),
    direction: 'inactive',
    bundleOnly: false,
    rtcpMux: kind !== 'application',
    rtcpReducedSize: false,
    candidates: [],
    endOfCandidates: false,
    codecs: peer?.codecs ?? [],
    headerExtensions: [],
    msids: [],
    rids: [],
    sources: [],
    sourceGroups: [],
  };
}
