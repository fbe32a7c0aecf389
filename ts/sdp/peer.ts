import { SdpError, UnsupportedError } from '../errors.js';
import type { DtlsFingerprint, DtlsParameters, IceParameters } from '../generated/model.js';
import { isActive, type MediaSection, type SessionDescription, type Setup } from './description.js';
import { shown } from './parameters.js';

/** What a description says of the one transport under all its m-lines. */
export type PeerTransport = {
  /** Credentials. */
  readonly iceParameters: IceParameters;
  /** The peer's certificates, and its role in the handshake. */
  readonly dtlsParameters: DtlsParameters & { readonly fingerprints: DtlsFingerprint[] };
};

/** Whether a description opens a negotiation or ends it. */
export type DescriptionType = 'offer' | 'answer';

/**
 * Checks what WebRTC demands of a description (RFC 8829 §5.8) and reads its transport; undefined where every m-line is
 * closed or of a kind that nobody here speaks. An offer may leave the DTLS roles to us: then ours becomes `dtlsRole`.
 *
 * @throws {@link UnsupportedError} for what is SDP but not WebRTC over one transport: m-lines outside of one BUNDLE group,
 * RTCP on a port of its own, media without DTLS, ICE-lite on both sides; {@link SdpError} for what is missing or
 * contradicts itself.
 */
export function peerTransportOf(
  description: SessionDescription,
  type: DescriptionType,
  dtlsRole: 'client' | 'server' = 'server',
): PeerTransport | undefined {
  const sections = description.media.filter((section) => isActive(section) && isSpoken(section));
  for (const section of sections) {
    checkProtocol(section);
  }
  checkMids(description.media.filter(isActive));
  checkBundle(description, sections);
  const [first] = description.bundles;
  // RFC 9143 §7.3: the m-line that the group names first has the transport.
  const tagged = sections.find(({ mid }) => mid !== undefined && mid === first?.[0]) ?? sections[0];
  if (!tagged) {
    return undefined;
  }
  if (description.iceLite) {
    throw new UnsupportedError(
      'a=ice-lite: both sides are ICE-lite, so nobody would begin; connect with a full ICE agent',
    );
  }
  const { ice, fingerprints } = tagged;
  if (!ice || ice.usernameFragment.length < 4 || ice.password.length < 22) {
    throw new SdpError(`m-line ${shown(tagged)}: has no valid a=ice-ufrag and a=ice-pwd (RFC 8839 §5.4)`);
  }
  if (fingerprints.length === 0) {
    throw new SdpError(`m-line ${shown(tagged)}: has no a=fingerprint of a known hash function (RFC 8122 §5)`);
  }
  const role = roleOf(tagged, type, dtlsRole);
  return {
    iceParameters: { ...ice, iceLite: false },
    dtlsParameters: { role, fingerprints: fingerprints.map((fingerprint) => ({ ...fingerprint })) },
  };
}

/** Whether an m-line is of a kind that can be taken at all; others are refused one by one. */
export function isSpoken({ kind }: MediaSection): boolean {
  return kind === 'audio' || kind === 'video' || kind === 'application';
}

/** Our role beside a peer's (RFC 8842 §5). */
export function setupBeside({ role }: DtlsParameters): Setup {
  return role === 'server' ? 'active' : 'passive';
}

/** Characters of a MID: it travels in an item with a length of 8 bits (RFC 8285 §4.3). Longer ones are refused. */
const MID_LENGTH_MAX = 255;

function checkProtocol(section: MediaSection): void {
  const { protocol, kind, rtcpMux } = section;
  if (kind === 'application') {
    return;
  }
  if (!/^((UDP|TCP)\/TLS\/)?RTP\/SAVPF?$/.test(protocol)) {
    const message = `${shownProtocol(protocol)} is not DTLS-SRTP; offer UDP/TLS/RTP/SAVPF`;
    throw new UnsupportedError(`m-line ${shown(section)}: ${message}`);
  }
  if (!rtcpMux) {
    throw new UnsupportedError(
      `m-line ${shown(section)}: has no a=rtcp-mux; RTCP on a port of its own is not supported`,
    );
  }
}

function shownProtocol(protocol: string): string {
  return JSON.stringify(protocol.slice(0, 32));
}

function checkMids(sections: readonly MediaSection[]): void {
  const mids = sections.flatMap(({ mid }) => (mid === undefined ? [] : [mid]));
  const long = mids.find((mid) => mid.length > MID_LENGTH_MAX);
  if (long !== undefined) {
    throw new SdpError(`a=mid:${long.slice(0, 16)}… has more than ${MID_LENGTH_MAX} characters`);
  }
  const doubled = mids.find((mid, index) => mids.indexOf(mid) !== index);
  if (doubled !== undefined) {
    throw new SdpError(`a=mid:${doubled.slice(0, 16)} stands in two m-lines (RFC 5888 §4)`);
  }
}

function checkBundle({ bundles }: SessionDescription, sections: readonly MediaSection[]): void {
  if (sections.length <= 1) {
    return;
  }
  const [group = [], ...others] = bundles;
  const outside = sections.find(({ mid }) => mid === undefined || !group.includes(mid));
  if (others.length > 0 || outside) {
    const message = outside
      ? `m-line ${shown(outside)} is outside of the BUNDLE group`
      : 'there are several BUNDLE groups';
    throw new UnsupportedError(`a=group: ${message}; bundle all m-lines on one transport (RFC 9143)`);
  }
}

/** The peer's role: an offer leaves it to us with `actpass`, and then it is the one that we do not take. */
function roleOf(section: MediaSection, type: DescriptionType, ours: 'client' | 'server'): 'client' | 'server' {
  switch (section.setup) {
    case 'active':
      return 'client';
    case 'passive':
      return 'server';
    case 'actpass':
      if (type === 'offer') {
        return ours === 'server' ? 'client' : 'server';
      }
      break;
  }
  throw new SdpError(`m-line ${shown(section)}: has no a=setup that fits an ${type} (RFC 8842 §5)`);
}
