import fc from 'fast-check';
import type { ScenarioDocument } from '../definition.ts';
import { type Family, type FaultDraw, type FaultEntry, families, faultMenu, type Step } from './faultMenu.ts';

/** Times of a run, in virtual milliseconds: calm, turbulent, and time in which an operator puts right what is left. */
const turbulentFromMs = 500;
const turbulentToMs = 6_000;
const restartAtMs = 11_500;
const endMs = 14_000;
/** A run for the gathering of group commit: many writers, a steady disk, no faults. */
const gatheringEndMs = 5_000;
const longEndMs = 80_000;

const KIB = 1024;
const MIB = 1024 * KIB;
const faultsMax = 8;

/** One drawn run before it becomes a scenario. */
interface Draw {
  readonly seed: number;
  readonly families: readonly Family[];
  readonly faults: readonly FaultDraw[];
  readonly buggify: boolean;
  readonly config: {
    readonly segmentKib: number;
    readonly maxWaitMs: number;
    readonly maxBatchKib: number;
    readonly strictTail: boolean;
    readonly exitOnFailure: boolean;
    readonly snapshotKib: number;
    readonly cacheKib: number;
    readonly requestTimeoutMs: number;
  };
  readonly devices: {
    readonly walMib: number;
    readonly flushTenths: number;
    readonly shared: boolean;
  };
  readonly load: {
    readonly writers: number;
    readonly thinkMs: number;
    readonly batch: number;
    readonly batches: number;
    readonly votes: number;
    readonly repeats: number;
    readonly subjects: number;
    readonly textBytes: number;
    readonly resend: boolean;
  };
  /** Which kind of run it is. */
  readonly kind: 'faulty' | 'gathering' | 'long';
}

const position = fc.nat({ max: 1_000 });

const fault: fc.Arbitrary<FaultDraw> = fc.record({
  at: position,
  // Which fault it is does not shrink: a smaller number would be another fault, not a simpler one.
  kind: fc.noShrink(fc.nat({ max: 1_000_000 })),
  length: position,
  a: position,
  b: position,
});

const draws: fc.Arbitrary<Draw> = fc.record({
  seed: fc.noShrink(fc.nat({ max: 2 ** 31 - 1 })),
  // Swarm testing (Groce et al., 2012): each run has a random subset of the families, so that some are absent.
  families: fc.noShrink(fc.subarray([...families], { minLength: 1 })),
  faults: fc.array(fault, { maxLength: faultsMax }),
  buggify: fc.boolean(),
  config: fc.record({
    segmentKib: fc.constantFrom(256, 256, 256, 512, 1024),
    maxWaitMs: fc.constantFrom(10, 0, 1, 50),
    maxBatchKib: fc.constantFrom(1024, 4, 64),
    strictTail: fc.constantFrom(false, false, false, true),
    exitOnFailure: fc.constantFrom(false, false, false, true),
    snapshotKib: fc.constantFrom(64, 256, 4096),
    cacheKib: fc.constantFrom(1024, 0, 16),
    requestTimeoutMs: fc.constantFrom(2_000, 500, 4_000),
  }),
  devices: fc.record({
    walMib: fc.constantFrom(256, 192, 128),
    flushTenths: fc.constantFrom(5, 20, 80),
    shared: fc.constantFrom(false, false, false, true),
  }),
  load: fc.record({
    writers: fc.integer({ min: 1, max: 6 }),
    thinkMs: fc.constantFrom(300, 150, 80),
    batch: fc.integer({ min: 2, max: 12 }),
    batches: fc.constantFrom(0, 15, 40),
    votes: fc.constantFrom(10, 30, 0),
    repeats: fc.constantFrom(2, 20),
    subjects: fc.constantFrom(10, 3, 40),
    textBytes: fc.constantFrom(20, 200, 1_500),
    resend: fc.constantFrom(true, true, false),
  }),
  kind: fc.noShrink(fc.nat({ max: 24 })).map((value) => (value === 0 ? 'gathering' : value === 1 ? 'long' : 'faulty')),
});

/** Random runs of stemedb as scenario files. */
export const stemedbScenarios: fc.Arbitrary<ScenarioDocument> = draws.map((draw) =>
  draw.kind === 'faulty' ? faultyScenario(draw) : draw.kind === 'long' ? longScenario(draw) : gatheringScenario(draw),
);

interface Placed {
  readonly entry: FaultEntry;
  readonly atMs: number;
  readonly step: Step;
}

function faultyScenario(draw: Draw): ScenarioDocument {
  const placed = chosen(draw)
    .flatMap((one) => place(one, draw))
    .sort((a, b) => a.atMs - b.atMs);
  const media = placed.some(({ entry }) => entry.media === true) || losesSynced(placed);
  const needsRestart = placed.some(({ entry }) => entry.needsRestart === true);
  const timeline: Record<string, unknown>[] = placed.map(({ atMs, step }) => ({
    at: `${Math.round(atMs * 1000) / 1000}ms`,
    ...step,
  }));
  if (needsRestart && !media) {
    timeline.push({ at: `${restartAtMs}ms`, fault: 'operator.restart', nodes: 'stemedb-1' });
  }
  return {
    ...head(draw, media),
    duration: `${endMs}ms`,
    buggify: draw.buggify,
    load: loadOf(draw),
    timeline,
    expect: { checks: 'all', exits: exitsOf(media, needsRestart) },
    // With one copy, damage of acknowledged bytes can only be detected: nothing demands that such a run recovers.
    finally: media ? 'leave' : { within: '60s' },
  };
}

