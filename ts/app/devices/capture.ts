/** What became of asking for the microphone and the camera. */
export type Capture = {
  readonly microphone: MediaStreamTrack | undefined;
  readonly camera: MediaStreamTrack | undefined;
  /** What is missing and what to do about it, in plain words; empty when all is well. */
  readonly trouble: string;
};

/** Asks for the microphone and the camera, and takes what there is. */
export async function captureBoth(): Promise<Capture> {
  try {
    const stream = await capture({ audio: AUDIO, video: VIDEO });
    return { microphone: stream.getAudioTracks()[0], camera: stream.getVideoTracks()[0], trouble: '' };
  } catch (error) {
    // One of the two may be missing or in use; the other is still worth having.
    return nameOf(error) === 'NotAllowedError' ? nothing(error) : await captureEither();
  }
}

/** Asks for the microphone. */
export async function captureMicrophone(): Promise<MediaStreamTrack> {
  return (await capture({ audio: AUDIO })).getAudioTracks()[0] as MediaStreamTrack;
}

/** Asks for the camera. */
export async function captureCamera(): Promise<MediaStreamTrack> {
  return (await capture({ video: VIDEO })).getVideoTracks()[0] as MediaStreamTrack;
}

/** Asks which screen or window to show; `undefined` when the answer is none. */
export async function captureScreen(): Promise<MediaStreamTrack | undefined> {
  try {
    const stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: 15 } });
    return stream.getVideoTracks()[0];
  } catch (error) {
    if (nameOf(error) === 'NotAllowedError') {
      return undefined;
    }
    throw error;
  }
}

/** Says in plain words why a device cannot be used, and what to do. */
export function whyNot(error: unknown, what: string): string {
  switch (nameOf(error)) {
    case 'NotAllowedError':
      return `The browser does not let this page use your ${what}. Allow it with the icon in the address bar.`;
    case 'NotFoundError':
      return `No ${what} was found. Plug one in and try again.`;
    case 'NotReadableError':
      return `Your ${what} is used by another program. Close that and try again.`;
    case INSECURE:
      return 'Browsers give camera and microphone only to secure pages. Open this page over https or on localhost.';
    default:
      return `Your ${what} cannot be used (${nameOf(error)}).`;
  }
}

async function captureEither(): Promise<Capture> {
  const [microphone, camera] = await Promise.allSettled([captureMicrophone(), captureCamera()]);
  const trouble = [
    microphone.status === 'rejected' ? whyNot(microphone.reason, 'microphone') : '',
    camera.status === 'rejected' ? whyNot(camera.reason, 'camera') : '',
  ];
  return {
    microphone: microphone.status === 'fulfilled' ? microphone.value : undefined,
    camera: camera.status === 'fulfilled' ? camera.value : undefined,
    // A page that is not secure gets neither, for one and the same reason.
    trouble: [...new Set(trouble)].filter(Boolean).join(' '),
  };
}

function nothing(error: unknown): Capture {
  return { microphone: undefined, camera: undefined, trouble: whyNot(error, 'camera and microphone') };
}

function capture(constraints: MediaStreamConstraints): Promise<MediaStream> {
  if (!navigator.mediaDevices) {
    return Promise.reject(new DOMException('not a secure context', INSECURE));
  }
  return navigator.mediaDevices.getUserMedia(constraints);
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'unknown';
}

const INSECURE = 'InsecureContext';

const AUDIO = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

const VIDEO = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
