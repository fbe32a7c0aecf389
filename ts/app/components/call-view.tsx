import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Call } from '../call/call';
import { type CallState, localMedia } from '../call/call-state';
import { Controls } from './controls';
import { Sound } from './media-player';
import { flowing, PeerTiles, ScreenTile, Tile } from './tile';
import { TrafficLine } from './traffic-line';
import { useStore } from './use-store';

/** The page during the call. */
export function CallView({ call, room, name }: { call: Call; room: string; name: string }): JSX.Element {
  const state = useStore(call.state);
  const [numbers, setNumbers] = useState(false);
  return (
    <main class="call">
      <Grid call={call} state={state} name={name} />
      {state.combinedSound && <Sound track={state.combinedSound.track} />}
      {state.phase !== 'joined' && (
        <div class="interruption" role="status">
          <span class="spinner" aria-hidden="true" />
          {state.phase === 'connecting' ? 'Connecting…' : `Reconnecting… ${state.reason}`}
        </div>
      )}
      {state.phase === 'joined' && state.peers.length === 0 && (
        <p class="alone">Nobody else is here yet. Send them the address of this page.</p>
      )}
      {state.trouble && (
        <p class="complaint" role="alert">
          {state.trouble}
        </p>
      )}
      <footer>
        <span class="room">{room}</span>
        <Controls call={call} state={state} numbers={numbers} onNumbers={() => setNumbers(!numbers)} />
        <div class="footer-end">{numbers && <TrafficLine call={call} />}</div>
      </footer>
      <p class="unseen" aria-live="polite">
        {state.announcement}
      </p>
    </main>
  );
}

function Grid({ call, state, name }: { call: Call; state: CallState; name: string }): JSX.Element {
  return state.combinedPicture ? (
    <Combined state={state} track={state.combinedPicture.track} />
  ) : (
    <Apart call={call} state={state} name={name} />
  );
}

/** Everyone in one picture; the sound of each stays apart. */
function Combined({ state, track }: { state: CallState; track: MediaStreamTrack }): JSX.Element {
  const sounds = state.peers.flatMap((peer) => flowing(peer, 'microphone') ?? []);
  return (
    <ul class="grid" style={shapeOf(1)}>
      <Tile name="Everyone" label="" picture={track} muted={false} screen />
      {sounds.map((sound) => (
        <Sound key={sound.consumerId} track={sound.track} />
      ))}
    </ul>
  );
}

function Apart({ call, state, name }: { call: Call; state: CallState; name: string }): JSX.Element {
  const microphone = localMedia(state, 'microphone');
  const ownScreen = localMedia(state, 'screen');
  const screens = state.peers.flatMap((peer) => {
    const track = flowing(peer, 'screen')?.track;
    return track ? [{ id: peer.id, name: peer.name, track }] : [];
  });
  const shown = screens.length + (ownScreen ? 1 : 0);
  const tiles = shown + 1 + state.peers.length;
  return (
    <ul class={`grid ${shown > 0 ? 'spotlight' : ''}`} style={shapeOf(tiles)}>
      {screens.map((screen) => (
        <ScreenTile key={`${screen.id}-screen`} name={screen.name} track={screen.track} />
      ))}
      {ownScreen && <Tile name="Your screen" picture={ownScreen.track} muted={false} screen />}
      <Tile
        name={name}
        label={`${name} (you)`}
        picture={localMedia(state, 'camera')?.track}
        mirrored
        muted={!microphone || microphone.paused}
      />
      {state.peers.map((peer) => (
        <PeerTiles key={peer.id} call={call} peer={peer} />
      ))}
    </ul>
  );
}

/** Columns and rows for this many tiles: nearly square on a wide window, a column less on an upright one. */
function shapeOf(tiles: number): Record<string, number> {
  const wide = Math.ceil(Math.sqrt(tiles));
  const upright = Math.max(1, wide - 1);
  return {
    '--columns-wide': wide,
    '--rows-wide': Math.ceil(tiles / wide),
    '--columns-upright': upright,
    '--rows-upright': Math.ceil(tiles / upright),
  };
}
