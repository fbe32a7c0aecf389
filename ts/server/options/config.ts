/**
 * The options of the server, complete. What each means, its bounds and its default stand in the schema; `millrace --help`
 * lists them.
 *
 * Written out, and compared with the schema by the compiler, so that an application's compiler needs no types of the
 * library that the schema is made with.
 */
export type ServerConfig = {
  host: string;
  port: number;
  lan: boolean;
  tls: 'auto' | 'on' | 'off';
  tlsCert?: string;
  tlsKey?: string;
  allowedOrigins: string[];
  announcedAddress?: string;
  mediaPort: number;
  workers: number;
  iceConsentTimeout: number;
  roomsMax: number;
  peersPerRoomMax: number;
  logLevel: 'none' | 'error' | 'warn' | 'debug';
};

/** The options of `createServer()`; what is absent gets its default. */
export type ServerOptions = Partial<ServerConfig>;
