/** The faults that chaos draws for stemedb, with parameters made from plain numbers, so that they shrink. */

/** What one drawn fault is made from: positions on scales of 0..1000. */
export interface FaultDraw {
  /** When, on the scale of the run's turbulent part. */
  readonly at: number;
  /** Which entry of the menu. */
  readonly kind: number;
  /** How long. */
  readonly length: number;
  readonly a: number;
  readonly b: number;
}

/** A step of a scenario without its time. */
export type Step = Readonly<Record<string, unknown>>;

/** One entry of the menu. */
export interface FaultEntry {
  readonly name: string;
  readonly family: Family;
  /** How often, against the others of the families that are on. */
  readonly weight: number;
  /**
   * Damages or loses bytes that the disk called durable: with one copy that can only be detected, so the run demands a
   * refusal and not recovery.
   */
  readonly media?: boolean;
  /** Destroys what proves that something was acknowledged. After two of these nothing may be left to detect anything by. */
  readonly destroysProof?: boolean;
  /** May end the process, or leave the journal failed: somebody must restart it. */
  readonly needsRestart?: boolean;
  /** Steps with `afterMs` from the moment of the fault; a lasting fault gets its duration from `lasting`. */
  readonly steps: (draw: FaultDraw) => readonly { readonly afterMs: number; readonly step: Step }[];
}

export const families = [
  'process',
  'power',
  'slow-disk',
  'disk-errors',
  'full',
  'media',
  'network',
  'clock',
  'load',
  'operator',
] as const;
export type Family = (typeof families)[number];

const node = 'stemedb-1';
const wal = 'sdb';

/** A value between `low` and `high` by a position of 0..1000. */
function scale(position: number, low: number, high: number): number {
  return Math.round(low + ((high - low) * position) / 1000);
}

function choose<T>(position: number, values: readonly T[]): T {
  const value = values[position % values.length];
  if (value === undefined) throw new Error('an empty list to choose from');
  return value;
}

/** How long a lasting fault lasts, in milliseconds. */
function lasting(draw: FaultDraw, highMs = 5_000): number {
  return scale(draw.length, 50, highMs);
}

function fault(name: string, more: Step, parameters: Step = {}): Step {
  return { fault: name, nodes: node, ...more, ...(Object.keys(parameters).length === 0 ? {} : { with: parameters }) };
}

function single(step: Step): readonly { readonly afterMs: number; readonly step: Step }[] {
  return [{ afterMs: 0, step }];
}

const powerModes = ['drop', 'tear', 'reorder', 'corrupt', 'all-durable'] as const;
const syncVariants = ['keep', 'revert', 'late', 'lost', 'false'] as const;

/** Either disk, or both: position 0 is the log's. */
function onDisk(position: number): Step {
  return choose(position, [{ device: wal }, { device: 'sdc' }, {}]);
}

const segments = { path: '/var/lib/stemedb/wal' };

