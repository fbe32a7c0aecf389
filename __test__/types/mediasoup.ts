// mediasoup's published types judge ours: code that was typed against them accepts what this package gives. Nothing here
// runs; `facade-types.test.ts` compiles it.
//
// What does not hold stands beside its class, with the reason. A list that names too much fails like one that names too
// little, so that the lists only shrink.

import type * as Theirs from 'mediasoup';
import type * as theirs from 'mediasoup/types';
import type * as Ours from '../../ts/index.js';
import type * as ours from '../../ts/types.js';
import type { Assignable, Expect, OnlyExcept, Refused, Unmet } from './judge.js';

/** Classes that other parts bring; `Router` and the like are assignable as a whole once they are there. */
type AbsentClass = 'data of the application';

/** Reasons for exceptions. */
type Reason =
  | AbsentClass
  // It gives, takes or tells of objects of a class that has exceptions of its own.
  | 'Router has exceptions'
  | 'Transport has exceptions'
  | 'Producer has exceptions'
  | 'DataProducer has exceptions'
  // Marked so in mediasoup's types: its classes call it, applications do not.
  | 'private in mediasoup'
  // Only an object that this package made will do.
  | 'takes our own class'
  | 'tells of more than in mediasoup'
  | 'there is no such thing here'
  | 'wrong in mediasoup';

/** Exceptions: members, each with its reason. */
type Except<List extends Partial<Record<string, Reason>>> = keyof List;

/** The members of our class do for theirs. Those of their emitters are compared once for all. */
type ClassDoes<Theirs, Ours, Exceptions = never> = OnlyExcept<
  Exclude<Unmet<Theirs, Ours>, keyof theirs.Observer>,
  Exceptions
>;

/** Our events, but for those that start with `@`, by which mediasoup's classes talk to each other. */
type EventsDo<Theirs, Ours, Exceptions = never> = OnlyExcept<Exclude<Unmet<Theirs, Ours>, `@${string}`>, Exceptions>;

/** What we give has what theirs has. */
type DataDoes<Theirs, Ours, Exceptions = never> = OnlyExcept<Unmet<Theirs, Ours>, Exceptions>;

/** We take what is written for theirs. */
type OptionsDo<Theirs, Ours, Exceptions = never> = OnlyExcept<Refused<Theirs, Ours>, Exceptions>;

// The module.

type ModuleExceptions = Except<{
  workerBin: 'there is no such thing here';
  // How the compiler shows a CommonJS module.
  default: 'there is no such thing here';
  createWorker: 'Router has exceptions';
  observer: 'Router has exceptions';
  ortc: 'there is no such thing here';
  // The class has no `once`, `on` and `defaultMaxListeners` as statics, which Node's has; `enhancedOnce` takes our class.
  extras: 'there is no such thing here';
}>;
type IndexExceptions = Extract<ModuleExceptions, keyof theirs.Index>;
type OrtcExceptions = Except<{
  // FlatBuffers, between mediasoup and its worker.
  serializeRtpMapping: 'there is no such thing here';
}>;
export type Module = [
  Expect<DataDoes<typeof Theirs, typeof Ours, ModuleExceptions>>,
  Expect<DataDoes<typeof Theirs.ortc, typeof Ours.ortc, OrtcExceptions>>,
  Expect<DataDoes<theirs.Index, ours.Index, IndexExceptions>>,
  Expect<Assignable<typeof Theirs.errors, typeof Ours.errors>>,
  Expect<Assignable<theirs.Either<{ a: 1 }, { b: 2 }>, ours.Either<{ a: 1 }, { b: 2 }>>>,
];

// The emitter of every class.

type SomeEvents = { one: [number]; two: [] };
export type Emitter = Expect<
  Assignable<Theirs.extras.EnhancedEventEmitter<SomeEvents>, Ours.extras.EnhancedEventEmitter<SomeEvents>>
>;

// Worker.

