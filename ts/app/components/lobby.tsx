import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { LocalMedia } from '../call/call-state';
import { captureBoth, captureCamera, captureMicrophone, whyNot } from '../devices/capture';
import { LevelMeter } from './level-meter';
import { Picture } from './media-player';
import { Toggle } from './toggle';

/** The page before joining: the own picture, the name, microphone and camera on or off, one button. */
export function Lobby(props: {
  room: string;
  name: string;
  onJoin: (name: string, media: LocalMedia[]) => void;
}): JSX.Element {
  const [name, setName] = useState(props.name);
  const devices = useDevices();
  const { microphone, camera } = devices;
  const join = (event: Event) => {
    event.preventDefault();
    props.onJoin(name.trim() || 'Guest', localMediaOf(microphone, camera));
  };
  return (
    <main class="lobby">
      <div class="preview">
        {camera ? <Picture track={camera} mirrored /> : <p class="preview-empty">{emptyText(devices)}</p>}
        <div class="preview-controls">
          <Toggle
            on={!!microphone}
            icon={microphone ? 'microphone' : 'microphoneOff'}
            label={microphone ? 'Turn the microphone off' : 'Turn the microphone on'}
            tone="warn"
            disabled={devices.asking}
            onPress={devices.toggleMicrophone}
          />
          <Toggle
            on={!!camera}
            icon={camera ? 'camera' : 'cameraOff'}
            label={camera ? 'Turn the camera off' : 'Turn the camera on'}
            tone="warn"
            disabled={devices.asking}
            onPress={devices.toggleCamera}
          />
        </div>
        <LevelMeter track={microphone} />
      </div>
      <form class="join" onSubmit={join}>
        <h1>Join the call</h1>
        <p class="room">{props.room}</p>
        <label for="name">Your name</label>
        <input
          id="name"
          value={name}
          maxLength={64}
          autoComplete="name"
          placeholder="Guest"
          onInput={(event) => setName(event.currentTarget.value)}
        />
        <p class="trouble" role="alert">
          {devices.trouble}
        </p>
        <button type="submit" class="primary" disabled={devices.asking}>
          {microphone || camera || devices.asking ? 'Join' : 'Join as a listener'}
        </button>
      </form>
    </main>
  );
}

type Devices = {
  readonly microphone: MediaStreamTrack | undefined;
  readonly camera: MediaStreamTrack | undefined;
  readonly trouble: string;
  /** Whether the browser is asking for permission. */
  readonly asking: boolean;
};

type DeviceSwitches = { readonly toggleMicrophone: () => void; readonly toggleCamera: () => void };

function useDevices(): Devices & DeviceSwitches {
  const [devices, setDevices] = useState<Devices>({
    microphone: undefined,
    camera: undefined,
    trouble: '',
    asking: true,
  });
  useEffect(() => {
    captureBoth().then((capture) => setDevices({ ...capture, asking: false }));
  }, []);
  const toggle = (key: 'microphone' | 'camera', capture: () => Promise<MediaStreamTrack>) => async () => {
    if (devices[key]) {
      devices[key].stop();
      setDevices({ ...devices, [key]: undefined });
      return;
    }
    try {
      const track = await capture();
      setDevices({ ...devices, [key]: track, trouble: '' });
    } catch (error) {
      setDevices({ ...devices, trouble: whyNot(error, key) });
    }
  };
  return {
    ...devices,
    toggleMicrophone: toggle('microphone', captureMicrophone),
    toggleCamera: toggle('camera', captureCamera),
  };
}

function localMediaOf(microphone: MediaStreamTrack | undefined, camera: MediaStreamTrack | undefined): LocalMedia[] {
  return [
    ...(microphone ? [{ source: 'microphone', track: microphone, paused: false } as const] : []),
    ...(camera ? [{ source: 'camera', track: camera, paused: false } as const] : []),
  ];
}

function emptyText({ asking }: Devices): string {
  return asking ? 'Please allow your camera and microphone.' : 'Your camera is off.';
}
