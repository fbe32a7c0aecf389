import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Call } from '../call/call';
import { type CallState, localMedia } from '../call/call-state';
import { captureCamera, captureMicrophone, captureScreen, whyNot } from '../devices/capture';
import { Icon } from './icons';
import { Toggle } from './toggle';

/** The buttons of a call, each with a key. */
export function Controls(props: {
  call: Call;
  state: CallState;
  numbers: boolean;
  onNumbers: () => void;
}): JSX.Element {
  const { call, state, numbers, onNumbers } = props;
  const microphone = localMedia(state, 'microphone');
  const speaking = !!microphone && !microphone.paused;
  const camera = !!localMedia(state, 'camera');
  const screen = !!localMedia(state, 'screen');
  const actions = useActions(call, state);
  useShortcuts({
    m: actions.microphone,
    v: actions.camera,
    s: actions.screen,
    c: actions.combinedSound,
    p: actions.combinedPicture,
    i: onNumbers,
  });
  return (
    <div class="controls" role="toolbar" aria-label="Call">
      <Toggle
        on={speaking}
        icon={speaking ? 'microphone' : 'microphoneOff'}
        label={speaking ? 'Mute' : 'Unmute'}
        shortcut="M"
        tone="warn"
        onPress={actions.microphone}
      />
      <Toggle
        on={camera}
        icon={camera ? 'camera' : 'cameraOff'}
        label={camera ? 'Turn the camera off' : 'Turn the camera on'}
        shortcut="V"
        tone="warn"
        onPress={actions.camera}
      />
      <Toggle
        on={screen}
        icon="screen"
        label={screen ? 'Stop sharing the screen' : 'Share the screen'}
        shortcut="S"
        tone="accent"
        onPress={actions.screen}
      />
      <Toggle
        on={!!state.combinedSound}
        icon="merge"
        label={state.combinedSound ? 'Hear everyone apart' : 'Hear everyone as one combined sound'}
        shortcut="C"
        tone="accent"
        onPress={actions.combinedSound}
      />
      <Toggle
        on={!!state.combinedPicture}
        icon="grid"
        label={state.combinedPicture ? 'See everyone apart' : 'See everyone as one combined picture, for a weak line'}
        shortcut="P"
        tone="accent"
        onPress={actions.combinedPicture}
      />
      <Toggle
        on={numbers}
        icon="stats"
        label={numbers ? 'Hide the numbers' : 'Show the connection in numbers'}
        shortcut="I"
        tone="accent"
        onPress={onNumbers}
      />
      <CopyLink call={call} />
      <button type="button" class="round leave" aria-label="Leave the call" title="Leave" onClick={() => call.leave()}>
        <Icon name="leave" />
      </button>
    </div>
  );
}

function CopyLink({ call }: { call: Call }): JSX.Element {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(window.location.href.split('?')[0] ?? '');
    setCopied(true);
    call.announce('The address of this call is copied.');
  };
  return <Toggle on={copied} icon="link" label="Copy the address of this call" tone="accent" onPress={copy} />;
}

type Actions = Readonly<Record<'microphone' | 'camera' | 'screen' | 'combinedSound' | 'combinedPicture', () => void>>;

function useActions(call: Call, state: CallState): Actions {
  const attempt = (what: string, action: () => Promise<void>) => () => {
    action().catch((error: unknown) => call.complain(whyNot(error, what)));
  };
  return {
    microphone: attempt('microphone', () => switchMicrophone(call, state)),
    camera: attempt('camera', () => switchCamera(call, state)),
    screen: attempt('screen', () => switchScreen(call, state)),
    combinedSound: () => void switchCombinedSound(call, state),
    combinedPicture: () => void switchCombinedPicture(call, state),
  };
}

async function switchMicrophone(call: Call, state: CallState): Promise<void> {
  const microphone = localMedia(state, 'microphone');
  if (!microphone) {
    await call.publish('microphone', await captureMicrophone());
    return;
  }
  await call.setPaused('microphone', !microphone.paused);
  call.announce(microphone.paused ? 'You can be heard.' : 'You are muted.');
}

async function switchCamera(call: Call, state: CallState): Promise<void> {
  if (localMedia(state, 'camera')) {
    // Closed and not paused, so that the light of the camera goes out.
    await call.unpublish('camera');
    call.announce('Your camera is off.');
  } else {
    await call.publish('camera', await captureCamera());
    call.announce('Your camera is on.');
  }
}

async function switchScreen(call: Call, state: CallState): Promise<void> {
  if (localMedia(state, 'screen')) {
    await call.unpublish('screen');
    return;
  }
  const track = await captureScreen();
  if (!track) {
    return;
  }
  // The browser has a button of its own to stop sharing.
  track.addEventListener('ended', () => void call.unpublish('screen'));
  await call.publish('screen', track);
  call.announce('Your screen is shown.');
}

async function switchCombinedSound(call: Call, state: CallState): Promise<void> {
  const enabled = !state.combinedSound;
  try {
    await call.setCombinedSound(enabled);
    call.announce(enabled ? 'You hear everyone as one sound.' : 'You hear everyone apart.');
  } catch {
    call.complain('The server cannot combine the sound at the moment.');
  }
}

async function switchCombinedPicture(call: Call, state: CallState): Promise<void> {
  const enabled = !state.combinedPicture;
  try {
    await call.setCombinedPicture(enabled);
    call.announce(enabled ? 'You see everyone in one picture.' : 'You see everyone apart.');
  } catch {
    call.complain('The server cannot combine the pictures at the moment.');
  }
}

/** Calls an action when its key is pressed alone and nothing is being typed. */
function useShortcuts(actions: Readonly<Record<string, () => void>>): void {
  const current = useRef(actions);
  current.current = actions;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLInputElement;
      if (!typing && !event.repeat && !event.ctrlKey && !event.metaKey && !event.altKey) {
        current.current[event.key.toLowerCase()]?.();
      }
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, []);
}
