import type {
  MediaKind,
  RtpCapabilities,
  RtpCodecCapability,
  RtpHeaderExtension,
  RtpHeaderExtensionUri,
} from '../generated/model.js';
import { commonCodecs, isCompatible, isRtx, rtxOf } from './codecs.js';
import type { MediaSection } from './description.js';

/** Dynamic payload types in the order in which they are given out (RFC 3551 §6, RFC 5761 §4 leaves out 64–95). */
const PAYLOAD_TYPES: readonly number[] = [...range(96, 127), ...range(35, 63)];

/** Ids of the one-byte form (RFC 8285 §4.2), which every peer can read. */
const EXTENSION_IDS: readonly number[] = range(1, 14);

/**
 * What a peer can receive in m-lines that are yet to be offered, under numbers that mean one thing in the whole
 * connection, as BUNDLE demands (RFC 9143 §9.1): those of the peer for what it has named, the router's for the rest, and
 * other ones where those are taken.
 *
 * @param sections - The m-lines that the peer wrote last.
 * @param isComplete - Whether the peer has said all that it can receive; otherwise the rest of the router's is offered,
 * too.
 */
export function numberedCapabilities(
  kind: MediaKind,
  sections: readonly MediaSection[],
  capabilities: RtpCapabilities,
  isComplete: boolean,
): RtpCapabilities {
  const named = sections.filter((section) => section.kind === kind);
  return {
    codecs: numberedCodecs(kind, named, sections, capabilities, isComplete),
    headerExtensions: numberedExtensions(kind, named, sections, capabilities, isComplete),
  };
}

function numberedCodecs(
  kind: MediaKind,
  named: readonly MediaSection[],
  sections: readonly MediaSection[],
  capabilities: RtpCapabilities,
  isComplete: boolean,
): RtpCodecCapability[] {
  const codecs: RtpCodecCapability[] = [];
  const common = named.flatMap((section) => commonCodecs(section.codecs, capabilities));
  for (const { payloadType, ...codec } of common) {
    const isKnown = (one: RtpCodecCapability): boolean =>
      isRtx(codec) ? one.parameters?.apt === codec.parameters?.apt : isCompatible(one, codec);
    if (!codecs.some(isKnown)) {
      codecs.push({ ...codec, kind, preferredPayloadType: payloadType });
    }
  }
  if (isComplete) {
    return withoutOrphans(codecs);
  }
  const taken = new Set(sections.flatMap(({ formats }) => formats.map(Number)));
  const known = (capabilities.codecs ?? []).filter((codec) => codec.kind === kind && !isRtx(codec));
  for (const codec of known.filter((one) => !codecs.some((other) => isCompatible(one, other)))) {
    const repair = rtxOf(capabilities.codecs ?? [], codec.preferredPayloadType);
    const payloadType = take(codec.preferredPayloadType, taken, PAYLOAD_TYPES);
    if (payloadType !== undefined) {
      codecs.push({ ...codec, preferredPayloadType: payloadType });
      const rtx = repair && take(repair.preferredPayloadType, taken, PAYLOAD_TYPES);
      if (rtx !== undefined) {
        codecs.push({ ...repair, preferredPayloadType: rtx, parameters: { apt: payloadType } } as RtpCodecCapability);
      }
    }
  }
  return withoutOrphans(codecs);
}

/** Without RTX codecs whose media codec another m-line has under another number. */
function withoutOrphans(codecs: readonly RtpCodecCapability[]): RtpCodecCapability[] {
  const media = new Set(codecs.filter((codec) => !isRtx(codec)).map((codec) => codec.preferredPayloadType));
  return codecs.filter((codec) => !isRtx(codec) || media.has(Number(codec.parameters?.apt)));
}

function numberedExtensions(
  kind: MediaKind,
  named: readonly MediaSection[],
  sections: readonly MediaSection[],
  { headerExtensions = [] }: RtpCapabilities,
  isComplete: boolean,
): RtpHeaderExtension[] {
  const ids = new Map(sections.flatMap((section) => section.headerExtensions).map(({ uri, id }) => [uri, id]));
  const taken = new Set(ids.values());
  const uris = new Set(named.flatMap((section) => section.headerExtensions).map(({ uri }) => uri));
  const wanted = headerExtensions.filter(
    (extension) => extension.kind === kind && (!isComplete || uris.has(extension.uri)),
  );
  return wanted.flatMap((extension) => {
    const preferredId = ids.get(extension.uri) ?? take(extension.preferredId, taken, EXTENSION_IDS);
    if (preferredId === undefined) {
      return [];
    }
    return [{ kind, uri: extension.uri as RtpHeaderExtensionUri, preferredId, direction: extension.direction }];
  });
}

/** The wanted number, or the first other one that is free; undefined where there is none. */
function take(wanted: number, taken: Set<number>, all: readonly number[]): number | undefined {
  const number = taken.has(wanted) ? all.find((one) => !taken.has(one)) : wanted;
  if (number !== undefined) {
    taken.add(number);
  }
  return number;
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
