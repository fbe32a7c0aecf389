// Generated from crates/model; run `cargo xtask generate`. Do not edit.

/** Options of `router.createActiveSpeakerObserver()`. */
export type ActiveSpeakerObserverOptions = {
  /** Time between two looks in ms, 100 to 5000. Default: 300. */
  interval?: number;
};

/** Options of `router.createAudioLevelObserver()`. */
export type AudioLevelObserverOptions = {
  /** Most entries of a `volumes` event, 1 or more. Default: 1. */
  maxEntries?: number;
  /** Average volume of an entry at least, in dBov, −127 to 0. Default: −80. */
  threshold?: number;
  /** Time between two looks in ms, 250 to 5000. Default: 1000. */
  interval?: number;
};

/** Codec of a mixer's output. */
export type AudioMixerCodec = "opus" | "pcmu" | "pcma" | "g722";

/** Id of an AudioMixer, unique within a process. */
export type AudioMixerId = string;

/** Id of an input of an AudioMixer, unique within a process. */
export type AudioMixerInputId = string;

/** What an input of a mixer brings, and how. */
export type AudioMixerInputOptions = {
  /** A Producer of audio, of any Router of the Worker. Either this or `pcm`. */
  producerId?: ProducerId;
  /** Sound that the application writes. */
  pcm?: PcmFormat;
  /** Factor to its samples, 0 to 10. Default: 1. */
  gain?: number;
  /** Whether it is not heard. Default: false. */
  muted?: boolean;
};

/** Statistics of an input of a mixer. All but the level and what was dropped are 0 for sound that an application writes. */
export type AudioMixerInputStats = {
  /** The input. */
  inputId: AudioMixerInputId;
  /** Packets that came. */
  packets: number;
  /** Packets that came too late to be played. */
  late: number;
  /** Packets that did not decode, or were twice there. */
  discarded: number;
  /** Jitter of their arrival in ms (RFC 3550 §6.4.1). */
  jitter: number;
  /** How long packets are waited for, in ms. */
  delay: number;
  /** Sound made up for packets that did not come, in ms. */
  concealed: number;
  /** Latest level in dB of full scale, −127 for silence. */
  level: number;
  /** Whether it is among those that are heard. */
  chosen: boolean;
  /** Packets, or samples of each channel of written sound, that were dropped because too many waited. */
  dropped: number;
};

/** Options of `worker.createAudioMixer()`. */
export type AudioMixerOptions = {
  /** How many inputs are heard at a time, the loudest, 1 or more. Default: all. */
  topK?: number;
  /** Length of a frame in ms, 10 or 20. With 10 there is 5 to 10 ms less delay for twice the packets. Default: 20. */
  frameLength?: number;
  /**
   * Where it mixes: on a thread of this process, or in a process of its own, so that a fault in a codec ends that process
   * and nothing else. Default: `thread`.
   */
  isolation?: MixerIsolation;
};

/** Id of an output of an AudioMixer, unique within a process. */
export type AudioMixerOutputId = string;

/** What an output of a mixer carries, and how. */
export type AudioMixerOutputOptions = {
  /** Codec, which the Router must have. */
  codec: AudioMixerCodec;
  /** Channels, 1 or 2; 2 of Opus only. Default: 1. */
  channels?: number;
  /** Bits a second of Opus, 6000 to 510000. Other codecs have a fixed rate. Default: 32000. */
  bitrate?: number;
  /** Work for a frame of Opus, 0 (least) to 10. Default: 5. */
  complexity?: number;
  /** Whether Opus carries each frame once more in the next packet, for listeners that lose some. Default: false. */
  inBandFec?: boolean;
  /** Inputs that are not heard in it, at most 8. Default: none. */
  exclude?: Array<AudioMixerInputId>;
};

/** Statistics of an output of a mixer. */
export type AudioMixerOutputStats = {
  /** The output. */
  outputId: AudioMixerOutputId;
  /** Frames that it got. */
  frames: number;
  /** Frames that could not be encoded. */
  failed: number;
  /** How long its last frame took to encode, in µs; 0 for samples. */
  encodeTime: number;
  /** How many outputs share its encoder, itself counted. */
  sharedBy: number;
};

/** Statistics of a mixer. */
export type AudioMixerStats = {
  /** Id of the process that mixes: this one, or with `isolation: 'process'` the mixer's own. */
  pid: number;
  /** Part of its time that the mixer works, 0 to 1, averaged over about a second. */
  load: number;
  /** Frames that were mixed since the mixer was made, or made anew. */
  ticks: number;
  /** Frames that were left out because the mixer came too late. */
  missedTicks: number;
  /** How often the mixer was made anew after a fault. */
  restarts: number;
  /** Inputs that the last frame was made of. */
  heard: number;
  /** Encoders in use. */
  encoders: number;
  /** Its inputs. */
  inputs: Array<AudioMixerInputStats>;
  /** Its outputs. */
  outputs: Array<AudioMixerOutputStats>;
};

/** What streams in both directions have in common. */
export type BaseRtpStreamStats = {
  /** When the numbers were read, in ms of the worker's clock. */
  timestamp: number;
  /** SSRC of the media stream (RFC 3550 §3). */
  ssrc: number;
  /** SSRC of the retransmissions (RFC 4588). */
  rtxSsrc?: number;
  /** RID (RFC 8852). */
  rid?: string;
  /** Kind of media. */
  kind: MediaKind;
  /** Media type of the codec. */
  mimeType: string;
  /** Packets lost since the start (RFC 3550 §6.4.1); never below 0. */
  packetsLost: number;
  /** Fraction lost since the last report, in 1/256 (RFC 3550 §6.4.1). */
  fractionLost: number;
  /** Interarrival jitter in units of the RTP clock (RFC 3550 §6.4.1). */
  jitter: number;
  /** Packets that came too late to be used. */
  packetsDiscarded: number;
  /** Packets that came or went a second time. */
  packetsRetransmitted: number;
  /** Lost packets that a retransmission brought back. */
  packetsRepaired: number;
  /** NACK messages (RFC 4585 §6.2.1). */
  nackCount: number;
  /** Packets that NACK messages asked for. */
  nackPacketCount: number;
  /** Picture loss indications (RFC 4585 §6.3.1). */
  pliCount: number;
  /** Full intra requests (RFC 5104 §4.3.1). */
  firCount: number;
  /** Round-trip time in ms; absent until the first report block. */
  roundTripTime?: number;
  /** Retransmissions that came too late to be used. */
  rtxPacketsDiscarded?: number;
  /** Quality of transmission, 0 (worst) to 10 (best). */
  score: number;
};

/** The insides of any transport, for debugging. */
export type BaseTransportDump = {
  /** Id. */
  id: TransportId;
  /** Ids of its producers. */
  producerIds: Array<ProducerId>;
  /** Ids of its consumers. */
  consumerIds: Array<ConsumerId>;
  /** Consumers by the SSRC they send. */
  mapSsrcConsumerId: Array<SsrcEntryDump>;
  /** Consumers by the SSRC of their retransmissions. */
  mapRtxSsrcConsumerId: Array<SsrcEntryDump>;
  /** Ids of its data producers. */
  dataProducerIds: Array<DataProducerId>;
  /** Ids of its data consumers. */
  dataConsumerIds: Array<DataConsumerId>;
  /** Longest message that data consumers send, in bytes. */
  maxSendMessageSize: number;
  /** Longest message that data producers receive, in bytes. */
  maxReceiveMessageSize: number;
  /** SCTP parameters, if it has an association. */
  sctpParameters?: SctpParameters;
  /** State of the association. */
  sctpState?: SctpState;
  /** What the association's ends agreed on, once it is connected. */
  sctpNegotiatedCapabilities?: SctpNegotiatedCapabilities;
  /** How incoming messages find their data producer. */
  sctpListener?: SctpListenerDump;
  /** Header extensions that are read from incoming packets. */
  recvRtpHeaderExtensions: RecvRtpHeaderExtensions;
  /** How incoming packets find their producer. */
  rtpListener: RtpListenerDump;
  /** Enabled traces. */
  traceEventTypes: Array<TransportTraceEventType>;
};

/** The traffic of any transport. Bitrates are over the last 2.5 s. */
export type BaseTransportStats = {
  /** Id of the transport. */
  transportId: string;
  /** When the numbers were read, in ms of the worker's clock. */
  timestamp: number;
  /** State of the SCTP association, if there is one. */
  sctpState?: SctpState;
  /** Bytes received, of every protocol. */
  bytesReceived: number;
  /** Bitrate received in bit/s. */
  recvBitrate: number;
  /** Bytes sent, of every protocol. */
  bytesSent: number;
  /** Bitrate sent in bit/s. */
  sendBitrate: number;
  /** Bytes of RTP packets received, retransmissions not counted. */
  rtpBytesReceived: number;
  /** Bitrate of RTP received in bit/s. */
  rtpRecvBitrate: number;
  /** Bytes of RTP packets sent, retransmissions not counted. */
  rtpBytesSent: number;
  /** Bitrate of RTP sent in bit/s. */
  rtpSendBitrate: number;
  /** Bytes of retransmissions received (RFC 4588). */
  rtxBytesReceived: number;
  /** Bitrate of retransmissions received in bit/s. */
  rtxRecvBitrate: number;
  /** Bytes of retransmissions sent. */
  rtxBytesSent: number;
  /** Bitrate of retransmissions sent in bit/s. */
  rtxSendBitrate: number;
  /** Bytes of probation packets sent. */
  probationBytesSent: number;
  /** Bitrate of probation in bit/s. */
  probationSendBitrate: number;
  /** Estimate of what the peer can receive, in bit/s. */
  availableOutgoingBitrate?: number;
  /**
   * Why the estimate is what it is: `initial`, `probe`, `increase`, `hold`, `competition`, `delay` (a queue grows on the path), `loss`,
   * `remb` (the peer receives no more), `limit` (the application set it) or `timeout` (the peer fell silent).
   */
  availableOutgoingBitrateReason?: string;
  /** Since when, in ms of the worker's clock. */
  availableOutgoingBitrateSince?: number;
  /** Estimate of what the peer can send, in bit/s. */
  availableIncomingBitrate?: number;
  /** Limit set by `setMaxIncomingBitrate()`, in bit/s. */
  maxIncomingBitrate?: number;
  /** Limit set by `setMaxOutgoingBitrate()`, in bit/s. */
  maxOutgoingBitrate?: number;
  /** Limit set by `setMinOutgoingBitrate()`, in bit/s. */
  minOutgoingBitrate?: number;
  /** Share of incoming RTP packets that were lost, 0–1. */
  rtpPacketLossReceived?: number;
  /** Share of outgoing RTP packets that were lost, 0–1. */
  rtpPacketLossSent?: number;
};

/** Options of `transport.startCapture()`. */
export type CaptureOptions = {
  /** The file, which is made or written over. */
  file: string;
  /** Longest that the file becomes, in bytes, 1–2^40; what comes then is counted and left out. Default: 100000000. */
  maxBytes?: number;
};

/** What a capture came to. */
export type CaptureSummary = {
  /** Packets in the file. */
  packets: number;
  /** Packets that were left out, because the file was as long as it may be or the disk too slow. */
  dropped: number;
  /** Bytes of the file. */
  bytes: number;
};

