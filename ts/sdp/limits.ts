import { LimitError, SdpError } from '../errors.js';

/**
 * Characters of a description. Chromium needs about 5,000 for each video m-line that it offers with all its codecs, so this
 * is 200 of them. A longer one is refused unread.
 */
export const SDP_LENGTH_MAX = 1 << 20;

/** Lines of a description; 160 for each video m-line of Chromium. One more is refused. */
export const SDP_LINES_MAX = 32_768;

/** Characters of one line. Browsers stay below 500; parameter sets of H.264 in `a=fmtp` below 2,000. A longer one is refused. */
export const SDP_LINE_LENGTH_MAX = 8_192;

/** M-lines of a description, closed ones included. One more is refused; closed ones are used again first. */
export const MEDIA_SECTIONS_MAX = 256;

/** Candidates of a description. A browser with four interfaces and TURN gathers about 20. One more is refused. */
export const CANDIDATES_MAX = 1_024;

/** Fingerprints of an m-line, as `webRtcTransport.connect()` takes them. One more is refused. */
export const FINGERPRINTS_MAX = 32;

/** Simulcast streams or sources of an m-line, as `transport.produce()` takes them. One more is refused. */
export const ENCODINGS_MAX = 16;

/** Named streams of an m-line, both directions together. One more is refused. */
export const RIDS_MAX = 2 * ENCODINGS_MAX;

/**
 * The lines of a description, without their ends.
 *
 * @throws {@link SdpError} for what is no text or does not begin as SDP does, {@link LimitError} for too much of
 * something. It ends at the first line that is too much, and nothing is copied before the length was checked.
 */
export function linesOf(sdp: string): string[] {
  if (typeof sdp !== 'string') {
    throw new SdpError(`expected the text of a description, not ${sdp === null ? 'null' : typeof sdp}`);
  }
  atMost('characters', sdp.length, SDP_LENGTH_MAX, 'SDP_LENGTH_MAX');
  if (!sdp.startsWith('v=0')) {
    throw new SdpError('the description does not begin with "v=0" (RFC 8866 §5.1)');
  }
  const lines: string[] = [];
  const counts = { media: 0, candidates: 0 };
  for (const line of eachLine(sdp)) {
    lines.push(line);
    counts.media += line.startsWith('m=') ? 1 : 0;
    counts.candidates += line.startsWith('a=candidate:') ? 1 : 0;
    atMost('lines', lines.length, SDP_LINES_MAX, 'SDP_LINES_MAX');
    atMost(`characters in line ${lines.length}`, line.length, SDP_LINE_LENGTH_MAX, 'SDP_LINE_LENGTH_MAX');
    atMost('m-lines', counts.media, MEDIA_SECTIONS_MAX, 'MEDIA_SECTIONS_MAX');
    atMost('candidates', counts.candidates, CANDIDATES_MAX, 'CANDIDATES_MAX');
  }
  return lines;
}

/** Insists that there is no more of `what` than a bound allows. */
export function atMost(what: string, count: number, max: number, name: string): void {
  if (count > max) {
    throw new LimitError(`the description has more than ${max} ${what} (${name}); send a smaller one`);
  }
}

/** One line after another, however they end; empty ones are left out. */
function* eachLine(sdp: string): Generator<string> {
  const end = /[\r\n]+/g;
  let start = 0;
  while (start < sdp.length) {
    const found = end.exec(sdp);
    const line = sdp.slice(start, found?.index);
    start = found ? end.lastIndex : sdp.length;
    if (line !== '') {
      yield line;
    }
  }
}
