import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { Call } from '../call/call';
import type { LocalMedia } from '../call/call-state';
import type { Place } from '../place';
import { CallView } from './call-view';
import { Goodbye } from './goodbye';
import { Lobby } from './lobby';
import { useStore } from './use-store';

/** The whole page: before, during and after a call. */
export function App({ place }: { place: Place }): JSX.Element {
  const [name, setName] = useState(() => localStorage.getItem(NAME_KEY) ?? '');
  const [call, setCall] = useState<Call>();
  if (!call) {
    const join = (chosen: string, media: LocalMedia[]) => {
      localStorage.setItem(NAME_KEY, chosen);
      setName(chosen);
      const next = new Call({ url: place.signallingUrl, displayName: chosen, forceTcp: place.forceTcp });
      setCall(next);
      void next.join(media);
    };
    return <Lobby room={place.room} name={name} onJoin={join} />;
  }
  return <InCall call={call} room={place.room} name={name} onRejoin={() => setCall(undefined)} />;
}

function InCall(props: { call: Call; room: string; name: string; onRejoin: () => void }): JSX.Element {
  const { phase, reason } = useStore(props.call.state);
  return phase === 'ended' ? <Goodbye reason={reason} onRejoin={props.onRejoin} /> : <CallView {...props} />;
}

const NAME_KEY = 'millrace.name';
