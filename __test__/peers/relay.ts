import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

/** What a relay does to the DTLS datagrams of each direction, by their number. */
export type Weather = {
  /** Sends a datagram after the next one. */
  readonly isHeldBack?: (number: number) => boolean;
  /** Loses a datagram. */
  readonly isLost?: (number: number) => boolean;
};

/** How long a datagram is held back at most, in ms, if no other follows. */
const HELD_BACK_MS = 30;

/** A UDP relay between one client and a server on this machine. */
export class Relay {
  /** DTLS datagrams of the client, as they came. */
  readonly handshake: Buffer[] = [];
  /** Datagrams lost and held back. */
  disturbed = 0;
  readonly #near: Socket;
  readonly #far: Socket;
  #client = { address: '127.0.0.1', port: 0 };

  private constructor(near: Socket, far: Socket, server: number, weather: Weather) {
    this.#near = near;
    this.#far = far;
    const toServer = this.#direction(weather, (datagram) => far.send(datagram, server, '127.0.0.1'));
    const toClient = this.#direction(weather, (datagram) =>
      near.send(datagram, this.#client.port, this.#client.address),
    );
    near.on('message', (datagram, client) => {
      this.#client = client;
      if (isDtls(datagram)) this.handshake.push(datagram);
      toServer(datagram);
    });
    far.on('message', toClient);
  }

  /** Opens a relay to a port of this machine. */
  static async open(server: number, weather: Weather): Promise<Relay> {
    const sockets = [createSocket('udp4'), createSocket('udp4')] as const;
    for (const socket of sockets) {
      socket.bind(0, '127.0.0.1');
      await once(socket, 'listening');
    }
    return new Relay(...sockets, server, weather);
  }

  /** The port for the client. */
  get port(): number {
    return this.#near.address().port;
  }

  close(): void {
    this.#near.close();
    this.#far.close();
  }

  #direction({ isHeldBack, isLost }: Weather, send: (datagram: Buffer) => void): (datagram: Buffer) => void {
    let number = 0;
    let held: (() => void) | undefined;
    return (datagram) => {
      if (!isDtls(datagram)) return send(datagram);
      const at = number++;
      if (isLost?.(at)) {
        this.disturbed += 1;
        return;
      }
      if (isHeldBack?.(at) && !held) {
        this.disturbed += 1;
        const timer = setTimeout(() => held?.(), HELD_BACK_MS);
        this.#near.once('close', () => clearTimeout(timer));
        held = () => {
          held = undefined;
          clearTimeout(timer);
          send(datagram);
        };
        return;
      }
      send(datagram);
      held?.();
    };
  }
}

/** RFC 7983 §7. */
function isDtls(datagram: Buffer): boolean {
  const first = datagram[0] ?? 0;
  return first >= 20 && first <= 63;
}
