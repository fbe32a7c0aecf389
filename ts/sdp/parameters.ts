import { SdpError, UnsupportedError } from '../errors.js';
import type {
  MediaKind,
  RtpCapabilities,
  RtpCodecCapability,
  RtpCodecParameters,
  RtpEncodingParameters,
  RtpHeaderExtension,
  RtpHeaderExtensionParameters,
  RtpHeaderExtensionUri,
  RtpParameters,
} from '../generated/model.js';
import { commonCodecs, kindOf } from './codecs.js';
import {
  isActive,
  type MediaSection,
  type Msid,
  type Rid,
  type Simulcast,
  type Source,
  type SourceGroup,
  sends,
} from './description.js';
import { atMost, ENCODINGS_MAX } from './limits.js';

/**
 * M-lines without those header extensions whose id means something else in an earlier one. Bundled m-lines share a
 * transport, and a packet there need not say whose it is (RFC 9143 §9.2). aiortc offers such ids, and fails over packets
 * that carry what it offered.
 */
export function withoutAmbiguousIds(sections: readonly MediaSection[]): MediaSection[] {
  const uris = new Map<number, string>();
  return sections.map((section) => {
    if (!isActive(section)) {
      return section;
    }
    const headerExtensions = section.headerExtensions.filter(({ id, uri }) => {
      const known = uris.get(id) ?? uri;
      uris.set(id, known);
      return known === uri;
    });
    return { ...section, headerExtensions };
  });
}

/** What of an m-line both sides know, under the numbers of the side that wrote it. */
export type Common = {
  readonly codecs: readonly RtpCodecParameters[];
  readonly headerExtensions: readonly RtpHeaderExtensionParameters[];
};

/** What of an m-line a router with `capabilities` knows. Codecs are empty where they have none in common. */
export function commonOf(section: MediaSection, capabilities: RtpCapabilities): Common {
  const known = (capabilities.headerExtensions ?? []).filter(({ kind }) => kind === section.kind);
  const common = section.headerExtensions.filter(({ uri }) => known.some((extension) => extension.uri === uri));
  return {
    codecs: commonCodecs(section.codecs, capabilities),
    headerExtensions: common.map(({ id, uri }) => ({ id, uri: uri as RtpHeaderExtensionUri })),
  };
}

/**
 * What the writer of an m-line sends there, as `transport.produce()` takes it; undefined where it sends nothing.
 *
 * @param hasSimulcast - Whether simulcast is taken. Without it the writer sends its first stream only, and by MID alone
 * can it be recognised (RFC 8853 §5.3).
 * @throws {@link UnsupportedError} for several tracks in one m-line (Plan B), {@link SdpError} for packets that could not be
 * recognised.
 */
export function sentParameters(
  section: MediaSection,
  { codecs, headerExtensions }: Common,
  hasSimulcast: boolean,
): RtpParameters | undefined {
  if (!sends(section.direction) || codecs.length === 0) {
    return undefined;
  }
  const { mid, sources, rtcpReducedSize } = section;
  const encodings = encodingsOf(section, hasSimulcast);
  const isNamed = encodings.every(({ ssrc }) => ssrc !== undefined);
  if (!isNamed && !hasMid(mid, headerExtensions)) {
    throw new SdpError(
      `m-line ${shown(section)}: its packets could not be recognised; send a=ssrc, or a=mid with its header extension`,
    );
  }
  // RFC 3550 §6.5: longer ones cannot be sent, so this one is not what its reports say.
  const cname = sources.find((source) => source.cname && source.cname.length <= CNAME_LENGTH_MAX)?.cname;
  return {
    ...(mid === undefined ? {} : { mid }),
    codecs: codecs.map((codec) => ({ ...codec })),
    headerExtensions: headerExtensions.map((extension) => ({ ...extension })),
    encodings,
    rtcp: { ...(cname === undefined ? {} : { cname }), reducedSize: rtcpReducedSize },
    ...msidOf(section),
  };
}

/** What the writer of an m-line can receive there, as `transport.consume()` takes it. */
export function capabilitiesOf({ codecs, headerExtensions }: Common, kind: MediaKind): RtpCapabilities {
  return {
    codecs: codecs.map(capabilityOf),
    headerExtensions: headerExtensions.map(({ id, uri }): RtpHeaderExtension => ({ kind, uri, preferredId: id })),
  };
}

/** The streams of simulcast that an m-line declares to send, by name; empty without simulcast. */
export function sentRids({ rids, simulcast }: MediaSection): Rid[] {
  const own = rids.filter(({ direction }) => direction === 'send');
  if (!simulcast) {
    return own;
  }
  // The first alternative of each stream; what is paused may be resumed without SDP (RFC 8853 §5.1).
  const named = simulcast.send.map(([first]) => own.find(({ id }) => id === first?.rid));
  return named.filter((rid) => rid !== undefined);
}

/** `a=rid` and `a=simulcast` of an m-line that takes `rids` of the other side. */
export function receivedRids(rids: readonly string[]): { rids: Rid[]; simulcast?: Simulcast } {
  if (rids.length === 0) {
    return { rids: [] };
  }
  const receive = rids.map((rid) => [{ rid, paused: false }]);
  return {
    rids: rids.map((id) => ({ id, direction: 'recv', restrictions: {} })),
    ...(rids.length > 1 ? { simulcast: { send: [], receive } } : {}),
  };
}

