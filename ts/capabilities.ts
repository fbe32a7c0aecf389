import { addon } from './addon.js';
import type { RouterRtpCapabilities, ScalabilityMode } from './generated/model.js';

/** The version of this package. */
export const version: string = addon.version();

/** Everything that a Router can be made to support: all codecs, header extensions and feedback. A copy, free to change. */
export function getSupportedRtpCapabilities(): RouterRtpCapabilities {
  return JSON.parse(addon.getSupportedRtpCapabilities());
}

/**
 * Reads a scalability mode such as `L3T3_KEY` (W3C WebRTC-SVC). What is none counts as `L1T1`: one layer of each kind.
 */
export function parseScalabilityMode(scalabilityMode?: string): ScalabilityMode {
  return JSON.parse(addon.parseScalabilityMode(typeof scalabilityMode === 'string' ? scalabilityMode : ''));
}
