import type { RandomStream } from '../host/random.ts';

/** How the part of a latency that varies is spread. */
export const distributions = ['constant', 'uniform', 'exponential', 'heavy-tail'] as const;

export type Distribution = (typeof distributions)[number];

/** Exact draw from the exponential distribution with mean 1, by comparisons alone (von Neumann 1951): no logarithm. */
function exponential(random: RandomStream): number {
  for (let whole = 0; ; whole++) {
    const first = random.float();
    let last = first;
    let length = 1;
    for (;;) {
      const next = random.float();
      if (next >= last) break;
      last = next;
      length++;
    }
    if (length % 2 === 1) return whole + first;
  }
}

/**
 * A sampler in milliseconds, never below 0. `constant`: always the mean. `uniform`: mean ± jitter. `exponential`: mean −
 * jitter, and an exponential draw of mean jitter. `heavy-tail`: mean − jitter, and a Pareto draw with α = 2 of mean jitter
 * (finite mean, infinite variance). Only arithmetic that every engine rounds alike.
 */
export function sampler(kind: Distribution, mean: number, jitter: number): (random: RandomStream) => number {
  switch (kind) {
    case 'constant':
      return () => mean;
    case 'uniform':
      return (random) => Math.max(0, mean + jitter * (2 * random.float() - 1));
    case 'exponential':
      return (random) => Math.max(0, mean - jitter + jitter * exponential(random));
    case 'heavy-tail':
      return (random) => Math.max(0, mean - jitter + jitter / 2 / Math.sqrt(1 - random.float()));
  }
}
