import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { measureLevel } from '../devices/level';

/** A bar that moves with the voice. */
export function LevelMeter({ track }: { track: MediaStreamTrack | undefined }): JSX.Element {
  const bar = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const { current } = bar;
    if (!track || !current) {
      return;
    }
    // Not through the state of a component: it changes sixty times a second.
    const stop = measureLevel(track, (level) => current.style.setProperty('--level', level.toFixed(3)));
    return () => {
      stop();
      current.style.setProperty('--level', '0');
    };
  }, [track]);
  return (
    <div class="level" role="img" aria-label={track ? 'Level of your microphone' : 'Your microphone is off'}>
      <div class="level-bar" ref={bar} />
    </div>
  );
}
