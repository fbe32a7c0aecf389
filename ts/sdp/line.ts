import { SdpError, UnsupportedError } from '../errors.js';
import type { RtpCapabilities, RtpCodecParameters, RtpParameters } from '../generated/model.js';
import { isCompatible, isRtx } from './codecs.js';
import { isActive, type MediaSection, receives, type SctpPort, sends } from './description.js';
import { type Common, commonOf, sentParameters, sentRids, shown } from './parameters.js';
import { isSpoken } from './peer.js';

/** An m-line as both sides know it. Never changed: each description makes a new one. */
export type Line = {
  /** What the application calls it: its MID, or its index where the peer gives no MIDs. */
  readonly key: string;
  readonly mid: string | undefined;
  readonly kind: string;
  /** Closed on both sides: its place may be used for another one. */
  readonly isClosed: boolean;
  /** To be closed by our next description. */
  readonly isClosing: boolean;
  /** Why we closed it ourselves. */
  readonly refusal?: string;
  /** What the peer wrote last. */
  readonly peer?: MediaSection;
  /** Whether the peer itself chose what the m-line lists: it came in an offer. */
  readonly isPeerOffer: boolean;
  /** What both sides know, under the numbers of the connection. */
  readonly common: Common;
  /** Whether we would take what the peer sends. */
  readonly isReceiving: boolean;
  /** Simulcast streams that we take, or ask for. */
  readonly rids: readonly string[];
  /** What the peer sends. */
  readonly incoming?: RtpParameters;
  /** What we send, or would if the peer took it. */
  readonly outgoing?: RtpParameters;
  /** Whether the peer takes it. */
  readonly isFlowing: boolean;
  /** What our last description said that we send and would take. */
  readonly told: { readonly outgoing?: RtpParameters | undefined; readonly isReceiving: boolean };
  /** The peer's end of the data channels. */
  readonly sctp?: SctpPort;
};

/** What decides what is taken of an m-line. */
export type Terms = {
  readonly capabilities: RtpCapabilities;
  readonly hasSimulcast: boolean;
  readonly hasSctp: boolean;
};

/** Before our first description. */
export const NOTHING_TOLD: Line['told'] = { isReceiving: false };

/** An m-line that nobody has described yet. */
export function newLine(of: Pick<Line, 'key' | 'mid' | 'kind'>): Line {
  return {
    isClosed: false,
    isClosing: false,
    isPeerOffer: false,
    common: { codecs: [], headerExtensions: [] },
    isReceiving: true,
    rids: [],
    isFlowing: false,
    told: NOTHING_TOLD,
    ...of,
  };
}

/** The m-line after an offer of the peer. `line` is what it was before, if it was open. */
export function offered(line: Line | undefined, section: MediaSection, index: number, terms: Terms): Line {
  const { kind, mid } = section;
  const before = line ?? newLine({ key: mid ?? String(index), mid, kind });
  if (!isActive(section)) {
    return closed({ ...before, peer: section });
  }
  const refusal = refusalOf(section, terms);
  if (refusal !== undefined) {
    return { ...closed({ ...before, peer: section }), refusal };
  }
  if (kind === 'application') {
    return { ...before, peer: section, isPeerOffer: true, ...(section.sctp ? { sctp: section.sctp } : {}) };
  }
  const common = commonOf(section, terms.capabilities);
  checkNumbers(before, section.codecs);
  const { incoming: _, ...rest } = before;
  const incoming = before.isReceiving ? sentParameters(section, common, terms.hasSimulcast) : undefined;
  const rids = terms.hasSimulcast ? sentRids(section).map(({ id }) => id) : [];
  return {
    ...rest,
    peer: section,
    isPeerOffer: true,
    common,
    rids,
    ...(incoming ? { incoming } : {}),
    isFlowing: isTaken(before.outgoing, section),
  };
}

