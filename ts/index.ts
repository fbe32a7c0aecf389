export { getSupportedRtpCapabilities, parseScalabilityMode, version } from './capabilities.js';
export { createWorker } from './create-worker.js';
export * as extras from './enhanced-event-emitter.js';
export * as errors from './errors.js';
// `import mediasoup from 'mediasoup'` works, as with every CommonJS module; so this does as well.
export * as default from './index.js';
export { setLogEventListeners } from './logger.js';
export * as ortc from './ortc.js';
export type * from './types.js';
export type * as types from './types.js';
export { observer } from './worker.js';