/** The objects of a worker by what they can be sent. */
export type ChannelMessageHandlersDump = {
  /** Ids of the objects that answer requests: all of them. */
  channelRequestHandlers: Array<string>;
  /** Ids of the objects that take messages without an answer. There are none. */
  channelNotificationHandlers: Array<string>;
};

/** One payload type of a producer. */
export type CodecMapping = {
  /** As the endpoint sends it. */
  payloadType: number;
  /** As the router offers it. */
  mappedPayloadType: number;
};

/** The insides of a consumer, for debugging. */
export type ConsumerDump = {
  /** Id. */
  id: ConsumerId;
  /** The producer that it consumes. */
  producerId: ProducerId;
  /** Kind of media. */
  kind: MediaKind;
  /** How it treats the producer's streams. */
  type: ConsumerType;
  /** What the endpoint receives. */
  rtpParameters: RtpParameters;
  /** The producer's streams as consumers know them. */
  consumableRtpEncodings: Array<RtpEncodingParameters>;
  /** Payload types of the media codecs that the endpoint can receive. */
  supportedCodecPayloadTypes: Array<number>;
  /** Enabled traces. */
  traceEventTypes: Array<ConsumerTraceEventType>;
  /** Whether it is paused. */
  paused: boolean;
  /** Whether its producer is paused. */
  producerPaused: boolean;
  /** Priority among the transport's consumers, 1 (lowest) to 255. */
  priority: number;
  /** The stream that it sends, or the first of all. */
  rtpStream: RtpStreamDump;
  /** The streams that it sends, where those are all streams of the producer. */
  rtpStreams?: Array<RtpStreamDump>;
  /** Spatial layer that is wanted at most. Where there is a choice; -1 for none. */
  preferredSpatialLayer?: number;
  /** Spatial layer that it is on its way to. Where there is a choice; -1 for none. */
  targetSpatialLayer?: number;
  /** Spatial layer that it sends. Where there is a choice; -1 for none. */
  currentSpatialLayer?: number;
  /** Temporal layer that is wanted at most. Where there is a choice; -1 for none. */
  preferredTemporalLayer?: number;
  /** Temporal layer that it is on its way to. Where there is a choice; -1 for none. */
  targetTemporalLayer?: number;
  /** Temporal layer that it sends at most. Where there is a choice; -1 for none. */
  currentTemporalLayer?: number;
};

/** Id of a Consumer, unique within a Router. */
export type ConsumerId = string;

/** Layers of a source, and argument of `consumer.setPreferredLayers()`. */
export type ConsumerLayers = {
  /** Spatial layer, from 0. */
  spatialLayer: number;
  /** Temporal layer, from 0. Default: the highest. */
  temporalLayer?: number;
};

/** Options of `transport.consume()`. */
export type ConsumerOptions = {
  /** The producer to consume. */
  producerId: ProducerId;
  /** What the endpoint can receive. */
  rtpCapabilities: RtpCapabilities;
  /**
   * Whether the consumer starts paused. Default: false.
   *
   * For video, start paused, tell the endpoint, and resume once it is ready: the first key frame is not wasted then.
   */
  paused?: boolean;
  /** MID of the stream, 1–16 characters. Default: a number that grows within the transport. */
  mid?: string;
  /** Layers to send of a source that has several. Default: the highest. */
  preferredLayers?: ConsumerLayers;
  /**
   * Whether lost packets are sent again where the endpoint can ask for them; of audio codecs only Opus can.
   * Default: true for video, false for audio.
   */
  enableRtx?: boolean;
  /** Whether Opus packets that carry no sound (DTX) are left out. Default: false. */
  ignoreDtx?: boolean;
  /** Whether all streams of the producer are sent, each as one of its own. Default: false. */
  pipe?: boolean;
  /** Whose payload types and header extension ids the packets carry. Default: `router`, as in mediasoup. */
  numbering?: RtpNumbering;
};

/** Quality of transmission to and from the router. */
export type ConsumerScore = {
  /** Score of the consumer's stream, 0 (worst) to 10 (best). */
  score: number;
  /** Score of the producer's stream that is sent. */
  producerScore: number;
  /** Scores of all the producer's streams, in the order of its encodings. */
  producerScores: Array<number>;
};

/** Statistics of a consumer's stream. */
export type ConsumerStat = RtpStreamSendStats;

/** One traced event of a consumer. */
export type ConsumerTraceEventData = {
  /** Kind of event. */
  type: ConsumerTraceEventType;
  /** When it happened, in ms of the worker's clock. */
  timestamp: number;
  /** Which way it went. */
  direction: TraceDirection;
  /** Details, which differ by type. */
  info: Record<string, unknown>;
};

/** Kinds of events that a consumer can trace. */
export type ConsumerTraceEventType = "rtp" | "keyframe" | "nack" | "pli" | "fir";

/** How a consumer treats its producer's streams. */
export type ConsumerType = "simple" | "simulcast" | "svc" | "pipe";

/** The insides of a data consumer, for debugging. */
export type DataConsumerDump = {
  /** Id. */
  id: DataConsumerId;
  /** Whether it is paused. */
  paused: boolean;
  /** Whether its data producer is paused. */
  dataProducerPaused: boolean;
  /** Subchannels that it subscribes to, ascending. */
  subchannels: Array<number>;
  /** Its data producer. */
  dataProducerId: DataProducerId;
  /** How messages leave the worker. */
  type: DataProducerType;
  /** The stream on which it sends. */
  sctpStreamParameters?: SctpStreamParameters;
  /** Name of the channel. */
  label: string;
  /** Subprotocol of the channel. */
  protocol: string;
  /** Bytes that the peer has not acknowledged yet. */
  bufferedAmount: number;
  /** At which amount `bufferedamountlow` is emitted. */
  bufferedAmountLowThreshold: number;
};

/** Id of a DataConsumer, unique within a Router. */
export type DataConsumerId = string;

/** Options of `transport.consumeData()`. */
export type DataConsumerOptions = {
  /** The data producer to consume. */
  dataProducerId: DataProducerId;
  /** Whether messages arrive in order. Default: as the data producer's, true for one of the application. */
  ordered?: boolean;
  /** Milliseconds after which a message is given up, 1–65535. Default: as the data producer's. */
  maxPacketLifeTime?: number;
  /** Retransmissions after which a message is given up, 0–65535. Default: as the data producer's. */
  maxRetransmits?: number;
  /** Whether it starts paused. Default: false. */
  paused?: boolean;
  /** Subchannels to subscribe to, at most 256. Default: none. */
  subchannels?: Array<number>;
  /** The stream to send on, 0–1023, such as that of a channel which the peer opened. Default: a free one. */
  streamId?: number;
};

/** Statistics of a data consumer. */
export type DataConsumerStat = {
  /** `data-consumer`. */
  type: string;
  /** When the numbers were read, in ms of the worker's clock. */
  timestamp: number;
  /** Name of the channel. */
  label: string;
  /** Subprotocol of the channel. */
  protocol: string;
  /** Messages that were sent. */
  messagesSent: number;
  /** Bytes of these messages. */
  bytesSent: number;
  /** Bytes that the peer has not acknowledged yet. */
  bufferedAmount: number;
};

/** How messages leave the worker. */
export type DataConsumerType = DataProducerType;

/** The insides of a data producer, for debugging. */
export type DataProducerDump = {
  /** Id. */
  id: DataProducerId;
  /** Whether it is paused. */
  paused: boolean;
  /** How messages reach it. */
  type: DataProducerType;
  /** The stream on which the peer sends. */
  sctpStreamParameters?: SctpStreamParameters;
  /** Name of the channel. */
  label: string;
  /** Subprotocol of the channel. */
  protocol: string;
};

/** Id of a DataProducer, unique within a Router. */
export type DataProducerId = string;

/** Options of `transport.produceData()`. */
export type DataProducerOptions = {
  /** The stream on which the peer sends. Required but on direct transports. */
  sctpStreamParameters?: SctpStreamParameters;
  /** Name of the channel, at most 65535 bytes. Default: empty. */
  label?: string;
  /** Subprotocol of the channel, at most 65535 bytes. Default: empty. */
  protocol?: string;
  /** Whether it starts paused. Default: false. */
  paused?: boolean;
};

/** Statistics of a data producer. */
export type DataProducerStat = {
  /** `data-producer`. */
  type: string;
  /** When the numbers were read, in ms of the worker's clock. */
  timestamp: number;
  /** Name of the channel. */
  label: string;
  /** Subprotocol of the channel. */
  protocol: string;
  /** Messages that came. */
  messagesReceived: number;
  /** Bytes of these messages. */
  bytesReceived: number;
};

/** How messages reach or leave the worker. */
export type DataProducerType = "sctp" | "direct";

/** The insides of a DirectTransport, for debugging. */
export type DirectTransportDump = {
  /** Id. */
  id: TransportId;
  /** Ids of its producers. */
  producerIds: Array<ProducerId>;
  /** Ids of its consumers. */
  consumerIds: Array<ConsumerId>;
  /** Consumers by the SSRC they send. */
  mapSsrcConsumerId: Array<SsrcEntryDump>;
  /** Consumers by the SSRC of their retransmissions. */
  mapRtxSsrcConsumerId: Array<SsrcEntryDump>;
  /** Ids of its data producers. */
  dataProducerIds: Array<DataProducerId>;
  /** Ids of its data consumers. */
  dataConsumerIds: Array<DataConsumerId>;
  /** Longest message that data consumers send, in bytes. */
  maxSendMessageSize: number;
  /** Longest message that data producers receive, in bytes. */
  maxReceiveMessageSize: number;
  /** SCTP parameters, if it has an association. */
  sctpParameters?: SctpParameters;
  /** State of the association. */
  sctpState?: SctpState;
  /** What the association's ends agreed on, once it is connected. */
  sctpNegotiatedCapabilities?: SctpNegotiatedCapabilities;
  /** How incoming messages find their data producer. */
  sctpListener?: SctpListenerDump;
  /** Header extensions that are read from incoming packets. */
  recvRtpHeaderExtensions: RecvRtpHeaderExtensions;
  /** How incoming packets find their producer. */
  rtpListener: RtpListenerDump;
  /** Enabled traces. */
  traceEventTypes: Array<TransportTraceEventType>;
};

/** Options of `router.createDirectTransport()`. */
export type DirectTransportOptions = {
  /** Longest message that DataConsumers hand out, in bytes, 1–524288. Default: 262144. */
  maxSendMessageSize?: number;
  /** Longest message that DataProducers take, in bytes, 1–524288. Default: 262144. */
  maxReceiveMessageSize?: number;
};

