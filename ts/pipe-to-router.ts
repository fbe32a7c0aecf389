import { randomUUID } from 'node:crypto';
import type { Consumer } from './consumer.js';
import type { DataConsumer } from './data-consumer.js';
import type { DataProducer } from './data-producer.js';
import type { EnhancedEventEmitter } from './enhanced-event-emitter.js';
import { InvalidStateError, NotFoundError } from './errors.js';
import type { SctpOptions, TransportListenInfo, TransportListenIpOrText } from './generated/model.js';
import { typeError } from './native-events.js';
import type { PipeTransport, PipeTransportOptions } from './pipe-transport.js';
import type { Producer } from './producer.js';
import type { Router } from './router.js';

/** Options of {@link Router.pipeToRouter}. */
export type PipeToRouterOptions = {
  /** Id of the Producer. */
  producerId?: string;
  /** Id of the DataProducer, instead of a Producer. */
  dataProducerId?: string;
  /** The Router to which it is brought. */
  router: Router;
  /**
   * Whether it has the same id there. Default: true. Ids are unique in a Worker, so within one only `false` will do.
   */
  keepId?: boolean;
  /** Whether DataProducers can be brought as well. What the first call says holds. Default: true. */
  enableSctp?: boolean;
  /** Whether packets that get lost between the Routers are sent again. Default: false. */
  enableRtx?: boolean;
  /** Whether packets between the Routers are secured by SRTP. Default: false. */
  enableSrtp?: boolean;
} & Omit<SctpOptions, 'enableSctp'> &
  (
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
  /** DataConsumer of the DataProducer, in its Router. */
  pipeDataConsumer?: DataConsumer;
  /** The DataProducer in the other Router. */
  pipeDataProducer?: DataProducer;
};

/** What the Router knows that is to be piped from. */
export type PipeSource = {
  readonly from: Router;
  /** Whether both Routers live in one Worker. */
  readonly isSameWorker: boolean;
  producer(id: string): Producer | undefined;
  dataProducer(id: string): DataProducer | undefined;
};

/** A way between two Routers, for all that is piped in either direction. */
type Way = {
  /** Brings a Producer of `from` to the other Router. */
  carry(from: Router, producer: Producer, id: string): Promise<Piped>;
  /** Brings a DataProducer of `from` to the other Router. */
  carryData(from: Router, dataProducer: DataProducer, id: string): Promise<PipedData>;
};

type PipedData = { readonly pipeDataConsumer: DataConsumer; readonly pipeDataProducer: DataProducer };

type Piped = { readonly pipeConsumer: Consumer; readonly pipeProducer: Producer };

/** What crosses: data takes a way of its own, over the network, where SCTP is. */
type Load = 'media' | 'data';

/** The open ways of each Router, by what crosses and the id of the Router at the other end. */
const ways = new WeakMap<Router, Map<string, Promise<Way>>>();

/** Brings a Producer to another Router: what {@link Router.pipeToRouter} does. */
export async function pipeToRouter(source: PipeSource, options: PipeToRouterOptions): Promise<PipeToRouterResult> {
  const { producerId, dataProducerId, router, keepId = true } = options;
  checkIds(producerId, dataProducerId);
  const producer = producerId === undefined ? undefined : source.producer(producerId);
  const dataProducer = dataProducerId === undefined ? undefined : source.dataProducer(dataProducerId);
  if (!producer && !dataProducer) {
    const missing = producerId === undefined ? 'dataProducerId' : 'producerId';
    throw new NotFoundError(`${missing}: the Router has nothing with the id "${producerId ?? dataProducerId}"`);
  }
  if (keepId && source.isSameWorker) {
    throw typeError('keepId: both Routers are in one Worker, where an id cannot be there twice; give false');
  }
  const way = await wayBetween(source.from, router, dataProducer ? 'data' : 'media', options);
  if (dataProducer) {
    const piped = await way.carryData(source.from, dataProducer, keepId ? dataProducer.id : randomUUID());
    mirror(piped.pipeDataConsumer, piped.pipeDataProducer);
    return piped;
  }
  const id = keepId ? (producer as Producer).id : randomUUID();
  const { pipeConsumer, pipeProducer } = await way.carry(source.from, producer as Producer, id);
  mirror(pipeConsumer, pipeProducer);
  return { pipeConsumer, pipeProducer };
}

function checkIds(producerId: unknown, dataProducerId: unknown): void {
  if (producerId !== undefined && dataProducerId !== undefined) {
    throw typeError('dataProducerId: give only one of producerId and dataProducerId');
  }
  const [name, id] = dataProducerId === undefined ? ['producerId', producerId] : ['dataProducerId', dataProducerId];
  if (typeof id !== 'string' || id === '') {
    throw typeError(`${name}: expected the id of a ${name === 'producerId' ? 'Producer' : 'DataProducer'}`);
  }
}

