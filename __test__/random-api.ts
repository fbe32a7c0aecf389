// A small model of what is open, and chance that calls whatever the API has. A class is a line in KINDS.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { types } from '../ts/index.js';
import * as millrace from '../ts/index.js';
import * as sdp from '../ts/sdp/index.js';
import type { Chance } from './chance.js';

/** Objects in the model; when there are more, chance closes more than it makes. */
const ENTRIES_MAX = 120;

/** Closed objects that are remembered, to be called after their end. */
const CLOSED_MAX = 40;

const LISTEN = { listenInfos: [{ protocol: 'udp' as const, ip: '127.0.0.1' }] };
const MEDIA_CODECS: types.RouterRtpCodecCapability[] = [
  { kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2 },
  { kind: 'video', mimeType: 'video/VP8', clockRate: 90_000 },
];
const OPUS = { mimeType: 'audio/opus', payloadType: 111, clockRate: 48_000, channels: 2 };
const VP8 = { mimeType: 'video/VP8', payloadType: 96, clockRate: 90_000, rtcpFeedback: [{ type: 'nack' }] };
const RTP_CAPABILITIES = {
  codecs: MEDIA_CODECS.map((codec, index) => ({ ...codec, preferredPayloadType: 100 + index })),
};
/** Where captures are written; whoever runs the model removes it. */
export const CAPTURES = mkdtempSync(join(tmpdir(), 'millrace-random-'));
const TRACES = [['rtp', 'keyframe', 'nack', 'pli', 'fir']];

/** How a method of a class is called. */
type Method = {
  /** Arguments that make sense. */
  readonly args: (draw: Draw) => unknown[];
  /** Whether a call with them succeeds on every open object. */
  readonly isSure?: boolean;
  /** Whether it may succeed on an object that is closed. */
  readonly isLenient?: boolean;
  /** What it makes the `paused` of the object. */
  readonly pauses?: boolean;
  /** Whether other calls beside it would make its effect a matter of chance. */
  readonly isAlone?: boolean;
  /** Whether its arguments are left as they are: another file would be written somewhere else. */
  readonly isExact?: boolean;
  /** Whether it succeeds only between endpoints that are connected, which here few are. */
  readonly isRare?: boolean;
};

