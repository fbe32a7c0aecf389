import { isIPv6 } from 'node:net';
import type { TransportListenInfo } from '../../generated/model.js';
import type { WebRtcServer } from '../../webrtc-server.js';
import type { Worker } from '../../worker.js';
import { mediaAddresses } from '../http/addresses.js';
import { MEDIA_PORT_TRIES } from '../limits.js';
import type { ServerConfig } from '../options/config.js';
import { OptionError } from '../options/error.js';
import { DEFAULT_MEDIA_PORT } from '../options/schema.js';

/** The ports of one Worker. */
export type MediaPort = {
  /** Its sockets. */
  readonly webRtcServer: WebRtcServer;
  /** UDP and TCP port of all of them. 0 when every socket has one of its own. */
  readonly port: number;
};

/**
 * Opens the media port of a Worker on every address. The default port is only a wish: when it is taken, the next free
 * one is used. A port that was asked for is an order.
 *
 * @throws {@link OptionError} when no port can be opened.
 */
export async function openMediaPort(worker: Worker, config: ServerConfig, index: number): Promise<MediaPort> {
  const { mediaPort } = config;
  const tries = mediaPort === DEFAULT_MEDIA_PORT ? MEDIA_PORT_TRIES : 1;
  for (let attempt = 0; attempt < tries; attempt += 1) {
    const port = mediaPort === 0 ? 0 : mediaPort + index + attempt;
    const webRtcServer = await tryPort(worker, config, port);
    if (webRtcServer) {
      return { webRtcServer, port };
    }
  }
  const tried = mediaPort + index;
  throw new OptionError(
    tries === 1
      ? `mediaPort: ${tried} is taken by another program: stop it, or start with --media-port ${tried + 1}`
      : `mediaPort: ${tried} to ${tried + tries - 1} are all taken: choose one with --media-port PORT`,
  );
}

/** The addresses of the options as the facade wants them: UDP first. */
export function listenInfos(config: ServerConfig, port: number): TransportListenInfo[] {
  const { announcedAddress } = config;
  const addresses =
    announcedAddress === undefined ? mediaAddresses(config) : [isIPv6(announcedAddress) ? '::' : '0.0.0.0'];
  return (['udp', 'tcp'] as const).flatMap((protocol) =>
    addresses.map((ip) => ({ protocol, ip, port, ...(announcedAddress === undefined ? {} : { announcedAddress }) })),
  );
}

/** Opens one port on every address; `undefined` when it is taken on one of them. */
async function tryPort(worker: Worker, config: ServerConfig, port: number): Promise<WebRtcServer | undefined> {
  try {
    return await worker.createWebRtcServer({ listenInfos: listenInfos(config, port) });
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_ADDRESS_IN_USE') {
      return undefined;
    }
    throw new OptionError(`cannot open the media ports: ${(error as Error).message}`);
  }
}
