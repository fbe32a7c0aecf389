import { randomBytes } from 'node:crypto';
import { addon } from './addon.js';
import type {
  RouterRtpCapabilities,
  RouterRtpCodecCapability,
  RtpCapabilities,
  RtpCodecsEncodingsMapping,
  RtpParameters,
  SctpStreamParameters,
} from './generated/model.js';
import { errorFromAddon, toJson } from './native-events.js';

export type { RtpCodecsEncodingsMapping } from './generated/model.js';

/**
 * Checks RTP capabilities and fills in, in the object itself, what was left out.
 *
 * @throws `TypeError` that names what is malformed.
 */
export function validateAndNormalizeRtpCapabilities(caps: RtpCapabilities | RouterRtpCapabilities): void {
  Object.assign(caps, ask<RtpCapabilities>(addon.normalizeRtpCapabilities, caps));
}

/**
 * Checks RTP parameters and fills in, in the object itself, what was left out.
 *
 * @throws `TypeError` that names what is malformed or contradicts another part.
 */
export function validateAndNormalizeRtpParameters(params: RtpParameters): void {
  Object.assign(params, ask<RtpParameters>(addon.normalizeRtpParameters, params));
}

/**
 * Makes the capabilities of a Router with these codecs.
 *
 * @throws `TypeError` when a codec is malformed; {@link UnsupportedError} when one is not supported.
 */
export function generateRouterRtpCapabilities(mediaCodecs: RouterRtpCodecCapability[] = []): RtpCapabilities {
  return ask(addon.generateRouterRtpCapabilities, { mediaCodecs });
}

/**
 * Finds the Router's codec for each codec of a Producer, and gives its streams numbers within the Router. The
 * `profile-level-id` of an H.264 codec in `params` becomes the one that both know.
 *
 * @param params - Normalised parameters of the Producer.
 * @param caps - Capabilities of the Router.
 * @throws `TypeError` when either is malformed; {@link UnsupportedError} for a codec that the Router does not offer.
 */
export function getProducerRtpParametersMapping(
  params: RtpParameters,
  caps: RtpCapabilities,
): RtpCodecsEncodingsMapping {
  const request = { rtpParameters: params, rtpCapabilities: caps, random: randomBits() };
  const { rtpParameters, rtpMapping } = ask<MappingReply>(addon.producerRtpParametersMapping, request);
  Object.assign(params, rtpParameters);
  return rtpMapping;
}

/** Makes the parameters from which those of every Consumer of a Producer are derived. */
export function getConsumableRtpParameters(
  kind: string,
  params: RtpParameters,
  caps: RtpCapabilities,
  rtpMapping: RtpCodecsEncodingsMapping,
): RtpParameters {
  const request = { kind, rtpParameters: params, rtpCapabilities: caps, rtpMapping };
  return ask(addon.consumableRtpParameters, request);
}

/**
 * Checks `SctpStreamParameters` and writes `ordered` out.
 *
 * @throws `TypeError` that names what is malformed.
 */
export function validateAndNormalizeSctpStreamParameters(params: SctpStreamParameters): void {
  Object.assign(params, ask<SctpStreamParameters>(addon.normalizeSctpStreamParameters, params));
}

/**
 * Tells whether an endpoint with these capabilities can consume a Producer.
 *
 * @throws `TypeError` when the capabilities are malformed.
 */
export function canConsume(consumableParams: RtpParameters, caps: RtpCapabilities): boolean {
  return guarded(() => addon.canConsume(toJson(consumableParams), toJson(caps)));
}

/**
 * Makes the parameters of one Consumer: what both sides know, and one stream with a new SSRC.
 *
 * @throws `TypeError` when something is malformed; {@link UnsupportedError} when no codec is left.
 */
export function getConsumerRtpParameters(options: {
  /** From {@link getConsumableRtpParameters}. */
  consumableRtpParameters: RtpParameters;
  /** Of the endpoint that receives. */
  remoteRtpCapabilities: RtpCapabilities;
  /** Whether all streams of the Producer are wanted. */
  pipe: boolean;
  /** Whether lost packets shall be sent again. */
  enableRtx: boolean;
}): RtpParameters {
  return ask(addon.consumerRtpParameters, { ...options, random: randomBits() });
}

/**
 * Makes the parameters of a Consumer that carries a Producer to another Router: all its streams, with new SSRCs.
 *
 * @throws `TypeError` when something is malformed.
 */
export function getPipeConsumerRtpParameters(options: {
  /** From {@link getConsumableRtpParameters}. */
  consumableRtpParameters: RtpParameters;
  /** Whether lost packets shall be sent again. */
  enableRtx: boolean;
}): RtpParameters {
  return ask(addon.pipeConsumerRtpParameters, { ...options, random: randomBits() });
}

type MappingReply = { readonly rtpParameters: RtpParameters; readonly rtpMapping: RtpCodecsEncodingsMapping };

/** Calls a function of the addon that takes and gives JSON text. */
function ask<Reply>(call: (request: string) => string, request: object): Reply {
  const text = toJson(request);
  return JSON.parse(guarded(() => call(text))) as Reply;
}

function guarded<Value>(call: () => Value): Value {
  try {
    return call();
  } catch (error) {
    throw errorFromAddon(error);
  }
}

/** 32 bits, from which SSRCs are made. */
function randomBits(): number {
  return randomBytes(4).readUInt32BE();
}
