import { randomUUID } from 'node:crypto';
import type { Consumer } from './consumer.js';
import { InvalidStateError, UnsupportedError } from './errors.js';
import type { TransportListenInfo, TransportListenIpOrText } from './generated/model.js';
import { typeError } from './native-events.js';
import type { PipeTransport, PipeTransportOptions } from './pipe-transport.js';
import type { Producer } from './producer.js';
import type { Router } from './router.js';

/** Options of {@link Router.pipeToRouter}. */
export type PipeToRouterOptions = {
  /** Id of the Producer. */
  producerId?: string;
  /** Id of the DataProducer. There are none yet. */
  dataProducerId?: string;
  /** The Router to which it is brought. */
  router: Router;
  /**
   * Whether it has the same id there. Default: true. Ids are unique in a Worker, so within one only `false` will do.
   */
  keepId?: boolean;
  /** Without effect: there are no DataProducers yet. */
  enableSctp?: boolean;
  /** Whether packets that get lost between the Routers are sent again. Default: false. */
  enableRtx?: boolean;
  /** Whether packets between the Routers are secured by SRTP. Default: false. */
  enableSrtp?: boolean;
} & (
  | {
      /**
       * Address on which the two PipeTransports listen. Default: none; without it, RTX and SRTP packets do not leave
       * the memory of this process.
       */
      listenInfo?: TransportListenInfo;
      listenIp?: never;
    }
  | {
      /** Address on which the two PipeTransports listen. */
      listenIp?: TransportListenIpOrText;
      listenInfo?: never;
    }
);

/** What {@link Router.pipeToRouter} made. */
export type PipeToRouterResult = {
  /** Consumer of the Producer, in its Router. */
  pipeConsumer?: Consumer;
  /** The Producer in the other Router. */
  pipeProducer?: Producer;
};

/** What the Router knows that is to be piped from. */
export type PipeSource = {
  readonly from: Router;
  /** Whether both Routers live in one Worker. */
  readonly isSameWorker: boolean;
  producer(id: string): Producer | undefined;
};

/** A way between two Routers, for all that is piped in either direction. */
type Way = {
  /** Brings a Producer of `from` to the other Router. */
  carry(from: Router, producer: Producer, id: string): Promise<Piped>;
};

type Piped = { readonly pipeConsumer: Consumer; readonly pipeProducer: Producer };

/** The open ways of each Router, by the id of the Router at the other end. */
const ways = new WeakMap<Router, Map<string, Promise<Way>>>();

/** Brings a Producer to another Router: what {@link Router.pipeToRouter} does. */
export async function pipeToRouter(source: PipeSource, options: PipeToRouterOptions): Promise<PipeToRouterResult> {
  const { producerId, dataProducerId, router, keepId = true } = options;
  checkIds(producerId, dataProducerId);
  const producer = source.producer(producerId as string);
  if (!producer) {
    throw typeError(`producerId: the Router has no Producer with the id "${producerId}"`);
  }
  if (keepId && source.isSameWorker) {
    throw typeError('keepId: both Routers are in one Worker, where an id cannot be there twice; give false');
  }
  const way = await wayBetween(source.from, router, options);
  const id = keepId ? producer.id : randomUUID();
  const { pipeConsumer, pipeProducer } = await way.carry(source.from, producer, id);
  mirror(pipeConsumer, pipeProducer);
  return { pipeConsumer, pipeProducer };
}

function checkIds(producerId: unknown, dataProducerId: unknown): void {
  if (producerId !== undefined && dataProducerId !== undefined) {
    throw typeError('dataProducerId: give only one of producerId and dataProducerId');
  }
  if (dataProducerId !== undefined) {
    throw new UnsupportedError('dataProducerId: data channels are not supported');
  }
  if (typeof producerId !== 'string' || producerId === '') {
    throw typeError('producerId: expected the id of a Producer');
  }
}

/** The open way between two Routers, or a new one. Of calls at the same time the first opens it. */
function wayBetween(from: Router, to: Router, options: PipeToRouterOptions): Promise<Way> {
  const open = waysOf(from).get(to.id);
  if (open) {
    return open;
  }
  const forget = () => {
    waysOf(from).delete(to.id);
    waysOf(to).delete(from.id);
  };
  const way = openWay(from, to, options, forget);
  waysOf(from).set(to.id, way);
  waysOf(to).set(from.id, way);
  way.catch(forget);
  return way;
}

function waysOf(router: Router): Map<string, Promise<Way>> {
  const known = ways.get(router) ?? new Map<string, Promise<Way>>();
  ways.set(router, known);
  return known;
}

/** Chooses how media crosses between two Routers. `onClose` is called when the way is no more. */
async function openWay(from: Router, to: Router, options: PipeToRouterOptions, onClose: () => void): Promise<Way> {
  return await TransportPair.open(from, to, options, onClose);
}

