import { type Static, Type } from 'typebox';
import type { ServerConfig } from './config.js';

/** TCP port of the server unless another is asked for. */
export const DEFAULT_PORT = 3000;

/** First media port unless another is asked for; taken ports are passed over, see `media/ports.ts`. */
export const DEFAULT_MEDIA_PORT = 44_444;

/**
 * Every option of the server. The flags of the command line, the environment variables, the config file, `--help` and
 * `--print-config` are all made from this schema, and {@link ServerConfig} is held to it by the compiler.
 */
export const ServerConfigSchema = Type.Object(
  {
    host: Type.String({
      minLength: 1,
      default: 'localhost',
      title: 'ADDRESS',
      description:
        'Address to listen on. "localhost" is 127.0.0.1 and ::1; any address but a loopback one is served over HTTPS.',
    }),
    port: Type.Integer({
      minimum: 0,
      maximum: 65_535,
      default: DEFAULT_PORT,
      title: 'PORT',
      description: 'TCP port of the page and the signalling; 0 takes a free one.',
    }),
    lan: Type.Boolean({
      default: false,
      description: 'Listen on the addresses of this machine too, over HTTPS, so that others on the network can join.',
    }),
    tls: Type.Enum(['auto', 'on', 'off'], {
      default: 'auto',
      title: 'MODE',
      description: 'HTTPS: "auto" for all but loopback addresses, "on" everywhere, "off" behind a reverse proxy.',
    }),
    tlsCert: Type.Optional(
      Type.String({
        minLength: 1,
        title: 'FILE',
        description: 'PEM file with the certificate chain for HTTPS. Without it a self-signed one is made at start.',
      }),
    ),
    tlsKey: Type.Optional(
      Type.String({ minLength: 1, title: 'FILE', description: 'PEM file with the private key of tlsCert.' }),
    ),
    allowedOrigins: Type.Array(Type.String({ minLength: 1 }), {
      default: [],
      maxItems: 64,
      title: 'ORIGIN,…',
      description: 'Web origins besides our own whose pages may open the signalling; "*" allows all.',
    }),
    announcedAddress: Type.Optional(
      Type.String({
        minLength: 1,
        title: 'ADDRESS',
        description: 'IP address or host name that clients send media to, for a server behind NAT.',
      }),
    ),
    mediaPort: Type.Integer({
      minimum: 0,
      maximum: 65_535,
      default: DEFAULT_MEDIA_PORT,
      title: 'PORT',
      description: 'UDP and TCP port for media, one per worker counting up; 0 takes free ones.',
    }),
    workers: Type.Integer({
      minimum: 1,
      maximum: 256,
      default: 1,
      title: 'COUNT',
      description: 'Media threads. A room lives in one; one per processor core is the most that helps.',
    }),
    iceConsentTimeout: Type.Integer({
      minimum: 1,
      maximum: 3600,
      default: 30,
      title: 'SECONDS',
      description: 'Time without a sign of life on the media path after which a participant is considered gone.',
    }),
    roomsMax: Type.Integer({
      minimum: 1,
      maximum: 100_000,
      default: 1000,
      title: 'COUNT',
      description: 'Rooms at a time; who asks for one more is told that the server is full.',
    }),
    peersPerRoomMax: Type.Integer({
      minimum: 1,
      maximum: 1000,
      default: 50,
      title: 'COUNT',
      description: 'Participants of one room; who comes later is told that the room is full.',
    }),
    logLevel: Type.Enum(['none', 'error', 'warn', 'debug'], {
      default: 'error',
      title: 'LEVEL',
      description: 'How much is logged; each level includes the ones before it.',
    }),
  },
  { additionalProperties: false },
);

/** Fails to compile when the schema and {@link ServerConfig} say different things. */
export type SchemaSays = Same<[Schema, Required<Schema>], [ServerConfig, Required<ServerConfig>]>;

type Schema = Static<typeof ServerConfigSchema>;

type Same<A extends B, B extends C, C = A> = A | C;

/** Name of an option. */
export type OptionName = keyof ServerConfig;

/** What the schema says of one option. */
export type OptionSchema = {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxItems?: number;
  readonly title?: string;
  readonly description: string;
};

/** Every option with its schema, in the order of the schema. */
export const OPTIONS: ReadonlyMap<OptionName, OptionSchema> = new Map(
  Object.entries(ServerConfigSchema.properties) as unknown as [OptionName, OptionSchema][],
);
