import type { ConsumerDump, RtpStreamRecvStats } from './generated/model.js';

/** What `import * as mediasoup` is held in, by applications that take it as an argument or put a fake in its place. */
export type Index = Pick<
  typeof import('./index.js'),
  | 'version'
  | 'observer'
  | 'setLogEventListeners'
  | 'createWorker'
  | 'getSupportedRtpCapabilities'
  | 'parseScalabilityMode'
>;

/** Bitrate of each layer in bit/s, by `spatial.temporal`. */
export type BitrateByLayer = RtpStreamRecvStats['bitrateByLayer'];

/** One of two shapes, without the members of the other. */
export type Either<One, Other> = Only<One, Other> | Only<Other, One>;

type Only<One, Other> = { [Key in keyof One]: One[Key] } & { [Key in keyof Other]?: never };

/** What the dump of every Consumer has. */
export type BaseConsumerDump = Omit<ConsumerDump, 'type' | 'rtpStream' | 'rtpStreams' | LayerOfDump>;

/** The dump of a Consumer of one stream without a choice of layers. */
export type SimpleConsumerDump = BaseConsumerDump & Pick<ConsumerDump, 'type' | 'rtpStream'>;

/** The dump of a Consumer of one of several streams. */
export type SimulcastConsumerDump = SimpleConsumerDump & Required<Pick<ConsumerDump, LayerOfDump>>;

/** The dump of a Consumer of layers of one stream. */
export type SvcConsumerDump = SimulcastConsumerDump;

/** The dump of a Consumer of all streams. */
export type PipeConsumerDump = BaseConsumerDump &
  Pick<ConsumerDump, 'type'> &
  Required<Pick<ConsumerDump, 'rtpStreams'>>;

type LayerOfDump = Extract<keyof ConsumerDump, `${string}${'Spatial' | 'Temporal'}Layer`>;
