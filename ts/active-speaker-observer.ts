import type { Channel } from './channel.js';
import { EnhancedEventEmitter } from './enhanced-event-emitter.js';
import type * as model from './generated/model.js';
import { Logger } from './logger.js';
import type { Producer } from './producer.js';
import type { AppData } from './remote-object.js';
import {
  RtpObserver,
  type RtpObserverEvents,
  type RtpObserverObserverEvents,
  type RtpObserverParent,
} from './rtp-observer.js';

/** Options of {@link Router.createActiveSpeakerObserver}. */
export type ActiveSpeakerObserverOptions<ActiveSpeakerObserverAppData extends AppData = AppData> =
  model.ActiveSpeakerObserverOptions & {
    /** The application's own data. Default: `{}`. */
    appData?: ActiveSpeakerObserverAppData;
  };

/** What a `dominantspeaker` event tells. */
export type ActiveSpeakerObserverDominantSpeaker = {
  /** Who. */
  producer: Producer;
};

/** Events of an {@link ActiveSpeakerObserver}. */
export type ActiveSpeakerObserverEvents = RtpObserverEvents & {
  /** Another Producer became the dominant speaker. */
  dominantspeaker: [dominantSpeaker: ActiveSpeakerObserverDominantSpeaker];
};

/** Observer of an {@link ActiveSpeakerObserver}. */
export type ActiveSpeakerObserverObserver = EnhancedEventEmitter<ActiveSpeakerObserverObserverEvents>;

/** Events of an {@link ActiveSpeakerObserverObserver}. */
export type ActiveSpeakerObserverObserverEvents = RtpObserverObserverEvents & {
  /** Another Producer became the dominant speaker. */
  dominantspeaker: [dominantSpeaker: ActiveSpeakerObserverDominantSpeaker];
};

/** Tells who is the dominant speaker, by the levels that the Producers' packets carry (RFC 6464). */
export class ActiveSpeakerObserver<ActiveSpeakerObserverAppData extends AppData = AppData> extends RtpObserver<
  ActiveSpeakerObserverAppData,
  ActiveSpeakerObserverEvents,
  ActiveSpeakerObserverObserver
> {
  /** @internal */
  constructor(
    channel: Channel,
    id: string,
    parent: RtpObserverParent,
    appData: ActiveSpeakerObserverAppData | undefined,
  ) {
    super(channel, id, parent, new EnhancedEventEmitter(), appData);
  }

  get type(): 'activespeaker' {
    return 'activespeaker';
  }

  /** @internal */
  protected handle(event: string, data: unknown): void {
    if (event !== 'dominantspeaker') {
      logger.error(`ignoring unknown event '${event}'`);
      return;
    }
    const producer = this.producerOf((data as { producerId: string }).producerId);
    if (producer) {
      this.tell('dominantspeaker', { producer });
    }
  }
}

const logger = new Logger('ActiveSpeakerObserver');
