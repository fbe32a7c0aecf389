import type { JSX } from 'preact';

/** Name of an icon. */
export type IconName = keyof typeof PATHS;

/** A line drawing of 24 by 24 that takes the colour of the text. It says nothing to screen readers. */
export function Icon({ name }: { name: IconName }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

const PATHS = {
  microphone: 'M12 3a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3ZM5.5 11a6.5 6.5 0 0 0 13 0M12 17.500V21M9 21h6',
  microphoneOff:
    'M4 4l16 16M9 9v2a3 3 0 0 0 4.6 2.500M15 11V6a3 3 0 0 0-5.7-1.300M5.5 11a6.5 6.5 0 0 0 10.2 5.300M18.5 11a6.5 6.5 0 0 1-.5 2.400M12 17.500V21M9 21h6',
  camera: 'M4 7h9a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2V9a2 2 0 0 1 2-2ZM15 11l7-3.500v9L15 13',
  cameraOff:
    'M4 4l16 16M10.5 7H13a2 2 0 0 1 2 2v2.500l7-4v9l-3.5-1.700M14.8 15.800A2 2 0 0 1 13 17H4a2 2 0 0 1-2-2V9a2 2 0 0 1 2-2h.5',
  screen:
    'M4 4h16a2 2 0 0 1 2 2v9a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2V6a2 2 0 0 1 2-2ZM8 21h8M12 17v4M12 14V8M9 10.5 12 7.500l3 3',
  stats: 'M4 20V11M10 20V4M16 20v-6M22 20H2M21 20V9',
  grid: 'M4 5h16v14H4zM12 5v14M4 12h16',
  merge: 'M3 6c5 0 5 6 10 6h8M3 18c5 0 5-6 10-6M18 9l3 3-3 3',
  link: 'M10 14a4 4 0 0 0 6 .500l3-3a4 4 0 0 0-5.7-5.700l-1.5 1.500M14 10a4 4 0 0 0-6-.500l-3 3a4 4 0 0 0 5.7 5.700l1.5-1.5',
  leave:
    'M3 15.500c-.6-1.5 0-3.5 2-4.5 4.5-2 9.5-2 14 0 2 1 2.6 3 2 4.500l-.3.800c-.2.5-.7.8-1.2.700l-3-.500c-.5-.1-.8-.5-.9-1l-.3-2c-2.2-.7-4.4-.7-6.6 0l-.3 2c-.1.5-.4.9-.9 1l-3 .500c-.5.1-1-.2-1.2-.700Z',
} as const;
