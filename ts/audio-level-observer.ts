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

/** Options of {@link Router.createAudioLevelObserver}. */
export type AudioLevelObserverOptions<AudioLevelObserverAppData extends AppData = AppData> =
  model.AudioLevelObserverOptions & {
    /** The application's own data. Default: `{}`. */
    appData?: AudioLevelObserverAppData;
  };

/** An entry of a `volumes` event. */
export type AudioLevelObserverVolume = {
  /** Who. */
  producer: Producer;
  /** Average volume of the last interval in dBov, −127 to 0. */
  volume: number;
};

/** Events of an {@link AudioLevelObserver}. */
export type AudioLevelObserverEvents = RtpObserverEvents & {
  /** Who was loud in the last interval, the loudest first. */
  volumes: [volumes: AudioLevelObserverVolume[]];
  /** Nobody was loud in the last interval, and somebody was before. */
  silence: [];
};

/** Observer of an {@link AudioLevelObserver}. */
export type AudioLevelObserverObserver = EnhancedEventEmitter<AudioLevelObserverObserverEvents>;

/** Events of an {@link AudioLevelObserverObserver}. */
export type AudioLevelObserverObserverEvents = RtpObserverObserverEvents & {
  /** Who was loud in the last interval, the loudest first. */
  volumes: [volumes: AudioLevelObserverVolume[]];
  /** Nobody was loud in the last interval, and somebody was before. */
  silence: [];
};

/** Tells who is loud, by the levels that the Producers' packets carry (RFC 6464). */
export class AudioLevelObserver<AudioLevelObserverAppData extends AppData = AppData> extends RtpObserver<
  AudioLevelObserverAppData,
  AudioLevelObserverEvents,
  AudioLevelObserverObserver
> {
  /** @internal */
  constructor(channel: Channel, id: string, parent: RtpObserverParent, appData: AudioLevelObserverAppData | undefined) {
    super(channel, id, parent, new EnhancedEventEmitter(), appData);
  }

  get type(): 'audiolevel' {
    return 'audiolevel';
  }

  /** @internal */
  protected handle(event: string, data: unknown): void {
    if (event !== 'volumes') {
      logger.error(`ignoring unknown event '${event}'`);
      return;
    }
    const told = data as { producerId: string; volume: number }[];
    const volumes = told.flatMap(({ producerId, volume }) => {
      const producer = this.producerOf(producerId);
      return producer ? [{ producer, volume }] : [];
    });
    if (volumes.length > 0) {
      this.tell('volumes', volumes);
    } else if (told.length === 0) {
      this.tell('silence');
    }
  }
}

const logger = new Logger('AudioLevelObserver');
