import fc from 'fast-check';

/** The part of an engine's configuration that is drawn. */
export type ConfigDraw = {
  readonly segmentKib: number;
  readonly maxWaitMs: number;
  readonly maxBatchKib: number;
  readonly strictTail: boolean;
  readonly exitOnFailure: boolean;
  readonly snapshotKib: number;
  readonly cacheKib: number;
  readonly requestTimeoutMs: number;
};

/** What a key has in a run that leaves it alone: the engine's default, or what fits into a run of seconds instead of it. */
const usual: ConfigDraw = {
  segmentKib: 256,
  maxWaitMs: 10,
  maxBatchKib: 1024,
  strictTail: false,
  exitOnFailure: false,
  snapshotKib: 64,
  cacheKib: 1024,
  requestTimeoutMs: 2_000,
};

const others: { readonly [Key in keyof ConfigDraw]: fc.Arbitrary<ConfigDraw[Key]> } = {
  segmentKib: fc.constantFrom(512, 1024),
  maxWaitMs: fc.constantFrom(0, 1, 50),
  maxBatchKib: fc.constantFrom(4, 64),
  strictTail: fc.constant(true),
  exitOnFailure: fc.constant(true),
  snapshotKib: fc.constantFrom(256, 4096),
  cacheKib: fc.constantFrom(0, 16),
  requestTimeoutMs: fc.constantFrom(500, 4_000),
};

const keys = Object.keys(usual) as (keyof ConfigDraw)[]; // of the literal above

/**
 * Configurations by swarm testing (Groce et al., 2012): a random subset of the keys, of any size, is away from the usual. Keys
 * that were drawn one by one would nearly always be away together, and no run would show what one of them does alone.
 */
export const configs: fc.Arbitrary<ConfigDraw> = fc
  .record({ away: fc.subarray(keys), values: fc.record(others) })
  .map(({ away, values }) => ({ ...usual, ...Object.fromEntries(away.map((key) => [key, values[key]])) }));
