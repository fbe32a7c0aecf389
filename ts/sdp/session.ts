import { InvalidStateError, LimitError, NotFoundError, SdpError, UnsupportedError } from '../errors.js';
import type {
  DtlsParameters,
  IceParameters,
  MediaKind,
  RtpCapabilities,
  RtpNumbering,
  RtpParameters,
} from '../generated/model.js';
import { typeError } from '../native-events.js';
import { isCompatible, isRtx, kindOf } from './codecs.js';
import {
  type Candidate,
  isActive,
  type MediaSection,
  receives,
  type SctpPort,
  type SessionDescription,
} from './description.js';
import { MEDIA_SECTIONS_MAX } from './limits.js';
import { answered, closed, type Line, NOTHING_TOLD, newLine, offered, type Terms } from './line.js';
import { answerSection, type LocalTransport, localDescription, type Origin, offerSection } from './local.js';
import { numberedCapabilities } from './numbering.js';
import { capabilitiesOf, withoutAmbiguousIds } from './parameters.js';
import { parseDescription } from './parse.js';
import { type DescriptionType, type PeerTransport, peerTransportOf, setupBeside } from './peer.js';
import { writeDescription } from './write.js';

/** Options of {@link SdpSession}. */
export type SdpSessionOptions = {
  /** Our end of the connection: a `WebRtcTransport`, or what has its parameters. */
  transport: LocalTransport;
  /** What the router can receive and send: `router.rtpCapabilities`. */
  rtpCapabilities: RtpCapabilities;
  /**
   * Who yields when both sides offer at once. Default: true, we do: our offer is taken back and made anew after the
   * peer's. With false, the peer's offer is refused with `ERR_SDP_GLARE`.
   */
  polite?: boolean;
  /** Whether simulcast is taken. Default: true. With false, peers send the first of their streams. */
  enableSimulcast?: boolean;
  /**
   * Our role in the DTLS handshake where the peer leaves it to us. Default: `server`, so that the peer begins. A peer that
   * names a role of its own gets it. With `client` our first offer says `a=setup:active`, which browsers take; JSEP asks for
   * `actpass`, and a peer that is strict refuses it.
   */
  dtlsRole?: 'client' | 'server';
  /** Session id of our descriptions, digits below 2^63. Default: random. */
  sessionId?: string;
};

/** Where an offer is under way. */
export type SignallingState = 'stable' | 'have-local-offer' | 'have-remote-offer' | 'closed';

/** What `transport.consume()` is called with besides the producer. */
export type ConsumeOptions = {
  /** MID of the m-line. Absent where it is too long for a header extension. */
  mid?: string;
  /** What the peer can receive there, under the numbers of the connection. */
  rtpCapabilities: RtpCapabilities;
  /** Always `endpoint`: packets carry the connection's numbers, not the router's. */
  numbering: RtpNumbering;
};

/** What `transport.produce()` is called with. */
export type ProduceOptions = { kind: MediaKind; rtpParameters: RtpParameters };

/** What a description of the peer means for one m-line. */
export type SdpMedia = {
  /** What the session's methods call the m-line: its MID, or its index where the peer gives no MIDs. */
  readonly mid: string;
  /** Its place among the m-lines, from 0. */
  readonly index: number;
  /** `audio`, `video`, `application` for data channels, or what is refused. */
  readonly kind: string;
  /** Whether it is closed, by whomever. */
  readonly closed: boolean;
  /** Why we closed it, if we did. */
  readonly refusal?: string;
  /** What the peer sends: nothing, something new, something else than before, the same, or nothing any more. */
  readonly incoming: 'none' | 'started' | 'changed' | 'same' | 'stopped';
  /** What the peer sends, as `transport.produce()` takes it; while `incoming` is `started`, `changed` or `same`. */
  readonly produceOptions?: ProduceOptions;
  /**
   * What the peer takes: nothing, whatever we may send, what we send since now, still, or not any more (then pause or
   * close the consumer).
   */
  readonly outgoing: 'none' | 'possible' | 'started' | 'same' | 'stopped';
  /** How to consume for this m-line, while `outgoing` is `possible`. */
  readonly consumeOptions?: ConsumeOptions;
  /** The peer's end of the data channels. */
  readonly sctp?: SctpPort;
};

