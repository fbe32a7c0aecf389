import type { Media, Word } from 'sdp-transform';
import type { RtcpFeedback, RtpCodecParameters } from '../generated/model.js';

/** Codecs whose payload types need no `a=rtpmap` (RFC 3551 §6), as far as a router can have them. */
const STATIC: ReadonlyMap<string, string> = new Map([
  ['0', 'PCMU/8000'],
  ['8', 'PCMA/8000'],
  ['9', 'G722/8000'],
  ['13', 'CN/8000'],
]);

/** The codecs of an m-line in the order of its formats. What has no name or a number outside of 0–127 is passed over. */
export function codecsOf(media: Media, formats: readonly string[]): RtpCodecParameters[] {
  if (media.type !== 'audio' && media.type !== 'video') {
    return [];
  }
  const names = namesOf(media);
  // Once for all codecs: a description may have tens of thousands of these lines.
  const configs = byFormat(media.fmtp);
  const feedback = byFormat(media.rtcpFb ?? []);
  return formats.flatMap((format) => {
    const name = names.get(format) ?? STATIC.get(format);
    const payloadType = /^\d{1,3}$/.test(format) ? Number(format) : 128;
    const [, codec = '', clockRate = '', channels] = /^([^/]+)\/(\d+)(?:\/(\d+))?$/.exec(name ?? '') ?? [];
    if (payloadType > 127 || codec === '' || Number(clockRate) === 0) {
      return [];
    }
    return [
      {
        mimeType: `${media.type}/${codec}`,
        payloadType,
        clockRate: Number(clockRate),
        ...(media.type === 'audio' ? { channels: Number(channels ?? 1) } : {}),
        parameters: parametersOf(configs.get(format) ?? []),
        rtcpFeedback: feedbackOf([...(feedback.get(format) ?? []), ...(feedback.get('*') ?? [])]),
      },
    ];
  });
}

/** Writes the parameters of a codec as `a=fmtp` has them; undefined without any. */
export function writeParameters({ parameters = {} }: RtpCodecParameters): string | undefined {
  const pairs = Object.entries(parameters).map(([name, value]) => (value === '' ? name : `${name}=${value}`));
  return pairs.length > 0 ? pairs.join(';') : undefined;
}

function namesOf({ rtp }: Media): Map<string, string> {
  return new Map(
    rtp.map(({ payload, codec, rate, encoding }) => [
      String(payload),
      [codec, rate, encoding].filter((part) => part !== undefined).join('/'),
    ]),
  );
}

/** Lines by the payload type that they are for. */
function byFormat<Line extends { payload: Word }>(lines: readonly Line[]): Map<string, Line[]> {
  const sorted = new Map<string, Line[]>();
  for (const line of lines) {
    const format = String(line.payload);
    const known = sorted.get(format);
    if (known) {
      known.push(line);
    } else {
      sorted.set(format, [line]);
    }
  }
  return sorted;
}

/** `a=fmtp` (RFC 8866 §6.15) as names and values. Digits become numbers, except where they are hexadecimal. */
function parametersOf(lines: Media['fmtp']): Record<string, string | number> {
  const pairs = lines.flatMap(({ config }) => String(config).split(';')).map((pair) => pair.trim());
  const read = pairs
    .filter((pair) => pair !== '' && !pair.startsWith('='))
    .map((pair): [string, string | number] => {
      const at = pair.indexOf('=');
      const [name, value] = at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)];
      return [name, name.toLowerCase() === 'profile-level-id' ? value : numberIfNumber(value)];
    });
  // Not a plain assignment: a parameter called __proto__ stays a parameter.
  return Object.fromEntries(read);
}

function numberIfNumber(text: string): string | number {
  return /^(0|-?[1-9]\d{0,14})$/.test(text) ? Number(text) : text;
}

/** `a=rtcp-fb` of one payload type and of all (RFC 4585 §4.2). */
function feedbackOf(lines: NonNullable<Media['rtcpFb']>): RtcpFeedback[] {
  return lines.map(({ type, subtype }) => ({ type: String(type), parameter: String(subtype ?? '') }));
}
