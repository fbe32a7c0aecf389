import { type Static, type TSchema, Type } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import type { DtlsParameters, RtpCapabilities, RtpParameters } from '../../generated/model.js';
import { Refusal } from '../protoo/refusal.js';

/** Ids of transports, producers and consumers. */
const Id = Type.String({ minLength: 1, maxLength: 64 });

/** Characters of a name that is shown to others. */
const DISPLAY_NAME_MAX = 64;

const DisplayName = Type.String({ minLength: 1, maxLength: DISPLAY_NAME_MAX });

const Device = Type.Object({
  flag: Type.Optional(Type.String({ maxLength: 64 })),
  name: Type.Optional(Type.String({ maxLength: 64 })),
  version: Type.Optional(Type.String({ maxLength: 64 })),
});

/** What others are told of a producer, such as whether it is a screen: a few plain values. */
const AppData = Type.Record(
  Type.String({ maxLength: 64 }),
  Type.Union([Type.String({ maxLength: 256 }), Type.Number(), Type.Boolean(), Type.Null()]),
  { maxProperties: 16 },
);

/** Codecs or header extensions of one endpoint; browsers have some 40 of each. */
const CAPABILITIES_MAX = 128;

const Capabilities = Type.Unsafe<RtpCapabilities>(
  Type.Object({
    codecs: Type.Optional(
      Type.Array(
        Type.Object({
          kind: Type.Enum(['audio', 'video']),
          mimeType: Type.String({ pattern: '^(audio|video)/.+', maxLength: 64 }),
          preferredPayloadType: Type.Integer({ minimum: 0, maximum: 127 }),
          clockRate: Type.Integer({ minimum: 1 }),
        }),
        { maxItems: CAPABILITIES_MAX },
      ),
    ),
    headerExtensions: Type.Optional(
      Type.Array(
        Type.Object({
          kind: Type.Enum(['audio', 'video']),
          uri: Type.String({ minLength: 1, maxLength: 256 }),
          preferredId: Type.Integer({ minimum: 1, maximum: 255 }),
        }),
        { maxItems: CAPABILITIES_MAX },
      ),
    ),
  }),
);

/** Checked by the core, which knows what is right; here only that it is an object. */
const Dtls = Type.Unsafe<DtlsParameters>(Type.Object({}));
const Rtp = Type.Unsafe<RtpParameters>(Type.Object({}));

const OfTransport = Type.Object({ transportId: Id });
const OfProducer = Type.Object({ producerId: Id });
const OfConsumer = Type.Object({ consumerId: Id });

/** The requests of a client, by the names that clients of mediasoup-demo use, and one of ours. Members that are not listed are ignored. */
const REQUESTS = {
  getRouterRtpCapabilities: Type.Object({}),
  join: Type.Object({
    displayName: DisplayName,
    device: Type.Optional(Device),
    rtpCapabilities: Type.Optional(Capabilities),
  }),
  createWebRtcTransport: Type.Object({
    forceTcp: Type.Optional(Type.Boolean()),
    producing: Type.Optional(Type.Boolean()),
    consuming: Type.Optional(Type.Boolean()),
  }),
  connectWebRtcTransport: Type.Object({ transportId: Id, dtlsParameters: Dtls }),
  restartIce: OfTransport,
  produce: Type.Object({
    transportId: Id,
    kind: Type.Enum(['audio', 'video']),
    rtpParameters: Rtp,
    paused: Type.Optional(Type.Boolean()),
    appData: Type.Optional(AppData),
  }),
  closeProducer: OfProducer,
  pauseProducer: OfProducer,
  resumeProducer: OfProducer,
  pauseConsumer: OfConsumer,
  resumeConsumer: OfConsumer,
  setConsumerPreferredLayers: Type.Object({
    consumerId: Id,
    spatialLayer: Type.Integer({ minimum: 0, maximum: 255 }),
    temporalLayer: Type.Optional(Type.Integer({ minimum: 0, maximum: 255 })),
  }),
  setConsumerPriority: Type.Object({ consumerId: Id, priority: Type.Integer({ minimum: 1, maximum: 255 }) }),
  requestConsumerKeyFrame: OfConsumer,
  /** Ours: one stream of everybody else's sound, a consumer whose `appData.source` is "combined", instead of a stream of each. */
  setCombinedSound: Type.Object({ enabled: Type.Boolean() }),
  /** Ours: one picture of everybody, likewise, instead of a picture of each. */
  setCombinedPicture: Type.Object({ enabled: Type.Boolean() }),
  changeDisplayName: Type.Object({ displayName: DisplayName }),
  getTransportStats: OfTransport,
  getProducerStats: OfProducer,
  getConsumerStats: OfConsumer,
} as const satisfies Record<string, TSchema>;

/** Name of a request. */
export type RequestName = keyof typeof REQUESTS;

/** Data of a request. */
export type RequestData<Name extends RequestName> = Static<(typeof REQUESTS)[Name]>;

/** Answers every request there is. */
export type RequestHandlers = { readonly [Name in RequestName]: (data: RequestData<Name>) => unknown };

/**
 * Checks a request and hands it to its handler.
 *
 * @throws {@link Refusal} when there is no such request, or its data is wrong.
 */
export function handleRequest(handlers: RequestHandlers, method: string, data: unknown): unknown {
  const validator = validators.get(method);
  if (!validator) {
    throw new Refusal(404, `there is no request "${method}"`);
  }
  if (!validator.Check(data)) {
    const [error] = validator.Errors(data);
    throw new Refusal(400, `${method}${error?.instancePath ?? ''}: ${error?.message ?? 'malformed'}`);
  }
  return handlers[method as RequestName](data as never);
}

const validators = new Map<string, Validator>(
  Object.entries(REQUESTS).map(([method, schema]) => [method, Compile(schema as TSchema)]),
);