/** What a description of the peer means. */
export type PeerDescription = {
  /** What `transport.connect()` is to be called with; only the first time that there is something to connect to. */
  readonly connect?: { readonly dtlsParameters: DtlsParameters };
  /** The peer's credentials; an ICE-lite transport needs none. Absent where every m-line is closed. */
  readonly iceParameters?: IceParameters;
  /** The peer's candidates; an ICE-lite transport needs none. */
  readonly iceCandidates: readonly Candidate[];
  /** Whether the peer restarts ICE: call `transport.restartIce()` before the answer (RFC 8839 §4.4.1.1). */
  readonly iceRestart: boolean;
  /** Every m-line in its order. */
  readonly media: readonly SdpMedia[];
};

/**
 * The signalling of one connection that sends and receives: from a peer's offers and answers to what a transport is
 * called with, and back (RFC 8829, RFC 9143, RFC 8842). It does nothing by itself: it neither sends nor calls the
 * transport, and a description that is refused changes nothing.
 */
export class SdpSession {
  readonly #transport: LocalTransport;
  readonly #terms: Omit<Terms, 'hasSctp'>;
  readonly #isPolite: boolean;
  readonly #dtlsRole: 'client' | 'server';
  readonly #id: string;
  #version = 0;
  #state: SignallingState = 'stable';
  /** The m-lines by index. */
  #lines: readonly Line[] = [];
  /** M-lines of ours that were never offered, or whose offer was taken back. */
  #pending: readonly Line[] = [];
  /** What `rollback` goes back to. */
  #before: { readonly lines: readonly Line[]; readonly peer: PeerTransport | undefined } | undefined;
  /** Our last offer, m-line by m-line. */
  #offer: readonly MediaSection[] = [];
  #peer: PeerTransport | undefined;
  #isConnected = false;
  #remote: Pick<SessionDescription, 'bundles' | 'extmapAllowMixed'> | undefined;
  #nextMid = 0;

  /** @throws `TypeError` when an option is missing or malformed. */
  constructor({ transport, rtpCapabilities, polite, enableSimulcast, dtlsRole, sessionId }: SdpSessionOptions) {
    if (!transport?.iceParameters || !transport.dtlsParameters || !Array.isArray(transport.iceCandidates)) {
      throw typeError('transport: expected a WebRtcTransport, or what has its ICE and DTLS parameters');
    }
    if (!Array.isArray(rtpCapabilities?.codecs)) {
      throw typeError('rtpCapabilities: expected those of a Router');
    }
    if (dtlsRole !== undefined && dtlsRole !== 'client' && dtlsRole !== 'server') {
      throw typeError("dtlsRole: expected 'client' or 'server'");
    }
    if (sessionId !== undefined && !/^\d{1,19}$/.test(sessionId)) {
      throw typeError('sessionId: expected up to 19 digits');
    }
    this.#transport = transport;
    this.#terms = { capabilities: structuredClone(rtpCapabilities), hasSimulcast: enableSimulcast ?? true };
    this.#isPolite = polite ?? true;
    this.#dtlsRole = dtlsRole ?? 'server';
    this.#id = sessionId ?? randomId();
  }

  /** Where an offer is under way. */
  get signallingState(): SignallingState {
    return this.#state;
  }

  /** Whether something was changed that the peer learns of only by an offer of ours. */
  get negotiationNeeded(): boolean {
    const isTold = ({ told, outgoing, isReceiving, kind }: Line): boolean =>
      kind === 'application' || (told.outgoing === outgoing && told.isReceiving === isReceiving);
    const open = this.#lines.filter(({ isClosed }) => !isClosed);
    return this.#pending.length > 0 || open.some((line) => line.isClosing || !isTold(line));
  }