type CreatesRouters = Except<{
  createRouter: 'Router has exceptions';
  createWebRtcServer: 'Router has exceptions';
  observer: 'Router has exceptions';
}>;
type TellsOfRouters = Except<{ newrouter: 'Router has exceptions'; newwebrtcserver: 'Router has exceptions' }>;
export type Worker = [
  Expect<ClassDoes<theirs.Worker, ours.Worker, CreatesRouters>>,
  Expect<EventsDo<theirs.WorkerEvents, ours.WorkerEvents>>,
  Expect<EventsDo<theirs.WorkerObserverEvents, ours.WorkerObserverEvents, TellsOfRouters>>,
  Expect<EventsDo<theirs.ObserverEvents, ours.ObserverEvents, Except<{ newworker: 'Router has exceptions' }>>>,
  Expect<OptionsDo<theirs.WorkerSettings, ours.WorkerSettings>>,
  Expect<OptionsDo<theirs.WorkerUpdateableSettings, ours.WorkerUpdateableSettings>>,
  Expect<OptionsDo<theirs.LogEventListeners, ours.LogEventListeners>>,
  Expect<DataDoes<theirs.WorkerDump, ours.WorkerDump>>,
  Expect<DataDoes<theirs.WorkerResourceUsage, ours.WorkerResourceUsage>>,
];

// WebRtcServer.

type ServerExceptions = Except<{
  observer: 'Transport has exceptions';
  handleWebRtcTransport: 'private in mediasoup';
}>;
type TellsOfTransports = Except<{
  webrtctransporthandled: 'Transport has exceptions';
  webrtctransportunhandled: 'Transport has exceptions';
}>;
export type WebRtcServer = [
  Expect<ClassDoes<theirs.WebRtcServer, ours.WebRtcServer, ServerExceptions>>,
  Expect<EventsDo<theirs.WebRtcServerEvents, ours.WebRtcServerEvents>>,
  Expect<EventsDo<theirs.WebRtcServerObserverEvents, ours.WebRtcServerObserverEvents, TellsOfTransports>>,
  Expect<OptionsDo<theirs.WebRtcServerOptions, ours.WebRtcServerOptions>>,
  Expect<DataDoes<theirs.WebRtcServerDump, ours.WebRtcServerDump>>,
];

// Router.

type RouterExceptions = Except<{
  createPlainTransport: 'Transport has exceptions';
  createPipeTransport: 'Transport has exceptions';
  createDirectTransport: 'Transport has exceptions';
  pipeToRouter: 'Producer has exceptions';
  createActiveSpeakerObserver: 'Producer has exceptions';
  createAudioLevelObserver: 'Producer has exceptions';
  createWebRtcTransport: 'Transport has exceptions';
  observer: 'Transport has exceptions';
}>;
type RouterObserverExceptions = Except<{
  newtransport: 'Transport has exceptions';
  newrtpobserver: 'Producer has exceptions';
}>;
export type Router = [
  Expect<ClassDoes<theirs.Router, ours.Router, RouterExceptions>>,
  Expect<EventsDo<theirs.RouterEvents, ours.RouterEvents>>,
  Expect<EventsDo<theirs.RouterObserverEvents, ours.RouterObserverEvents, RouterObserverExceptions>>,
  Expect<OptionsDo<theirs.RouterOptions, ours.RouterOptions>>,
  Expect<DataDoes<theirs.RouterDump, ours.RouterDump>>,
];

// RtpObserver.

type RtpObserverExceptions = Except<{ routerClosed: 'private in mediasoup'; observer: 'Producer has exceptions' }>;
type TellsOfProducers = Except<{ addproducer: 'Producer has exceptions'; removeproducer: 'Producer has exceptions' }>;
type TellsOfSpeakers = Except<{ dominantspeaker: 'Producer has exceptions' }>;
type TellsOfVolumes = Except<{ volumes: 'Producer has exceptions' }>;
export type RtpObserver = [
  Expect<ClassDoes<theirs.RtpObserver, ours.RtpObserver, RtpObserverExceptions>>,
  Expect<EventsDo<theirs.RtpObserverEvents, ours.RtpObserverEvents>>,
  Expect<EventsDo<theirs.RtpObserverObserverEvents, ours.RtpObserverObserverEvents, TellsOfProducers>>,
  Expect<ClassDoes<theirs.ActiveSpeakerObserver, ours.ActiveSpeakerObserver, RtpObserverExceptions>>,
  Expect<EventsDo<theirs.ActiveSpeakerObserverEvents, ours.ActiveSpeakerObserverEvents, TellsOfSpeakers>>,
  Expect<
    EventsDo<
      theirs.ActiveSpeakerObserverObserverEvents,
      ours.ActiveSpeakerObserverObserverEvents,
      TellsOfProducers | TellsOfSpeakers
    >
  >,
  Expect<OptionsDo<theirs.ActiveSpeakerObserverOptions, ours.ActiveSpeakerObserverOptions>>,
  Expect<ClassDoes<theirs.AudioLevelObserver, ours.AudioLevelObserver, RtpObserverExceptions>>,
  Expect<EventsDo<theirs.AudioLevelObserverEvents, ours.AudioLevelObserverEvents, TellsOfVolumes>>,
  Expect<
    EventsDo<
      theirs.AudioLevelObserverObserverEvents,
      ours.AudioLevelObserverObserverEvents,
      TellsOfProducers | TellsOfVolumes
    >
  >,
  Expect<OptionsDo<theirs.AudioLevelObserverOptions, ours.AudioLevelObserverOptions>>,
];