function place({ fault: one, entry }: Chosen, { devices }: Draw): Placed[] {
  const base = turbulentFromMs + ((turbulentToMs - turbulentFromMs) * one.at) / 1_000;
  return entry
    .steps(one)
    .map(({ afterMs, step }) => ({ entry, atMs: base + afterMs, step: devices.shared ? onOneDisk(step) : step }));
}

/** A drawn fault and the entry of the menu that it stands for. */
interface Chosen {
  readonly fault: FaultDraw;
  readonly entry: FaultEntry;
}

/** One proof at most is destroyed in a run: of what nothing proves, no detection can be demanded. */
function chosen({ faults, families: on }: Draw): Chosen[] {
  const menu = faultMenu.filter((entry) => on.includes(entry.family));
  let destroyed = false;
  return faults
    .map((fault) => ({ fault, entry: pick(menu, fault.kind) }))
    .filter(({ entry }) => {
      if (entry.destroysProof !== true) return true;
      if (destroyed) return false;
      destroyed = true;
      return true;
    });
}

/**
 * Whether acknowledged bytes may be gone because a sync said that all is well and had failed: they are in the page cache
 * alone. A restart finds them there and makes them durable; a loss of power before it does not.
 */
function losesSynced(placed: readonly Placed[]): boolean {
  return placed.some(({ step, atMs }) => {
    const { device, variant } = (step.with ?? {}) as { readonly device?: string; readonly variant?: string }; // as the menu makes it
    const lies = step.fault === 'disk.sync-error' && (variant === 'late' || variant === 'lost');
    if (!lies || device === 'sdc') return false;
    return placed.some((later) => later.step.fault === 'process.power-loss' && later.atMs >= atMs);
  });
}

/** Where log and store share a disk there is no `sdc`. */
function onOneDisk(step: Step): Step {
  const parameters = step.with as Readonly<Record<string, unknown>> | undefined; // as the menu makes it
  return parameters?.device === 'sdc' ? { ...step, with: { ...parameters, device: 'sdb' } } : step;
}

function pick(menu: readonly FaultEntry[], kind: number): FaultEntry {
  const total = menu.reduce((sum, entry) => sum + entry.weight, 0);
  let left = kind % total;
  for (const entry of menu) {
    left -= entry.weight;
    if (left < 0) return entry;
  }
  throw new Error('a menu without entries');
}

/** Exits that a run may have. A refusal is judged by its reasons (C9), not by its number. */
function exitsOf(media: boolean, needsRestart: boolean): readonly Record<string, unknown>[] {
  const refused = { code: 65, optional: true };
  const failed = { code: 74, optional: true };
  return media ? [refused, failed] : needsRestart ? [refused, failed] : [];
}

function gatheringScenario(draw: Draw): ScenarioDocument {
  const writers = 4 + (draw.load.writers % 5);
  return {
    ...head(
      { ...draw, config: { ...draw.config, maxWaitMs: 10 }, devices: { walMib: 256, flushTenths: 80, shared: false } },
      false,
    ),
    duration: `${gatheringEndMs}ms`,
    load: { writers, readers: 0, votes: 0, repeats: 0, think: 0, text: 20, clients: 1 },
    timeline: [],
    expect: { checks: 'all' },
    finally: { within: '60s' },
  };
}

/** Longer than the window of the summaries, with a disk that was slow at the beginning. */
function longScenario(draw: Draw): ScenarioDocument {
  return {
    ...head(draw, false),
    duration: `${longEndMs}ms`,
    buggify: draw.buggify,
    load: { ...loadOf(draw), writers: 2, think: '400ms', readers: 1, 'read every': '2s' },
    timeline: [
      {
        at: '500ms',
        fault: 'disk.slow-sync',
        nodes: 'stemedb-1',
        duration: '8s',
        with: { device: 'sdb', p50: 40, p99: 120 },
      },
    ],
    expect: { checks: 'all' },
    finally: { within: '60s' },
  };
}

function head(draw: Draw, media: boolean): ScenarioDocument {
  const { config, devices } = draw;
  return {
    title: media ? 'Chaos with damaged media: detection is demanded' : 'Chaos: recovery is demanded',
    engine: 'stemedb',
    seed: draw.seed,
    cluster: {
      config: {
        server: { request_timeout_ms: config.requestTimeoutMs },
        wal: {
          segment_bytes: config.segmentKib * KIB,
          max_record_bytes: 65_536,
          group_commit_max_wait_ms: config.maxWaitMs,
          group_commit_max_bytes: config.maxBatchKib * 1024,
          max_pending_bytes: MIB,
          strict_tail: config.strictTail,
          on_sync_failure: config.exitOnFailure ? 'exit' : 'hold',
        },
        store: { cache_bytes: config.cacheKib * 1024 },
        index: { snapshot_bytes: config.snapshotKib * 1024 },
        drain: { lame_duck_ms: 50, timeout_ms: 1_000 },
      },
      devices: {
        wal: { bytes: devices.walMib * MIB, 'flush latency': devices.flushTenths / 10 },
        store: { bytes: 64 * MIB },
        ...(devices.shared ? { shared: true } : {}),
      },
    },
  };
}

function loadOf({ load }: Draw): Record<string, unknown> {
  return {
    writers: load.writers,
    think: `${load.thinkMs}ms`,
    batch: load.batch,
    batches: load.batches,
    votes: load.votes,
    repeats: load.repeats,
    subjects: load.subjects,
    text: load.textBytes,
    resend: load.resend,
    readers: 2,
    'read every': '200ms',
    clients: 1,
  };
}