/** Statistics of a DirectTransport. */
export type DirectTransportStat = {
  /** `direct-transport`. */
  type: string;
  /** Id of the transport. */
  transportId: string;
  /** When the numbers were read, in ms of the worker's clock. */
  timestamp: number;
  /** State of the SCTP association, if there is one. */
  sctpState?: SctpState;
  /** Bytes received, of every protocol. */
  bytesReceived: number;
  /** Bitrate received in bit/s. */
  recvBitrate: number;
  /** Bytes sent, of every protocol. */
  bytesSent: number;
  /** Bitrate sent in bit/s. */
  sendBitrate: number;
  /** Bytes of RTP packets received, retransmissions not counted. */
  rtpBytesReceived: number;
  /** Bitrate of RTP received in bit/s. */
  rtpRecvBitrate: number;
  /** Bytes of RTP packets sent, retransmissions not counted. */
  rtpBytesSent: number;
  /** Bitrate of RTP sent in bit/s. */
  rtpSendBitrate: number;
  /** Bytes of retransmissions received (RFC 4588). */
  rtxBytesReceived: number;
  /** Bitrate of retransmissions received in bit/s. */
  rtxRecvBitrate: number;
  /** Bytes of retransmissions sent. */
  rtxBytesSent: number;
  /** Bitrate of retransmissions sent in bit/s. */
  rtxSendBitrate: number;
  /** Bytes of probation packets sent. */
  probationBytesSent: number;
  /** Bitrate of probation in bit/s. */
  probationSendBitrate: number;
  /** Estimate of what the peer can receive, in bit/s. */
  availableOutgoingBitrate?: number;
  /**
   * Why the estimate is what it is: `initial`, `probe`, `increase`, `hold`, `competition`, `delay` (a queue grows on the path), `loss`,
   * `remb` (the peer receives no more), `limit` (the application set it) or `timeout` (the peer fell silent).
   */
  availableOutgoingBitrateReason?: string;
  /** Since when, in ms of the worker's clock. */
  availableOutgoingBitrateSince?: number;
  /** Estimate of what the peer can send, in bit/s. */
  availableIncomingBitrate?: number;
  /** Limit set by `setMaxIncomingBitrate()`, in bit/s. */
  maxIncomingBitrate?: number;
  /** Limit set by `setMaxOutgoingBitrate()`, in bit/s. */
  maxOutgoingBitrate?: number;
  /** Limit set by `setMinOutgoingBitrate()`, in bit/s. */
  minOutgoingBitrate?: number;
  /** Share of incoming RTP packets that were lost, 0–1. */
  rtpPacketLossReceived?: number;
  /** Share of outgoing RTP packets that were lost, 0–1. */
  rtpPacketLossSent?: number;
};

/** A hash of a certificate (RFC 8122 §5). */
export type DtlsFingerprint = {
  /** Hash function. */
  algorithm: FingerprintAlgorithm;
  /** The hash as pairs of hexadecimal digits with colons between them. */
  value: string;
};

/** What a peer must know about the other's DTLS. */
export type DtlsParameters = {
  /** Role. Default: `auto`. */
  role?: DtlsRole;
  /** Fingerprints of the certificate, at least one. */
  fingerprints: Array<DtlsFingerprint>;
};

/** Who sends the ClientHello (RFC 8842 §5.3). */
export type DtlsRole = "auto" | "client" | "server";

/** State of DTLS. */
export type DtlsState = "new" | "connecting" | "connected" | "failed" | "closed";

/** The versions of DTLS that a transport speaks. */
export type DtlsVersion = "1.2" | "1.3" | "auto";

/** One stream of a producer. */
export type EncodingMapping = {
  /** SSRC that the endpoint announced. */
  ssrc?: number;
  /** RID that the endpoint announced. */
  rid?: string;
  /** SSRC that stands for the stream within the router. */
  mappedSsrc: number;
};

/** The JavaScript class of an error. */
export type ErrorClass = "TypeError" | "UnsupportedError" | "NotFoundError" | "InvalidStateError" | "WorkerClosedError" | "Error";

/** Hash function of a fingerprint (RFC 8122 §5). */
export type FingerprintAlgorithm = "sha-1" | "sha-224" | "sha-256" | "sha-384" | "sha-512";

/** One address that a peer may send to (RFC 8839 §5.1). */
export type IceCandidate = {
  /** Foundation: equal for candidates that share their address type and base (RFC 8445 §5.1.1.3). */
  foundation: string;
  /** Priority (RFC 8445 §5.1.2.1). */
  priority: number;
  /**
   * Address.
   *
   * @deprecated Use `address`.
   */
  ip: string;
  /** IP address or host name. */
  address: string;
  /** Protocol. */
  protocol: TransportProtocol;
  /** Port, 1–65535. */
  port: number;
  /** Always `host`. */
  type: IceCandidateType;
  /** Always `passive` (RFC 6544 §4.5); absent for UDP. */
  tcpType?: IceCandidateTcpType;
};

/** Who opens the TCP connection (RFC 6544 §4.5). */
export type IceCandidateTcpType = "passive";

/** How a candidate was found (RFC 8445 §5.1.1). */
export type IceCandidateType = "host";

/** Credentials of one side (RFC 8445 §5.3). */
export type IceParameters = {
  /** Username fragment, 4–256 characters (RFC 8839 §5.4). */
  usernameFragment: string;
  /** Password, 22–256 characters (RFC 8839 §5.4). */
  password: string;
  /** Whether this side is ICE-lite (RFC 8445 §2.5). Always true here. */
  iceLite?: boolean;
};

/** Role in ICE (RFC 8445 §6.1.1). */
export type IceRole = "controlled" | "controlling";

/** State of ICE. */
export type IceState = "new" | "connected" | "completed" | "disconnected" | "closed";

/** A username fragment (RFC 8445 §5.3) and the transport that made it. */
export type IceUserNameFragment = {
  /** Username fragment. */
  localIceUsernameFragment: string;
  /** Its transport. */
  webRtcTransportId: TransportId;
};

/** Where a socket is bound. */
export type IpPort = {
  /** Local IP address. */
  ip: string;
  /** Local port, 1–65535. */
  port: number;
};

/** Kind of media. */
export type MediaKind = "audio" | "video";

/** Where a mixer does its work. */
export type MixerIsolation = "thread" | "process";

/** An entry of a dumped map from object id to several object ids. */
export type NameEntriesDump = {
  /** Object id. */
  key: string;
  /** Object ids. */
  values: Array<string>;
};

/** An entry of a dumped map from MID, RID or object id to object id. */
export type NameEntryDump = {
  /** MID, RID or object id. */
  key: string;
  /** Object id. */
  value: string;
};

/**
 * Parameters by name (RFC 8866 §6.15 for codecs). A name given twice is refused, so that no two readers can see
 * different values.
 */
export type ParameterRecord = Record<string, unknown>;

/** Sound as an application writes or reads it. */
export type PcmFormat = {
  /** Samples a second of each channel, 8000 to 192000. */
  sampleRate: number;
  /** Channels, interleaved, 1 or 2. Default: 1. */
  channels?: number;
};

/** Options of `pipeTransport.consume()`. */
export type PipeConsumerOptions = {
  /** The producer to consume, with all its streams. */
  producerId: ProducerId;
};

/** The insides of a PipeTransport, for debugging. */
export type PipeTransportDump = {
  /** The path; without a remote address until `connect()`. */
  tuple: TransportTuple;
  /** Whether lost packets are sent again. */
  rtx: boolean;
  /** The local key, with SRTP. */
  srtpParameters?: SrtpParameters;
  /** Id. */
  id: TransportId;
  /** Ids of its producers. */
  producerIds: Array<ProducerId>;
  /** Ids of its consumers. */
  consumerIds: Array<ConsumerId>;
  /** Consumers by the SSRC they send. */
  mapSsrcConsumerId: Array<SsrcEntryDump>;
  /** Consumers by the SSRC of their retransmissions. */
  mapRtxSsrcConsumerId: Array<SsrcEntryDump>;
  /** Ids of its data producers. */
  dataProducerIds: Array<DataProducerId>;
  /** Ids of its data consumers. */
  dataConsumerIds: Array<DataConsumerId>;
  /** Longest message that data consumers send, in bytes. */
  maxSendMessageSize: number;
  /** Longest message that data producers receive, in bytes. */
  maxReceiveMessageSize: number;
  /** SCTP parameters, if it has an association. */
  sctpParameters?: SctpParameters;
  /** State of the association. */
  sctpState?: SctpState;
  /** What the association's ends agreed on, once it is connected. */
  sctpNegotiatedCapabilities?: SctpNegotiatedCapabilities;
  /** How incoming messages find their data producer. */
  sctpListener?: SctpListenerDump;
  /** Header extensions that are read from incoming packets. */
  recvRtpHeaderExtensions: RecvRtpHeaderExtensions;
  /** How incoming packets find their producer. */
  rtpListener: RtpListenerDump;
  /** Enabled traces. */
  traceEventTypes: Array<TransportTraceEventType>;
};

/** Options of `router.createPipeTransport()`. One of `listenInfo` and `listenIp` is given. */
export type PipeTransportOptions = {
  /** Address to listen on. Its protocol is `udp`. */
  listenInfo?: TransportListenInfo;
  /**
   * Address to listen on.
   *
   * @deprecated Use `listenInfo`.
   */
  listenIp?: TransportListenIpOrText;
  /**
   * Port for `listenIp`, 1–65535. Default, or 0: a free one in the worker's range.
   *
   * @deprecated Use `port` of `listenInfo`.
   */
  port?: number;
  /** Whether packets that get lost between the routers are sent again; both ends must say so. Default: false. */
  enableRtx?: boolean;
  /** Whether RTP and RTCP are secured by SRTP (`AEAD_AES_256_GCM`); both ends must say so. Default: false. */
  enableSrtp?: boolean;
};

/** Statistics of a PipeTransport. */
export type PipeTransportStat = {
  /** `pipe-transport`. */
  type: string;
  /** The path; without a remote address until `connect()`. */
  tuple: TransportTuple;
  /** Id of the transport. */
  transportId: string;
  /** When the numbers were read, in ms of the worker's clock. */
  timestamp: number;
  /** State of the SCTP association, if there is one. */
  sctpState?: SctpState;
  /** Bytes received, of every protocol. */
  bytesReceived: number;
  /** Bitrate received in bit/s. */
  recvBitrate: number;
  /** Bytes sent, of every protocol. */
  bytesSent: number;
  /** Bitrate sent in bit/s. */
  sendBitrate: number;
  /** Bytes of RTP packets received, retransmissions not counted. */
  rtpBytesReceived: number;
  /** Bitrate of RTP received in bit/s. */
  rtpRecvBitrate: number;
  /** Bytes of RTP packets sent, retransmissions not counted. */
  rtpBytesSent: number;
  /** Bitrate of RTP sent in bit/s. */
  rtpSendBitrate: number;
  /** Bytes of retransmissions received (RFC 4588). */
  rtxBytesReceived: number;
  /** Bitrate of retransmissions received in bit/s. */
  rtxRecvBitrate: number;
  /** Bytes of retransmissions sent. */
  rtxBytesSent: number;
  /** Bitrate of retransmissions sent in bit/s. */
  rtxSendBitrate: number;
  /** Bytes of probation packets sent. */
  probationBytesSent: number;
  /** Bitrate of probation in bit/s. */
  probationSendBitrate: number;
  /** Estimate of what the peer can receive, in bit/s. */
  availableOutgoingBitrate?: number;
  /**
   * Why the estimate is what it is: `initial`, `probe`, `increase`, `hold`, `competition`, `delay` (a queue grows on the path), `loss`,
   * `remb` (the peer receives no more), `limit` (the application set it) or `timeout` (the peer fell silent).
   */
  availableOutgoingBitrateReason?: string;
  /** Since when, in ms of the worker's clock. */
  availableOutgoingBitrateSince?: number;
  /** Estimate of what the peer can send, in bit/s. */
  availableIncomingBitrate?: number;
  /** Limit set by `setMaxIncomingBitrate()`, in bit/s. */
  maxIncomingBitrate?: number;
  /** Limit set by `setMaxOutgoingBitrate()`, in bit/s. */
  maxOutgoingBitrate?: number;
  /** Limit set by `setMinOutgoingBitrate()`, in bit/s. */
  minOutgoingBitrate?: number;
  /** Share of incoming RTP packets that were lost, 0–1. */
  rtpPacketLossReceived?: number;
  /** Share of outgoing RTP packets that were lost, 0–1. */
  rtpPacketLossSent?: number;
};

