import type { JSX } from 'preact';

/** The page after the call. */
export function Goodbye({ reason, onRejoin }: { reason: string; onRejoin: () => void }): JSX.Element {
  return (
    <main class="goodbye">
      <h1>
        <span role="status">{reason}</span>
      </h1>
      <div class="goodbye-actions">
        <button type="button" class="primary" onClick={onRejoin}>
          Join again
        </button>
        <a class="secondary" href="/">
          Start a new call
        </a>
      </div>
    </main>
  );
}
