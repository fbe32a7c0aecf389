// Figures: values of several rounds, their median, and whether they reach their bar.

import { BARS, REFERENCE_RATE, SHARE_BARS } from './cases.mjs';

export function median(values) {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Collects the values of each figure round by round. */
export class Figures {
  #figures = new Map();

  /** Notes what a round measured. */
  note(name, unit, value) {
    if (!Number.isFinite(value)) throw new Error(`${name} was not measured`);
    if (!this.#figures.has(name)) this.#figures.set(name, { name, unit, rounds: [] });
    this.#figures.get(name).rounds.push(value);
  }

  /** The figures with medians and bars. `nullRate` is what the null server reached in the same run. */
  finish(nullRate) {
    return [...this.#figures.values()].map((figure) => {
      const value = median(figure.rounds);
      const bar = barOf(figure.name, nullRate);
      const ok = bar && (bar.least === undefined ? value <= bar.most : value >= bar.least);
      return { name: figure.name, value, unit: figure.unit, rounds: figure.rounds, bar: bar ?? null, ok: ok ?? null };
    });
  }
}

/** What a figure has to reach on this machine; nothing for those that are only told. */
function barOf(name, nullRate) {
  const share = /^share of the null server, (.*)$/.exec(name)?.[1];
  if (share) return share in SHARE_BARS ? { least: SHARE_BARS[share] } : undefined;
  const bar = BARS[name];
  if (!bar?.scales) return bar && { ...bar };
  const speed = nullRate / REFERENCE_RATE;
  return bar.least === undefined ? { most: bar.most / speed } : { least: bar.least * speed };
}