/** What `plainTransport.connect()` is told of the endpoint. */
export type PlainTransportConnectOptions = {
  /** IPv4 or IPv6 address of the endpoint. Ignored with `comedia`. */
  ip?: string;
  /** Port of the endpoint, 1–65535. Ignored with `comedia`. */
  port?: number;
  /** Port of the endpoint for RTCP, 1–65535; not with `rtcpMux`. Ignored with `comedia`. */
  rtcpPort?: number;
  /** The endpoint's key, with `enableSrtp`. */
  srtpParameters?: SrtpParameters;
};

/** The insides of a PlainTransport, for debugging. */
export type PlainTransportDump = {
  /** Whether RTP and RTCP share a port. */
  rtcpMux: boolean;
  /** Whether the endpoint's address is taken from its first packet. */
  comedia: boolean;
  /** The path of RTP; without a remote address until the endpoint is known. */
  tuple: TransportTuple;
  /** The path of RTCP, where it has one of its own. */
  rtcpTuple?: TransportTuple;
  /** The local key, with SRTP. */
  srtpParameters?: SrtpParameters;
  /** Id. */
  id: TransportId;
  /** Ids of its producers. */
  producerIds: Array<ProducerId>;
  /** Ids of its consumers. */
  consumerIds: Array<ConsumerId>;
  /** Consumers by the SSRC they send. */
  mapSsrcConsumerId: Array<SsrcEntryDump>;
  /** Consumers by the SSRC of their retransmissions. */
  mapRtxSsrcConsumerId: Array<SsrcEntryDump>;
  /** Ids of its data producers. */
  dataProducerIds: Array<DataProducerId>;
  /** Ids of its data consumers. */
  dataConsumerIds: Array<DataConsumerId>;
  /** Longest message that data consumers send, in bytes. */
  maxSendMessageSize: number;
  /** Longest message that data producers receive, in bytes. */
  maxReceiveMessageSize: number;
  /** SCTP parameters, if it has an association. */
  sctpParameters?: SctpParameters;
  /** State of the association. */
  sctpState?: SctpState;
  /** What the association's ends agreed on, once it is connected. */
  sctpNegotiatedCapabilities?: SctpNegotiatedCapabilities;
  /** How incoming messages find their data producer. */
  sctpListener?: SctpListenerDump;
  /** Header extensions that are read from incoming packets. */
  recvRtpHeaderExtensions: RecvRtpHeaderExtensions;
  /** How incoming packets find their producer. */
  rtpListener: RtpListenerDump;
  /** Enabled traces. */
  traceEventTypes: Array<TransportTraceEventType>;
};

/** Options of `router.createPlainTransport()`. One of `listenInfo` and `listenIp` is given. */
export type PlainTransportOptions = {
  /** Address to listen on for RTP, and for RTCP with `rtcpMux`. Its protocol is `udp`. */
  listenInfo?: TransportListenInfo;
  /** Address to listen on for RTCP; ignored with `rtcpMux`. Default: `listenInfo` with a port of its own. */
  rtcpListenInfo?: TransportListenInfo;
  /**
   * Address to listen on.
   *
   * @deprecated Use `listenInfo`.
   */
  listenIp?: TransportListenIpOrText;
  /**
   * Port for `listenIp`, 1–65535. Default, or 0: a free one in the worker's range.
   *
   * @deprecated Use `port` of `listenInfo`.
   */
  port?: number;
  /** Whether RTP and RTCP share a port (RFC 5761). Default: true. */
  rtcpMux?: boolean;
  /**
   * Whether the endpoint's address is taken from the first packet that comes; `connect()` is needed for the keys of
   * SRTP only. Without SRTP whoever sends first is the endpoint. Default: false.
   */
  comedia?: boolean;
  /** Whether RTP and RTCP are secured by SRTP; `connect()` tells the endpoint's key then. Default: false. */
  enableSrtp?: boolean;
  /** Suite of the local key; `connect()` may change it. Default: `AES_CM_128_HMAC_SHA1_80`. */
  srtpCryptoSuite?: SrtpCryptoSuite;
};

/** Statistics of a PlainTransport. */
export type PlainTransportStat = {
  /** `plain-rtp-transport`. */
  type: string;
  /** Whether RTP and RTCP share a port. */
  rtcpMux: boolean;
  /** Whether the endpoint's address is taken from its first packet. */
  comedia: boolean;
  /** The path of RTP; without a remote address until the endpoint is known. */
  tuple: TransportTuple;
  /** The path of RTCP, where it has one of its own. */
  rtcpTuple?: TransportTuple;
  /** Id of the transport. */
  transportId: string;
  /** When the numbers were read, in ms of the worker's clock. */
  timestamp: number;
  /** State of the SCTP association, if there is one. */
  sctpState?: SctpState;
  /** Bytes received, of every protocol. */
  bytesReceived: number;
  /** Bitrate received in bit/s. */
  recvBitrate: number;
  /** Bytes sent, of every protocol. */
  bytesSent: number;
  /** Bitrate sent in bit/s. */
  sendBitrate: number;
  /** Bytes of RTP packets received, retransmissions not counted. */
  rtpBytesReceived: number;
  /** Bitrate of RTP received in bit/s. */
  rtpRecvBitrate: number;
  /** Bytes of RTP packets sent, retransmissions not counted. */
  rtpBytesSent: number;
  /** Bitrate of RTP sent in bit/s. */
  rtpSendBitrate: number;
  /** Bytes of retransmissions received (RFC 4588). */
  rtxBytesReceived: number;
  /** Bitrate of retransmissions received in bit/s. */
  rtxRecvBitrate: number;
  /** Bytes of retransmissions sent. */
  rtxBytesSent: number;
  /** Bitrate of retransmissions sent in bit/s. */
  rtxSendBitrate: number;
  /** Bytes of probation packets sent. */
  probationBytesSent: number;
  /** Bitrate of probation in bit/s. */
  probationSendBitrate: number;
  /** Estimate of what the peer can receive, in bit/s. */
  availableOutgoingBitrate?: number;
  /**
   * Why the estimate is what it is: `initial`, `probe`, `increase`, `hold`, `competition`, `delay` (a queue grows on the path), `loss`,
   * `remb` (the peer receives no more), `limit` (the application set it) or `timeout` (the peer fell silent).
   */
  availableOutgoingBitrateReason?: string;
  /** Since when, in ms of the worker's clock. */
  availableOutgoingBitrateSince?: number;
  /** Estimate of what the peer can send, in bit/s. */
  availableIncomingBitrate?: number;
  /** Limit set by `setMaxIncomingBitrate()`, in bit/s. */
  maxIncomingBitrate?: number;
  /** Limit set by `setMaxOutgoingBitrate()`, in bit/s. */
  maxOutgoingBitrate?: number;
  /** Limit set by `setMinOutgoingBitrate()`, in bit/s. */
  minOutgoingBitrate?: number;
  /** Share of incoming RTP packets that were lost, 0–1. */
  rtpPacketLossReceived?: number;
  /** Share of outgoing RTP packets that were lost, 0–1. */
  rtpPacketLossSent?: number;
};

/** The insides of a producer, for debugging. */
export type ProducerDump = {
  /** Id. */
  id: ProducerId;
  /** Kind of media. */
  kind: MediaKind;
  /** How its streams relate. */
  type: ProducerType;
  /** What the endpoint sends. */
  rtpParameters: RtpParameters;
  /** How payload types and SSRCs appear to consumers. */
  rtpMapping: RtpCodecsEncodingsMapping;
  /** Streams that have sent a packet; absent while there is none. */
  rtpStreams?: Array<RtpStreamDump>;
  /** Enabled traces. */
  traceEventTypes: Array<ProducerTraceEventType>;
  /** Whether it is paused. */
  paused: boolean;
};

/** Id of a Producer, unique within a Router. */
export type ProducerId = string;

/** Options of `transport.produce()`. */
export type ProducerOptions = {
  /** Kind of media. */
  kind: MediaKind;
  /** What the endpoint sends. */
  rtpParameters: RtpParameters;
  /** Whether the producer starts paused. Default: false. */
  paused?: boolean;
  /**
   * Least time in ms between two key frame requests to the endpoint, beyond the merging that always happens. Video
   * only. Default: 0.
   */
  keyFrameRequestDelay?: number;
  /** Whether to number the packets in a header extension. Only false is supported. Default: false. */
  enableMediasoupPacketIdHeaderExtension?: boolean;
  /**
   * Whether payloads are encrypted from end to end (SFrame and the like), so that nothing can be read in them: key
   * frames and layers then come from the dependency descriptor alone, and without it there are none. Default: false.
   */
  encrypted?: boolean;
};

/** Quality of transmission of one of a producer's streams. */
export type ProducerScore = {
  /** Index within `rtpParameters.encodings`. */
  encodingIdx: number;
  /** SSRC of the stream. */
  ssrc: number;
  /** RID of the stream. */
  rid?: string;
  /** Score, 0 (worst) to 10 (best). */
  score: number;
};

/** Statistics of one of a producer's streams. */
export type ProducerStat = RtpStreamRecvStats;

/** One traced event of a producer. */
export type ProducerTraceEventData = {
  /** Kind of event. */
  type: ProducerTraceEventType;
  /** When it happened, in ms of the worker's clock. */
  timestamp: number;
  /** Which way it went. */
  direction: TraceDirection;
  /** Details, which differ by type. */
  info: Record<string, unknown>;
};

/** Kinds of events that a producer can trace. */
export type ProducerTraceEventType = "rtp" | "keyframe" | "nack" | "pli" | "fir" | "sr";

/** How a producer's streams relate. */
export type ProducerType = "simple" | "simulcast" | "svc";

/** How a camera is held (3GPP TS 26.114 §7.4.5). */
export type ProducerVideoOrientation = {
  /** Whether it faces away from the user. */
  camera: boolean;
  /** Whether the picture is mirrored. */
  flip: boolean;
  /** Clockwise rotation in degrees: 0, 90, 180 or 270. */
  rotation: number;
};

/** Ids of the header extensions that a transport reads; they are the same for all its producers. */
export type RecvRtpHeaderExtensions = {
  /** MID (RFC 9143). */
  mid?: number;
  /** RTP stream id (RFC 8852). */
  rid?: number;
  /** Repaired RTP stream id (RFC 8852). */
  rrid?: number;
  /** Absolute send time. */
  absSendTime?: number;
  /** Transport-wide sequence number. */
  transportWideCc01?: number;
};