/** The open way between two Routers, or a new one. Of calls at the same time the first opens it. */
function wayBetween(from: Router, to: Router, load: Load, options: PipeToRouterOptions): Promise<Way> {
  const open = waysOf(from).get(`${load} ${to.id}`);
  if (open) {
    return open;
  }
  const forget = () => {
    waysOf(from).delete(`${load} ${to.id}`);
    waysOf(to).delete(`${load} ${from.id}`);
  };
  const way = openWay(from, to, load, options, forget);
  waysOf(from).set(`${load} ${to.id}`, way);
  waysOf(to).set(`${load} ${from.id}`, way);
  way.catch(forget);
  return way;
}

function waysOf(router: Router): Map<string, Promise<Way>> {
  const known = ways.get(router) ?? new Map<string, Promise<Way>>();
  ways.set(router, known);
  return known;
}

/** Chooses how media crosses between two Routers. `onClose` is called when the way is no more. */
async function openWay(
  from: Router,
  to: Router,
  load: Load,
  options: PipeToRouterOptions,
  onClose: () => void,
): Promise<Way> {
  return await TransportPair.open(from, to, load, options, onClose);
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
    load: Load,
    options: PipeToRouterOptions,
    onClose: () => void,
  ): Promise<TransportPair> {
    const settings = transportOptions(options, load);
    const ring = load === 'data' || needsNetwork(options) ? undefined : randomUUID();
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
        throw new NotFoundError('router.pipeToRouter failed: the Producer was closed meanwhile', 'ERR_CLOSED');
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

  async carryData(from: Router, dataProducer: DataProducer, id: string): Promise<PipedData> {
    const [near, far] = this.#ends(from);
    const pipeDataConsumer = await near.consumeData({ dataProducerId: dataProducer.id });
    let pipeDataProducer: DataProducer | undefined;
    try {
      const { sctpStreamParameters, label, protocol, dataProducerPaused: paused } = pipeDataConsumer;
      const { appData } = dataProducer;
      pipeDataProducer = await far.produceData({ id, sctpStreamParameters, label, protocol, paused, appData });
      if (pipeDataConsumer.closed) {
        throw new NotFoundError('router.pipeToRouter failed: the DataProducer was closed meanwhile', 'ERR_CLOSED');
      }
      if (pipeDataConsumer.dataProducerPaused !== pipeDataProducer.paused) {
        await (pipeDataConsumer.dataProducerPaused ? pipeDataProducer.pause() : pipeDataProducer.resume());
      }
      return { pipeDataConsumer, pipeDataProducer };
    } catch (error) {
      pipeDataConsumer.close();
      pipeDataProducer?.close();
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

function transportOptions(options: PipeToRouterOptions, load: Load): PipeTransportOptions {
  const { listenInfo, listenIp, enableRtx = false, enableSrtp = false } = options;
  const enableSctp = load === 'data' && options.enableSctp !== false;
  if (listenInfo && listenIp) {
    throw typeError('listenInfo: give only one of listenInfo and listenIp');
  }
  const { maxSendMessageSize, maxReceiveMessageSize, sctpSendBufferSize, sctpPerStreamSendQueueLimit } = options;
  const { sctpMaxReceiverWindowBufferSize, sctpDefaultStreamBufferedAmountLowThreshold } = options;
  const buffers = { sctpSendBufferSize, sctpPerStreamSendQueueLimit, sctpMaxReceiverWindowBufferSize };
  const data = { maxSendMessageSize, maxReceiveMessageSize, sctpDefaultStreamBufferedAmountLowThreshold, ...buffers };
  const shared = { enableRtx, enableSrtp, enableSctp, ...data };
  return listenIp
    ? { ...shared, listenIp }
    : { ...shared, listenInfo: listenInfo ?? { protocol: 'udp', ip: '127.0.0.1' } };
}

/** What happens to the Producer happens to its likeness, and whoever closes the likeness ends the way to it. */
function mirror(pipeConsumer: Consumer | DataConsumer, pipeProducer: Producer | DataProducer): void {
  // What was closed meanwhile needs nothing more; there is nobody to tell.
  const quietly = (change: Promise<void>) => void change.catch(() => {});
  // What both kinds of observers say.
  const observer = pipeConsumer.observer as EnhancedEventEmitter<{ close: []; pause: []; resume: [] }>;
  const likeness = pipeProducer.observer as EnhancedEventEmitter<{ close: [] }>;
  observer.once('close', () => pipeProducer.close());
  observer.on('pause', () => quietly(pipeProducer.pause()));
  observer.on('resume', () => quietly(pipeProducer.resume()));
  likeness.once('close', () => pipeConsumer.close());
  if (pipeConsumer.closed) {
    pipeProducer.close();
  }
  if (pipeProducer.closed) {
    pipeConsumer.close();
  }
}
