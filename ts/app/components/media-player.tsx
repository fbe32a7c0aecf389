import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

/** Shows a picture. It makes no sound. */
export function Picture({ track, mirrored }: { track: MediaStreamTrack; mirrored?: boolean }): JSX.Element {
  const element = useRef<HTMLVideoElement>(null);
  useTrack(element, track);
  return <video ref={element} class={mirrored ? 'mirrored' : ''} autoPlay playsInline muted />;
}

/** Plays a sound. */
export function Sound({ track }: { track: MediaStreamTrack }): JSX.Element {
  const element = useRef<HTMLAudioElement>(null);
  useTrack(element, track);
  // biome-ignore lint/a11y/useMediaCaption: a call has no captions
  return <audio ref={element} autoPlay />;
}

function useTrack(element: { readonly current: HTMLMediaElement | null }, track: MediaStreamTrack): void {
  useEffect(() => {
    const { current } = element;
    if (!current) {
      return;
    }
    current.srcObject = new MediaStream([track]);
    return () => {
      current.srcObject = null;
    };
  }, [element, track]);
}