/** A data channel that a peer opened in-band (RFC 8832). */
export type RemoteDataChannel = {
  /** Its stream both ways and how hard the peer tries to deliver: as `produceData()` takes it. */
  sctpStreamParameters: SctpStreamParameters;
  /** Its name, often empty. */
  label: string;
  /** Its subprotocol, often empty. */
  protocol: string;
};

/** The insides of a router, for debugging. */
export type RouterDump = {
  /** Id. */
  id: RouterId;
  /** Its transports. */
  transportIds: Array<TransportId>;
  /** Its RTP observers. */
  rtpObserverIds: Array<RtpObserverId>;
  /** Consumers of each producer. */
  mapProducerIdConsumerIds: Array<NameEntriesDump>;
  /** Producer of each consumer. */
  mapConsumerIdProducerId: Array<NameEntryDump>;
  /** RTP observers of each producer. */
  mapProducerIdObserverIds: Array<NameEntriesDump>;
  /** Data consumers of each data producer. */
  mapDataProducerIdDataConsumerIds: Array<NameEntriesDump>;
  /** Data producer of each data consumer. */
  mapDataConsumerIdDataProducerId: Array<NameEntryDump>;
};

/** Id of a Router, unique within a process. */
export type RouterId = string;

/** Options of `worker.createRouter()` and argument of `router.updateMediaCodecs()`. */
export type RouterOptions = {
  /** Codecs that producers may use, in order of preference. Default: none. */
  mediaCodecs?: RouterRtpCodecCapability[];
};

/** Capabilities in which payload types are optional, as `getSupportedRtpCapabilities()` returns them. */
export type RouterRtpCapabilities = Omit<RtpCapabilities, "codecs"> & { codecs?: Array<RouterRtpCodecCapability> };

/** A codec for the `mediaCodecs` of a router, which chooses a payload type where none is preferred. */
export type RouterRtpCodecCapability = Omit<RtpCodecCapability, "preferredPayloadType"> & { preferredPayloadType?: number };

/** One kind of RTCP feedback for a codec (`a=rtcp-fb`, RFC 4585 §4.2): `nack`, `nack pli`, `ccm fir`, `transport-cc`. */
export type RtcpFeedback = {
  /** Type: `nack`, `ccm`, `goog-remb`, `transport-cc`. */
  type: string;
  /** Parameter: `pli` of `nack`, `fir` of `ccm`. Default: the empty string. */
  parameter?: string;
};

/** RTCP settings of a source. */
export type RtcpParameters = {
  /** Canonical name of the sender (RFC 3550 §6.5.1). Default: that of the transport's first producer, or random. */
  cname?: string;
  /** Whether RTCP packets may be sent alone (RFC 5506). Always true once negotiated. */
  reducedSize?: boolean;
};

/** The codecs and header extensions that a router or an endpoint can receive. */
export type RtpCapabilities = {
  /** Media and RTX codecs. Default: none. */
  codecs?: Array<RtpCodecCapability>;
  /** RTP header extensions (RFC 8285). Default: none. */
  headerExtensions?: Array<RtpHeaderExtension>;
};

/** One codec with one combination of parameters that needs a payload type of its own. */
export type RtpCodecCapability = {
  /** Kind of media. Where it contradicts `mimeType`, `mimeType` counts. */
  kind: MediaKind;
  /** Media type of RFC 6838, in any case: `audio/opus`, `video/VP8`, `video/rtx`. */
  mimeType: string;
  /** Preferred RTP payload type, 0–127. Optional only in the `mediaCodecs` of a router, which then chooses one. */
  preferredPayloadType: number;
  /** RTP clock rate in Hz. */
  clockRate: number;
  /** Number of audio channels. Default for audio: 1; absent for video. */
  channels?: number;
  /** Codec parameters (`a=fmtp`, RFC 8866 §6.15). Some of them decide whether two codecs match. Default: none. */
  parameters?: ParameterRecord;
  /** RTCP feedback (RFC 4585 §4.2). Default: none. */
  rtcpFeedback?: Array<RtcpFeedback>;
};

/** One codec in use. */
export type RtpCodecParameters = {
  /** Media type of RFC 6838, in any case: `audio/opus`, `video/VP8`, `video/rtx`. */
  mimeType: string;
  /** RTP payload type, 0–127, unique among the codecs. */
  payloadType: number;
  /** RTP clock rate in Hz. */
  clockRate: number;
  /** Number of audio channels. Default for audio: 1; absent for video. */
  channels?: number;
  /** Codec parameters (`a=fmtp`, RFC 8866 §6.15). Default: none. */
  parameters?: ParameterRecord;
  /** RTCP feedback (RFC 4585 §4.2). Default: none. */
  rtcpFeedback?: Array<RtcpFeedback>;
};

/** How a producer's payload types and streams appear within the router. */
export type RtpCodecsEncodingsMapping = {
  /** Payload types, RTX included. */
  codecs: Array<CodecMapping>;
  /** Streams, in the order of the producer's encodings. */
  encodings: Array<EncodingMapping>;
};

/** One RTP stream of a source, with the stream that retransmits it. */
export type RtpEncodingParameters = {
  /** SSRC of the media stream (RFC 3550 §3). */
  ssrc?: number;
  /** RID of the stream (RFC 8852), unique among the encodings. */
  rid?: string;
  /** Payload type of the media codec that the stream uses. Default: that of the first media codec. */
  codecPayloadType?: number;
  /** The stream of retransmissions (RFC 4588). Default: found by its RID, or absent. */
  rtx?: RtxEncodingParameters;
  /** Whether the source may stop sending while there is nothing to send (RFC 3551 §4.1). Default: false. */
  dtx?: boolean;
  /** Spatial and temporal layers within the stream, as WebRTC SVC names them: `L1T1`. Default: one of each. */
  scalabilityMode?: string;
  /** Announced maximum bitrate in bit/s. */
  maxBitrate?: number;
};

/** One RTP header extension (RFC 8285) for one kind of media. */
export type RtpHeaderExtension = {
  /** Kind of media that it is for. */
  kind: MediaKind;
  /** Name. A router ignores names that it does not know. */
  uri: RtpHeaderExtensionUri;
  /** Preferred id in packets: 1–14 in the one-byte form, up to 255 in the two-byte form (RFC 8285 §4.2, §4.3). */
  preferredId: number;
  /** Whether encryption (RFC 6904) is preferred; it is never used. Default: false. */
  preferredEncrypt?: boolean;
  /** Direction, seen from the router; ignored in the capabilities of endpoints. Default: `sendrecv`. */
  direction?: RtpHeaderExtensionDirection;
};

/** Which way a header extension is used, seen from the router. */
export type RtpHeaderExtensionDirection = "sendrecv" | "sendonly" | "recvonly" | "inactive";

/** One RTP header extension in use (RFC 8285). */
export type RtpHeaderExtensionParameters = {
  /** Name. */
  uri: RtpHeaderExtensionUri;
  /** Id in packets, unique: 1–14 in the one-byte form, up to 255 in the two-byte form (RFC 8285 §4.2, §4.3). */
  id: number;
  /** Whether the value is encrypted (RFC 6904); it never is. Default: false. */
  encrypt?: boolean;
  /** Settings of the extension. Default: none. */
  parameters?: ParameterRecord;
};

/** URIs of the header extensions that a router knows. */
export type RtpHeaderExtensionUri = 
  | "urn:ietf:params:rtp-hdrext:sdes:mid"
  | "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
  | "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
  | "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
  | "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
  | "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
  | "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
  | "urn:3gpp:video-orientation"
  | "urn:ietf:params:rtp-hdrext:toffset"
  | "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
  | "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
  | "urn:mediasoup:params:rtp-hdrext:packet-id";

/** How a transport finds the producer of a packet. */
export type RtpListenerDump = {
  /** Producers by SSRC. */
  ssrcTable: Array<SsrcEntryDump>;
  /** Producers by MID. */
  midTable: Array<NameEntryDump>;
  /** Producers by RID. */
  ridTable: Array<NameEntryDump>;
};

/** Whose payload types and header extension ids a consumer's packets carry. */
export type RtpNumbering = "router" | "endpoint";

/** Id of an RtpObserver, unique within a process. */
export type RtpObserverId = string;

/** Kind of an RTP observer. */
export type RtpObserverType = "audiolevel" | "activespeaker";

/** How one source of media is sent: by an endpoint to its producer, or by a consumer to an endpoint. */
export type RtpParameters = {
  /** Media identification (RFC 9143 §15): the `mid` header extension carries it. */
  mid?: string;
  /** Media and RTX codecs in use; the first is the default one. */
  codecs: Array<RtpCodecParameters>;
  /** RTP header extensions in use (RFC 8285). Default: none. */
  headerExtensions?: Array<RtpHeaderExtensionParameters>;
  /** RTP streams. Default: one, without any setting. */
  encodings?: Array<RtpEncodingParameters>;
  /** RTCP settings. */
  rtcp?: RtcpParameters;
  /** Media stream identification (RFC 8830), handed on to consumers as it is. */
  msid?: string;
};

/** One RTP stream, for debugging. */
export type RtpStreamDump = {
  /** Its settings. */
  params: RtpStreamParametersDump;
  /** Score, 0 (worst) to 10 (best). */
  score: number;
  /** Its retransmissions. */
  rtxStream?: RtxStreamDump;
};

/** Settings of one RTP stream. */
export type RtpStreamParametersDump = {
  /** Index within the encodings. */
  encodingIdx: number;
  /** SSRC. */
  ssrc: number;
  /** Payload type. */
  payloadType: number;
  /** Media type of the codec. */
  mimeType: string;
  /** RTP clock rate in Hz. */
  clockRate: number;
  /** RID. */
  rid?: string;
  /** CNAME of the sender (RFC 3550 §6.5.1). */
  cname: string;
  /** SSRC of the retransmissions. */
  rtxSsrc?: number;
  /** Payload type of the retransmissions. */
  rtxPayloadType?: number;
  /** Whether lost packets are asked for (RFC 4585 §6.2.1). */
  useNack: boolean;
  /** Whether key frames are asked for by PLI (RFC 4585 §6.3.1). */
  usePli: boolean;
  /** Whether key frames are asked for by FIR (RFC 5104 §4.3.1). */
  useFir: boolean;
  /** Whether Opus carries error correction in band (RFC 6716 §2.1.7). */
  useInBandFec: boolean;
  /** Whether the source may stop sending. */
  useDtx: boolean;
  /** Spatial layers. */
  spatialLayers: number;
  /** Temporal layers. */
  temporalLayers: number;
};

