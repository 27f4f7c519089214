/** A stream of pseudo-random draws. In production seeded from the kernel, in the simulator from seed and label. */
export interface RandomStream {
  /** Uniform in [0, 1), 32 bits of it. */
  float(): number;
  /** Uniform whole number in [0, 2^32). */
  uint32(): number;
  /** Uniform whole number in [low, high], both included; both safe integers, `low <= high`. */
  integer(low: number, high: number): number;
  /** True with the given probability. 0 and less draws nothing and is false; 1 and more draws nothing and is true. */
  chance(probability: number): boolean;
  /** `count` bytes. */
  bytes(count: number): Uint8Array;
  /** One of the values; throws on an empty list. */
  pick<T>(values: readonly T[]): T;
  /** A new array with the values in random order (Fisher–Yates). */
  shuffle<T>(values: readonly T[]): T[];
}

/** Randomness by label: each user of randomness draws from a stream of its own, so that no draw moves another's. */
export interface Random {
  /** The stream of this label; the same object at every call. */
  stream(label: string): RandomStream;
}