// Transport.

type TransportExceptions = Except<{
  produce: 'Producer has exceptions';
  consume: 'Producer has exceptions';
  produceData: 'DataProducer has exceptions';
  consumeData: 'DataProducer has exceptions';
  observer: 'Producer has exceptions';
  routerClosed: 'private in mediasoup';
  listenServerClosed: 'private in mediasoup';
}>;
type TransportObserverExceptions = Except<{
  newproducer: 'Producer has exceptions';
  newconsumer: 'Producer has exceptions';
  newdataproducer: 'DataProducer has exceptions';
  newdataconsumer: 'DataProducer has exceptions';
}>;
export type Transport = [
  Expect<ClassDoes<theirs.Transport, ours.Transport, TransportExceptions>>,
  Expect<EventsDo<theirs.TransportEvents, ours.TransportEvents>>,
  Expect<EventsDo<theirs.TransportObserverEvents, ours.TransportObserverEvents, TransportObserverExceptions>>,
  Expect<OptionsDo<theirs.TransportListenInfo, ours.TransportListenInfo>>,
  Expect<OptionsDo<theirs.TransportListenIp, ours.TransportListenIp>>,
  Expect<DataDoes<theirs.TransportTuple, ours.TransportTuple>>,
  Expect<DataDoes<theirs.TransportTraceEventData, ours.TransportTraceEventData>>,
];

// WebRtcTransport.

type WebRtcTransportExceptions = Except<{ dump: 'wrong in mediasoup' }>;
type WebRtcTransportOptionsExceptions = Except<{ webRtcServer: 'takes our own class' }>;
type WebRtcTransportDumpExceptions = Except<{
  // A MID and a RID are strings, and come so from mediasoup as well.
  rtpListener: 'wrong in mediasoup';
}>;
export type WebRtcTransport = [
  Expect<ClassDoes<theirs.WebRtcTransport, ours.WebRtcTransport, TransportExceptions | WebRtcTransportExceptions>>,
  Expect<EventsDo<theirs.WebRtcTransportEvents, ours.WebRtcTransportEvents>>,
  Expect<
    EventsDo<theirs.WebRtcTransportObserverEvents, ours.WebRtcTransportObserverEvents, TransportObserverExceptions>
  >,
  Expect<OptionsDo<theirs.WebRtcTransportOptions, ours.WebRtcTransportOptions, WebRtcTransportOptionsExceptions>>,
  Expect<DataDoes<theirs.WebRtcTransportDump, ours.WebRtcTransportDump, WebRtcTransportDumpExceptions>>,
  Expect<DataDoes<theirs.WebRtcTransportStat, ours.WebRtcTransportStat>>,
  Expect<Assignable<theirs.IceParameters, ours.IceParameters>>,
  Expect<Assignable<theirs.IceCandidate, ours.IceCandidate>>,
  Expect<Assignable<theirs.DtlsParameters, ours.DtlsParameters>>,
  Expect<Assignable<ours.DtlsParameters, theirs.DtlsParameters>>,
];

// PlainTransport and PipeTransport.

