import fc from 'fast-check';

/** The part of the configuration that is drawn. */
export type ConfigDraw = {
  readonly tickMs: number;
  readonly electionTicks: number;
  readonly flushMs: number;
  readonly shards: number;
  readonly initialDelayMs: number;
  readonly maxMessageKib: number;
};

/** What a key has in a run that leaves it alone: the engine's default, or what fits into a run of seconds instead of it. */
const usual: ConfigDraw = {
  tickMs: 100,
  electionTicks: 10,
  flushMs: 1_000,
  shards: 1,
  initialDelayMs: 500,
  maxMessageKib: 64,
};

const others: { readonly [Key in keyof ConfigDraw]: fc.Arbitrary<ConfigDraw[Key]> } = {
  tickMs: fc.constantFrom(50, 200),
  electionTicks: fc.constantFrom(5, 20),
  flushMs: fc.constantFrom(100, 5_000),
  shards: fc.constantFrom(2, 3),
  initialDelayMs: fc.constant(0),
  maxMessageKib: fc.constant(256),
};

const keys = Object.keys(usual) as (keyof ConfigDraw)[]; // of the literal above

/**
 * The longest time-out of an election that is drawn, in milliseconds. Each try lasts up to two time-outs; within the ten seconds
 * after which every group must have a leader, three may then be needed.
 */
const electionMostMs = 1_600;

/**
 * Configurations by swarm testing (Groce et al., 2012): a random subset of the keys, of any size, is away from the usual.
 */
export const configs: fc.Arbitrary<ConfigDraw> = fc
  .record({ away: fc.subarray(keys), values: fc.record(others) })
  .map(({ away, values }) => {
    const drawn: ConfigDraw = { ...usual, ...Object.fromEntries(away.map((key) => [key, values[key]])) };
    return { ...drawn, electionTicks: Math.min(drawn.electionTicks, electionMostMs / drawn.tickMs) };
  });
