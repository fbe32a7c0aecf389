export { BoundedQueue, QUEUE_ITEMS_MAX, QUEUE_READERS_MAX } from './bounded-queue.js';
export { PACKET_BYTES_MAX, type WireText } from './bytes.js';
export { PacketError, type PacketErrorReason } from './errors.js';
export { type ExtensionId, ExtensionIds } from './extension-ids.js';
export type {
  AbsCaptureTime,
  AudioLevel,
  ExtensionName,
  ExtensionValues,
  PlayoutDelay,
  VideoOrientation,
} from './extension-values.js';
export { isRtcp, type OpaqueExtension, type RtpHeaderExtension, RtpPacket, type RtpPacketInit } from './packet.js';
export {
  type EventSource,
  PacketStream,
  type PacketStreamOptions,
  packets,
  type RtcpSource,
  type RtpSource,
  rtcpPackets,
} from './packet-stream.js';
export { buildRed, parseRed, type RedBlock } from './red.js';
export { buildRtcp, parseRtcp, RTCP_PACKETS_MAX } from './rtcp.js';
export type * from './rtcp-packets.js';
export { FEEDBACK_FORMAT, SDES_ITEM } from './rtcp-packets.js';
export { type RtxCodec, type RtxOriginal, rtxPayloadTypes, unwrapRtx, wrapRtx } from './rtx.js';
