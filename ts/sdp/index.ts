export type {
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
export {
  CANDIDATES_MAX,
  ENCODINGS_MAX,
  FINGERPRINTS_MAX,
  MEDIA_SECTIONS_MAX,
  RIDS_MAX,
  SDP_LENGTH_MAX,
  SDP_LINE_LENGTH_MAX,
  SDP_LINES_MAX,
} from './limits.js';
export type { LocalTransport } from './local.js';
export { type Common, capabilitiesOf, commonOf, sentParameters, sourceLines } from './parameters.js';
export { parseCandidate, parseDescription } from './parse.js';
export { type DescriptionType, type PeerTransport, peerTransportOf } from './peer.js';
export {
  type ConsumeOptions,
  type PeerDescription,
  type ProduceOptions,
  type SdpMedia,
  SdpSession,
  type SdpSessionOptions,
  type SignallingState,
} from './session.js';
export { writeDescription } from './write.js';
