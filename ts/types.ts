export type {
  ActiveAudioSelector,
  ActiveAudioSelectorEvents,
  ActiveAudioSelectorObserver,
  ActiveAudioSelectorObserverEvents,
  ActiveAudioSelectorOptions,
  ActiveAudioSelectorOwnerChange,
} from './active-audio-selector.js';
export type {
  ActiveSpeakerObserver,
  ActiveSpeakerObserverDominantSpeaker,
  ActiveSpeakerObserverEvents,
  ActiveSpeakerObserverObserver,
  ActiveSpeakerObserverObserverEvents,
  ActiveSpeakerObserverOptions,
} from './active-speaker-observer.js';
export type { AudioFrame, AudioFrames, AudioFramesOptions } from './audio-frames.js';
export type {
  AudioLevelObserver,
  AudioLevelObserverEvents,
  AudioLevelObserverObserver,
  AudioLevelObserverObserverEvents,
  AudioLevelObserverOptions,
  AudioLevelObserverVolume,
} from './audio-level-observer.js';
export type {
  AudioMixer,
  AudioMixerEvents,
  AudioMixerFramesOptions,
  AudioMixerObserver,
  AudioMixerObserverEvents,
  AudioMixerOptions,
  AudioMixerRestart,
  AudioMixerVolume,
} from './audio-mixer.js';
export type {
  AudioMixerInput,
  AudioMixerInputEvents,
  AudioMixerInputObserver,
  AudioMixerInputObserverEvents,
  AudioMixerInputOptions,
} from './audio-mixer-input.js';
export type {
  AudioMixerOutput,
  AudioMixerOutputEvents,
  AudioMixerOutputObserver,
  AudioMixerOutputObserverEvents,
  AudioMixerOutputOptions,
} from './audio-mixer-output.js';
export type {
  AudioTranscoder,
  AudioTranscoderEvents,
  AudioTranscoderOptions,
} from './audio-transcoder.js';
export type {
  Consumer,
  ConsumerEvents,
  ConsumerObserver,
  ConsumerObserverEvents,
  ConsumerOptions,
} from './consumer.js';
export type {
  DataConsumer,
  DataConsumerEvents,
  DataConsumerObserver,
  DataConsumerObserverEvents,
  DataConsumerOptions,
} from './data-consumer.js';
export type {
  DataProducer,
  DataProducerEvents,
  DataProducerObserver,
  DataProducerObserverEvents,
  DataProducerOptions,
} from './data-producer.js';
export type {
  DirectTransport,
  DirectTransportEvents,
  DirectTransportObserver,
  DirectTransportObserverEvents,
  DirectTransportOptions,
} from './direct-transport.js';
export type { EnhancedEventEmitter } from './enhanced-event-emitter.js';
export type * from './errors.js';
export type * from './generated/model.js';
export type { LogEventListeners } from './logger.js';
export type {
  BaseConsumerDump,
  BitrateByLayer,
  Either,
  Index,
  PipeConsumerDump,
  SimpleConsumerDump,
  SimulcastConsumerDump,
  SvcConsumerDump,
} from './module-types.js';
export type { PipeToRouterOptions, PipeToRouterResult } from './pipe-to-router.js';
export type {
  PipeConsumerOptions,
  PipeTransport,
  PipeTransportEvents,
  PipeTransportObserver,
  PipeTransportObserverEvents,
  PipeTransportOptions,
  PipeTransportPair,
} from './pipe-transport.js';
export type {
  PlainTransport,
  PlainTransportEvents,
  PlainTransportObserver,
  PlainTransportObserverEvents,
  PlainTransportOptions,
} from './plain-transport.js';
export type {
  Producer,
  ProducerEvents,
  ProducerObserver,
  ProducerObserverEvents,
  ProducerOptions,
} from './producer.js';
export type { AppData } from './remote-object.js';
export type { Router, RouterEvents, RouterObserver, RouterObserverEvents, RouterOptions } from './router.js';
export type {
  RtpObserver,
  RtpObserverEvents,
  RtpObserverObserver,
  RtpObserverObserverEvents,
} from './rtp-observer.js';
export type { SnapshotOptions } from './snapshot.js';
export type {
  Transport,
  TransportEvents,
  TransportObserver,
  TransportObserverEvents,
  TransportType,
} from './transport.js';
export type { VideoFrame, VideoFrames, VideoFramesOptions } from './video-frames.js';
export type {
  VideoMixer,
  VideoMixerEvents,
  VideoMixerObserver,
  VideoMixerObserverEvents,
  VideoMixerOptions,
  VideoMixerRestart,
  VideoMixerTile,
} from './video-mixer.js';
export type {
  VideoMixerInput,
  VideoMixerInputEvents,
  VideoMixerInputObserver,
  VideoMixerInputObserverEvents,
  VideoMixerInputOptions,
} from './video-mixer-input.js';
export type {
  VideoMixerOutput,
  VideoMixerOutputEvents,
  VideoMixerOutputObserver,
  VideoMixerOutputObserverEvents,
  VideoMixerOutputOptions,
} from './video-mixer-output.js';
export type { VideoPicture } from './video-picture.js';
export type { VideoTranscoder, VideoTranscoderEvents, VideoTranscoderOptions } from './video-transcoder.js';
export type {
  WebRtcServer,
  WebRtcServerEvents,
  WebRtcServerObserver,
  WebRtcServerObserverEvents,
  WebRtcServerOptions,
} from './webrtc-server.js';
export type {
  WebRtcTransport,
  WebRtcTransportEvents,
  WebRtcTransportObserver,
  WebRtcTransportObserverEvents,
  WebRtcTransportOptions,
} from './webrtc-transport.js';
export type {
  Observer,
  ObserverEvents,
  Worker,
  WorkerEvents,
  WorkerObserver,
  WorkerObserverEvents,
  WorkerOverload,
  WorkerSettings,
} from './worker.js';