/** Methods of the classes, by the names of their constructors. */
const KINDS: Readonly<Record<string, Readonly<Record<string, Method>>>> = {
  // The functions of the module, as if they were an object that never closes.
  Object: {
    parseScalabilityMode: { args: ({ chance }) => [chance.pick(['L1T3', 'S3T3', 'L3T3_KEY', '', 'L99T99'])] },
    getSupportedRtpCapabilities: sure(),
    validateAndNormalizeRtpCapabilities: { args: () => [{ ...RTP_CAPABILITIES }], isSure: true },
    validateAndNormalizeRtpParameters: { args: () => [{ codecs: [OPUS], encodings: [{ ssrc: 1 }] }], isSure: true },
    generateRouterRtpCapabilities: { args: () => [MEDIA_CODECS], isSure: true },
    getProducerRtpParametersMapping: { args: () => [{ codecs: [OPUS], encodings: [{ ssrc: 1 }] }, RTP_CAPABILITIES] },
    getConsumableRtpParameters: {
      args: () => [
        'audio',
        { codecs: [OPUS], encodings: [{ ssrc: 1 }] },
        RTP_CAPABILITIES,
        {
          codecs: [{ payloadType: 111, mappedPayloadType: 100 }],
          encodings: [{ ssrc: 1, mappedSsrc: 2 }],
        },
      ],
    },
    canConsume: { args: () => [{ codecs: [OPUS], encodings: [{ ssrc: 1 }] }, RTP_CAPABILITIES] },
    getConsumerRtpParameters: {
      args: () => [
        {
          consumableRtpParameters: { codecs: [OPUS], encodings: [{ ssrc: 1 }] },
          remoteRtpCapabilities: RTP_CAPABILITIES,
          pipe: false,
          enableRtx: true,
        },
      ],
    },
    parseDescription: { args: () => [OFFER], isSure: true },
    parseCandidate: { args: () => ['candidate:1 1 udp 2130706431 192.0.2.1 3478 typ host'], isSure: true },
  },
  Worker: {
    dump: sure(),
    getResourceUsage: sure(),
    getMetrics: sure(),
    updateSettings: { args: () => [{ logLevel: 'none' }], isSure: true },
    createWebRtcServer: { args: () => [LISTEN] },
    createRouter: { args: () => [{ mediaCodecs: MEDIA_CODECS }] },
  },
  WebRtcServer: { ...closing(), dump: sure() },
  Router: {
    ...closing(),
    dump: sure(),
    canConsume: {
      args: ({ id }) => [{ producerId: id('Producer'), rtpCapabilities: RTP_CAPABILITIES }],
      isSure: true,
      isLenient: true,
    },
    updateMediaCodecs: { args: () => [MEDIA_CODECS], isSure: true },
    createPlainTransport: {
      args: ({ chance }) => [
        {
          listenInfo: LISTEN.listenInfos[0],
          rtcpMux: chance.oneIn(2),
          comedia: chance.oneIn(3),
          enableSrtp: chance.oneIn(3),
          enableSctp: chance.oneIn(2),
        },
      ],
    },
    createPipeTransport: {
      args: ({ chance }) => {
        const options = { enableRtx: chance.oneIn(2), enableSrtp: chance.oneIn(3), enableSctp: chance.oneIn(2) };
        return [{ listenIp: '127.0.0.1', ...options }];
      },
    },
    pipeToRouter: {
      args: ({ chance, id, object }) => {
        const options = { enableRtx: chance.oneIn(2), enableSrtp: chance.oneIn(3), keepId: chance.oneIn(8) };
        const what = chance.oneIn(3) ? { dataProducerId: id('DataProducer') } : { producerId: id('Producer') };
        return [{ ...what, router: object('Router'), ...options }];
      },
      isAlone: true,
    },
    createWebRtcTransport: {
      args: ({ chance, object }) => {
        const dtlsVersion = chance.pick([undefined, '1.2', '1.3', 'auto']);
        const webRtcServer = object('WebRtcServer');
        const enableSctp = chance.oneIn(2);
        const listen = chance.oneIn(4) && webRtcServer ? { webRtcServer } : LISTEN;
        return [{ ...listen, dtlsVersion, enableSctp }];
      },
    },
    createDirectTransport: { args: () => [{}] },
    createAudioLevelObserver: { args: ({ chance }) => [{ maxEntries: 1 + chance.below(5), threshold: -70 }] },
    createActiveSpeakerObserver: { args: () => [{ interval: 300 }] },
    createActiveAudioSelector: { args: ({ chance }) => [{ k: 1 + chance.below(4) }] },
  },
  WebRtcTransport: {
    ...closing(),
    ...ofEveryTransport(),
    restartIce: sure(),
    connect: {
      args: ({ chance }) => {
        const value = Array.from({ length: 32 }, () => chance.bytes(1).toString('hex').toUpperCase()).join(':');
        const role = chance.pick(['client', 'server', 'auto']);
        return [{ dtlsParameters: { role, fingerprints: [{ algorithm: 'sha-256', value }] } }];
      },
    },
  },
  PlainTransport: { ...closing(), ...ofEveryTransport(), connect: { args: ({ chance }) => [addressOf(chance)] } },
  PipeTransport: { ...closing(), ...ofEveryTransport(), connect: { args: ({ chance }) => [addressOf(chance)] } },
  DirectTransport: {
    ...closing(),
    ...ofMedia(),
    connect: { ...sure(), isLenient: true },
    sendRtcp: { args: ({ chance }) => [chance.bytes(1 + chance.below(60))], isSure: true, isLenient: true },
  },
  AudioLevelObserver: ofEveryObserver(),
  ActiveSpeakerObserver: ofEveryObserver(),
  ActiveAudioSelector: ofEveryObserver(),
  Producer: {
    ...closing(),
    send: { args: ({ chance }) => [chance.bytes(1 + chance.below(60))], isLenient: true },
    ...pausing(),
    dump: sure(),
    getStats: sure(),
    enableTraceEvent: { args: () => TRACES, isSure: true },
  },
  Consumer: {
    ...closing(),
    ...pausing(),
    dump: sure(),
    getStats: sure(),
    enableTraceEvent: { args: () => TRACES, isSure: true },
    replaceProducer: { args: ({ id }) => [{ producerId: id('Producer') }], isAlone: true },
    setPreferredLayers: { args: ({ chance }) => [{ spatialLayer: chance.below(3), temporalLayer: chance.below(3) }] },
    setPriority: { args: ({ chance }) => [1 + chance.below(255)], isSure: true },
    unsetPriority: sure(),
    requestKeyFrame: sure(),
  },
  DataProducer: {
    ...closing(),
    ...pausing(),
    dump: sure(),
    getStats: sure(),
    send: {
      args: ({ chance }) => {
        const message = chance.oneIn(2) ? chance.bytes(chance.below(60)) : 'text';
        return [message, undefined, subchannels(chance), chance.pick([undefined, 1]), chance.pick([undefined, 2])];
      },
      isLenient: true,
    },
  },
  DataConsumer: {
    ...closing(),
    ...pausing(),
    dump: sure(),
    getStats: sure(),
    getBufferedAmount: sure(),
    setBufferedAmountLowThreshold: { args: ({ chance }) => [chance.below(100_000)], isSure: true },
    send: { args: ({ chance }) => [chance.bytes(chance.below(60))], isRare: true },
    setSubchannels: { args: ({ chance }) => [subchannels(chance)], isSure: true },
    addSubchannel: { args: ({ chance }) => [chance.below(9)], isSure: true },
    removeSubchannel: { args: ({ chance }) => [chance.below(9)], isSure: true },
  },
};

