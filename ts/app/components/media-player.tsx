import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

/** Shows a picture. It makes no sound. `onWidth` hears how many pixels of the screen it is wide, and of changes. */
export function Picture(props: {
  track: MediaStreamTrack;
  mirrored?: boolean;
  onWidth?: ((pixels: number) => void) | undefined;
}): JSX.Element {
  const { track, mirrored, onWidth } = props;
  const element = useRef<HTMLVideoElement>(null);
  useTrack(element, track);
  useWidth(element, track, onWidth);
  return <video ref={element} class={mirrored ? 'mirrored' : ''} autoPlay playsInline muted />;
}

/** Plays a sound. */
export function Sound({ track }: { track: MediaStreamTrack }): JSX.Element {
  const element = useRef<HTMLAudioElement>(null);
  useTrack(element, track);
  // biome-ignore lint/a11y/useMediaCaption: a call has no captions
  return <audio ref={element} autoPlay />;
}

function useWidth(
  element: { readonly current: HTMLElement | null },
  track: MediaStreamTrack,
  onWidth: ((pixels: number) => void) | undefined,
): void {
  const hear = useRef(onWidth);
  hear.current = onWidth;
  useEffect(() => {
    const { current } = element;
    if (!current) {
      return;
    }
    const observer = new ResizeObserver(([entry]) => {
      hear.current?.((entry?.contentRect.width ?? 0) * devicePixelRatio);
    });
    observer.observe(current);
    return () => observer.disconnect();
    // Another track is asked for at the same size.
  }, [element, track]);
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
