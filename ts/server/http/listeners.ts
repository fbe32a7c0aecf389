import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import {
  CONNECTIONS_MAX,
  HTTP_HEADER_BYTES_MAX,
  HTTP_HEADERS_TIMEOUT_MS,
  HTTP_KEEP_ALIVE_TIMEOUT_MS,
  HTTP_REQUEST_TIMEOUT_MS,
} from '../limits.js';
import type { ServerConfig } from '../options/config.js';
import { OptionError } from '../options/error.js';
import { anyAddresses, type ListenAddress, listenAddresses, urlHost, WILDCARDS } from './addresses.js';
import { type Certificate, certificate } from './certificate.js';
import type { UpgradeRouter } from './upgrade.js';

/** The sockets that a server listens on for HTTP and HTTPS, all on one port. */
export class Listeners {
  readonly #servers: Server[] = [];
  readonly #origins: string[] = [];

  /** Where the server is reached, best first: `http://localhost:3000`. */
  get origins(): readonly string[] {
    return this.#origins;
  }

  /**
   * Opens every address that the options ask for.
   *
   * @throws {@link OptionError} when one cannot be opened; nothing is left open then.
   */
  static async open(config: ServerConfig, onRequest: RequestListener, upgrades: UpgradeRouter): Promise<Listeners> {
    const listeners = new Listeners();
    try {
      await listeners.#open(config, onRequest, upgrades);
    } catch (error) {
      await listeners.close();
      throw error;
    }
    return listeners;
  }

  /** Stops listening and cuts off what is still connected. */
  async close(): Promise<void> {
    await Promise.all(this.#servers.splice(0).map(closeServer));
  }

  async #open(config: ServerConfig, onRequest: RequestListener, upgrades: UpgradeRouter): Promise<void> {
    const addresses = listenAddresses(config);
    const pem = addresses.some((address) => usesTls(config, address))
      ? await certificate(config, reachable(addresses))
      : undefined;
    let { port } = config;
    for (const address of addresses) {
      const tls = usesTls(config, address) ? pem : undefined;
      const server = makeServer(onRequest, tls);
      server.on('upgrade', upgrades.route);
      await listen(server, address.address, port);
      this.#servers.push(server);
      // Port 0 takes a free port for the first address; the others follow it.
      port = (server.address() as AddressInfo).port;
      this.#origins.push(...originsOf(config, address, tls ? 'https' : 'http', port));
    }
  }
}

function usesTls({ tls, tlsCert }: ServerConfig, { loopback }: ListenAddress): boolean {
  return tls === 'on' || (tls === 'auto' && (tlsCert !== undefined || !loopback));
}

function originsOf({ host }: ServerConfig, { address }: ListenAddress, scheme: string, port: number): string[] {
  if (host === 'localhost' && address === '127.0.0.1') {
    return [`${scheme}://localhost:${port}`];
  }
  if (host === 'localhost' && address === '::1') {
    return [];
  }
  return reachable([{ address }]).map((one) => `${scheme}://${urlHost(one)}:${port}`);
}

function reachable(addresses: readonly Pick<ListenAddress, 'address'>[]): string[] {
  return addresses.flatMap(({ address }) => (WILDCARDS.has(address) ? anyAddresses(address) : address));
}

function makeServer(onRequest: RequestListener, pem: Certificate | undefined): Server {
  const options = {
    maxHeaderSize: HTTP_HEADER_BYTES_MAX,
    headersTimeout: HTTP_HEADERS_TIMEOUT_MS,
    requestTimeout: HTTP_REQUEST_TIMEOUT_MS,
    keepAliveTimeout: HTTP_KEEP_ALIVE_TIMEOUT_MS,
  };
  const server = pem ? httpsServer({ ...options, ...pem }, onRequest) : createHttpServer(options, onRequest);
  server.maxConnections = CONNECTIONS_MAX;
  return server;
}

function httpsServer(options: Certificate, onRequest: RequestListener): Server {
  try {
    return createHttpsServer(options, onRequest);
  } catch (error) {
    throw new OptionError(`tlsCert and tlsKey: not a certificate and its private key (${(error as Error).message})`);
  }
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  try {
    server.listen({ host, port, exclusive: true });
    await once(server, 'listening');
  } catch (error) {
    throw new OptionError(whyNotListening(error as NodeJS.ErrnoException, host, port));
  }
}

function whyNotListening({ code, message }: NodeJS.ErrnoException, host: string, port: number): string {
  switch (code) {
    case 'EADDRINUSE':
      return `port ${port} is taken by another program: stop it, or start with --port ${port + 1}`;
    case 'EACCES':
      return `port ${port} needs more rights than this process has: start with --port ${port + 8000}`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `host: this machine has no address ${host}`;
    default:
      return `cannot listen on ${urlHost(host)}:${port}: ${message}`;
  }
}

async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeAllConnections();
  await closed;
}
