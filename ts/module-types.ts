import type { RtpStreamRecvStats } from './generated/model.js';

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