/** Everything that succeeds sooner or later, as `Worker.dump`. */
export const METHODS = Object.entries(KINDS).flatMap(([kind, methods]) =>
  Object.entries(methods).flatMap(([method, { isRare }]) => (isRare ? [] : [`${kind}.${method}`])),
);

function subchannels(chance: Chance): number[] {
  return chance.list(3, () => chance.below(9));
}

function sure(): Method {
  return { args: () => [], isSure: true };
}

function closing(): Record<string, Method> {
  return { close: { args: () => [], isSure: true, isLenient: true } };
}

function pausing(): Record<string, Method> {
  return { pause: { ...sure(), pauses: true }, resume: { ...sure(), pauses: false } };
}

/** What a plain transport is told of an endpoint that nobody is. */
function addressOf(chance: Chance): object {
  const port = 1 + chance.below(65_535);
  const keyBase64 = chance.bytes(44).toString('base64');
  return {
    ip: '127.0.0.1',
    port,
    ...(chance.oneIn(4) && { rtcpPort: port }),
    ...(chance.oneIn(4) && { srtpParameters: { cryptoSuite: 'AEAD_AES_256_GCM', keyBase64 } }),
  };
}

function ofEveryTransport(): Record<string, Method> {
  return {
    ...ofMedia(),
    setMaxIncomingBitrate: { args: ({ chance }) => [chance.pick([0, 100_000, 5_000_000])] },
    setMaxOutgoingBitrate: { args: ({ chance }) => [chance.pick([0, 100_000, 5_000_000])] },
    setMinOutgoingBitrate: { args: ({ chance }) => [chance.pick([0, 50_000, 5_000_000])] },
  };
}

function ofMedia(): Record<string, Method> {
  return {
    dump: sure(),
    getStats: sure(),
    enableTraceEvent: { args: () => [['bwe', 'probation']], isSure: true },
    produce: {
      args: ({ chance }) => {
        const kind = chance.pick(['audio', 'video']);
        const rtpParameters = {
          codecs: [kind === 'audio' ? OPUS : VP8],
          encodings: [{ ssrc: 1 + chance.below(2 ** 32 - 1) }],
        };
        return [{ kind, rtpParameters, paused: chance.oneIn(3) }];
      },
    },
    produceData: {
      args: ({ chance }) => {
        const streamId = chance.below(1024);
        const sctpStreamParameters = chance.oneIn(2) ? { streamId } : { streamId, maxRetransmits: 1 };
        return [{ sctpStreamParameters, label: 'chat', paused: chance.oneIn(3) }];
      },
    },
    consumeData: {
      args: ({ chance, id }) => [
        { dataProducerId: id('DataProducer'), subchannels: subchannels(chance), paused: chance.oneIn(3) },
      ],
    },
    startCapture: {
      args: ({ chance }) => {
        const file = join(CAPTURES, chance.pick(['one', 'other', 'no such folder/one']));
        return [file, { maxBytes: chance.pick([undefined, 5_000, 1_000_000]) }];
      },
      isExact: true,
    },
    stopCapture: { args: () => [] },
    consume: {
      args: ({ chance, id }) => [
        { producerId: id('Producer'), rtpCapabilities: RTP_CAPABILITIES, paused: chance.oneIn(3) },
      ],
    },
  };
}