/** One stream that a producer receives. */
export type RtpStreamRecvStats = {
  /** `inbound-rtp`. */
  type: string;
  /** RTP packets, retransmissions not counted. */
  packetCount: number;
  /** Bytes of RTP packets, headers included. */
  byteCount: number;
  /** Bitrate of the last 2.5 s in bit/s. */
  bitrate: number;
  /** Bitrate in bit/s by `<spatial layer>.<temporal layer>`. */
  bitrateByLayer: { [key in string]: number };
  /** When the numbers were read, in ms of the worker's clock. */
  timestamp: number;
  /** SSRC of the media stream (RFC 3550 §3). */
  ssrc: number;
  /** SSRC of the retransmissions (RFC 4588). */
  rtxSsrc?: number;
  /** RID (RFC 8852). */
  rid?: string;
  /** Kind of media. */
  kind: MediaKind;
  /** Media type of the codec. */
  mimeType: string;
  /** Packets lost since the start (RFC 3550 §6.4.1); never below 0. */
  packetsLost: number;
  /** Fraction lost since the last report, in 1/256 (RFC 3550 §6.4.1). */
  fractionLost: number;
  /** Interarrival jitter in units of the RTP clock (RFC 3550 §6.4.1). */
  jitter: number;
  /** Packets that came too late to be used. */
  packetsDiscarded: number;
  /** Packets that came or went a second time. */
  packetsRetransmitted: number;
  /** Lost packets that a retransmission brought back. */
  packetsRepaired: number;
  /** NACK messages (RFC 4585 §6.2.1). */
  nackCount: number;
  /** Packets that NACK messages asked for. */
  nackPacketCount: number;
  /** Picture loss indications (RFC 4585 §6.3.1). */
  pliCount: number;
  /** Full intra requests (RFC 5104 §4.3.1). */
  firCount: number;
  /** Round-trip time in ms; absent until the first report block. */
  roundTripTime?: number;
  /** Retransmissions that came too late to be used. */
  rtxPacketsDiscarded?: number;
  /** Quality of transmission, 0 (worst) to 10 (best). */
  score: number;
};

/** One stream that a consumer sends. */
export type RtpStreamSendStats = {
  /** `outbound-rtp`. */
  type: string;
  /** RTP packets, retransmissions not counted. */
  packetCount: number;
  /** Bytes of RTP packets, headers included. */
  byteCount: number;
  /** Bitrate of the last 2.5 s in bit/s. */
  bitrate: number;
  /** When the numbers were read, in ms of the worker's clock. */
  timestamp: number;
  /** SSRC of the media stream (RFC 3550 §3). */
  ssrc: number;
  /** SSRC of the retransmissions (RFC 4588). */
  rtxSsrc?: number;
  /** RID (RFC 8852). */
  rid?: string;
  /** Kind of media. */
  kind: MediaKind;
  /** Media type of the codec. */
  mimeType: string;
  /** Packets lost since the start (RFC 3550 §6.4.1); never below 0. */
  packetsLost: number;
  /** Fraction lost since the last report, in 1/256 (RFC 3550 §6.4.1). */
  fractionLost: number;
  /** Interarrival jitter in units of the RTP clock (RFC 3550 §6.4.1). */
  jitter: number;
  /** Packets that came too late to be used. */
  packetsDiscarded: number;
  /** Packets that came or went a second time. */
  packetsRetransmitted: number;
  /** Lost packets that a retransmission brought back. */
  packetsRepaired: number;
  /** NACK messages (RFC 4585 §6.2.1). */
  nackCount: number;
  /** Packets that NACK messages asked for. */
  nackPacketCount: number;
  /** Picture loss indications (RFC 4585 §6.3.1). */
  pliCount: number;
  /** Full intra requests (RFC 5104 §4.3.1). */
  firCount: number;
  /** Round-trip time in ms; absent until the first report block. */
  roundTripTime?: number;
  /** Retransmissions that came too late to be used. */
  rtxPacketsDiscarded?: number;
  /** Quality of transmission, 0 (worst) to 10 (best). */
  score: number;
};

/** The stream of retransmissions of an encoding (RFC 4588). */
export type RtxEncodingParameters = {
  /** SSRC of the retransmissions (RFC 3550 §3). */
  ssrc: number;
};

/** One stream of retransmissions, for debugging. */
export type RtxStreamDump = {
  /** Its settings. */
  params: RtxStreamParameters;
};

/** Settings of one stream of retransmissions. */
export type RtxStreamParameters = {
  /** SSRC. */
  ssrc: number;
  /** Payload type. */
  payloadType: number;
  /** Media type: `audio/rtx` or `video/rtx`. */
  mimeType: string;
  /** RTP clock rate in Hz. */
  clockRate: number;
  /** Repaired RID. */
  rrid?: string;
  /** CNAME of the sender (RFC 3550 §6.5.1). */
  cname: string;
};

/** Layers within one RTP stream (W3C WebRTC SVC, scalability modes). */
export type ScalabilityMode = {
  /** Spatial layers, 1–99. */
  spatialLayers: number;
  /** Temporal layers, 1–99. */
  temporalLayers: number;
  /** Whether spatial layers depend on each other only in key frames (`_KEY`). */
  ksvc: boolean;
};

/** How a transport finds the data producer of a message. */
export type SctpListenerDump = {
  /** Data producers by SCTP stream. */
  streamIdTable: Array<StreamEntryDump>;
};

/** What an association's ends agreed on. */
export type SctpNegotiatedCapabilities = {
  /** Streams towards the peer. */
  negotiatedMaxOutboundStreams: number;
  /** Streams from the peer. */
  negotiatedMaxInboundStreams: number;
};

/** Options of every transport that can carry data. */
export type SctpOptions = {
  /** Whether to open an SCTP association (RFC 8831). Default: false. */
  enableSctp?: boolean;
  /** Longest message that data consumers send, in bytes, 1–524288. Default: 262144. */
  maxSendMessageSize?: number;
  /**
   * Longest message that data producers receive, in bytes, 1–524288. A longer one ends the association.
   * Default: 262144.
   */
  maxReceiveMessageSize?: number;
  /** Bytes that wait for the peer at most, 1–67108864. Default: 2000000. */
  sctpSendBufferSize?: number;
  /** Bytes that wait on one stream at most, 1–67108864. Default: 2000000. */
  sctpPerStreamSendQueueLimit?: number;
  /**
   * Bytes that the peer may have sent without their being deliverable, 65536–67108864; more than the longest message.
   * Default: 5242880.
   */
  sctpMaxReceiverWindowBufferSize?: number;
  /** When the bytes that wait on a stream fall to this amount, `bufferedamountlow` is emitted. Default: 1024. */
  sctpDefaultStreamBufferedAmountLowThreshold?: number;
};

/** SCTP parameters of a transport, for signalling. */
export type SctpParameters = {
  /** SCTP port, always 5000. */
  port: number;
  /** Outgoing streams, always 1024. */
  OS: number;
  /** Incoming streams, always 65535. */
  MIS: number;
  /** The same as `maxReceiveMessageSize`, by its older name. */
  maxMessageSize: number;
  /** Longest message that data consumers send, in bytes. */
  maxSendMessageSize: number;
  /** Longest message that data producers receive, in bytes. */
  maxReceiveMessageSize: number;
  /** Bytes that wait for the peer at most. */
  sendBufferSize: number;
  /** Bytes that wait on one stream at most. */
  perStreamSendQueueLimit: number;
  /** Bytes that the peer may have sent without their being deliverable. */
  maxReceiverWindowBufferSize: number;
  /** Whether the association is one of WebRTC data channels: true on WebRTC transports. */
  isDataChannel: boolean;
};

/** State of an SCTP association. */
export type SctpState = "new" | "connecting" | "connected" | "failed" | "closed";

/** One SCTP stream and how hard it tries to deliver. */
export type SctpStreamParameters = {
  /** Stream number, 0–65534. */
  streamId: number;
  /** Whether messages come in the order in which they were sent. Default: true, and false with one of the others above 0. */
  ordered?: boolean;
  /** Milliseconds after which a message is given up, 0–65535. Above 0 not with `ordered`. */
  maxPacketLifeTime?: number;
  /** Retransmissions after which a message is given up, 0–65535. Above 0 not with `ordered`. */
  maxRetransmits?: number;
};

/** Cipher and tag lengths of SRTP. */
export type SrtpCryptoSuite = "AEAD_AES_256_GCM" | "AEAD_AES_128_GCM" | "AES_CM_128_HMAC_SHA1_80" | "AES_CM_128_HMAC_SHA1_32";

/** One end's SRTP parameters, as signalling carries them. */
export type SrtpParameters = {
  /** Cipher and tag lengths. */
  cryptoSuite: SrtpCryptoSuite;
  /**
   * Master key, then master salt, in Base64: 44 bytes with `AEAD_AES_256_GCM`, 28 with `AEAD_AES_128_GCM`, 30 with
   * the others.
   */
  keyBase64: string;
};

/** An entry of a dumped map from SSRC to object id. */
export type SsrcEntryDump = {
  /** SSRC. */
  key: number;
  /** Object id. */
  value: string;
};

/** An entry of a dumped map from stream number to data producer. */
export type StreamEntryDump = {
  /** SCTP stream. */
  key: number;
  /** Id of the data producer. */
  value: string;
};

/** Which way a traced packet went, seen from the worker. */
export type TraceDirection = "in" | "out";

/** Id of a Transport, unique within a process. */
export type TransportId = string;

/** One address to listen on, as an application gives it. */
export type TransportListenInfo = {
  /** Protocol. */
  protocol: TransportProtocol;
  /** IPv4 or IPv6 address of a local interface, or a wildcard. A link-local IPv6 address needs a zone: `fe80::1%eth0`. */
  ip: string;
  /**
   * IPv4 address, IPv6 address or host name that candidates carry.
   *
   * @deprecated Use `announcedAddress`, which wins where both are given.
   */
  announcedIp?: string;
  /** IPv4 address, IPv6 address or host name that candidates carry, for a server behind NAT. Default: `ip`. */
  announcedAddress?: string;
  /** Whether candidates carry `ip` as well where `announcedAddress` is given. Default: false. */
  exposeInternalIp?: boolean;
  /** Port, 1–65535. Default, or 0: a free one between `rtcMinPort` and `rtcMaxPort` of the worker. */
  port?: number;
  /** Range in which a free port is taken; `port` is ignored then. */
  portRange?: TransportPortRange;
  /** Socket flags. Default: none. */
  flags?: TransportSocketFlags;
  /** Send buffer of the socket in bytes. Default, or 0: the system's. */
  sendBufferSize?: number;
  /** Receive buffer of the socket in bytes. Default, or 0: the system's. */
  recvBufferSize?: number;
};

/**
 * An address to listen on with the options' protocols.
 *
 * @deprecated Use `TransportListenInfo`.
 */
export type TransportListenIp = {
  /** IPv4 or IPv6 address of a local interface, or a wildcard. */
  ip: string;
  /** IPv4 address, IPv6 address or host name that candidates carry. Default: `ip`. */
  announcedIp?: string;
};

/** An address to listen on, alone or with an announced one. */
export type TransportListenIpOrText = string | TransportListenIp;

/** Counters of one transport. */
export type TransportMetrics = {
  /** The transport. */
  transportId: TransportId;
  /** Its counters by name. */
  counters: Record<string, number>;
};

/** A range of ports, both ends included. */
export type TransportPortRange = {
  /** Lowest port, 1–65535. */
  min: number;
  /** Highest port, at least `min`. */
  max: number;
};

/** Protocol under ICE (RFC 8445 §5.1.1, RFC 6544). */
export type TransportProtocol = "udp" | "tcp";

