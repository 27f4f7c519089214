import type { ScenarioDocument } from '../definition.ts';
import type { FaultDraw } from '../faultDraw.ts';
import type { Step } from '../faultMenu.ts';
import { complete } from './complete.ts';
import type { StemeDraw } from './draw.ts';
import { entryNamed } from './menu/menu.ts';
import { natureOf, startOf, type TimelineStep } from './nature.ts';

/** Times of a run, in virtual milliseconds: calm, turbulent, and time in which an operator puts right what is left. */
const turbulentFromMs = 500;
const turbulentToMs = 6_000;
const endMs = 14_000;
/** A run for the gathering of group commit: many writers, a steady disk, no faults. */
const gatheringEndMs = 5_000;
const longEndMs = 80_000;

const KIB = 1024;
const MIB = 1024 * KIB;

/** The scenario of a draw, completed. */
export function scenarioOf(draw: StemeDraw): ScenarioDocument {
  const document = draftOf(draw);
  const completed = complete(document);
  if (completed === undefined) throw new Error('a drawn run of which nothing can be demanded');
  return completed;
}

function draftOf(draw: StemeDraw): ScenarioDocument {
  switch (draw.kind) {
    case 'faulty':
      return faultyScenario(draw);
    case 'long':
      return longScenario(draw);
    case 'gathering':
      return gatheringScenario(draw);
  }
}

function faultyScenario(draw: StemeDraw): ScenarioDocument {
  return {
    ...head(draw, draw.nodes),
    duration: `${endMs}ms`,
    buggify: draw.buggify,
    load: loadOf(draw),
    timeline: timelineOf(draw),
  };
}

/** A fault after which nothing may be left to detect damage by is left out: of what nothing proves, nothing is demanded. */
function timelineOf(draw: StemeDraw): readonly TimelineStep[] {
  let steps: readonly TimelineStep[] = [];
  for (const fault of draw.faults) {
    const more = [...steps, ...stepsOf(fault, draw)];
    if (!natureOf(more).unprovable) steps = more;
  }
  return steps.toSorted((a, b) => startOf(a) - startOf(b));
}

function stepsOf(fault: FaultDraw, { devices, nodes }: StemeDraw): TimelineStep[] {
  const base = turbulentFromMs + ((turbulentToMs - turbulentFromMs) * fault.at) / 1_000;
  const targets = targetsOf(fault.where, nodes);
  return entryNamed(fault.entry)
    .steps(fault)
    .map(({ afterMs, step }) => ({
      at: `${Math.round((base + afterMs) * 1000) / 1000}ms`,
      ...onNodes(devices.shared ? onOneDisk(step) : step, targets),
    }));
}

function onNodes(step: Step, nodes: string | readonly string[]): Step {
  if (String(step.fault).startsWith('load.')) return step;
  const { fault, ...rest } = step;
  return { fault, nodes, ...rest };
}

/**
 * The nodes that a fault hits: mostly one, sometimes a minority or all. They are named, because a word such as `minority`
 * would mean others in each step of the same fault.
 */
function targetsOf(where: number, nodes: number): string | readonly string[] {
  const first = where % nodes;
  const extent = where % 10;
  if (nodes > 1 && extent === 9) return 'all';
  const count = nodes > 2 && extent >= 7 ? Math.floor((nodes - 1) / 2) : 1;
  const names = Array.from({ length: count }, (_, index) => `stemedb-${((first + index) % nodes) + 1}`);
  return names.length === 1 ? (names[0] ?? 'all') : names;
}

/** Where log and store share a disk there is no `sdc`. */
function onOneDisk(step: Step): Step {
  const parameters = step.with as Readonly<Record<string, unknown>> | undefined; // as the menu makes it
  return parameters?.device === 'sdc' ? { ...step, with: { ...parameters, device: 'sdb' } } : step;
}

function gatheringScenario(draw: StemeDraw): ScenarioDocument {
  const writers = 4 + (draw.load.writers % 5);
  return {
    ...head({
      ...draw,
      config: { ...draw.config, maxWaitMs: 10 },
      devices: { walMib: 256, flushTenths: 80, shared: false },
    }),
    duration: `${gatheringEndMs}ms`,
    load: { writers, readers: 0, votes: 0, repeats: 0, think: 0, text: 20, clients: 1 },
    timeline: [],
  };
}

/** Longer than the window of the summaries, with a disk that was slow at the beginning. */
function longScenario(draw: StemeDraw): ScenarioDocument {
  return {
    ...head(draw),
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
  };
}

function head({ seed, config, devices }: StemeDraw, nodes = 1): ScenarioDocument {
  return {
    engine: 'stemedb',
    seed,
    cluster: {
      ...(nodes === 1 ? {} : { nodes }),
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

function loadOf({ load }: StemeDraw): Record<string, unknown> {
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