function ofEveryObserver(): Record<string, Method> {
  return {
    ...closing(),
    ...pausing(),
    addProducer: { args: ({ id }) => [{ producerId: id('Producer') }] },
    removeProducer: { args: ({ id }) => [{ producerId: id('Producer') }] },
  };
}

/** What arguments are made of. */
type Draw = {
  readonly chance: Chance;
  /** An object of a class that is open, if there is one. */
  object(kind: string): Any | undefined;
  /** The id of one, or of none. */
  id(kind: string): string;
};

/** Any object of the API. */
type Any = {
  readonly closed?: boolean;
  readonly paused?: boolean;
  readonly id?: string;
  readonly producerId?: string;
  readonly dataProducerId?: string;
};

/** What `pipeToRouter` makes: a consumer and a producer, of media or of data. */
type Piped = Readonly<
  Record<'pipeConsumer' | 'pipeProducer' | 'pipeDataConsumer' | 'pipeDataProducer', Any | undefined>
>;

type Entry = {
  readonly object: Any;
  readonly kind: string;
  parents: readonly Entry[];
  closed: boolean;
  paused: boolean | undefined;
};

/** A call that chance made, with what the model says of it. */
export type Call = {
  readonly entry: Entry;
  readonly method: string;
  readonly args: readonly unknown[];
  /** Its object is closed, so it cannot succeed. */
  readonly mustFail: boolean;
  /** It makes sense and its object is open, so it succeeds, unless the object closes meanwhile. */
  readonly mustSucceed: boolean;
  /** It goes alone. */
  readonly isAlone: boolean;
};

/** What a call gave. */
export type Outcome = { readonly value: unknown } | { readonly error: Error & { readonly code?: string } };

/** What is open on one worker: objects with their parents; a closed parent takes its children along. */
export class Model {
  readonly #chance: Chance;
  #entries: Entry[] = [];

  constructor(worker: types.Worker, chance: Chance) {
    this.#chance = chance;
    this.#add(MODULE as Any, []);
    this.#add(worker as Any, []);
  }

  /** Objects that are open. */
  get open(): number {
    return this.#entries.filter(({ closed }) => !closed).length;
  }

  /** Draws calls that are under way at once, at most `max`, and makes them. */
  batch(max: number): { readonly call: Call; readonly outcome: Promise<Outcome> }[] {
    const batch: { readonly call: Call; readonly outcome: Promise<Outcome> }[] = [];
    for (let count = 1 + this.#chance.below(max); count > 0; count -= 1) {
      const call = this.#next();
      if (call.isAlone && batch.length > 0) continue;
      const { entry, method, args } = call;
      if (method === 'close') this.#close(entry);
      batch.push({ call, outcome: run(entry.object, method, args) });
      if (call.isAlone) break;
    }
    return batch;
  }