/** Flags of a socket. */
export type TransportSocketFlags = {
  /** Refuse IPv4 on an IPv6 socket; without effect on an IPv4 one. Default: false. */
  ipv6Only?: boolean;
  /** Let several sockets share one UDP address; without effect on TCP. Default: false. */
  udpReusePort?: boolean;
};

/** One traced event of a transport. */
export type TransportTraceEventData = {
  /** Kind of event. */
  type: TransportTraceEventType;
  /** When it happened, in ms of the worker's clock. */
  timestamp: number;
  /** Which way it went. */
  direction: TraceDirection;
  /** Details, which differ by type. */
  info: unknown;
};

/** Kinds of events that a transport can trace. */
export type TransportTraceEventType = "probation" | "bwe";

/** The path between a transport and its peer. */
export type TransportTuple = {
  /**
   * Local address.
   *
   * @deprecated Use `localAddress`.
   */
  localIp: string;
  /** Local address: the announced one where there is one, otherwise the IP address. */
  localAddress: string;
  /** Local port, 1–65535. */
  localPort: number;
  /** IP address of the peer. */
  remoteIp?: string;
  /** Port of the peer, 1–65535. */
  remotePort?: number;
  /** Protocol. */
  protocol: TransportProtocol;
};

/** Kind of transport. */
export type TransportType = "webrtc" | "plain" | "pipe" | "direct";

/** A rectangle in parts of a canvas: two whole numbers with a slash between, such as `1/3`. */
export type VideoArea = {
  /** From the left edge, below 1. */
  left: string;
  /** From the upper edge, below 1. */
  top: string;
  /** Above 0; what reaches beyond the canvas is cut off. */
  width: string;
  /** Above 0; what reaches beyond the canvas is cut off. */
  height: string;
};

/** A text over the picture. */
export type VideoCaption = {
  /** What it says, at most 256 bytes; lines are parted by `\n`. */
  text: string;
  /** Where it stands. Default: `bottom`. */
  place?: VideoCaptionPlace;
};

/** Where a caption stands. */
export type VideoCaptionPlace = "top-left" | "top" | "top-right" | "centre" | "bottom-left" | "bottom" | "bottom-right";

/** How a picture fills a region of another shape. */
export type VideoFit = "letterbox" | "crop";

/** How inputs are arranged: either by a template, or in regions that are given. */
export type VideoLayout = {
  /** The smallest layout with a region for each input is shown. Default: `fluid`. */
  template?: VideoLayoutTemplate;
  /** More layouts for a template, at most 64; one with as many regions as one of the template's takes its place. */
  custom?: Array<Array<VideoRegion>>;
  /** These regions, however many inputs there are; at most 64. */
  regions?: Array<VideoRegion>;
};

/** Layouts that a mixer chooses from by the number of its inputs. */
export type VideoLayoutTemplate = "fluid" | "lecture" | "void";

/** Codec of a mixer's output. */
export type VideoMixerCodec = "vp8" | "vp9" | "h264" | "av1";

/** One encoding of an output. */
export type VideoMixerEncoding = {
  /** Columns, 16 to 4096. Default: the mix's. */
  width?: number;
  /** Rows, 16 to 2304. Default: the mix's. */
  height?: number;
  /** Pictures a second, 1 to the mix's. Default: the mix's. */
  frameRate?: number;
  /** Bits a second, 10000 to 100000000. Default: by codec, size and rate, as OWT has it. */
  bitrate?: number;
};

/** Id of a VideoMixer, unique within a process. */
export type VideoMixerId = string;

/** Id of an input of a VideoMixer, unique within a process. */
export type VideoMixerInputId = string;

/** What an input of a mixer brings, and how. */
export type VideoMixerInputOptions = {
  /** A Producer of video, of any Router of the Worker. Either this or `pictures`. */
  producerId?: ProducerId;
  /** Whether the application writes the pictures. Default: false. */
  pictures?: boolean;
  /** A name that is written into its tile, and on its card while it has no picture; at most 256 bytes. Default: none. */
  label?: string;
  /** Whether its avatar is shown, and it is not decoded. Default: false. */
  muted?: boolean;
  /** Its publisher's sound in the mix of an AudioMixer, with which its pictures are shown. */
  voice?: VideoMixerVoice;
};

/** Statistics of an input of a mixer. */
export type VideoMixerInputStats = {
  /** The input. */
  inputId: VideoMixerInputId;
  /** Frames that came. */
  frames: number;
  /** Pictures that were decoded, or written. */
  decoded: number;
  /** Frames that the decoder refused. */
  failed: number;
  /** Frames that were not decoded because nobody sees the input. */
  unseen: number;
  /** Packets, frames or pictures that were dropped because too many waited. */
  dropped: number;
  /** Times that it stood still because decoding it had taken more than its share of the time. */
  overspent: number;
  /** Times that its last picture stood still because of a frame that did not decode or those that cost too much. */
  freezes: number;
  /** Whether it stands still. */
  frozen: boolean;
  /** Whether its avatar is shown. */
  avatar: boolean;
  /** Columns of its last picture; 0 before the first. */
  width: number;
  /** Rows of its last picture; 0 before the first. */
  height: number;
  /** The publisher's spatial layer that comes; `null` where there are none to choose from. */
  spatialLayer: number | null;
  /** How much later than its sound its last frame came, in ms. */
  late: number;
};

/** Options of `worker.createVideoMixer()`. */
export type VideoMixerOptions = {
  /** Columns of the mix, 16 to 1920. Default: 640. */
  width?: number;
  /** Rows of the mix, 16 to 1080; or up to 1920 where the width is up to 1080. Default: 480. */
  height?: number;
  /** Pictures a second, 6 to 60. Default: 30. */
  frameRate?: number;
  /** How inputs are arranged. Default: the template `fluid`. */
  layout?: VideoLayout;
  /** Inputs that a template shows, 1 to 64; the others wait until one leaves. Default: 16. */
  maxShown?: number;
  /** Colour where no input is, as `#rrggbb`. Default: black. */
  background?: string;
  /** How pictures fill regions that do not say it. Default: `letterbox`. */
  fit?: VideoFit;
  /**
   * Whether a single input that fills the whole picture, in the codec, size and about the bitrate of an output, is handed
   * on instead of encoded anew. Default: true.
   */
  passThrough?: boolean;
  /**
   * Where it decodes, composes and encodes: on a thread of this process, or in a process of its own, so that a fault in a codec
   * ends that process and nothing else. Default: `thread`.
   */
  isolation?: MixerIsolation;
};

/** Id of an output of a VideoMixer, unique within a process. */
export type VideoMixerOutputId = string;

/** What an output of a mixer carries, and how. */
export type VideoMixerOutputOptions = {
  /** Codec, which the Router must have. */
  codec: VideoMixerCodec;
  /**
   * Several encodings instead of one, the smallest first, 2 to 4: a simulcast Producer for viewers of different lines.
   * Those that nobody takes are not encoded.
   */
  encodings?: Array<VideoMixerEncoding>;
  /** Longest time from one key frame to the next, in seconds, from 1 on. Default: 100. */
  keyFrameInterval?: number;
  /** Columns, 16 to 4096. Default: the mix's. */
  width?: number;
  /** Rows, 16 to 2304. Default: the mix's. */
  height?: number;
  /** Pictures a second, 1 to the mix's. Default: the mix's. */
  frameRate?: number;
  /** Bits a second, 10000 to 100000000. Default: by codec, size and rate, as OWT has it. */
  bitrate?: number;
};

/** Statistics of an output of a mixer, or of one of its encodings. */
export type VideoMixerOutputStats = {
  /** The output. */
  outputId: VideoMixerOutputId;
  /** Which of its encodings, from 0. */
  encoding: number;
  /** Whether somebody takes it. */
  taken: boolean;
  /** Frames that its encoder made, or that were passed through. */
  frames: number;
  /** Key frames among them. */
  keyFrames: number;
  /** Bytes of them. */
  bytes: number;
  /** Frames that its encoder refused to make, or left out. */
  failed: number;
  /** Frames that were passed through. */
  passed: number;
  /** How long its last frame took to encode, in µs; 0 for pictures. */
  encodeTime: number;
  /** How many outputs share its encoder, itself counted. */
  sharedBy: number;
};

/** How far a mixer gives way because there is not enough time. Each step is taken beside those before it. */
export type VideoMixerPressure = "none" | "half-rate" | "hurried" | "half-size";

/** Statistics of a mixer. */
export type VideoMixerStats = {
  /** Id of the process that composes: this one, or with `isolation: 'process'` the mixer's own. */
  pid: number;
  /** Part of its time that the mixer works, 0 to 1 and beyond, averaged over some ticks. */
  load: number;
  /** Ticks at which a picture was composed or passed through since the mixer was made, or made anew. */
  ticks: number;
  /** Ticks that were left out because the mixer came too late. */
  missedTicks: number;
  /** Ticks that were left out because nobody took anything. */
  idleTicks: number;
  /** Frames that were encoded. */
  encoded: number;
  /** How far it gives way. */
  pressure: VideoMixerPressure;
  /** How often the mixer was made anew after a fault. */
  restarts: number;
  /** Encoders in use. */
  encoders: number;
  /** Its inputs. */
  inputs: Array<VideoMixerInputStats>;
  /** Its outputs. */
  outputs: Array<VideoMixerOutputStats>;
};

/** An input of an AudioMixer of the same Worker, by which an input of a VideoMixer is heard. */
export type VideoMixerVoice = {
  /** The mixer. */
  audioMixerId: AudioMixerId;
  /** Its input. */
  inputId: AudioMixerInputId;
};

/** A place for an input. */
export type VideoRegion = {
  /** Its name, 1 to 64 bytes, another for each region of a layout. */
  id: string;
  /** Where it is. Offsets and sizes in samples are rounded down to even numbers. */
  area: VideoArea;
  /** How pictures fill it. Default: as the mixer says. */
  fit?: VideoFit;
  /** Regions with higher numbers lie above those with lower ones. Default: 0. */
  z?: number;
};

/** A region of a picture, and who stands in it. */
export type VideoTile = {
  /** Id of the region. */
  region: string;
  /** Columns left of it. */
  left: number;
  /** Rows above it. */
  top: number;
  /** Columns. */
  width: number;
  /** Rows. */
  height: number;
  /** Who stands in it; `null` while it is empty. */
  inputId: VideoMixerInputId | null;
};

/** The insides of a WebRtcServer, for debugging. */
export type WebRtcServerDump = {
  /** Id. */
  id: WebRtcServerId;
  /** Bound UDP sockets. */
  udpSockets: Array<IpPort>;
  /** Bound TCP listeners. */
  tcpServers: Array<IpPort>;
  /** Transports that use the ports. */
  webRtcTransportIds: Array<TransportId>;
  /** Which transport a STUN request belongs to. */
  localIceUsernameFragments: Array<IceUserNameFragment>;
};

/** Id of a WebRtcServer, unique within a process. */
export type WebRtcServerId = string;

/** One address of a WebRtcServer.
 *
 * @deprecated Use `TransportListenInfo`. */
export type WebRtcServerListenInfo = TransportListenInfo;

