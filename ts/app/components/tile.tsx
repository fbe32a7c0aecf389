import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Call } from '../call/call';
import type { Peer, RemoteMedia, Source } from '../call/call-state';
import { Icon } from './icons';
import { Picture, Sound } from './media-player';

/** Someone in the call: the picture, or the initials where there is none, and the name. */
export function Tile(props: {
  name: string;
  /** What stands below, where that is more than the name; empty for nothing. */
  label?: string;
  picture: MediaStreamTrack | undefined;
  mirrored?: boolean;
  muted: boolean;
  speaking?: boolean;
  screen?: boolean;
  /** Hears how many pixels of the screen the picture is wide. */
  onWidth?: (pixels: number) => void;
}): JSX.Element {
  const { name, label, picture, mirrored, muted, speaking, screen, onWidth } = props;
  const classes = ['tile', speaking ? 'speaking' : '', screen ? 'screen' : ''];
  return (
    <li class={classes.filter(Boolean).join(' ')}>
      {picture ? <Picture track={picture} mirrored={mirrored ?? false} onWidth={onWidth} /> : <Initials name={name} />}
      {label !== '' && (
        <div class="tile-name">
          {muted && (
            <span class="tile-muted" role="img" aria-label="muted">
              <Icon name="microphoneOff" />
            </span>
          )}
          <span>{label ?? name}</span>
        </div>
      )}
    </li>
  );
}

/** Another participant, and beside it the screen that it shows. */
export function PeerTiles({ call, peer }: { call: Call; peer: Peer }): JSX.Element {
  const microphone = flowing(peer, 'microphone');
  const camera = flowing(peer, 'camera');
  const speaking = useSpeaking(microphone);
  return (
    <>
      <Tile
        name={peer.name}
        picture={camera?.track}
        muted={!microphone}
        speaking={speaking}
        onWidth={(pixels) => camera && void call.session?.showAt(camera.consumerId, pixels)}
      />
      {microphone && <Sound track={microphone.track} />}
    </>
  );
}

/** The screen that a participant shows. */
export function ScreenTile({ name, track }: { name: string; track: MediaStreamTrack }): JSX.Element {
  return <Tile name={`${name}’s screen`} picture={track} muted={false} screen />;
}

/** What a participant sends from this source and has not paused. */
export function flowing(peer: Peer, source: Source): RemoteMedia | undefined {
  return peer.media.find((media) => media.source === source && !media.paused);
}

function Initials({ name }: { name: string }): JSX.Element {
  const letters = name
    .split(/\s+/)
    .slice(0, 2)
    .map((word) => [...word][0] ?? '');
  return (
    <div class={`initials tone-${toneOf(name)}`} aria-hidden="true">
      {letters.join('').toUpperCase()}
    </div>
  );
}

/** Whether a participant is speaking, as its packets say (RFC 6464). */
function useSpeaking(microphone: RemoteMedia | undefined): boolean {
  const [speaking, setSpeaking] = useState(false);
  const receiver = microphone?.receiver;
  useEffect(() => {
    if (!receiver) {
      setSpeaking(false);
      return;
    }
    const timer = setInterval(() => {
      const heard = receiver.getSynchronizationSources()[0];
      const age = performance.timeOrigin + performance.now() - (heard?.timestamp ?? 0);
      setSpeaking(age < SPEAKING_AGE_MAX_MS && (heard?.audioLevel ?? 0) > SPEAKING_LEVEL);
    }, SPEAKING_INTERVAL_MS);
    return () => clearInterval(timer);
  }, [receiver]);
  return speaking;
}

/** A colour that stays with a name. */
function toneOf(name: string): number {
  return [...name].reduce((sum, letter) => sum + (letter.codePointAt(0) ?? 0), 0) % TONES;
}

/** Number of `tone-…` classes in the style sheet. */
const TONES = 6;

/** Linear level from which a voice counts as one: about -35 dBFS. */
const SPEAKING_LEVEL = 0.018;

const SPEAKING_INTERVAL_MS = 250;

/** Age of a level from which on it says nothing: the stream has stopped. */
const SPEAKING_AGE_MAX_MS = 1000;