/** `a=msid`, `a=ssrc` and `a=ssrc-group` of an m-line on which `parameters` are sent. */
export function sourceLines(
  { encodings = [], rtcp, msid, codecs }: RtpParameters,
  mid: string,
): { msids: Msid[]; sources: Source[]; sourceGroups: SourceGroup[] } {
  const hasRtx = codecs.some(({ mimeType }) => mimeType.toLowerCase().endsWith('/rtx'));
  const groups = encodings.flatMap(({ ssrc, rtx }) =>
    ssrc === undefined ? [] : [[ssrc, ...(rtx && hasRtx ? [rtx.ssrc] : [])]],
  );
  const cname = tokenOf(rtcp?.cname) ?? '-';
  const [stream, track] = (msid ?? '').split(' ').map(tokenOf);
  return {
    // Without a stream of its own, a track is kept in step with those of the same publisher.
    msids: [{ stream: stream ?? cname, track: track ?? mid }],
    sources: groups.flat().map((ssrc) => ({ ssrc, cname })),
    sourceGroups: groups.filter(({ length }) => length > 1).map((ssrcs) => ({ semantics: 'FID', ssrcs })),
  };
}

/** Characters of a CNAME; a longer one is passed over. */
const CNAME_LENGTH_MAX = 255;

/** How messages name an m-line. */
export function shown({ mid, kind }: Pick<MediaSection, 'mid' | 'kind'>): string {
  return `${JSON.stringify((mid ?? 'without MID').slice(0, 16))} (${kind.slice(0, 16)})`;
}

/** Characters of an msid (RFC 8830 §2) or CNAME that is passed on; another one is replaced. */
const TOKEN = /^[\w!#$%&'*+.^`{|}~@=/:-]{1,64}$/;

function tokenOf(text: string | undefined): string | undefined {
  return text !== undefined && TOKEN.test(text) ? text : undefined;
}

function capabilityOf({ payloadType, ...codec }: RtpCodecParameters): RtpCodecCapability {
  return { ...codec, kind: kindOf(codec), preferredPayloadType: payloadType };
}

const MID_URI: RtpHeaderExtensionUri = 'urn:ietf:params:rtp-hdrext:sdes:mid';

function hasMid(mid: string | undefined, extensions: readonly RtpHeaderExtensionParameters[]): boolean {
  return mid !== undefined && extensions.some(({ uri }) => uri === MID_URI);
}

function encodingsOf(section: MediaSection, hasSimulcast: boolean): RtpEncodingParameters[] {
  const rids = sentRids(section);
  atMost(`simulcast streams in m-line ${shown(section)}`, rids.length, ENCODINGS_MAX, 'ENCODINGS_MAX');
  if (rids.length === 0) {
    return sourceEncodings(section, hasSimulcast);
  }
  if (!hasSimulcast) {
    return [{}];
  }
  return rids.map(({ id, restrictions }) => {
    const maxBitrate = Number(restrictions['max-br']);
    return { rid: id, ...(maxBitrate > 0 ? { maxBitrate } : {}) };
  });
}

/** One encoding for each stream that a description names by SSRC, with the stream that retransmits it (RFC 5576). */
function sourceEncodings(section: MediaSection, hasSimulcast: boolean): RtpEncodingParameters[] {
  const { sources, sourceGroups } = section;
  const groups = (semantics: string): (readonly number[])[] =>
    sourceGroups.filter((group) => group.semantics === semantics).map(({ ssrcs }) => ssrcs);
  const repairs = new Map(groups('FID').map(([ssrc, rtx]) => [ssrc, rtx]));
  const secondary = new Set([...groups('FID'), ...groups('FEC-FR'), ...groups('FEC')].map(([, second]) => second));
  const [layers] = groups('SIM');
  const primary = layers ?? sources.map(({ ssrc }) => ssrc).filter((ssrc) => !secondary.has(ssrc));
  if (!layers && primary.length > 1) {
    throw new UnsupportedError(
      `m-line ${shown(section)}: has ${primary.length} sources (Plan B); send each track in an m-line of its own`,
    );
  }
  atMost(`sources in m-line ${shown(section)}`, primary.length, ENCODINGS_MAX, 'ENCODINGS_MAX');
  const taken = hasSimulcast ? primary : primary.slice(0, 1);
  const encodings = taken.map((ssrc) => {
    const rtx = repairs.get(ssrc);
    return { ssrc, ...(rtx === undefined ? {} : { rtx: { ssrc: rtx } }) };
  });
  return encodings.length > 0 ? encodings : [{}];
}

/** The track and its stream, as RTP parameters have them. */
function msidOf({ msids, sources }: MediaSection): { msid?: string } {
  const [first] = msids;
  const written = first ? `${first.stream} ${first.track}`.trim() : sources.find(({ msid }) => msid)?.msid;
  return written === undefined ? {} : { msid: written };
}
