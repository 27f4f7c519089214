import type { Host } from '../../../host/host.ts';
import { MachineClosed } from '../broker/group.ts';
import type { DamagedRange } from './damage.ts';
import { encodeRoll, encodeTrim } from './entries.ts';
import { scrubPartition, searchSegments } from './jobs.ts';
import type { Partition } from './partition.ts';
import { repairPartition } from './repair.ts';
import { planRetention } from './trim.ts';

/** Ends of the log at past moments of this process: what a producer wrote before the oldest of them is old. */
interface EndSample {
  readonly atMs: number;
  readonly next: number;
}

/** Between two samples of a partition's end. */
const sampleEachMs = 3_600_000;
/** Producers that expire by one entry. */
const expiryStep = 1_000;

/**
 * The leader's retention: proposes what has to go. `olderThanMs` keeps what is younger than that wall time although retention
 * would let go of it. Gives the new start, or undefined when nothing goes.
 */
export function retain(
  partition: Partition,
  wallMs: number,
  olderThanMs = Number.POSITIVE_INFINITY,
): number | undefined {
  const { core, appender } = partition;
  if (!core.handle.serving) return undefined;
  appender.forgetSettings();
  const settings = appender.settings();
  const limited =
    Number.isFinite(olderThanMs) && settings.retentionMs >= 0
      ? { ...settings, retentionMs: Math.max(settings.retentionMs, wallMs - olderThanMs), retentionBytes: -1 }
      : settings;
  const plan = planRetention(core.state, limited, wallMs);
  if (plan === undefined) return undefined;
  if (core.mutants.trimLocal) {
    core.trimTo(plan.start);
    return plan.start;
  }
  if (plan.roll && appender.proposeQuietly(encodeRoll()) === undefined) return undefined;
  return appender.proposeQuietly(encodeTrim(plan.start)) === undefined ? undefined : plan.start;
}

/** Seals the active segment by an entry: what follows begins another. */
export function roll(partition: Partition): boolean {
  return partition.core.handle.serving && partition.appender.proposeQuietly(encodeRoll()) !== undefined;
}

/**
 * Lets producers expire that have not written for `producerIdleMs`. Idle is measured by how far the log had got back then, not by
 * the times in batches, which are the clients' and may be wrong.
 */
function expireIdle(partition: Partition, samples: EndSample[], nowMs: number): void {
  const { core, appender } = partition;
  const last = samples.at(-1);
  if (last === undefined || nowMs - last.atMs >= sampleEachMs) samples.push({ atMs: nowMs, next: core.state.next });
  const from = samples.findLastIndex((sample) => nowMs - sample.atMs >= core.config.producerIdleMs);
  if (from < 0) return;
  samples.splice(0, from);
  const before = samples[0]?.next ?? 0;
  if (!core.handle.serving || appender.tail === undefined) return;
  const idle: number[] = [];
  // In order of their last batch: the first one that is young ends it.
  for (const producer of core.state.producers.values()) {
    if (producer.lastOffset >= before || idle.length === expiryStep) break;
    if (producer.transactionStart < 0 && !appender.tail.isPending(producer.producerId)) idle.push(producer.producerId);
  }
  if (idle.length > 0) appender.expire(idle);
}

/** What runs beside the partitions of a broker. */
export interface LogMaintenance {
  /** One round now: what the loop does each interval. */
  round(): void;
  stop(): void;
}

export interface LogMaintenanceOptions {
  /** Partitions of this broker. */
  readonly partitions: () => Iterable<Partition>;
  /** Between two rounds of expiry and repairs. Default 30,000. */
  readonly intervalMs?: number;
  /**
   * Between two times that leaders let old segments go; asked each round, since it can be reloaded. Undefined: not by itself. Default
   * each round.
   */
  readonly retentionIntervalMs?: () => number | undefined;
  /** Between two scrubs of a partition; asked each round, since it can be reloaded. Default 7 days. */
  readonly scrubIntervalMs?: () => number;
  /** Each time every partition has been scrubbed once more; wall time. */
  readonly onScrubbed?: (wallMs: number) => void;
}

interface PartitionCare {
  readonly samples: EndSample[];
  /** On the monotonic clock; a start counts as a scrub, or a restart would read everything at once. */
  scrubbedAtMs: number;
  /** What is shut off in segments that were read through since it was found; what was found later is not among them. */
  searched: ReadonlySet<DamagedRange>;
}

