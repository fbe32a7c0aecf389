import type { types } from '../../ts/index.js';

/** What the offer of a test peer says: two tracks it publishes, and what it can receive. */
export type Offer = {
  readonly mids: readonly string[];
  readonly fingerprints: types.DtlsFingerprint[];
  readonly published: readonly types.RtpParameters[];
  readonly rtpCapabilities: types.RtpCapabilities;
};

/** What a peer must know of a transport. */
export type Path = Pick<types.WebRtcTransport, 'iceParameters' | 'iceCandidates' | 'dtlsParameters'>;

/** Codecs that are looked for in an offer. */
const CODECS = ['opus', 'VP8', 'rtx'];

/** Reads an offer of two published tracks and two that are to be received. Enough for the tests' peers, no more. */
export function parseOffer(sdp: string): Offer {
  const [, ...sections] = sdp.split(/^m=/m);
  const [algorithm, value] = (valuesOf(sdp, 'fingerprint')[0] ?? '').split(' ') as [types.FingerprintAlgorithm, string];
  return {
    mids: sections.map((section) => valuesOf(section, 'mid')[0] as string),
    fingerprints: [{ algorithm, value }],
    published: sections.filter((section) => section.includes('a=sendonly')).map(parametersOf),
    rtpCapabilities: capabilitiesOf(sections.filter((section) => section.includes('a=recvonly'))),
  };
}

/** Writes the answer: we receive what is published and send `consumed` in the sections that follow. */
export function answerFor(offer: Offer, transport: Path, consumed: readonly types.RtpParameters[]): string {
  const path = pathOf(transport);
  const sections = [
    ...offer.published.map((parameters) => [...mediaOf(parameters), 'a=recvonly']),
    ...consumed.map((parameters) => [...mediaOf(parameters), 'a=sendonly', ...sourcesOf(parameters)]),
  ].map((lines, at) => [...lines, `a=mid:${offer.mids[at]}`, ...path]);
  const session = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=ice-lite'];
  const group = `a=group:BUNDLE ${offer.mids.join(' ')}`;
  return [...session, group, 'a=msid-semantic:WMS *', ...sections.flat(), ''].join('\r\n');
}

function pathOf({ iceParameters, iceCandidates, dtlsParameters }: Path): string[] {
  const fingerprint = dtlsParameters.fingerprints.find(({ algorithm }) => algorithm === 'sha-256');
  const candidates = iceCandidates.map(
    ({ foundation, protocol, priority, address, port }) =>
      `a=candidate:${foundation} 1 ${protocol} ${priority} ${address} ${port} typ host`,
  );
  return [
    'c=IN IP4 127.0.0.1',
    'a=rtcp-mux',
    `a=ice-ufrag:${iceParameters.usernameFragment}`,
    `a=ice-pwd:${iceParameters.password}`,
    `a=fingerprint:sha-256 ${fingerprint?.value}`,
    'a=setup:passive',
    ...candidates,
    'a=end-of-candidates',
  ];
}

function parametersOf(section: string): types.RtpParameters {
  const [ssrc, rtx] = [...new Set(valuesOf(section, 'ssrc').map((value) => Number.parseInt(value, 10)))];
  const [mid] = valuesOf(section, 'mid');
  const [, cname] = /cname:(\S+)/.exec(section) ?? [];
  return {
    mid: mid as string,
    codecs: codecsOf(section),
    headerExtensions: valuesOf(section, 'extmap').map((value) => {
      const [id, uri] = value.split(' ');
      return { id: Number(id), uri: uri as types.RtpHeaderExtensionUri };
    }),
    encodings: [{ ssrc: ssrc as number, ...(rtx === undefined ? {} : { rtx: { ssrc: rtx } }) }],
    rtcp: { cname: cname as string },
  };
}

