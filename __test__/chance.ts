/** Chance that a seed repeats: the same seed, the same test. */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to below `end`, at most 2^32 (mulberry32). */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b_79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * end);
  }

  /** True once in `count` times. */
  oneIn(count: number): boolean {
    return this.below(count) === 0;
  }

  /** One of these. */
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  /** Up to `max` items. */
  list<T>(max: number, make: (index: number) => T): T[] {
    return Array.from({ length: this.below(max + 1) }, (_, index) => make(index));
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }

  /** A copy of `bytes` with a few faults: bits turned, bytes at their extremes, the end cut off or made longer. */
  mutated(bytes: Uint8Array): Buffer {
    let copy = Buffer.from(bytes);
    for (let faults = 1 + this.below(3); faults > 0; faults -= 1) {
      const at = this.below(Math.min(copy.length, this.oneIn(2) ? 32 : copy.length) || 1);
      switch (this.below(5)) {
        case 0:
          copy[at] = (copy[at] ?? 0) ^ (1 << this.below(8));
          break;
        case 1:
          copy[at] = this.pick([0, 1, 0x7f, 0x80, 0xff]);
          break;
        case 2:
          copy[at] = this.below(256);
          break;
        case 3:
          copy = copy.subarray(0, this.below(copy.length + 1));
          break;
        default:
          copy = Buffer.concat([copy, this.bytes(this.below(9))]);
      }
    }
    return copy;
  }
}