/** Everything that may happen to a node of stemedb. */
export const faultMenu: readonly FaultEntry[] = [
  {
    name: 'kill',
    family: 'process',
    weight: 3,
    steps: (draw) => single(fault('process.kill', {}, { restart: scale(draw.a, 20, 1_500) })),
  },
  {
    name: 'pause',
    family: 'process',
    weight: 1,
    steps: (draw) => single(fault('process.pause', { duration: lasting(draw, 2_500) })),
  },
  {
    name: 'slow process',
    family: 'process',
    weight: 1,
    steps: (draw) => single(fault('process.slow', { duration: lasting(draw) }, { factor: scale(draw.a, 2, 40) })),
  },
  {
    name: 'power loss',
    family: 'power',
    weight: 4,
    steps: (draw) =>
      single(fault('process.power-loss', {}, { restart: scale(draw.a, 50, 1_500), mode: choose(draw.b, powerModes) })),
  },
  {
    // A batch is on its way when the power goes: whole, in part, or as garbage.
    name: 'power loss in a slow write',
    family: 'power',
    weight: 3,
    steps: (draw) => [
      {
        afterMs: 0,
        step: fault('disk.slow-sync', { duration: 1_000 }, { device: wal, p50: scale(draw.a, 100, 400), p99: 500 }),
      },
      {
        afterMs: scale(draw.length, 100, 1_000),
        step: fault('process.power-loss', {}, { restart: 100, mode: choose(draw.b, ['tear', 'reorder', 'corrupt']) }),
      },
    ],
  },
  {
    // The second loss falls into the recovery from the first.
    name: 'power loss in recovery',
    family: 'power',
    weight: 3,
    steps: (draw) => {
      const restart = scale(draw.a, 50, 500);
      const mode = choose(draw.b, powerModes);
      const again = restart + scale(draw.length, 0, 1_000) / 100;
      return [
        { afterMs: 0, step: fault('process.power-loss', {}, { restart, mode }) },
        {
          afterMs: again,
          step: fault('process.power-loss', {}, { restart: 100, mode: choose(draw.b + draw.at, powerModes) }),
        },
      ];
    },
  },
  {
    name: 'kill in recovery',
    family: 'power',
    weight: 2,
    steps: (draw) => {
      const restart = scale(draw.a, 50, 500);
      const again = restart + scale(draw.length, 0, 1_000) / 100;
      return [
        { afterMs: 0, step: fault('process.power-loss', {}, { restart, mode: choose(draw.b, powerModes) }) },
        { afterMs: again, step: fault('process.kill', {}, { restart: 100 }) },
        {
          afterMs: again + 100 + scale(draw.at, 0, 1_000) / 100,
          step: fault('process.power-loss', {}, { restart: 100, mode: 'drop' }),
        },
      ];
    },
  },
  {
    name: 'slow sync',
    family: 'slow-disk',
    weight: 3,
    steps: (draw) =>
      single(
        fault(
          'disk.slow-sync',
          { duration: lasting(draw, 5_000) },
          { ...onDisk(draw.b), p50: scale(draw.a, 1, 60), p99: scale(draw.a, 2, 250) },
        ),
      ),
  },
  {
    name: 'slow disk',
    family: 'slow-disk',
    weight: 1,
    steps: (draw) =>
      single(fault('disk.slow', { duration: lasting(draw) }, { ...onDisk(draw.b), add: scale(draw.a, 1, 30) })),
  },
  {
    name: 'stall',
    family: 'slow-disk',
    weight: 2,
    steps: (draw) => single(fault('disk.stall', { duration: lasting(draw, 3_500) }, onDisk(draw.b))),
  },
  {
    name: 'throttle',
    family: 'slow-disk',
    weight: 1,
    steps: (draw) =>
      single(
        fault('disk.throttle', { duration: lasting(draw) }, { ...onDisk(draw.b), iops: scale(draw.a, 40, 1_000) }),
      ),
  },
  {
    name: 'compete',
    family: 'slow-disk',
    weight: 1,
    steps: (draw) =>
      single(fault('disk.compete', { duration: lasting(draw) }, { device: wal, share: scale(draw.a, 10, 90) })),
  },
  {
    name: 'short io',
    family: 'slow-disk',
    weight: 1,
    steps: (draw) => single(fault('disk.short-io', { duration: lasting(draw, 5_000) }, onDisk(draw.b))),
  },
  {
    name: 'sync error',
    family: 'disk-errors',
    weight: 4,
    needsRestart: true,
    steps: (draw) =>
      single(
        fault(
          'disk.sync-error',
          { duration: lasting(draw, 5_000) },
          { ...onDisk(draw.b), variant: choose(draw.a, syncVariants) },
        ),
      ),
  },
  {
    // What the page cache alone has is served after the restart, and must be durable by then.
    name: 'sync error, restart, power loss',
    family: 'disk-errors',
    weight: 3,
    needsRestart: true,
    steps: (draw) => {
      const killed = scale(draw.length, 50, 600);
      return [
        {
          afterMs: 0,
          step: fault('disk.sync-error', { duration: 600 }, { device: wal, variant: choose(draw.a, syncVariants) }),
        },
        { afterMs: killed, step: fault('process.kill', {}, { restart: 50 }) },
        {
          afterMs: killed + scale(draw.b, 100, 1_000),
          step: fault('process.power-loss', {}, { restart: 50, mode: 'drop' }),
        },
      ];
    },
  },
  {
    // Only the headers of the segments are left: what came before a segment is proven by its header alone.
    name: 'log unreadable, no witness',
    family: 'media',
    weight: 2,
    media: true,
    destroysProof: true,
    steps: () => [
      { afterMs: 0, step: fault('process.kill', {}, { restart: 100 }) },
      {
        afterMs: 10,
        step: fault('operator.delete-file', {}, { directory: '/var/lib/stemedb/db/witness', name: 'stemedb.ring' }),
      },
      {
        afterMs: 20,
        step: fault('disk.sector-error', {}, { path: '/var/lib/stemedb/wal/segment-*', range: { from: 4_096 } }),
      },
    ],
  },
  {
    // Writes queue up behind the slow one that then fails: they were never submitted.
    name: 'sync error on a slow disk',
    family: 'disk-errors',
    weight: 2,
    needsRestart: true,
    steps: (draw) => [
      {
        afterMs: 0,
        step: fault('disk.slow-sync', { duration: 2_000 }, { device: wal, p50: scale(draw.a, 100, 400), p99: 500 }),
      },
      {
        afterMs: scale(draw.b, 100, 1_500),
        step: fault('disk.sync-error', { duration: lasting(draw, 2_000) }, { device: wal, variant: 'keep' }),
      },
    ],
  },
  {
    name: 'write error',
    family: 'disk-errors',
    weight: 2,
    needsRestart: true,
    steps: (draw) =>
      single(
        fault(
          'disk.write-error',
          { duration: lasting(draw, 3_000) },
          { ...onDisk(draw.b), percent: scale(draw.a, 1, 100) },
        ),
      ),
  },
  {
    name: 'read error',
    family: 'disk-errors',
    weight: 2,
    needsRestart: true,
    steps: (draw) =>
      single(
        fault(
          'disk.read-error',
          { duration: lasting(draw, 3_000) },
          { ...onDisk(draw.b), percent: scale(draw.a, 1, 60) },
        ),
      ),
  },
  {
    name: 'read-only disk',
    family: 'disk-errors',
    weight: 1,
    needsRestart: true,
    steps: (draw) =>
      single(fault('disk.read-only', { duration: lasting(draw, 3_000) }, { device: choose(draw.b, [wal, 'sdc']) })),
  },
  {
    name: 'full',
    family: 'full',
    weight: 4,
    steps: (draw) =>
      single(
        fault(
          'disk.full',
          { duration: lasting(draw, 5_000) },
          { ...onDisk(draw.b), freeBytes: scale(draw.a, 0, 6_000) * 1024 },
        ),
      ),
  },
  {
    name: 'full at write or sync',
    family: 'full',
    weight: 2,
    needsRestart: true,
    steps: (draw) =>
      single(
        fault(
          'disk.full',
          { duration: lasting(draw, 3_000) },
          { ...onDisk(draw.b), at: choose(draw.a, ['write', 'sync']), freeBytes: 64 * 1024 * 1024 },
        ),
      ),
  },
  {
    name: 'no inodes',
    family: 'full',
    weight: 1,
    steps: (draw) =>
      single(
        fault('disk.full', { duration: lasting(draw, 4_000) }, { device: wal, freeInodes: scale(draw.a, 0, 1_500) }),
      ),
  },
  {
    name: 'bit rot, then restart',
    family: 'media',
    weight: 2,
    media: true,
    steps: (draw) => [
      {
        afterMs: 0,
        step: fault(
          'disk.bit-rot',
          {},
          { ...segments, bits: scale(draw.a, 1, 20), range: { from: 0, to: scale(draw.b, 64, 2_048) * 1024 } },
        ),
      },
      { afterMs: 200, step: fault('process.kill', {}, { restart: 100 }) },
    ],
  },
  {
    name: 'lost writes, then power loss',
    family: 'media',
    weight: 2,
    media: true,
    steps: (draw) => [
      {
        afterMs: 0,
        step: fault(
          'disk.lost-write',
          { duration: lasting(draw, 1_000) },
          { ...segments, percent: scale(draw.a, 1, 100) },
        ),
      },
      { afterMs: scale(draw.b, 100, 2_000), step: fault('process.power-loss', {}, { restart: 100, mode: 'drop' }) },
    ],
  },
  {
    name: 'misdirected writes, then restart',
    family: 'media',
    weight: 2,
    media: true,
    steps: (draw) => [
      {
        afterMs: 0,
        step: fault(
          'disk.misdirected-write',
          { duration: lasting(draw, 1_000) },
          { ...segments, percent: scale(draw.a, 1, 50) },
        ),
      },
      { afterMs: scale(draw.b, 100, 2_000), step: fault('process.power-loss', {}, { restart: 100, mode: 'drop' }) },
    ],
  },
  {
    name: 'misdirected reads',
    family: 'media',
    weight: 1,
    media: true,
    steps: (draw) => [
      {
        afterMs: 0,
        step: fault(
          'disk.misdirected-read',
          { duration: lasting(draw, 2_000) },
          { ...segments, percent: scale(draw.a, 1, 30) },
        ),
      },
      { afterMs: 20, step: fault('process.kill', {}, { restart: 50 }) },
    ],
  },
  {
    name: 'lying sync, then power loss',
    family: 'media',
    weight: 3,
    media: true,
    steps: (draw) => [
      { afterMs: 0, step: fault('disk.lying-sync', {}, { ...segments, delay: scale(draw.a, 100, 4_000) }) },
      { afterMs: scale(draw.b, 100, 5_000), step: fault('process.power-loss', {}, { restart: 100, mode: 'drop' }) },
    ],
  },
  {
    name: 'bad sectors, then restart',
    family: 'media',
    weight: 1,
    media: true,
    steps: (draw) => [
      {
        afterMs: 0,
        step: fault(
          'disk.sector-error',
          { duration: lasting(draw, 3_000) },
          { ...segments, range: { from: scale(draw.a, 0, 800) * 1024, to: scale(draw.a, 1, 900) * 1024 + 512 } },
        ),
      },
      { afterMs: 50, step: fault('process.kill', {}, { restart: 50 }) },
    ],
  },
  {
    name: 'segment deleted, then restart',
    family: 'media',
    weight: 1,
    media: true,
    destroysProof: true,
    steps: (draw) => [
      { afterMs: 0, step: fault('operator.delete-file', {}, { directory: '/var/lib/stemedb/wal', name: 'segment-' }) },
      { afterMs: scale(draw.a, 10, 1_000), step: fault('process.kill', {}, { restart: 100 }) },
    ],
  },
  {
    name: 'latency',
    family: 'network',
    weight: 1,
    steps: (draw) =>
      single(
        fault(
          'network.latency',
          { duration: lasting(draw) },
          { mean: scale(draw.a, 1, 100), jitter: scale(draw.b, 0, 1) },
        ),
      ),
  },
  {
    name: 'loss',
    family: 'network',
    weight: 1,
    steps: (draw) => single(fault('network.loss', { duration: lasting(draw) }, { percent: scale(draw.a, 1, 40) })),
  },
  { name: 'reset', family: 'network', weight: 2, steps: () => single(fault('network.reset', {})) },
  {
    name: 'partition',
    family: 'network',
    weight: 2,
    steps: (draw) => single(fault('network.partition', { duration: lasting(draw, 4_000) })),
  },
  {
    name: 'half-open',
    family: 'network',
    weight: 1,
    steps: (draw) => single(fault('network.half-open', { duration: lasting(draw, 3_000) })),
  },
  {
    name: 'sliced reads',
    family: 'network',
    weight: 1,
    steps: (draw) => single(fault('network.slice', { duration: lasting(draw) }, { bytes: scale(draw.a, 1, 64) })),
  },
  {
    name: 'clock jump',
    family: 'clock',
    weight: 2,
    steps: (draw) => single(fault('clock.jump', {}, { ms: scale(draw.a, -600_000, 200_000) })),
  },
  {
    name: 'clock drift',
    family: 'clock',
    weight: 1,
    steps: (draw) => single(fault('clock.drift', { duration: lasting(draw) }, { ppm: scale(draw.a, -50_000, 50_000) })),
  },
  {
    name: 'load spike',
    family: 'load',
    weight: 2,
    steps: (draw) =>
      single({ fault: 'load.spike', duration: lasting(draw, 1_500), with: { factor: scale(draw.a, 2, 6) } }),
  },
  { name: 'idle', family: 'load', weight: 1, steps: (draw) => single({ fault: 'load.idle', duration: lasting(draw) }) },
  {
    name: 'restart',
    family: 'operator',
    weight: 2,
    steps: (draw) => single(fault('operator.restart', {}, { wait: scale(draw.a, 0, 500) })),
  },
  {
    name: 'rate limit',
    family: 'operator',
    weight: 3,
    steps: (draw) => [
      {
        afterMs: 0,
        step: fault(
          'operator.request',
          {},
          {
            path: '/v1/admin/rate-limit',
            body: JSON.stringify({ max_writes_per_sec: scale(draw.a, 2, 60) }),
          },
        ),
      },
      {
        afterMs: lasting(draw),
        step: fault('operator.request', {}, { method: 'DELETE', path: '/v1/admin/rate-limit' }),
      },
    ],
  },
  {
    name: 'checkpoint',
    family: 'operator',
    weight: 1,
    steps: () => single(fault('operator.request', {}, { path: '/v1/admin/checkpoint' })),
  },
];