/** Retention, expiry, repairs and scrubs of all partitions of a broker: one partition is scrubbed or repaired at a time. */
export function startLogMaintenance(host: Host, options: LogMaintenanceOptions): LogMaintenance {
  const intervalMs = options.intervalMs ?? 30_000;
  const ending = new AbortController();
  const cares = new PerKey<Partition, PartitionCare>(() => ({
    samples: [],
    scrubbedAtMs: host.clock.now(),
    searched: new Set(),
  }));
  let busy = false;
  let retainedAtMs = Number.NEGATIVE_INFINITY;

  /** Whether leaders should let old segments go now. */
  const isRetentionDue = (): boolean => {
    const eachMs = options.retentionIntervalMs === undefined ? 0 : options.retentionIntervalMs();
    if (eachMs === undefined || host.clock.now() - retainedAtMs < eachMs) return false;
    retainedAtMs = host.clock.now();
    return true;
  };

  /** Repairs what is shut off, once the segments that it is in were read through. */
  const repair = async (partition: Partition): Promise<void> => {
    const { damage } = partition.core;
    const care = cares.of(partition);
    // While one segment is read, a client may meet damage in another.
    for (;;) {
      const known = care.searched;
      const bases = new Set(damage.all.filter((range) => !known.has(range)).map(({ base }) => base));
      if (bases.size === 0) break;
      await searchSegments(partition, bases, ending.signal);
      care.searched = new Set(damage.all.filter((range) => known.has(range) || bases.has(range.base)));
    }
    if (damage.all.length > 0) await repairPartition(partition.core, partition.core.hooks.peers());
  };

  /** Does something for one partition; what keeps it from being done must not keep it from the others. True: it is done. */
  const attempt = async (what: string, partition: Partition, work: () => Promise<unknown>): Promise<boolean> => {
    try {
      await work();
      return true;
    } catch (error) {
      // It was closed meanwhile, or the process ends.
      if (ending.signal.aborted || error instanceof MachineClosed) return false;
      const { topic, partition: number } = partition.info;
      host.telemetry.logger.warn(`a partition could not be ${what}, the next round tries again`, {
        topic,
        partition: number,
        why: String(error),
      });
      return false;
    }
  };

  const look = async (present: ReadonlySet<Partition>): Promise<void> => {
    for (const partition of present) {
      if (ending.signal.aborted) return;
      await attempt('repaired', partition, () => repair(partition));
    }
    const scrubEachMs = options.scrubIntervalMs?.() ?? 7 * 86_400_000;
    const due = [...present].filter((partition) => host.clock.now() - cares.of(partition).scrubbedAtMs >= scrubEachMs);
    let failed = 0;
    for (const partition of due) {
      if (ending.signal.aborted) return;
      if (await attempt('scrubbed', partition, () => scrubPartition(partition, ending.signal))) {
        cares.of(partition).scrubbedAtMs = host.clock.now();
      } else if (!partition.core.work.signal.aborted) failed += 1;
    }
    if (due.length > 0 && failed === 0) options.onScrubbed?.(host.clock.wall());
  };

  const round = (): void => {
    const present = new Set(options.partitions());
    cares.keepOnly(present);
    const retains = isRetentionDue();
    for (const partition of present) {
      if (retains) retain(partition, host.clock.wall());
      partition.appender.forgetSettings();
      partition.appender.proposeLimits();
      expireIdle(partition, cares.of(partition).samples, host.clock.now());
    }
    if (busy) return;
    busy = true;
    void look(present).finally(() => {
      busy = false;
    });
  };
  const tick = (): void => {
    timer = host.clock.timer(intervalMs, tick);
    round();
  };
  let timer = host.clock.timer(intervalMs, tick);
  return {
    round,
    stop: () => {
      ending.abort();
      timer.cancel();
    },
  };
}

/** A value a key, made when it is first asked for; keys that are gone are dropped by hand. */
class PerKey<K, V> {
  readonly #values = new Map<K, V>();
  readonly #make: () => V;

  constructor(make: () => V) {
    this.#make = make;
  }

  of(key: K): V {
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    const made = this.#make();
    this.#values.set(key, made);
    return made;
  }

  keepOnly(keys: ReadonlySet<K>): void {
    for (const key of this.#values.keys()) if (!keys.has(key)) this.#values.delete(key);
  }
}
