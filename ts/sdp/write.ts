import { type Media, type Session, write } from 'sdp-transform';
import type { RtpCodecParameters } from '../generated/model.js';
import { typeError } from '../native-events.js';
import { writeParameters } from './codec-lines.js';
import type {
  Candidate,
  MediaSection,
  Rid,
  SessionDescription,
  Simulcast,
  SimulcastAlternative,
} from './description.js';

/**
 * Writes a description (RFC 8866); {@link parseDescription} reads it as it was.
 *
 * @throws `TypeError` where a text holds a line break or NUL: it would become lines that nobody meant.
 */
export function writeDescription(description: SessionDescription): string {
  const { id, version, iceLite, extmapAllowMixed, bundles, media } = description;
  refuseLineBreaks(description, 'description');
  const session: Session = {
    version: 0,
    origin: { username: '-', sessionId: id, sessionVersion: version, netType: 'IN', ipVer: 4, address: '127.0.0.1' },
    name: '-',
    timing: { start: 0, stop: 0 },
    ...(iceLite ? { icelite: 'ice-lite' } : {}),
    ...(extmapAllowMixed ? { extmapAllowMixed: 'extmap-allow-mixed' } : {}),
    groups: bundles.map((mids) => ({ type: 'BUNDLE', mids: mids.join(' ') })),
    media: media.map(mediaOf),
  };
  return write(session);
}

/** Texts come from peers by way of RTP parameters, which need not have been SDP before. */
function refuseLineBreaks(value: unknown, path: string): void {
  if (typeof value === 'string') {
    if (/[\0\r\n]/.test(value)) {
      throw typeError(`${path}: holds a line break or NUL`);
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, part] of Object.entries(value)) {
      refuseLineBreaks(name, `a name in ${path}`);
      refuseLineBreaks(part, `${path}.${name}`);
    }
  }
}

function mediaOf(section: MediaSection): Media {
  const { kind, port, protocol, formats, address, mid, direction, codecs, sctp } = section;
  return {
    type: kind,
    port,
    protocol,
    payloads: formats.join(' '),
    ...(address === undefined ? {} : { connection: { version: address.includes(':') ? 6 : 4, ip: address } }),
    rtp: codecs.map(formatOf),
    fmtp: codecs.flatMap((codec) => {
      const config = writeParameters(codec);
      return config === undefined ? [] : [{ payload: codec.payloadType, config }];
    }),
    rtcpFb: codecs.flatMap(({ payloadType, rtcpFeedback = [] }) =>
      rtcpFeedback.map(({ type, parameter }) => ({
        payload: payloadType,
        type,
        ...(parameter ? { subtype: parameter } : {}),
      })),
    ),
    ...(mid === undefined ? {} : { mid }),
    direction,
    ...flagsOf(section),
    ...transportOf(section),
    ...streamsOf(section),
    ...(sctp ? { sctpPort: sctp.port, maxMessageSize: sctp.maxMessageSize } : {}),
    invalid: othersOf(section),
  };
}

function formatOf({ mimeType, payloadType, clockRate, channels = 1 }: RtpCodecParameters): Media['rtp'][number] {
  const codec = mimeType.slice(mimeType.indexOf('/') + 1);
  return { payload: payloadType, codec, rate: clockRate, ...(channels > 1 ? { encoding: channels } : {}) };
}

function flagsOf(section: MediaSection): Partial<Media> {
  return {
    ...(section.bundleOnly ? { bundleOnly: 'bundle-only' } : {}),
    ...(section.rtcpMux ? { rtcpMux: 'rtcp-mux' } : {}),
    ...(section.rtcpReducedSize ? { rtcpRsize: 'rtcp-rsize' } : {}),
    ...(section.endOfCandidates ? { endOfCandidates: 'end-of-candidates' } : {}),
  };
}

function transportOf({ ice, iceOptions, setup, candidates }: MediaSection): Partial<Media> {
  return {
    ...(ice ? { iceUfrag: ice.usernameFragment, icePwd: ice.password } : {}),
    ...(iceOptions.length > 0 ? { iceOptions: iceOptions.join(' ') } : {}),
    ...(setup ? { setup } : {}),
    candidates: candidates.map(candidateOf),
  };
}

function candidateOf(candidate: Candidate): NonNullable<Media['candidates']>[number] {
  const { protocol, address, tcpType, ...rest } = candidate;
  return { ...rest, transport: protocol, ip: address, ...(tcpType === undefined ? {} : { tcptype: tcpType }) };
}

function streamsOf({ headerExtensions, sources, sourceGroups, simulcast }: MediaSection): Partial<Media> {
  return {
    ext: headerExtensions.map(({ id, uri, direction }) => ({ value: id, uri, ...(direction ? { direction } : {}) })),
    ssrcs: sources.flatMap(({ ssrc, cname, msid }) => [
      // RFC 5576 §4.1: a source has an attribute.
      ...(cname === undefined && msid === undefined ? [{ id: ssrc, attribute: 'cname', value: '-' }] : []),
      ...(cname === undefined ? [] : [{ id: ssrc, attribute: 'cname', value: cname }]),
      ...(msid === undefined ? [] : [{ id: ssrc, attribute: 'msid', value: msid }]),
    ]),
    ssrcGroups: sourceGroups.map(({ semantics, ssrcs }) => ({ semantics, ssrcs: ssrcs.join(' ') })),
    ...(simulcast ? simulcastOf(simulcast) : {}),
  };
}

function simulcastOf({ send, receive }: Simulcast): Pick<Media, 'simulcast'> {
  const streams = (of: readonly (readonly SimulcastAlternative[])[]): string =>
    of.map((rids) => rids.map(({ rid, paused }) => `${paused ? '~' : ''}${rid}`).join(',')).join(';');
  const [first, second] = [['send', send] as const, ['recv', receive] as const].filter(([, list]) => list.length > 0);
  if (!first) {
    return {};
  }
  return {
    simulcast: {
      dir1: first[0],
      list1: streams(first[1]),
      ...(second ? { dir2: second[0], list2: streams(second[1]) } : {}),
    },
  };
}

/** Lines that sdp-transform keeps one of, or writes in one form only. */
function othersOf({ fingerprints, msids, rids }: MediaSection): { value: string }[] {
  return [
    ...fingerprints.map(({ algorithm, value }) => `fingerprint:${algorithm} ${value}`),
    ...msids.map(({ stream, track }) => `msid:${stream}${track === '' ? '' : ` ${track}`}`),
    ...rids.map(ridOf),
  ].map((value) => ({ value }));
}

function ridOf({ id, direction, restrictions }: Rid): string {
  const pairs = Object.entries(restrictions).map(([name, value]) => (value === '' ? name : `${name}=${value}`));
  return ['rid:'.concat(id), direction, ...(pairs.length > 0 ? [pairs.join(';')] : [])].join(' ');
}
