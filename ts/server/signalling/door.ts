import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { PEER_ID, ROOM_ID } from '../conference/ids.js';
import { isLoopback } from '../http/addresses.js';
import { refuseUpgrade, type UpgradeHandler } from '../http/upgrade.js';
import type { Limits } from '../limits.js';
import type { ServerConfig } from '../options/config.js';
import { Connection } from '../protoo/connection.js';
import type { Rooms } from './rooms.js';

/** Makes the handler of WebSocket upgrades: `?roomId=&peerId=`, subprotocol `protoo`. */
export function signallingDoor(rooms: Rooms, config: ServerConfig, limits: Limits): UpgradeHandler {
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: limits.messageBytesMax,
    // Signalling is small, and inflating what a stranger sends costs memory.
    perMessageDeflate: false,
    handleProtocols: () => SUBPROTOCOL,
  });
  return (request, url, socket, head) => {
    const roomId = url.searchParams.get('roomId') ?? '';
    const peerId = url.searchParams.get('peerId') ?? '';
    const refused = whyRefused(request, config, roomId, peerId);
    if (refused) {
      return refuseUpgrade(socket, ...refused);
    }
    sockets.handleUpgrade(request, socket as Duplex, head, (webSocket) => {
      void rooms.enter(new Connection(webSocket, limits), roomId, peerId);
    });
  };
}

function whyRefused(
  { headers }: IncomingMessage,
  config: ServerConfig,
  roomId: string,
  peerId: string,
): [status: number, reason: string] | undefined {
  const protocols = headers['sec-websocket-protocol']?.split(',').map((protocol) => protocol.trim()) ?? [];
  if (!protocols.includes(SUBPROTOCOL)) {
    return [400, `expected the WebSocket subprotocol "${SUBPROTOCOL}"`];
  }
  if (!ROOM_ID.test(roomId)) {
    return [400, 'roomId: expected 1 to 64 letters, digits, "-" and "_"'];
  }
  if (!PEER_ID.test(peerId)) {
    return [400, 'peerId: expected 1 to 64 letters, digits, "-" and "_"'];
  }
  if (!originAllowed(headers, config)) {
    return [403, 'pages of this origin may not connect; see the option allowedOrigins'];
  }
  return undefined;
}

/**
 * Whether a page of this origin may connect: ours, and those of the options. Browsers let any page open a WebSocket to
 * any server, one on the visitor's own machine included.
 */
function originAllowed({ origin, host }: IncomingMessage['headers'], config: ServerConfig): boolean {
  // Programs that are no browsers send none.
  if (origin === undefined) {
    return true;
  }
  if (config.allowedOrigins.includes('*') || config.allowedOrigins.includes(origin)) {
    return true;
  }
  const page = URL.canParse(origin) ? new URL(origin) : undefined;
  // A name that was pointed at a loopback address afterwards is somebody else's page (DNS rebinding).
  // Behind a reverse proxy, which is told by `tls: off`, pages have the proxy's name.
  const local = isLoopback(config.host) && !config.lan && config.tls !== 'off';
  const rebound = local && !LOCAL_NAMES.test(page?.hostname ?? '');
  return page?.host === host && !rebound;
}

const SUBPROTOCOL = 'protoo';

const LOCAL_NAMES = /^(localhost|127(\.\d+){3}|\[::1\])$/;