/** The codecs of a section that the tests know, with RTX for them. */
function codecsOf(section: string): types.RtpCodecParameters[] {
  const kind = section.slice(0, section.indexOf(' '));
  const formats = new Map(valuesOf(section, 'fmtp').map((value) => value.split(' ') as [string, string]));
  const codecs = valuesOf(section, 'rtpmap').map((value) => {
    const [payloadType, format] = value.split(' ') as [string, string];
    const [name, clockRate, channels] = format.split('/');
    const apt = /apt=(\d+)/.exec(formats.get(payloadType) ?? '')?.[1];
    return {
      mimeType: `${kind}/${name}`,
      payloadType: Number(payloadType),
      clockRate: Number(clockRate),
      ...(channels ? { channels: Number(channels) } : {}),
      ...(apt ? { parameters: { apt: Number(apt) } } : {}),
      rtcpFeedback: feedbackOf(section, payloadType),
    };
  });
  const known = codecs.filter(({ mimeType }) => CODECS.some((name) => mimeType.endsWith(`/${name}`)));
  const media = known.filter(({ parameters }) => parameters === undefined).map(({ payloadType }) => payloadType);
  return known.filter(({ parameters }) => parameters === undefined || media.includes(parameters.apt));
}

function feedbackOf(section: string, payloadType: string): types.RtcpFeedback[] {
  const lines = valuesOf(section, 'rtcp-fb').map((value) => value.split(' ') as [string, string, string?]);
  return lines
    .filter(([of]) => of === payloadType)
    .map(([, type, parameter]) => ({ type, ...(parameter ? { parameter } : {}) }));
}

function capabilitiesOf(sections: readonly string[]): types.RtpCapabilities {
  const kinds = sections.map((section) => section.slice(0, section.indexOf(' ')) as types.MediaKind);
  return {
    codecs: sections.flatMap((section, at) =>
      codecsOf(section).map(({ payloadType, ...codec }) => ({
        ...codec,
        kind: kinds[at] as types.MediaKind,
        preferredPayloadType: payloadType,
      })),
    ),
    headerExtensions: sections.flatMap((section, at) =>
      (parametersOf(section).headerExtensions ?? []).map(({ id, uri }) => ({
        kind: kinds[at] as types.MediaKind,
        uri: uri as types.RtpHeaderExtensionUri,
        preferredId: id,
      })),
    ),
  };
}

function mediaOf({ codecs, headerExtensions = [] }: types.RtpParameters): string[] {
  const kind = codecs[0]?.mimeType.split('/')[0];
  return [
    `m=${kind} 9 UDP/TLS/RTP/SAVPF ${codecs.map(({ payloadType }) => payloadType).join(' ')}`,
    ...codecs.flatMap(formatOf),
    ...headerExtensions.map(({ id, uri }) => `a=extmap:${id} ${uri}`),
  ];
}

function formatOf(codec: types.RtpCodecParameters): string[] {
  const { mimeType, payloadType, clockRate, channels, parameters = {}, rtcpFeedback = [] } = codec;
  const format = Object.entries(parameters).map(([name, value]) => `${name}=${value}`);
  return [
    `a=rtpmap:${payloadType} ${mimeType.split('/')[1]}/${clockRate}${channels ? `/${channels}` : ''}`,
    ...(format.length > 0 ? [`a=fmtp:${payloadType} ${format.join(';')}`] : []),
    ...rtcpFeedback.map(({ type, parameter = '' }) => `a=rtcp-fb:${payloadType} ${`${type} ${parameter}`.trim()}`),
  ];
}

function sourcesOf({ encodings = [], rtcp }: types.RtpParameters): string[] {
  const ssrcs = encodings.flatMap(({ ssrc, rtx }) => (rtx ? [ssrc, rtx.ssrc] : [ssrc]));
  return [
    ...(ssrcs.length > 1 ? [`a=ssrc-group:FID ${ssrcs.join(' ')}`] : []),
    ...ssrcs.map((ssrc) => `a=ssrc:${ssrc} cname:${rtcp?.cname}`),
  ];
}

/** The values of an SDP attribute, in their order. */
function valuesOf(sdp: string, attribute: string): string[] {
  return [...sdp.matchAll(new RegExp(`^a=${attribute}:(.*?)\\r?$`, 'gm'))].map(([, value]) => value as string);
}