  /** Takes note of a call that succeeded; those of one object in the order in which they were made. */
  made({ entry, method, args }: Call, value: unknown): void {
    const { pauses } = KINDS[entry.kind]?.[method] ?? {};
    if (pauses !== undefined && entry.paused !== undefined) {
      entry.paused = pauses;
    }
    const options = args[0] as
      | { webRtcServer?: Any; router?: Any; producerId?: string; dataProducerId?: string }
      | undefined;
    if (method === 'replaceProducer') {
      const [producer] = this.#named(options?.producerId);
      const transport = entry.parents.filter(({ kind }) => kind !== 'Producer');
      entry.parents = producer ? [...transport, producer] : transport;
    } else if (method === 'pipeToRouter') {
      this.#madePipe(entry, options ?? {}, value as Piped);
    } else if (/^(create|produce|consume)/.test(method)) {
      const child = value as Any & { readonly producers?: Any[] };
      const server = this.#entries.filter(({ object }) => object === options?.webRtcServer);
      const made = this.#add(child, [entry, ...this.#named(child.producerId ?? child.dataProducerId), ...server]);
      for (const producer of method === 'createActiveAudioSelector' ? (child.producers ?? []) : []) {
        this.#add(producer, [made]);
      }
    }
  }

  /** A way between two routers: each end goes with the other, and with either router. */
  #madePipe(
    from: Entry,
    options: { router?: Any; producerId?: string; dataProducerId?: string },
    { pipeConsumer, pipeProducer, pipeDataConsumer, pipeDataProducer }: Piped,
  ) {
    const source = options.producerId ?? options.dataProducerId;
    const to = this.#entries.filter(({ object }) => object === options.router);
    const consumer = this.#add((pipeConsumer ?? pipeDataConsumer) as Any, [from, ...to, ...this.#named(source)]);
    const producer = this.#add((pipeProducer ?? pipeDataProducer) as Any, [from, ...to, consumer]);
    consumer.parents = [...consumer.parents, producer];
    // The consumer's end pauses the producer's a moment later, whoever paused it.
    producer.paused = undefined;
  }

  #named(id: string | undefined): Entry[] {
    return this.#entries.filter(({ object }) => id !== undefined && object.id === id);
  }

  /** What is otherwise than the model has it. */
  disagreements(): string[] {
    return this.#entries.flatMap(({ object, kind, closed, paused }) => {
      if (kind === 'Object') return [];
      if (object.closed !== closed) return [`${kind} should be ${closed ? 'closed' : 'open'}`];
      if (!closed && paused !== undefined && object.paused !== paused) return [`${kind} should have paused ${paused}`];
      return [];
    });
  }

  /** Forgets most of what is closed. */
  forget(): void {
    const closed = this.#entries.filter((entry) => entry.closed);
    const gone = new Set(closed.slice(0, Math.max(0, closed.length - CLOSED_MAX)));
    this.#entries = this.#entries.filter((entry) => !gone.has(entry));
  }

  /** Closes everything but the worker. */
  closeAll(): void {
    for (const entry of this.#entries.filter(({ kind }) => kind !== 'Worker' && kind !== 'Object')) {
      (entry.object as { close(): void }).close();
      this.#close(entry);
    }
  }

  /** Takes note of the worker's end. */
  closedWorker(): void {
    for (const entry of this.#entries.filter(({ kind }) => kind === 'Worker')) {
      this.#close(entry);
    }
  }

  #next(): Call {
    const open = this.#entries.filter(({ closed }) => !closed);
    const entry = this.#chance.pick(this.#chance.oneIn(8) ? this.#entries : open);
    const methods = Object.entries(KINDS[entry.kind] ?? {});
    const isCrowded = open.length > ENTRIES_MAX;
    const wanted = methods.filter(([name]) =>
      name === 'close'
        ? isCrowded || this.#chance.oneIn(3)
        : !isCrowded || !/^(create|produce|consume|pipe)/.test(name),
    );
    // What goes alone is passed over wherever it is not the first of its batch: drawn more often, it comes as often.
    const drawn = (wanted.length > 0 ? wanted : methods).flatMap((of) => (of[1].isAlone ? [of, of, of, of] : [of]));
    const [method, description] = this.#chance.pick(drawn);
    const draw: Draw = {
      chance: this.#chance,
      object: (kind) => this.#object(kind),
      id: (kind) => this.#object(kind)?.id ?? 'nobody',
    };
    const valid = description.args(draw);
    const args = description.isExact ? valid : this.#arguments(valid);
    const mustFail = entry.closed && description.isLenient !== true;
    const mustSucceed = !entry.closed && description.isSure === true && args === valid;
    return { entry, method, args, mustFail, mustSucceed, isAlone: description.isAlone === true };
  }

  #object(kind: string): Any | undefined {
    const all = this.#entries.filter((entry) => entry.kind === kind && (!entry.closed || this.#chance.oneIn(8)));
    return all.length > 0 ? this.#chance.pick(all).object : undefined;
  }

  #add(object: Any, parents: Entry[]): Entry {
    const kind = object.constructor.name;
    if (!KINDS[kind]) {
      throw new Error(`${kind} is not in the model`);
    }
    const closed = parents.some((parent) => parent.closed);
    const paused = KINDS[kind].pause ? object.paused : undefined;
    const entry = { object, kind, parents, closed, paused };
    this.#entries.push(entry);
    return entry;
  }

  #close(entry: Entry): void {
    if (!entry.closed && entry.kind !== 'Object') {
      entry.closed = true;
      for (const child of this.#entries.filter(({ parents }) => parents.includes(entry))) {
        this.#close(child);
      }
    }
  }

  /** Arguments that make sense, some with one part replaced, or any JSON. */
  #arguments(valid: unknown[]): unknown[] {
    if (this.#chance.oneIn(2)) {
      return valid;
    }
    if (this.#chance.oneIn(2)) {
      return valid.map((argument) => this.#spoil(isPlain(argument) ? structuredClone(argument) : argument));
    }
    return this.#chance.list(2, () => this.#json(0));
  }

  /** Replaces a part somewhere below a value. */
  #spoil(value: unknown): unknown {
    if (typeof value !== 'object' || value === null || !isOwn(value) || this.#chance.oneIn(5)) {
      return this.#json(0);
    }
    const keys = Object.keys(value);
    if (keys.length > 0) {
      const key = this.#chance.pick(keys);
      const inside = value as Record<string, unknown>;
      inside[key] = this.#spoil(inside[key]);
    }
    return value;
  }

  #json(depth: number): unknown {
    switch (this.#chance.below(depth > 3 ? 5 : 7)) {
      case 0:
        return null;
      case 1:
        return this.#chance.oneIn(2);
      case 2:
        return this.#chance.pick([0, -1, 1.5, 255, 65_536, 2 ** 32, 2 ** 53, -(2 ** 53), 1e308, 5e-324]);
      case 3:
        return this.#chance.pick(TEXTS);
      case 4:
        return this.#object(this.#chance.pick(Object.keys(KINDS)))?.id ?? null;
      case 5:
        return this.#chance.list(3, () => this.#json(depth + 1));
      default:
        return Object.fromEntries(this.#chance.list(3, () => [this.#chance.pick(KEYS), this.#json(depth + 1)]));
    }
  }
}