/** The m-line after the peer's answer to `offer`, which is what we wrote. */
export function answered(line: Line, answer: MediaSection, offer: MediaSection, terms: Terms): Line {
  // One m-line alone may be answered without MID.
  const section = line.mid === undefined ? answer : { ...answer, mid: line.mid };
  if (offer.port === 0 || !isActive(section)) {
    return closed({ ...line, peer: section });
  }
  if (line.kind === 'application') {
    return { ...line, peer: section, isPeerOffer: false, ...(section.sctp ? { sctp: section.sctp } : {}) };
  }
  const common = answeredCommon(section, offer);
  if (common.codecs.every(isRtx)) {
    throw new UnsupportedError(
      `m-line ${shown(section)}: is answered with none of the offered payload types; answer with their numbers (RFC 3264 §6.1)`,
    );
  }
  const { incoming: _, ...rest } = line;
  const isTaking = receives(offer.direction);
  const incoming = isTaking ? sentParameters(section, common, terms.hasSimulcast) : undefined;
  const rids = isTaking && terms.hasSimulcast ? sentRids(section).map(({ id }) => id) : [];
  return {
    ...rest,
    peer: section,
    isPeerOffer: false,
    common,
    rids,
    ...(incoming ? { incoming } : {}),
    isFlowing: sends(offer.direction) && line.told.outgoing === line.outgoing && isTaken(line.outgoing, section),
  };
}

/** The m-line when it is closed. */
export function closed({ incoming: _, outgoing: _outgoing, sctp: _sctp, ...line }: Line): Line {
  return { ...line, isClosed: true, isClosing: false, isFlowing: false, rids: [], told: NOTHING_TOLD };
}

/** Why an m-line cannot be taken; undefined where it can. */
function refusalOf(section: MediaSection, { capabilities, hasSctp }: Terms): string | undefined {
  if (!isSpoken(section)) {
    return `${JSON.stringify(section.kind.slice(0, 16))} is neither audio, video nor data`;
  }
  if (section.kind === 'application') {
    const isData = section.sctp !== undefined && section.formats.includes('webrtc-datachannel');
    if (!isData) {
      return 'is no data channel in the form of RFC 8841';
    }
    return hasSctp ? undefined : 'the transport has no SCTP; create it with enableSctp';
  }
  const { codecs } = commonOf(section, capabilities);
  return codecs.every(isRtx) ? 'none of its codecs is among those of the router' : undefined;
}

/** RFC 3264 §8.3.2: a payload type means one codec for the life of an m-line. */
function checkNumbers({ key, peer }: Line, codecs: readonly RtpCodecParameters[]): void {
  for (const codec of codecs.filter((one) => !isRtx(one))) {
    const before = peer?.codecs.find(({ payloadType }) => payloadType === codec.payloadType);
    if (before && !isCompatible(before, codec)) {
      throw new SdpError(
        `m-line ${JSON.stringify(key)}: payload type ${codec.payloadType} was ${before.mimeType}; use another one for ${codec.mimeType} (RFC 3264 §8.3.2)`,
      );
    }
  }
}

/** What an answer leaves of an offer, under the offer's numbers. */
function answeredCommon(section: MediaSection, offer: MediaSection): Common {
  const media = offer.codecs.filter((codec) => !isRtx(codec) && section.codecs.some((one) => isSame(one, codec)));
  const kept = new Set(media.map(({ payloadType }) => payloadType));
  const isKept = (codec: RtpCodecParameters): boolean =>
    isRtx(codec)
      ? kept.has(Number(codec.parameters?.apt)) &&
        section.codecs.some((one) => isRtx(one) && one.payloadType === codec.payloadType)
      : kept.has(codec.payloadType);
  const extensions = offer.headerExtensions.filter(({ id, uri }) =>
    section.headerExtensions.some((one) => one.id === id && one.uri === uri),
  );
  // The order is the answer's: its writer sends the first, and prefers to get it.
  const order = section.codecs.map(({ payloadType }) => payloadType);
  const codecs = offer.codecs.filter(isKept);
  codecs.sort((a, b) => order.indexOf(a.payloadType) - order.indexOf(b.payloadType));
  return { codecs, headerExtensions: extensions as Common['headerExtensions'] };
}

function isSame(a: RtpCodecParameters, b: RtpCodecParameters): boolean {
  return a.payloadType === b.payloadType && isCompatible(a, b);
}

/** Whether the writer of an m-line takes what we send. */
function isTaken(outgoing: RtpParameters | undefined, section: MediaSection): boolean {
  const media = (outgoing?.codecs ?? []).filter((codec) => !isRtx(codec));
  return receives(section.direction) && media.some((codec) => section.codecs.some((one) => isSame(one, codec)));
}
