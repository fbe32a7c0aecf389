export { getSupportedRtpCapabilities, parseScalabilityMode, version } from './capabilities.js';
export { createWorker } from './create-worker.js';
export * as extras from './enhanced-event-emitter.js';
export * as errors from './errors.js';
export { setLogEventListeners } from './logger.js';
export * as ortc from './ortc.js';
export type * from './types.js';
export type * as types from './types.js';
export { observer } from './worker.js';
