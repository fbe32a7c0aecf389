/// <reference path="./sdp-transform.d.ts" />
import { type Attributes, type Media, parse, type Session, type Word } from 'sdp-transform';
import { SdpError } from '../errors.js';
import type { DtlsFingerprint, FingerprintAlgorithm } from '../generated/model.js';
import { codecsOf } from './codec-lines.js';
import type {
  Candidate,
  Direction,
  HeaderExtension,
  MediaSection,
  Msid,
  Rid,
  SctpPort,
  SessionDescription,
  Setup,
  Simulcast,
  SimulcastAlternative,
  Source,
  SourceGroup,
} from './description.js';
import { atMost, FINGERPRINTS_MAX, linesOf, RIDS_MAX } from './limits.js';

/**
 * Reads a description (RFC 8866). Lines that WebRTC does not use, and malformed ones that it can do without, are passed over.
 *
 * @throws {@link SdpError} where it is no SDP, {@link LimitError} where it is more than a bound allows; the bounds hold
 * before anything is parsed.
 */
export function parseDescription(sdp: string): SessionDescription {
  const lines = linesOf(sdp);
  const session = parse(lines.join('\r\n'));
  const [head = [], ...sections] = partsOf(lines);
  if (!session.origin) {
    throw new SdpError('the description has no valid "o=" line (RFC 8866 §5.2)');
  }
  return {
    id: String(session.origin.sessionId),
    version: String(session.origin.sessionVersion),
    iceLite: session.icelite !== undefined,
    extmapAllowMixed: session.extmapAllowMixed !== undefined,
    bundles: bundlesOf(head),
    media: session.media.map((media, index) =>
      sectionOf({ session, head, media, lines: sections[index] ?? [], index }),
    ),
  };
}

/**
 * Reads one candidate as browsers trickle it: `candidate:…`, with or without `a=` before it.
 *
 * @throws {@link SdpError} where it is none, {@link LimitError} where it is too long.
 */
export function parseCandidate(candidate: string): Candidate {
  const line = typeof candidate === 'string' ? candidate.replace(/^a=/, '') : '';
  const [parsed] = /^candidate:[^\r\n]*$/.test(line) ? sectionsOfLine(line) : [];
  if (!parsed) {
    throw new SdpError(`${JSON.stringify(line.slice(0, SHOWN_LENGTH))} is no candidate (RFC 8839 §5.1)`);
  }
  return parsed;
}

/** Characters of a peer's text that a message repeats. */
const SHOWN_LENGTH = 80;

/** What is read of one m-line. */
type Part = {
  readonly session: Session;
  readonly head: readonly string[];
  readonly media: Media;
  readonly lines: readonly string[];
  readonly index: number;
};

function sectionsOfLine(line: string): Candidate[] {
  const lines = linesOf(`v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=${line}`);
  return candidatesOf(parse(lines.join('\r\n')).media[0] as Media);
}

/** Cuts lines before each m-line. */
function partsOf(lines: readonly string[]): string[][] {
  const parts: string[][] = [[]];
  for (const line of lines) {
    if (line.startsWith('m=')) {
      parts.push([]);
    }
    parts.at(-1)?.push(line);
  }
  return parts;
}

function sectionOf(part: Part): MediaSection {
  const { session, media, lines, head, index } = part;
  const { type, port, protocol, payloads } = media;
  if (type === undefined || port === undefined || protocol === undefined) {
    throw new SdpError(
      `m-line ${index}: ${JSON.stringify(lines[0]?.slice(0, SHOWN_LENGTH))} is malformed (RFC 8866 §5.14)`,
    );
  }
  const either = <Name extends keyof Attributes>(name: Name): Attributes[Name] => media[name] ?? session[name];
  const formats = [...new Set(String(payloads ?? '').split(' '))].filter((format) => format !== '');
  const [ufrag, pwd] = [either('iceUfrag'), either('icePwd')];
  const connection = either('connection');
  return {
    kind: String(type),
    port,
    protocol: String(protocol).toUpperCase(),
    formats,
    ...(connection ? { address: String(connection.ip) } : {}),
    ...(media.mid === undefined || media.mid === '' ? {} : { mid: String(media.mid) }),
    direction: (either('direction') ?? 'sendrecv') as Direction,
    bundleOnly: media.bundleOnly !== undefined,
    rtcpMux: media.rtcpMux !== undefined,
    rtcpReducedSize: media.rtcpRsize !== undefined,
    ...(ufrag === undefined || pwd === undefined
      ? {}
      : { ice: { usernameFragment: String(ufrag), password: String(pwd) } }),
    iceOptions: words([...valuesOf(head, 'ice-options'), ...valuesOf(lines, 'ice-options')].at(-1)),
    candidates: candidatesOf(media),
    endOfCandidates: media.endOfCandidates !== undefined,
    ...setupOf(either('setup')),
    fingerprints: fingerprintsOf(part),
    codecs: codecsOf(media, formats),
    headerExtensions: extensionsOf(media),
    msids: msidsOf(lines),
    rids: ridsOf(part),
    ...simulcastOf(media),
    sources: sourcesOf(media),
    sourceGroups: groupsOf(media),
    ...sctpOf(media),
  };
}

/** The values of an attribute. sdp-transform keeps one line of some, and not every form of others. */
function valuesOf(lines: readonly string[], attribute: string): string[] {
  const start = `a=${attribute}:`;
  return lines.filter((line) => line.startsWith(start)).map((line) => line.slice(start.length).trim());
}

function words(text: Word | undefined): string[] {
  return String(text ?? '')
    .split(' ')
    .filter((word) => word !== '');
}