type PlainTransportExceptions = Except<{ dump: 'wrong in mediasoup' }>;
export type PlainTransport = [
  Expect<ClassDoes<theirs.PlainTransport, ours.PlainTransport, TransportExceptions | PlainTransportExceptions>>,
  Expect<EventsDo<theirs.PlainTransportEvents, ours.PlainTransportEvents>>,
  Expect<EventsDo<theirs.PlainTransportObserverEvents, ours.PlainTransportObserverEvents, TransportObserverExceptions>>,
  Expect<OptionsDo<theirs.PlainTransportOptions, ours.PlainTransportOptions>>,
  Expect<DataDoes<theirs.PlainTransportDump, ours.PlainTransportDump, WebRtcTransportDumpExceptions>>,
  Expect<DataDoes<theirs.PlainTransportStat, ours.PlainTransportStat>>,
  Expect<Assignable<theirs.SrtpParameters, ours.SrtpParameters>>,
  Expect<Assignable<ours.SrtpParameters, theirs.SrtpParameters>>,
];
export type PipeTransport = [
  Expect<ClassDoes<theirs.PipeTransport, ours.PipeTransport, TransportExceptions | PlainTransportExceptions>>,
  Expect<EventsDo<theirs.PipeTransportEvents, ours.PipeTransportEvents>>,
  Expect<EventsDo<theirs.PipeTransportObserverEvents, ours.PipeTransportObserverEvents, TransportObserverExceptions>>,
  Expect<OptionsDo<theirs.PipeTransportOptions, ours.PipeTransportOptions>>,
  Expect<OptionsDo<theirs.PipeConsumerOptions, ours.PipeConsumerOptions>>,
  Expect<DataDoes<theirs.PipeTransportDump, ours.PipeTransportDump, WebRtcTransportDumpExceptions>>,
  Expect<DataDoes<theirs.PipeTransportStat, ours.PipeTransportStat>>,
  Expect<OptionsDo<theirs.PipeToRouterOptions, ours.PipeToRouterOptions, Except<{ router: 'takes our own class' }>>>,
  Expect<
    DataDoes<
      theirs.PipeToRouterResult,
      ours.PipeToRouterResult,
      Except<{
        pipeProducer: 'Producer has exceptions';
        pipeConsumer: 'Producer has exceptions';
        pipeDataProducer: 'DataProducer has exceptions';
        pipeDataConsumer: 'DataProducer has exceptions';
      }>
    >
  >,
];

// DirectTransport.

type DirectTransportDumpExceptions = Except<{
  rtpListener: 'wrong in mediasoup';
}>;
type Dump = Except<{ dump: 'wrong in mediasoup' }>;
export type DirectTransport = [
  Expect<ClassDoes<theirs.DirectTransport, ours.DirectTransport, TransportExceptions | Dump>>,
  Expect<EventsDo<theirs.DirectTransportEvents, ours.DirectTransportEvents>>,
  Expect<
    EventsDo<theirs.DirectTransportObserverEvents, ours.DirectTransportObserverEvents, TransportObserverExceptions>
  >,
  Expect<OptionsDo<theirs.DirectTransportOptions, ours.DirectTransportOptions>>,
  Expect<DataDoes<theirs.DirectTransportDump, ours.DirectTransportDump, DirectTransportDumpExceptions>>,
  Expect<DataDoes<theirs.DirectTransportStat, ours.DirectTransportStat>>,
];

// Producer.

type ProducerExceptions = Except<{
  transportClosed: 'private in mediasoup';
  // `rtpStreams` is undefined there before the first packet, whatever the type says.
  dump: 'wrong in mediasoup';
}>;
export type Producer = [
  Expect<ClassDoes<theirs.Producer, ours.Producer, ProducerExceptions>>,
  Expect<EventsDo<theirs.ProducerEvents, ours.ProducerEvents>>,
  Expect<EventsDo<theirs.ProducerObserverEvents, ours.ProducerObserverEvents>>,
  Expect<OptionsDo<theirs.ProducerOptions, ours.ProducerOptions>>,
  Expect<DataDoes<theirs.ProducerDump, ours.ProducerDump>>,
  Expect<DataDoes<theirs.ProducerStat, ours.ProducerStat>>,
  Expect<DataDoes<theirs.ProducerTraceEventData, ours.ProducerTraceEventData>>,
];

// Consumer.

type ConsumerExceptions = Except<{
  transportClosed: 'private in mediasoup';
  // `producerreplace`.
  observer: 'tells of more than in mediasoup';
}>;
export type Consumer = [
  Expect<ClassDoes<theirs.Consumer, ours.Consumer, ConsumerExceptions>>,
  Expect<EventsDo<theirs.ConsumerEvents, ours.ConsumerEvents>>,
  Expect<EventsDo<theirs.ConsumerObserverEvents, ours.ConsumerObserverEvents>>,
  Expect<OptionsDo<theirs.ConsumerOptions, ours.ConsumerOptions>>,
  Expect<DataDoes<theirs.SimpleConsumerDump, ours.ConsumerDump>>,
  Expect<DataDoes<theirs.BaseConsumerDump, ours.BaseConsumerDump>>,
  Expect<DataDoes<theirs.SimpleConsumerDump, ours.SimpleConsumerDump>>,
  Expect<DataDoes<theirs.SimulcastConsumerDump, ours.SimulcastConsumerDump>>,
  Expect<DataDoes<theirs.SvcConsumerDump, ours.SvcConsumerDump>>,
  Expect<DataDoes<theirs.PipeConsumerDump, ours.PipeConsumerDump>>,
  Expect<DataDoes<theirs.ConsumerStat, ours.ConsumerStat>>,
  Expect<DataDoes<theirs.ConsumerTraceEventData, ours.ConsumerTraceEventData>>,
];

