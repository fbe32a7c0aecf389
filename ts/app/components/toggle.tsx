import type { JSX } from 'preact';
import { Icon, type IconName } from './icons';

/** A round button that is on or off. Its label says what a press does. */
export function Toggle(props: {
  on: boolean;
  icon: IconName;
  label: string;
  shortcut?: string;
  /** `warn` colours the button while it is off, `accent` while it is on. */
  tone: 'warn' | 'accent';
  disabled?: boolean;
  onPress: () => void;
}): JSX.Element {
  const { on, icon, label, shortcut, tone, disabled, onPress } = props;
  const lit = tone === 'warn' ? !on : on;
  const title = shortcut ? `${label} (${shortcut})` : label;
  return (
    <button
      type="button"
      class={`round ${lit ? tone : ''}`}
      aria-label={label}
      aria-keyshortcuts={shortcut}
      title={title}
      disabled={disabled}
      onClick={onPress}
    >
      <Icon name={icon} />
    </button>
  );
}