/** The functions of the module that take anything. */
const MODULE = {
  parseScalabilityMode: millrace.parseScalabilityMode,
  getSupportedRtpCapabilities: millrace.getSupportedRtpCapabilities,
  ...millrace.ortc,
  parseDescription: sdp.parseDescription,
  parseCandidate: sdp.parseCandidate,
};

const OFFER = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 't=0 0', 'm=audio 9 UDP/TLS/RTP/SAVPF 111', ''].join('\r\n');

const TEXTS = ['', 'audio', 'udp', '127.0.0.1', '__proto__', '\ud800', '\0', 'x'.repeat(5000), 'audio/opus', '1.3'];

const KEYS = [
  'kind',
  'codecs',
  'ssrc',
  'rtpParameters',
  'listenInfos',
  'ip',
  'appData',
  'id',
  'dtlsVersion',
  '__proto__',
  'method',
  '',
];

/** Whether a value has no object of a class in it, which could not be cloned. */
function isPlain(value: unknown): boolean {
  return typeof value !== 'object' || value === null || (isOwn(value) && Object.values(value).every(isPlain));
}

/** Whether an object is of no class. */
function isOwn(value: object): boolean {
  return Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
}

/** Calls a method; what it throws at once is as good as what it rejects with. */
async function run(object: Any, method: string, args: readonly unknown[]): Promise<Outcome> {
  try {
    const call = (object as unknown as Record<string, (...args: readonly unknown[]) => unknown>)[method];
    return { value: await call?.apply(object, [...args] as never) };
  } catch (error) {
    return { error: error as Error };
  }
}