  /**
   * Takes an offer of the peer. Attach what is to be sent, then make the answer.
   *
   * @throws {@link SdpError}, {@link LimitError} or {@link UnsupportedError} for a bad offer, {@link InvalidStateError} where
   * another one is under way: with `ERR_SDP_GLARE` where it is ours and the session is not polite. Nothing was changed.
   */
  receiveOffer(sdp: string): PeerDescription {
    this.#ensure('receiveOffer', 'stable', 'have-local-offer');
    if (this.#state === 'have-local-offer' && !this.#isPolite) {
      throw new InvalidStateError(
        'receiveOffer: our own offer is under way; the peer shall answer it, and offer afterwards',
        'ERR_SDP_GLARE',
      );
    }
    const description = read(sdp);
    const peer = this.#checked(description, 'offer');
    const undone = this.#undone();
    const lines = this.#offered(description.media, undone);
    const restarts = this.#peer !== undefined && peer !== undefined && !isSameIce(this.#peer, peer);
    const result = this.#result(undone.lines, lines, description, peer, restarts);
    this.#before = { lines: undone.lines, peer: this.#peer };
    this.#pending = undone.pending;
    this.#enter('have-remote-offer', lines, description, peer);
    return result;
  }

  /**
   * Makes the answer to the peer's offer.
   *
   * @throws {@link InvalidStateError} where there is none.
   */
  createAnswer(): string {
    this.#ensure('createAnswer', 'have-remote-offer');
    const setup = this.#peer ? setupBeside(this.#peer.dtlsParameters) : 'passive';
    const sections = this.#lines.map((line) =>
      answerSection({ line, transport: this.#transport, setup }, this.#terms.capabilities),
    );
    const text = this.#write(sections, (this.#remote?.bundles.length ?? 0) > 0);
    this.#lines = this.#lines.map((line) => (line.isClosing ? closed(line) : told(line)));
    this.#before = undefined;
    this.#state = 'stable';
    return text;
  }

  /**
   * Makes an offer of all that both sides know and of what was added since. New m-lines take the places of closed ones.
   *
   * @throws {@link InvalidStateError} where another offer is under way, {@link UnsupportedError} where the peer bundles
   * nothing and so cannot have a second m-line.
   */
  createOffer(): string {
    this.#ensure('createOffer', 'stable');
    const lines = [...this.#lines];
    for (const line of this.#pending) {
      const free = lines.findIndex(({ isClosed }) => isClosed);
      lines.splice(free < 0 ? lines.length : free, free < 0 ? 0 : 1, line);
    }
    const open = lines.filter((line) => !line.isClosed && !line.isClosing);
    if (open.length > 1 && open.some(({ mid }) => mid === undefined)) {
      throw new UnsupportedError(
        'createOffer: the peer gives its m-line no MID, so no other one can be bundled with it',
      );
    }
    // RFC 8829 §5.2.1 leaves the roles to the answerer, who begins then. Naming one is the only way to begin ourselves.
    const setup = this.#dtlsRole === 'client' && !this.#isConnected ? 'active' : 'actpass';
    const sections = lines.map((line) =>
      offerSection({ line, transport: this.#transport, setup }, this.#fresh(line.kind as MediaKind)),
    );
    const text = this.#write(sections, true);
    this.#before = { lines: this.#lines, peer: this.#peer };
    this.#lines = lines.map(told);
    this.#pending = [];
    this.#offer = sections;
    this.#state = 'have-local-offer';
    return text;
  }

  /**
   * Takes the peer's answer to our offer.
   *
   * @throws {@link SdpError}, {@link LimitError} or {@link UnsupportedError} for a bad answer, {@link InvalidStateError}
   * where there is no offer of ours. Nothing was changed: the peer may answer again, or the offer be rolled back.
   */
  receiveAnswer(sdp: string): PeerDescription {
    this.#ensure('receiveAnswer', 'have-local-offer');
    const description = read(sdp);
    const { media } = description;
    this.#checkAnswer(media);
    const peer = this.#checked(description, 'answer');
    const terms = this.#allTerms();
    const lines = this.#lines.map((line, index) => {
      return line.isClosed
        ? line
        : answered(line, media[index] as MediaSection, this.#offer[index] as MediaSection, terms);
    });
    const result = this.#result(this.#lines, lines, description, peer, false);
    this.#before = undefined;
    this.#enter('stable', lines, description, peer);
    return result;
  }

  /** Takes back the offer that is under way, whosever it is. What was added stays, to be offered again. Idempotent. */
  rollback(): void {
    const { lines, pending } = this.#undone();
    this.#lines = lines;
    this.#pending = pending;
    this.#peer = this.#before ? this.#before.peer : this.#peer;
    this.#before = undefined;
    this.#state = this.#state === 'closed' ? 'closed' : 'stable';
  }

  /** Adds an m-line on which we send. Consume with these options, hand the consumer's parameters to {@link send}, offer. */
  addSender(kind: MediaKind): { mid: string; consumeOptions: ConsumeOptions } {
    const line = { ...this.#add(kind), isReceiving: false };
    this.#pending = [...this.#pending, line];
    return { mid: line.key, consumeOptions: consumeOptions(line, this.#fresh(kind)) };
  }

  /**
   * Adds an m-line on which the peer may send.
   *
   * @param rids - Names of the simulcast streams to ask for, the lowest first. Default: one stream.
   */
  addReceiver(kind: MediaKind, rids: readonly string[] = []): { mid: string } {
    if (rids.some((rid) => !/^[\w-]{1,16}$/.test(rid))) {
      throw typeError('rids: expected names of 1–16 letters, digits, "-" or "_"');
    }
    const line = { ...this.#add(kind), rids: [...rids] };
    this.#pending = [...this.#pending, line];
    return { mid: line.key };
  }

  /**
   * Adds the m-line of data channels; a connection has one.
   *
   * @throws {@link InvalidStateError} where there is one, {@link UnsupportedError} where the transport has no SCTP.
   */
  addDataChannels(): { mid: string } {
    if (!this.#transport.sctpParameters) {
      throw new UnsupportedError('addDataChannels: the transport has no SCTP; create it with enableSctp');
    }
    if ([...this.#lines, ...this.#pending].some(({ kind, isClosed }) => kind === 'application' && !isClosed)) {
      throw new InvalidStateError('addDataChannels: the connection has data channels already');
    }
    const line = this.#add('application');
    this.#pending = [...this.#pending, line];
    return { mid: line.key };
  }

  /**
   * Sends on an m-line what a consumer sends, instead of what was sent there before. The peer learns of it by our next
   * description.
   *
   * @param rtpParameters - Those of a consumer that was made with the `consumeOptions` of this m-line.
   * @throws {@link NotFoundError} where there is no such m-line, `TypeError` for what was consumed otherwise.
   */
  send(mid: string, rtpParameters: RtpParameters): void {
    const line = this.#open('send', mid);
    const [first] = rtpParameters?.codecs ?? [];
    if (!first || kindOf(first) !== line.kind) {
      throw typeError(`rtpParameters: expected those of a consumer of ${line.kind}`);
    }
    this.#checkNumbers(line, rtpParameters);
    const outgoing = structuredClone(rtpParameters);
    // In an answer that is yet to be made it is told at once; otherwise it waits for an offer of ours.
    const isAnswered = this.#state === 'have-remote-offer';
    const isFlowing = isAnswered && line.peer !== undefined && receives(line.peer.direction);
    this.#change(line, { outgoing, isFlowing });
  }

  /** Sends nothing on an m-line any more, which stays for other media. */
  stopSending(mid: string): void {
    const { outgoing: _, ...line } = this.#open('stopSending', mid);
    this.#replace({ ...line, isFlowing: false });
  }

  /** Takes nothing on an m-line any more, which stays for what we send. */
  stopReceiving(mid: string): void {
    const { incoming: _, ...line } = this.#open('stopReceiving', mid);
    this.#replace({ ...line, isReceiving: false });
  }

  /** Closes an m-line, or refuses one that is being offered. Its place is for another one then. */
  closeMedia(mid: string): void {
    const line = this.#open('closeMedia', mid);
    if (this.#pending.includes(line)) {
      this.#pending = this.#pending.filter((one) => one !== line);
    } else {
      this.#change(line, { isClosing: true });
    }
  }

  /** Ends the signalling; every method but the getters fails afterwards. Idempotent. */
  close(): void {
    this.#state = 'closed';
  }

  #ensure(method: string, ...states: SignallingState[]): void {
    if (!states.includes(this.#state)) {
      const expected = states.map((state) => `"${state}"`).join(' or ');
      throw new InvalidStateError(`${method}: the signalling state is "${this.#state}", not ${expected}`);
    }
  }

  #allTerms(): Terms {
    return { ...this.#terms, hasSctp: this.#transport.sctpParameters !== undefined };
  }

  /** Checks a description against WebRTC's rules and against the transport that is there already. */
  #checked(description: SessionDescription, type: DescriptionType): PeerTransport | undefined {
    const peer = peerTransportOf(description, type, this.#dtlsRole);
    const known = this.#peer?.dtlsParameters;
    if (!peer || !known) {
      return peer;
    }
    const isKnown = peer.dtlsParameters.fingerprints.some(({ algorithm, value }) =>
      known.fingerprints.some((one) => one.algorithm === algorithm && one.value === value),
    );
    if (!isKnown) {
      throw new UnsupportedError(
        'a=fingerprint: the certificate is another one than before; open a new connection for it (RFC 8842 §5.1)',
      );
    }
    // RFC 8842 §5.5: the roles of an association stay, whatever later descriptions say.
    return { ...peer, dtlsParameters: { ...peer.dtlsParameters, role: known.role } as PeerTransport['dtlsParameters'] };
  }

  #offered(
    media: readonly MediaSection[],
    { lines, pending }: { lines: readonly Line[]; pending: readonly Line[] },
  ): Line[] {
    if (media.length < lines.length) {
      throw new SdpError(
        `the offer has ${media.length} m-lines, and there are ${lines.length}; close them instead (RFC 3264 §8)`,
      );
    }
    const terms = this.#allTerms();
    const result = media.map((section, index) => {
      const line = lines[index];
      const isSame = line && line.kind === section.kind && line.mid === section.mid;
      if (line && !line.isClosed && !isSame) {
        throw new SdpError(
          `m-line ${index} was ${line.kind} with MID "${line.key}"; neither may change (RFC 8829 §5.3.1)`,
        );
      }
      return line?.isClosed && !isActive(section)
        ? line
        : offered(line?.isClosed ? undefined : line, section, index, terms);
    });
    const taken = pending.find(({ key }) => result.some((line) => line.key === key && !line.isClosed));
    if (taken) {
      throw new SdpError(`a=mid:${taken.key} is the MID of an m-line that we are about to offer; use another one`);
    }
    return result;
  }

  #checkAnswer(media: readonly MediaSection[]): void {
    if (media.length !== this.#lines.length) {
      throw new SdpError(`the answer has ${media.length} m-lines, the offer ${this.#lines.length} (RFC 3264 §6)`);
    }
    for (const [index, { kind, mid }] of media.entries()) {
      const line = this.#lines[index] as Line;
      if (kind !== line.kind || (mid !== undefined && mid !== line.mid)) {
        throw new SdpError(
          `m-line ${index} was offered as ${line.kind} with MID "${line.key}" and is answered otherwise`,
        );
      }
    }
  }

  #enter(
    state: SignallingState,
    lines: readonly Line[],
    description: SessionDescription,
    peer: PeerTransport | undefined,
  ): void {
    this.#lines = lines;
    this.#remote = description;
    this.#peer = peer ?? this.#peer;
    this.#isConnected ||= peer !== undefined;
    this.#state = state;
  }

  #result(
    before: readonly Line[],
    after: readonly Line[],
    { media }: SessionDescription,
    peer: PeerTransport | undefined,
    iceRestart: boolean,
  ): PeerDescription {
    const isNew = peer !== undefined && !this.#isConnected;
    return {
      ...(isNew ? { connect: { dtlsParameters: structuredClone(peer.dtlsParameters) } } : {}),
      ...(peer ? { iceParameters: { ...peer.iceParameters } } : {}),
      iceCandidates: media.flatMap(({ candidates }) => candidates),
      iceRestart,
      media: after.map((line, index) => mediaOf(before[index], line, index)),
    };
  }

  /** The m-lines without the offer that is under way. What was done to lines of ours meanwhile stays done. */
  #undone(): { lines: readonly Line[]; pending: readonly Line[] } {
    if (!this.#before) {
      return { lines: this.#lines, pending: this.#pending };
    }
    const { lines } = this.#before;
    if (this.#state !== 'have-local-offer') {
      return { lines, pending: this.#pending };
    }
    const isNew = (line: Line): boolean => !lines.some(({ key, isClosed }) => key === line.key && !isClosed);
    const added = this.#lines.filter((line) => isNew(line) && !line.isClosed && !line.isClosing);
    const kept = lines.map((line) => {
      const current = this.#lines.find(({ key, isClosed }) => key === line.key && !isClosed);
      return current && !line.isClosed ? { ...current, told: line.told } : line;
    });
    const untold = added.map((line) => ({ ...line, told: NOTHING_TOLD }));
    return { lines: kept, pending: [...untold, ...this.#pending] };
  }

  #write(sections: readonly MediaSection[], isBundled: boolean): string {
    const origin: Origin = { id: this.#id, version: this.#version + 1 };
    const extmapAllowMixed = this.#remote?.extmapAllowMixed ?? true;
    const text = writeDescription(localDescription(origin, sections, { isBundled, extmapAllowMixed }));
    this.#version = origin.version;
    return text;
  }

  /** What may be offered in an m-line of which nothing is known. */
  #fresh(kind: MediaKind): RtpCapabilities {
    const open = this.#lines.filter(({ isClosed, peer }) => !isClosed && peer);
    const sections = open.flatMap(({ peer }) => (peer ? [peer] : []));
    // What a peer offers to receive is all that it can; what it sends or answers need not be.
    const isComplete = open.some(
      ({ isPeerOffer, peer }) => isPeerOffer && peer?.kind === kind && receives(peer.direction),
    );
    return numberedCapabilities(kind, sections, this.#terms.capabilities, isComplete);
  }

  #add(kind: MediaKind | 'application'): Line {
    if (this.#state === 'closed') {
      throw new InvalidStateError('the session is closed');
    }
    if (this.#lines.filter(({ isClosed }) => !isClosed).length + this.#pending.length >= MEDIA_SECTIONS_MAX) {
      throw new LimitError(`a session has ${MEDIA_SECTIONS_MAX} m-lines at most (MEDIA_SECTIONS_MAX); close one first`);
    }
    // Browsers number theirs from 0. The letter keeps ours apart when both sides add one at the same time.
    const keys = new Set([...this.#lines, ...this.#pending].map(({ key }) => key));
    let key = `s${this.#nextMid++}`;
    while (keys.has(key)) {
      key = `s${this.#nextMid++}`;
    }
    return newLine({ key, mid: key, kind });
  }

  #open(method: string, mid: string): Line {
    if (this.#state === 'closed') {
      throw new InvalidStateError(`${method}: the session is closed`);
    }
    const line = [...this.#lines, ...this.#pending].find(({ key, isClosed }) => key === mid && !isClosed);
    if (!line) {
      throw new NotFoundError(`${method}: there is no open m-line with the MID ${JSON.stringify(mid)}`);
    }
    return line;
  }

  #change(line: Line, changes: Partial<Line>): void {
    this.#replace({ ...line, ...changes });
  }

  #replace(line: Line): void {
    const replace = (one: Line): Line => (one.key === line.key && !one.isClosed ? line : one);
    this.#lines = this.#lines.map(replace);
    this.#pending = this.#pending.map(replace);
  }

  /** Insists that a consumer uses the connection's numbers: within BUNDLE each means one codec (RFC 9143 §9.1). */
  #checkNumbers({ key, mid }: Line, { codecs, headerExtensions = [], mid: own }: RtpParameters): void {
    const hasMid = headerExtensions.some(({ uri }) => uri === 'urn:ietf:params:rtp-hdrext:sdes:mid');
    if (hasMid && own !== undefined && own !== mid) {
      throw typeError(`rtpParameters.mid: is "${own}", not "${key}"; consume with the consumeOptions of the m-line`);
    }
    const known = this.#lines.filter(({ isClosed }) => !isClosed).flatMap(({ common }) => common.codecs);
    for (const codec of codecs) {
      const other = known.find(({ payloadType }) => payloadType === codec.payloadType);
      const isOther = other && (isRtx(other) !== isRtx(codec) || (!isRtx(codec) && !isCompatible(other, codec)));
      if (isOther) {
        throw typeError(
          `rtpParameters.codecs: payload type ${codec.payloadType} is ${other.mimeType} in this connection, not ${codec.mimeType}; consume with the consumeOptions of the m-line`,
        );
      }
    }
  }
}

/** A description of the peer, in which numbers mean one thing. */
function read(sdp: string): SessionDescription {
  const description = parseDescription(sdp);
  return { ...description, media: withoutAmbiguousIds(description.media) };
}

function mediaOf(before: Line | undefined, line: Line, index: number): SdpMedia {
  const former = before?.key === line.key ? before : undefined;
  const outgoing = outgoingOf(former, line);
  return {
    mid: line.key,
    index,
    kind: line.kind,
    closed: line.isClosed,
    ...(line.refusal === undefined ? {} : { refusal: line.refusal }),
    incoming: incomingOf(former, line),
    ...(line.incoming ? { produceOptions: produceOptions(line.incoming) } : {}),
    outgoing,
    ...(outgoing === 'possible'
      ? { consumeOptions: consumeOptions(line, capabilitiesOf(line.common, line.kind as MediaKind)) }
      : {}),
    ...(line.sctp ? { sctp: line.sctp } : {}),
  };
}

function produceOptions(incoming: RtpParameters): ProduceOptions {
  const rtpParameters = structuredClone(incoming);
  return { kind: kindOf(rtpParameters.codecs[0] as RtpParameters['codecs'][number]), rtpParameters };
}

function incomingOf(before: Line | undefined, { incoming }: Line): SdpMedia['incoming'] {
  if (!incoming) {
    return before?.incoming ? 'stopped' : 'none';
  }
  if (!before?.incoming) {
    return 'started';
  }
  return JSON.stringify(before.incoming) === JSON.stringify(incoming) ? 'same' : 'changed';
}

function outgoingOf(
  before: Line | undefined,
  { outgoing, isFlowing, isClosed, kind, peer }: Line,
): SdpMedia['outgoing'] {
  if (isFlowing) {
    return before?.isFlowing ? 'same' : 'started';
  }
  if (before?.outgoing) {
    return 'stopped';
  }
  const isMedia = kind === 'audio' || kind === 'video';
  return !outgoing && isMedia && !isClosed && peer && receives(peer.direction) ? 'possible' : 'none';
}

/** Bytes of a MID that a header extension of the one-byte form holds (RFC 8285 §4.2). */
const MID_BYTES_MAX = 16;

/** How to consume for an m-line. A MID that no header extension holds is left out, and the peer goes by SSRC. */
function consumeOptions({ mid }: Line, rtpCapabilities: RtpCapabilities): ConsumeOptions {
  if (mid !== undefined && /^[\x21-\x7e]+$/.test(mid) && mid.length <= MID_BYTES_MAX) {
    return { mid, rtpCapabilities, numbering: 'endpoint' };
  }
  const headerExtensions = (rtpCapabilities.headerExtensions ?? []).filter(
    ({ uri }) => uri !== 'urn:ietf:params:rtp-hdrext:sdes:mid',
  );
  return { rtpCapabilities: { ...rtpCapabilities, headerExtensions }, numbering: 'endpoint' };
}

/** The m-line after a description of ours. */
function told(line: Line): Line {
  return { ...line, told: { outgoing: line.outgoing, isReceiving: line.isReceiving } };
}

function isSameIce(a: PeerTransport, b: PeerTransport): boolean {
  return (
    a.iceParameters.usernameFragment === b.iceParameters.usernameFragment &&
    a.iceParameters.password === b.iceParameters.password
  );
}

function randomId(): string {
  const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2));
  return String(((BigInt(high) << 32n) | BigInt(low)) >> 1n);
}