function bundlesOf(head: readonly string[]): string[][] {
  const groups = valuesOf(head, 'group').map(words);
  return groups.filter(([semantics]) => semantics === 'BUNDLE').map(([, ...mids]) => mids);
}

function setupOf(setup: string | undefined): { setup?: Setup } {
  const known: readonly string[] = ['active', 'passive', 'actpass', 'holdconn'];
  return setup !== undefined && known.includes(setup) ? { setup: setup as Setup } : {};
}

const ALGORITHMS: readonly string[] = ['sha-1', 'sha-224', 'sha-256', 'sha-384', 'sha-512'];

function fingerprintsOf({ lines, head, index }: Part): DtlsFingerprint[] {
  const own = valuesOf(lines, 'fingerprint');
  const values = own.length > 0 ? own : valuesOf(head, 'fingerprint');
  atMost(`fingerprints in m-line ${index}`, values.length, FINGERPRINTS_MAX, 'FINGERPRINTS_MAX');
  const pairs = values.map((value) => words(value));
  // RFC 8122 §5: names of hash functions are case-insensitive, and those that are not known are passed over.
  return pairs.flatMap(([algorithm = '', value = '']) => {
    const name = algorithm.toLowerCase();
    return ALGORITHMS.includes(name) ? [{ algorithm: name as FingerprintAlgorithm, value: value.toUpperCase() }] : [];
  });
}

function candidatesOf({ candidates = [] }: Media): Candidate[] {
  const read = candidates.map((candidate) => ({
    foundation: String(candidate.foundation),
    component: Number(candidate.component),
    protocol: String(candidate.transport).toLowerCase(),
    priority: Number(candidate.priority),
    address: String(candidate.ip),
    port: Number(candidate.port),
    type: String(candidate.type),
    ...(candidate.tcptype === undefined ? {} : { tcpType: String(candidate.tcptype) }),
  }));
  return read.filter(({ port, priority }) => port <= 65_535 && priority <= 0xffff_ffff);
}

function extensionsOf({ ext = [] }: Media): HeaderExtension[] {
  const plain = ext.filter((extension) => extension['encrypt-uri'] === undefined);
  return plain.map(({ value, uri, direction }) => ({
    id: value,
    uri: String(uri),
    ...(direction === undefined ? {} : { direction }),
  }));
}

function msidsOf(lines: readonly string[]): Msid[] {
  return valuesOf(lines, 'msid').map((value) => {
    const [stream = '-', track = ''] = words(value);
    return { stream, track };
  });
}

function ridsOf({ lines, index }: Part): Rid[] {
  const values = valuesOf(lines, 'rid');
  atMost(`a=rid lines in m-line ${index}`, values.length, RIDS_MAX, 'RIDS_MAX');
  return values.flatMap((value) => {
    const found = /^([\w-]{1,255}) (send|recv)(?: (.*))?$/.exec(value);
    if (!found) {
      return [];
    }
    const [, id = '', direction, text = ''] = found;
    const pairs = text.split(';').map((pair) => pair.trim().split('=', 2) as [string, string?]);
    const restrictions = pairs.filter(([name]) => name !== '').map(([name, of = '']) => [name, of]);
    return [{ id, direction: direction as 'send' | 'recv', restrictions: Object.fromEntries(restrictions) }];
  });
}

function simulcastOf({ simulcast }: Media): { simulcast?: Simulcast } {
  if (!simulcast) {
    return {};
  }
  const lists = [
    [simulcast.dir1, simulcast.list1],
    [simulcast.dir2, simulcast.list2],
  ];
  const streamsOf = (direction: string): SimulcastAlternative[][] => {
    const [, list] = lists.find(([of]) => of === direction) ?? [];
    const streams = String(list ?? '').split(';');
    const alternatives = streams.map((stream) => stream.split(',').filter((rid) => rid !== '' && rid !== '~'));
    const read = alternatives.map((rids) =>
      rids.map((rid) => ({ rid: rid.replace(/^~/, ''), paused: rid.startsWith('~') })),
    );
    return read.filter((rids) => rids.length > 0);
  };
  return { simulcast: { send: streamsOf('send'), receive: streamsOf('recv') } };
}

function sourcesOf({ ssrcs = [] }: Media): Source[] {
  const sources = new Map<number, Source>();
  for (const { id, attribute, value } of ssrcs) {
    const ssrc = ssrcOf(id);
    if (ssrc !== undefined) {
      const known = sources.get(ssrc) ?? { ssrc };
      const read = attribute === 'cname' || attribute === 'msid' ? { [attribute]: String(value ?? '') } : {};
      sources.set(ssrc, { ...known, ...read });
    }
  }
  return [...sources.values()];
}

function groupsOf({ ssrcGroups = [] }: Media): SourceGroup[] {
  return ssrcGroups.flatMap(({ semantics, ssrcs }) => {
    const read = words(ssrcs).map(ssrcOf);
    const valid = read.filter((ssrc) => ssrc !== undefined);
    return valid.length === read.length ? [{ semantics: String(semantics), ssrcs: valid }] : [];
  });
}

function ssrcOf(text: Word): number | undefined {
  const ssrc = Number(text);
  return Number.isInteger(ssrc) && ssrc > 0 && ssrc <= 0xffff_ffff ? ssrc : undefined;
}

function sctpOf({ sctpPort, maxMessageSize }: Media): { sctp?: SctpPort } {
  const port = Number(sctpPort);
  // RFC 8841 §6: what says nothing takes 64 kB.
  return port > 0 && port <= 65_535 ? { sctp: { port, maxMessageSize: Number(maxMessageSize ?? 65_536) } } : {};
}
