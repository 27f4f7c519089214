import type { Operation, Violation } from '../checkers/history.ts';
import type { Observations } from './observations.ts';

/** `held`: everything expected came true. `violated`: something did not. `undecided`: a checker or a bound gave up. */
export type Verdict = 'held' | 'violated' | 'undecided';

export type TimelineKind =
  | 'phase'
  | 'load'
  | 'fault-start'
  | 'fault-end'
  | 'alert-pending'
  | 'alert-firing'
  | 'alert-resolved'
  | 'operator'
  | 'log'
  | 'crash'
  | 'start'
  | 'exit'
  | 'expectation'
  | 'violation'
  | 'note';

/** One line of the timeline. */
export interface TimelineEntry {
  /** Virtual milliseconds since the run began. */
  readonly atMs: number;
  readonly kind: TimelineKind;
  readonly node?: string;
  readonly text: string;
  readonly data?: unknown;
}

/** One fault as it was applied. */
export interface FaultLogEntry {
  readonly id: number;
  readonly name: string;
  readonly nodes: readonly string[];
  readonly parameters: unknown;
  readonly text: string;
  readonly startMs: number;
  /** When it was healed. Undefined: never, or there was nothing to heal. */
  readonly endMs?: number;
  /** How long it is felt if nobody heals it: 0 for one that strikes and is over. Undefined: until it is healed. */
  readonly lastsMs?: number;
}

/** One alert that became pending, over its whole life. */
export interface AlertLogEntry {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly expr: string;
  readonly forMs: number;
  readonly severity: string;
  readonly pendingMs: number;
  /** Undefined: it never fired. */
  readonly firingMs?: number;
  readonly resolvedMs?: number;
}

/** One metric over time, as it was scraped. */
export interface MetricRecord {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly series: readonly {
    readonly labels: Readonly<Record<string, string>>;
    /** [virtual ms, value], ascending. */
    readonly points: readonly (readonly [number, number])[];
  }[];
}

export interface LatencySummary {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** What the clients saw. */
export interface OperationsSummary {
  readonly total: number;
  readonly ok: number;
  readonly fail: number;
  readonly info: number;
  readonly byName: Readonly<Record<string, { ok: number; fail: number; info: number; latency: LatencySummary }>>;
  readonly errors: Readonly<Record<string, number>>;
  /** Buckets of virtual time: for the charts. */
  readonly windows: readonly {
    readonly fromMs: number;
    readonly toMs: number;
    readonly ok: number;
    readonly fail: number;
    readonly info: number;
    readonly p99Ms: number;
  }[];
}

export interface ExpectationResult {
  /** As it stands in the scenario, in words. */
  readonly text: string;
  readonly outcome: Verdict;
  /** What was seen. */
  readonly detail: string;
}

/**
 * All that a run leaves behind, as plain data, from which every report is made. `report.json` is all of it but the history,
 * which is `history.ndjson.gz`.
 */
export interface RunRecord {
  readonly version: 1;
  readonly title: string;
  readonly source?: string;
  readonly description?: string;
  readonly engine: string;
  /** Path of the scenario file as it was given, if there was one. */
  readonly file?: string;
  /** The scenario as it ran, after `--set`: YAML. */
  readonly scenario: string;
  readonly seed: number;
  /** Bugs that were planted in the engine, by name; absent when there were none. */
  readonly mutants?: readonly string[];
  readonly commit: string;
  readonly nodeVersion: string;
  /** What to paste to see this run again. */
  readonly command: string;
  readonly verdict: Verdict;
  /** Why the verdict is not `held`; empty if it is. */
  readonly reasons: readonly string[];
  readonly virtualMs: number;
  readonly realMs: number;
  readonly events: number;
  /** 16 hexadecimal digits over every event, draw, I/O result and fault. */
  readonly fingerprint: string;
  readonly nodes: readonly { readonly name: string; readonly role: 'engine' | 'client' }[];
  readonly timeline: readonly TimelineEntry[];
  readonly faults: readonly FaultLogEntry[];
  readonly alerts: readonly AlertLogEntry[];
  readonly metrics: readonly MetricRecord[];
  readonly operations: OperationsSummary;
  readonly expectations: readonly ExpectationResult[];
  readonly violations: readonly Violation[];
  readonly probes: readonly { readonly name: string; readonly reached: boolean }[];
  /**
   * What the run reached, sorted: `probe: NAME`, `buggify: NAME` for a fault point that fired, and `FAULT × STATE` for each
   * state in which a fault found a node that it hit, or into which that node came while the fault was open.
   */
  readonly coverage: readonly string[];
  /** Every operation of the clients, each with the faults that were open while it ran; only when the run was observed. */
  readonly history?: readonly Operation[];
  /** Only when the run was observed. */
  readonly observations?: Observations;
}
