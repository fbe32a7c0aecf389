import { typeError } from '../native-events.js';
import { putU16, u16 } from './bytes.js';
import { PacketError } from './errors.js';
import type { RtpPacket } from './packet.js';

/** What of a codec tells which payload type is repaired by which. */
export type RtxCodec = {
  readonly mimeType: string;
  readonly payloadType: number;
  readonly parameters?: { readonly apt?: unknown } & object;
};

/**
 * Reads which payload types carry retransmissions (RFC 4588) of which others, from `rtpParameters.codecs`: a map from the
 * payload type of `video/rtx` to the one that its `apt` names.
 *
 * @throws `TypeError` when an `apt` names no codec of the list, or one that is itself a retransmission.
 */
export function rtxPayloadTypes(codecs: readonly RtxCodec[]): Map<number, number> {
  const repaired = new Set(codecs.filter((codec) => !isRtx(codec)).map(({ payloadType }) => payloadType));
  const map = new Map<number, number>();
  for (const { payloadType, parameters } of codecs.filter(isRtx)) {
    const apt = parameters?.apt;
    if (typeof apt !== 'number' || !repaired.has(apt)) {
      throw typeError(`codecs: the apt of payload type ${payloadType} is ${String(apt)}, which is no codec to repair`);
    }
    map.set(payloadType, apt);
  }
  return map;
}

/** What a retransmission repairs. */
export type RtxOriginal = {
  /** The stream. */
  readonly ssrc: number;
  /** As {@link rtxPayloadTypes} gives them. */
  readonly payloadTypes: ReadonlyMap<number, number>;
};

/**
 * Restores the packet that a retransmission repeats: its header, and a view of its payload, without padding. `undefined` for one that only
 * has padding, which is a probe for bandwidth.
 *
 * @throws `PacketError` when there is no original sequence number in it, or its payload type is none of a retransmission.
 */
export function unwrapRtx(rtx: RtpPacket, { ssrc, payloadTypes }: RtxOriginal): RtpPacket | undefined {
  const payloadType = payloadTypes.get(rtx.payloadType);
  if (payloadType === undefined) {
    throw new PacketError('rtp', 'payload', 1, `payload type ${rtx.payloadType} is none of a retransmission`);
  }
  const { payload } = rtx;
  if (payload.length === 0 && rtx.paddingLength > 0) {
    return undefined;
  }
  if (payload.length < ORIGINAL_NUMBER_BYTES) {
    const offset = rtx.length - rtx.paddingLength;
    throw new PacketError('rtp', 'payload', offset, 'the original sequence number is not there');
  }
  const original = rtx.clone();
  original.payloadType = payloadType;
  original.sequenceNumber = u16(payload, 0);
  original.ssrc = ssrc;
  original.payload = payload.subarray(ORIGINAL_NUMBER_BYTES);
  original.paddingLength = 0;
  return original;
}

/** Repeats a packet in the stream of retransmissions, under that stream's numbers. Padding is left out. */
export function wrapRtx(
  original: RtpPacket,
  { ssrc, payloadType, sequenceNumber }: { ssrc: number; payloadType: number; sequenceNumber: number },
): RtpPacket {
  const payload = new Uint8Array(ORIGINAL_NUMBER_BYTES + original.payloadLength);
  putU16(payload, 0, original.sequenceNumber);
  payload.set(original.payload, ORIGINAL_NUMBER_BYTES);
  const rtx = original.clone();
  rtx.payloadType = payloadType;
  rtx.sequenceNumber = sequenceNumber;
  rtx.ssrc = ssrc;
  rtx.payload = payload;
  rtx.paddingLength = 0;
  return rtx;
}

function isRtx({ mimeType }: RtxCodec): boolean {
  return mimeType.toLowerCase().endsWith('/rtx');
}

/** Stands before the payload (RFC 4588 §4). */
const ORIGINAL_NUMBER_BYTES = 2;