/** Options of `worker.createWebRtcServer()`. */
export type WebRtcServerOptions = {
  /** Addresses to listen on, 1–64, the preferred one first. */
  listenInfos: Array<TransportListenInfo>;
};

/** Argument of `webRtcTransport.connect()`. */
export type WebRtcTransportConnectOptions = {
  /** DTLS parameters of the peer. */
  dtlsParameters: DtlsParameters;
};

/** The insides of a WebRtcTransport, for debugging. */
export type WebRtcTransportDump = {
  /** Always `controlled`. */
  iceRole: "controlled";
  /** Local ICE parameters. */
  iceParameters: IceParameters;
  /** Local candidates. */
  iceCandidates: Array<IceCandidate>;
  /** ICE state. */
  iceState: IceState;
  /** The path in use. */
  iceSelectedTuple?: TransportTuple;
  /** Local DTLS parameters. */
  dtlsParameters: DtlsParameters;
  /** DTLS state. */
  dtlsState: DtlsState;
  /** The peer's certificate in PEM, once connected. */
  dtlsRemoteCert?: string;
  /** Id. */
  id: TransportId;
  /** Ids of its producers. */
  producerIds: Array<ProducerId>;
  /** Ids of its consumers. */
  consumerIds: Array<ConsumerId>;
  /** Consumers by the SSRC they send. */
  mapSsrcConsumerId: Array<SsrcEntryDump>;
  /** Consumers by the SSRC of their retransmissions. */
  mapRtxSsrcConsumerId: Array<SsrcEntryDump>;
  /** Ids of its data producers. */
  dataProducerIds: Array<DataProducerId>;
  /** Ids of its data consumers. */
  dataConsumerIds: Array<DataConsumerId>;
  /** Longest message that data consumers send, in bytes. */
  maxSendMessageSize: number;
  /** Longest message that data producers receive, in bytes. */
  maxReceiveMessageSize: number;
  /** SCTP parameters, if it has an association. */
  sctpParameters?: SctpParameters;
  /** State of the association. */
  sctpState?: SctpState;
  /** What the association's ends agreed on, once it is connected. */
  sctpNegotiatedCapabilities?: SctpNegotiatedCapabilities;
  /** How incoming messages find their data producer. */
  sctpListener?: SctpListenerDump;
  /** Header extensions that are read from incoming packets. */
  recvRtpHeaderExtensions: RecvRtpHeaderExtensions;
  /** How incoming packets find their producer. */
  rtpListener: RtpListenerDump;
  /** Enabled traces. */
  traceEventTypes: Array<TransportTraceEventType>;
};

/**
 * Options of `router.createWebRtcTransport()`. One of `webRtcServerId`, `listenInfos` and `listenIps` is given.
 *
 * With two of them, as applications do that keep one set of options for both ways, a server wins over addresses and
 * `listenIps` over `listenInfos`; all three are refused.
 */
export type WebRtcTransportOptions = {
  /** The WebRtcServer whose ports are shared. */
  webRtcServerId?: WebRtcServerId;
  /** Addresses to listen on, 1–64, the preferred one first. */
  listenInfos?: Array<TransportListenInfo>;
  /**
   * Addresses to listen on with the enabled protocols.
   *
   * @deprecated Use `listenInfos`.
   */
  listenIps?: Array<TransportListenIpOrText>;
  /**
   * Port for `listenIps`, 1–65535. Default, or 0: a free one in the worker's range.
   *
   * @deprecated Use `port` of `listenInfos`.
   */
  port?: number;
  /** Whether to use UDP, where `listenInfos` does not say it. Default: true. */
  enableUdp?: boolean;
  /** Whether to use TCP, where `listenInfos` does not say it. Default: true with a WebRtcServer, otherwise false. */
  enableTcp?: boolean;
  /** Whether UDP candidates are preferred; `listenInfos` say it by their order. Default: false. */
  preferUdp?: boolean;
  /** Whether TCP candidates are preferred; `listenInfos` say it by their order. Default: false. */
  preferTcp?: boolean;
  /** Seconds without consent after which the transport is disconnected (RFC 7675 §5.1); 0 never. Default: 30. */
  iceConsentTimeout?: number;
  /** First estimate of the available outgoing bitrate in bit/s. Default: 600000. */
  initialAvailableOutgoingBitrate?: number;
  /** The versions of DTLS. Not in mediasoup. Default: `1.2`. */
  dtlsVersion?: DtlsVersion;
};

/** Statistics of a WebRtcTransport. */
export type WebRtcTransportStat = {
  /** `webrtc-transport`. */
  type: string;
  /** Always `controlled`. */
  iceRole: IceRole;
  /** ICE state. */
  iceState: IceState;
  /** The path in use. */
  iceSelectedTuple?: TransportTuple;
  /** DTLS state. */
  dtlsState: DtlsState;
  /** Id of the transport. */
  transportId: string;
  /** When the numbers were read, in ms of the worker's clock. */
  timestamp: number;
  /** State of the SCTP association, if there is one. */
  sctpState?: SctpState;
  /** Bytes received, of every protocol. */
  bytesReceived: number;
  /** Bitrate received in bit/s. */
  recvBitrate: number;
  /** Bytes sent, of every protocol. */
  bytesSent: number;
  /** Bitrate sent in bit/s. */
  sendBitrate: number;
  /** Bytes of RTP packets received, retransmissions not counted. */
  rtpBytesReceived: number;
  /** Bitrate of RTP received in bit/s. */
  rtpRecvBitrate: number;
  /** Bytes of RTP packets sent, retransmissions not counted. */
  rtpBytesSent: number;
  /** Bitrate of RTP sent in bit/s. */
  rtpSendBitrate: number;
  /** Bytes of retransmissions received (RFC 4588). */
  rtxBytesReceived: number;
  /** Bitrate of retransmissions received in bit/s. */
  rtxRecvBitrate: number;
  /** Bytes of retransmissions sent. */
  rtxBytesSent: number;
  /** Bitrate of retransmissions sent in bit/s. */
  rtxSendBitrate: number;
  /** Bytes of probation packets sent. */
  probationBytesSent: number;
  /** Bitrate of probation in bit/s. */
  probationSendBitrate: number;
  /** Estimate of what the peer can receive, in bit/s. */
  availableOutgoingBitrate?: number;
  /**
   * Why the estimate is what it is: `initial`, `probe`, `increase`, `hold`, `competition`, `delay` (a queue grows on the path), `loss`,
   * `remb` (the peer receives no more), `limit` (the application set it) or `timeout` (the peer fell silent).
   */
  availableOutgoingBitrateReason?: string;
  /** Since when, in ms of the worker's clock. */
  availableOutgoingBitrateSince?: number;
  /** Estimate of what the peer can send, in bit/s. */
  availableIncomingBitrate?: number;
  /** Limit set by `setMaxIncomingBitrate()`, in bit/s. */
  maxIncomingBitrate?: number;
  /** Limit set by `setMaxOutgoingBitrate()`, in bit/s. */
  maxOutgoingBitrate?: number;
  /** Limit set by `setMinOutgoingBitrate()`, in bit/s. */
  minOutgoingBitrate?: number;
  /** Share of incoming RTP packets that were lost, 0–1. */
  rtpPacketLossReceived?: number;
  /** Share of outgoing RTP packets that were lost, 0–1. */
  rtpPacketLossSent?: number;
};

/** The insides of a worker, for debugging. */
export type WorkerDump = {
  /** Id of the process that the worker runs in. */
  pid: number;
  /** Its WebRtcServers. */
  webRtcServerIds: Array<WebRtcServerId>;
  /** Its routers. */
  routerIds: Array<RouterId>;
  /** Who answers messages. */
  channelMessageHandlers: ChannelMessageHandlersDump;
};

/** How much a worker logs; each level includes the ones below it. */
export type WorkerLogLevel = "debug" | "warn" | "error" | "none";

/** Subjects of debug and warning logs. */
export type WorkerLogTag = "info" | "ice" | "dtls" | "rtp" | "srtp" | "rtcp" | "rtx" | "bwe" | "score" | "simulcast" | "svc" | "sctp" | "message";

/** Counters of a worker and of each of its transports, by the names in [`Counters::NAMES`]. */
export type WorkerMetrics = {
  /** Counters of the worker: what no transport is to blame for, and the sums of closed transports. */
  worker: Record<string, number>;
  /** Counters of the open transports. */
  transports: Array<TransportMetrics>;
};

/** What a worker used of the machine, as getrusage(2) counts it. Linux leaves the fields it does not keep at 0. */
export type WorkerResourceUsage = {
  /** User CPU time in ms. */
  ru_utime: number;
  /** System CPU time in ms. */
  ru_stime: number;
  /** Maximum resident set size in KiB. */
  ru_maxrss: number;
  /** Integral shared memory size. */
  ru_ixrss: number;
  /** Integral unshared data size. */
  ru_idrss: number;
  /** Integral unshared stack size. */
  ru_isrss: number;
  /** Page faults without input or output. */
  ru_minflt: number;
  /** Page faults with input or output. */
  ru_majflt: number;
  /** Swaps. */
  ru_nswap: number;
  /** Block input operations. */
  ru_inblock: number;
  /** Block output operations. */
  ru_oublock: number;
  /** IPC messages sent. */
  ru_msgsnd: number;
  /** IPC messages received. */
  ru_msgrcv: number;
  /** Signals received. */
  ru_nsignals: number;
  /** Voluntary context switches. */
  ru_nvcsw: number;
  /** Involuntary context switches. */
  ru_nivcsw: number;
};

/** Options of `createWorker()`. */
export type WorkerSettings = {
  /** How much is logged. Default: `error`. */
  logLevel?: WorkerLogLevel;
  /** Subjects of debug and warning logs. Default: none. */
  logTags?: Array<WorkerLogTag>;
  /**
   * Lowest port of listeners that name none, 1–65535. Default: 10000.
   *
   * @deprecated Use `portRange` of `TransportListenInfo`.
   */
  rtcMinPort?: number;
  /**
   * Highest port of listeners that name none, at least `rtcMinPort`. Default: 59999.
   *
   * @deprecated Use `portRange` of `TransportListenInfo`.
   */
  rtcMaxPort?: number;
  /** PEM file with the DTLS certificate; needs `dtlsPrivateKeyFile`. Default: a new self-signed certificate. */
  dtlsCertificateFile?: string;
  /** PEM file with the private key of `dtlsCertificateFile`. */
  dtlsPrivateKeyFile?: string;
  /**
   * Media packets per second that each peer may send, RTCP included; 0 for no limit. Default: 10000.
   *
   * What exceeds it is dropped and counted, so that one peer cannot take the worker from others.
   */
  peerPacketRateMax?: number;
  /**
   * Bits per second that each peer may send in media packets, RTCP included; 0 for no limit. Default: 100000000.
   *
   * What exceeds it is dropped and counted.
   */
  peerBitrateMax?: number;
};

/** Options of `worker.updateSettings()`; what is absent stays as it is. */
export type WorkerUpdateableSettings = {
  /** How much is logged. */
  logLevel?: WorkerLogLevel;
  /** Subjects of debug and warning logs. */
  logTags?: Array<WorkerLogTag>;
};