/** A way by a PipeTransport in each Router: over the network, or through the memory that all Workers share. */
class TransportPair implements Way {
  readonly #transports: ReadonlyMap<Router, PipeTransport>;

  private constructor(transports: ReadonlyMap<Router, PipeTransport>) {
    this.#transports = transports;
  }

  static async open(
    from: Router,
    to: Router,
    options: PipeToRouterOptions,
    onClose: () => void,
  ): Promise<TransportPair> {
    const settings = transportOptions(options);
    const ring = needsNetwork(options) ? undefined : randomUUID();
    const make = (router: Router) => (ring ? router.createRingTransport(ring) : router.createPipeTransport(settings));
    const made = await Promise.allSettled([make(from), make(to)]);
    const transports = made.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    try {
      const failed = made.find((result) => result.status === 'rejected');
      if (failed) {
        throw failed.reason;
      }
      const [near, far] = transports as [PipeTransport, PipeTransport];
      if (!ring) {
        await Promise.all([near.connect(endOf(far)), far.connect(endOf(near))]);
      }
      if (near.closed || far.closed) {
        throw new InvalidStateError('router.pipeToRouter failed: a Router was closed meanwhile', 'ERR_CLOSED');
      }
      for (const [transport, other] of [[near, far] as const, [far, near] as const]) {
        transport.observer.once('close', () => {
          onClose();
          other.close();
        });
      }
      return new TransportPair(new Map([[from, near] as const, [to, far] as const]));
    } catch (error) {
      for (const transport of transports) {
        transport.close();
      }
      throw error;
    }
  }

  async carry(from: Router, producer: Producer, id: string): Promise<Piped> {
    const [near, far] = this.#ends(from);
    const pipeConsumer = await near.consume({ producerId: producer.id });
    let pipeProducer: Producer | undefined;
    try {
      const { kind, rtpParameters, producerPaused: paused } = pipeConsumer;
      const { appData, encrypted } = producer;
      pipeProducer = await far.produce({ id, kind, rtpParameters, paused, encrypted, appData });
      if (pipeConsumer.closed) {
        throw new InvalidStateError('router.pipeToRouter failed: the Producer was closed meanwhile', 'ERR_CLOSED');
      }
      if (pipeConsumer.producerPaused !== pipeProducer.paused) {
        await (pipeConsumer.producerPaused ? pipeProducer.pause() : pipeProducer.resume());
      }
      return { pipeConsumer, pipeProducer };
    } catch (error) {
      pipeConsumer.close();
      pipeProducer?.close();
      throw error;
    }
  }

  #ends(from: Router): [near: PipeTransport, far: PipeTransport] {
    const near = this.#transports.get(from) as PipeTransport;
    const far = [...this.#transports.values()].find((transport) => transport !== near) as PipeTransport;
    return [near, far];
  }
}

/** Whether the options ask for what only packets on a network need. */
function needsNetwork({ listenInfo, listenIp, enableRtx, enableSrtp }: PipeToRouterOptions): boolean {
  return Boolean(listenInfo || listenIp || enableRtx || enableSrtp);
}

/** What one PipeTransport has to know of the other. */
function endOf({ tuple, srtpParameters }: PipeTransport) {
  return { ip: tuple.localAddress, port: tuple.localPort, ...(srtpParameters && { srtpParameters }) };
}

function transportOptions(options: PipeToRouterOptions): PipeTransportOptions {
  const { listenInfo, listenIp, enableRtx = false, enableSrtp = false } = options;
  if (listenInfo && listenIp) {
    throw typeError('listenInfo: give only one of listenInfo and listenIp');
  }
  const shared = { enableRtx, enableSrtp };
  return listenIp
    ? { ...shared, listenIp }
    : { ...shared, listenInfo: listenInfo ?? { protocol: 'udp', ip: '127.0.0.1' } };
}

/** What happens to the Producer happens to its likeness, and whoever closes the likeness ends the way to it. */
function mirror(pipeConsumer: Consumer, pipeProducer: Producer): void {
  // What was closed meanwhile needs nothing more; there is nobody to tell.
  const quietly = (change: Promise<void>) => void change.catch(() => {});
  pipeConsumer.observer.once('close', () => pipeProducer.close());
  pipeConsumer.observer.on('pause', () => quietly(pipeProducer.pause()));
  pipeConsumer.observer.on('resume', () => quietly(pipeProducer.resume()));
  pipeProducer.observer.once('close', () => pipeConsumer.close());
  if (pipeConsumer.closed) {
    pipeProducer.close();
  }
  if (pipeProducer.closed) {
    pipeConsumer.close();
  }
}
