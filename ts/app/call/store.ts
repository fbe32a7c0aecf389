/** A value that changes as a whole and tells its readers. */
export class Store<T> {
  readonly #listeners = new Set<() => void>();
  #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  /** Replaces the value by what `change` makes of it. */
  update(change: (value: T) => T): void {
    this.#value = change(this.#value);
    for (const listener of this.#listeners) {
      listener();
    }
  }

  /** Calls `listener` at every change; returns what ends that. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