// DataProducer and DataConsumer.

type DataProducerExceptions = Except<{ transportClosed: 'private in mediasoup' }>;
export type DataProducer = [
  Expect<ClassDoes<theirs.DataProducer, ours.DataProducer, DataProducerExceptions>>,
  Expect<EventsDo<theirs.DataProducerEvents, ours.DataProducerEvents>>,
  Expect<EventsDo<theirs.DataProducerObserverEvents, ours.DataProducerObserverEvents>>,
  Expect<OptionsDo<theirs.DataProducerOptions, ours.DataProducerOptions>>,
  Expect<DataDoes<theirs.DataProducerDump, ours.DataProducerDump>>,
  Expect<DataDoes<theirs.DataProducerStat, ours.DataProducerStat>>,
];
export type DataConsumer = [
  Expect<ClassDoes<theirs.DataConsumer, ours.DataConsumer, Except<{ transportClosed: 'private in mediasoup' }>>>,
  Expect<EventsDo<theirs.DataConsumerEvents, ours.DataConsumerEvents>>,
  Expect<EventsDo<theirs.DataConsumerObserverEvents, ours.DataConsumerObserverEvents>>,
  Expect<OptionsDo<theirs.DataConsumerOptions, ours.DataConsumerOptions>>,
  Expect<DataDoes<theirs.DataConsumerDump, ours.DataConsumerDump>>,
  Expect<DataDoes<theirs.DataConsumerStat, ours.DataConsumerStat>>,
];
export type Sctp = [
  Expect<Assignable<theirs.SctpParameters, ours.SctpParameters>>,
  Expect<Assignable<theirs.SctpState, ours.SctpState>>,
  Expect<Assignable<theirs.SctpNegotiatedCapabilities, ours.SctpNegotiatedCapabilities>>,
];

// RTP parameters travel both ways.

export type RtpParameters = [
  Expect<Assignable<theirs.RtpParameters, ours.RtpParameters>>,
  Expect<Assignable<ours.RtpParameters, theirs.RtpParameters>>,
  Expect<Assignable<theirs.RtpCapabilities, ours.RtpCapabilities>>,
  Expect<Assignable<ours.RtpCapabilities, theirs.RtpCapabilities>>,
  Expect<Assignable<theirs.RouterRtpCapabilities, ours.RouterRtpCapabilities>>,
  Expect<Assignable<ours.RouterRtpCapabilities, theirs.RouterRtpCapabilities>>,
  Expect<Assignable<theirs.RouterRtpCodecCapability, ours.RouterRtpCodecCapability>>,
  Expect<Assignable<ours.RouterRtpCodecCapability, theirs.RouterRtpCodecCapability>>,
  Expect<Assignable<theirs.ScalabilityMode, ours.ScalabilityMode>>,
  Expect<Assignable<theirs.BitrateByLayer, ours.BitrateByLayer>>,
];

// The judge sees: what is missing, what has another type, and what is excepted without need.

type Told = { kept: string; other: string; gone: string };
type Given = { kept: string; other: number };
export type Judge = [
  Expect<DataDoes<Told, Given, 'other' | 'gone'>>,
  // @ts-expect-error `gone` is not listed
  Expect<DataDoes<Told, Given, 'other'>>,
  // @ts-expect-error `kept` is listed without need
  Expect<DataDoes<Told, Given, 'other' | 'gone' | 'kept'>>,
  Expect<OptionsDo<{ some: 1 | 2; more?: string }, { some: 1; more?: string }, 'some'>>,
  // @ts-expect-error not all values of `some` are taken
  Expect<OptionsDo<{ some: 1 | 2 }, { some: 1 }>>,
  // @ts-expect-error `worse` is no reason
  Except<{ some: 'worse' }>,
];
