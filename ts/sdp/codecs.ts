import type {
  MediaKind,
  RtcpFeedback,
  RtpCapabilities,
  RtpCodecCapability,
  RtpCodecParameters,
} from '../generated/model.js';

/** What decides whether two codecs are the same; the rules are those of the router (`crates/model/src/ortc/matching.rs`). */
type Codec = Pick<RtpCodecParameters, 'mimeType' | 'clockRate' | 'channels' | 'parameters'>;

/** Whether what one sends the other can decode. */
export function isCompatible(a: Codec, b: Codec): boolean {
  const mimeType = a.mimeType.toLowerCase();
  return (
    mimeType === b.mimeType.toLowerCase() &&
    a.clockRate === b.clockRate &&
    (a.channels ?? 1) === (b.channels ?? 1) &&
    hasSameProfile(mimeType, a.parameters ?? {}, b.parameters ?? {})
  );
}

/** Whether a codec retransmits another one (RFC 4588). */
export function isRtx({ mimeType }: Pick<Codec, 'mimeType'>): boolean {
  return /^(audio|video)\/rtx$/i.test(mimeType);
}

/** The kind that a codec's media type says. */
export function kindOf({ mimeType }: Pick<Codec, 'mimeType'>): MediaKind {
  return mimeType.toLowerCase().startsWith('audio/') ? 'audio' : 'video';
}

/**
 * Those of `offered` that a router with `capabilities` knows, under the numbers that they are offered with: media codecs
 * with the feedback that both know, and RTX beside what it repairs.
 */
export function commonCodecs(
  offered: readonly RtpCodecParameters[],
  { codecs: known = [] }: RtpCapabilities,
): RtpCodecParameters[] {
  const pairs = new Map<number, RtpCodecCapability>();
  for (const codec of offered.filter((one) => !isRtx(one))) {
    const capability = known.find((one) => !isRtx(one) && isCompatible(codec, one));
    if (capability) {
      pairs.set(codec.payloadType, capability);
    }
  }
  return offered.flatMap((codec) => {
    const capability = isRtx(codec)
      ? rtxOf(known, pairs.get(Number(codec.parameters?.apt))?.preferredPayloadType)
      : pairs.get(codec.payloadType);
    return capability ? [{ ...codec, rtcpFeedback: commonFeedback(codec, capability) }] : [];
  });
}

/** The RTX codec of a router for one of its payload types. */
export function rtxOf(
  codecs: readonly RtpCodecCapability[],
  payloadType: number | undefined,
): RtpCodecCapability | undefined {
  return codecs.find((codec) => isRtx(codec) && payloadType !== undefined && codec.parameters?.apt === payloadType);
}

/**
 * The parameters of a codec in an answer: those of the offer, without what only tells of the offerer's stream, and what the
 * router's own capability asks for (`stereo`, `usedtx`, `x-google-start-bitrate`).
 */
export function answeredParameters(
  codec: RtpCodecParameters,
  { codecs = [] }: RtpCapabilities,
): RtpCodecParameters['parameters'] {
  const capability = codecs.find((one) => !isRtx(one) && isCompatible(codec, one));
  const isKept = ([name]: [string, unknown]): boolean => !name.startsWith('sprop-');
  const wishes = Object.entries(capability?.parameters ?? {}).filter(([name]) => !PROFILE.has(name));
  return Object.fromEntries([
    ...Object.entries(codec.parameters ?? {}).filter(isKept),
    ...(isRtx(codec) ? [] : wishes),
  ]);
}

/** The feedback that both codecs have (RFC 4585 §4.2). */
export function commonFeedback(
  { rtcpFeedback: ours = [] }: Pick<RtpCodecParameters, 'rtcpFeedback'>,
  { rtcpFeedback: theirs = [] }: Pick<RtpCodecParameters, 'rtcpFeedback'>,
): RtcpFeedback[] {
  return ours.filter(({ type, parameter }) =>
    theirs.some((one) => one.type === type && (one.parameter ?? '') === (parameter ?? '')),
  );
}

/** Parameters that name the format; an answer has those of the offer. */
const PROFILE: ReadonlySet<string> = new Set([
  'apt',
  'level-asymmetry-allowed',
  'packetization-mode',
  'profile',
  'profile-id',
  'profile-level-id',
]);

type Parameters = NonNullable<Codec['parameters']>;

function hasSameProfile(mimeType: string, a: Parameters, b: Parameters): boolean {
  const same = (name: string): boolean => Number(a[name] ?? 0) === Number(b[name] ?? 0);
  switch (mimeType) {
    case 'video/h264':
      return same('packetization-mode') && h264Profile(a) !== undefined && h264Profile(a) === h264Profile(b);
    case 'video/vp9':
      return same('profile-id');
    case 'video/av1':
      return same('profile');
    case 'audio/multiopus':
      return a.num_streams === b.num_streams && a.coupled_streams === b.coupled_streams;
    default:
      return true;
  }
}

/** RFC 6184 §8.1, table 5: profiles by `profile_idc`, and by the bits of `profile_iop` that decide. */
const H264_PROFILES: readonly (readonly [idc: number, mask: number, bits: number, profile: string])[] = [
  [0x42, 0x4f, 0x40, 'constrained baseline'],
  [0x4d, 0x8f, 0x80, 'constrained baseline'],
  [0x58, 0xcf, 0xc0, 'constrained baseline'],
  [0x42, 0x4f, 0x00, 'baseline'],
  [0x58, 0xcf, 0x80, 'baseline'],
  [0x4d, 0xaf, 0x00, 'main'],
  [0x64, 0xff, 0x00, 'high'],
  [0x64, 0xff, 0x0c, 'constrained high'],
  [0xf4, 0xff, 0x00, 'predictive high 4:4:4'],
];

/** The profile that `profile-level-id` names. Browsers mean Constrained Baseline where it is absent. */
function h264Profile(parameters: Parameters): string | undefined {
  const text = String(parameters['profile-level-id'] ?? '42e01f').padStart(6, '0');
  if (!/^[0-9a-f]{6}$/i.test(text)) {
    return undefined;
  }
  const [idc, iop] = [Number.parseInt(text.slice(0, 2), 16), Number.parseInt(text.slice(2, 4), 16)];
  return H264_PROFILES.find(([ofIdc, mask, bits]) => ofIdc === idc && (iop & mask) === bits)?.[3];
}
