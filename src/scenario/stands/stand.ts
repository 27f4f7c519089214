import type { ZodType } from 'zod';
import type { Operation, Violation } from '../../checkers/history.ts';
import type { History } from '../../checkers/recorder.ts';
import type { EngineDefinition } from '../../engines/engine.ts';
import type { Host } from '../../host/host.ts';
import type { Machine } from '../../sim/machine.ts';
import type { World } from '../../sim/world.ts';
import type { NodeState } from '../nodeState.ts';
import type { FaultLogEntry } from '../runRecord.ts';
import type { RouteClient } from '../wire/routeClient.ts';

/**
 * An engine's stand: all that the runner must know to put a cluster of this engine into a world, load it, act on it as an
 * operator would, and judge what it left. The runner owns time, faults, life and death of processes, scraping, alerts, the
 * timeline and the verdict; the stand owns what is particular to the engine. One `Stand` per engine, one `StandSession` per run.
 */
export interface Stand {
  readonly engine: EngineDefinition;
  /** Path of the Prometheus rule file from the package's root: `alerts/stemedb.yaml`. */
  readonly alertsFile: string;
  /** The systemd unit that runs the engine: the runner's own verb `systemctl stop|start|restart UNIT` acts on it. */
  readonly unit: string;
  /** Other units that `systemctl` of this stand knows. Undefined: none is checked before the run. */
  readonly units?: readonly string[];
  /** Codes of the engine's errors, to name the nearest for a mistyped one. Undefined: none is checked. */
  readonly errorCodes?: readonly string[];
  /** Port on which every node's routes are served over the simulated network. */
  readonly port: number;
  /** Nodes of a cluster whose file does not say how many. */
  readonly defaultNodes: number;
  /** Name of the n-th node, from 1: `stemedb-1`. */
  readonly nodeName: (number: number) => string;
  /** Names of machines that the stand makes beside the nodes: faults and command lines may name them. Undefined: none. */
  readonly participants?: RegExp;
  /** `cluster.devices`: disks of each machine, their sizes, models and mounts. `parse({})` gives the defaults; unknown keys are errors. */
  readonly devicesSchema: ZodType;
  /** `load`, whole, as it stands in the file, and each `load:` change merged over it. Unknown keys are errors. */
  readonly loadSchema: ZodType;
  /** Number of client machines (`client-1` …) that a load needs. Asked once, with the first load. */
  readonly clients: (load: unknown) => number;
  /** Names of the checks, in the order in which they run; each has its name in `StandSession.checks`. */
  readonly checks: readonly string[];
  /** Parts of the service (partitions) that an operation wrote to, for `longest gap`. Undefined: the engine has no parts, all of it is one. */
  readonly partsWritten?: (operation: Operation) => readonly string[];
  /** Names of the shell verbs, the first word of a command line; each has its name in `StandSession.verbs`. */
  readonly verbs: readonly string[];
  /** Begins a run: makes machines, devices and mounts in the world (synchronously) and holds the run's state. */
  readonly open: (context: StandContext) => StandSession;
}

/** What the runner gives a stand for one run. */
export interface StandContext {
  readonly world: World;
  /** Names of the nodes to make, from `nodeName`. The client machines are the runner's. */
  readonly nodes: readonly string[];
  /** `cluster.devices`, parsed. */
  readonly devices: unknown;
  /** `cluster.config` as it stands in the file: partial; the engine's schema gives the rest. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly control: NodeControl;
  /** Adds a line to the timeline, at this moment. */
  readonly note: (text: string, node?: string, data?: unknown) => void;
}

/** The engine's part in one run. */
export interface StandSession {
  /**
   * The configuration with which a process of this node starts now: the whole document before the engine's schema. Read
   * at every start and at every reload, so that an edit by a verb takes effect then. Paths belong to the machine's mounts.
   */
  configuration(node: string): Record<string, unknown>;
  /** Which node is the primary now; undefined if there is none, or the engine knows no such thing. */
  primary(): string | undefined;
  /** Whether a process may be started: a unit's `RequiresMountsFor`. Returns the reason against it. Default: always. */
  mayStart?(node: string): string | undefined;
  /** Puts itself between engine and host, to watch (disk calls for C6 and C7) or to count; called at every process start. */
  decorateHost?(host: Host, node: string): Host;
  /**
   * What the engine of a node that is up does now, in one word of its own: `ok`, `rotating`, `read-only`. Asked between any
   * two events, so it does no I/O, draws nothing and schedules nothing. Without it every engine that is up is `up`.
   */
  engineState?(node: string): string;
  /** Called when a process has started serving, and when one has ended, whatever the reason. */
  nodeChanged?(node: string, state: NodeState): void;
  /** Begins the workload. Called once, after the nodes serve. */
  startLoad(context: LoadContext): Workload;
  /** Shell verbs by first word. The runner's own verbs (`systemctl` on the unit, `kill`, `reboot`) come before these. */
  readonly verbs: Readonly<Record<string, ShellVerb>>;
  /** Series beside those of the nodes' registries, sampled at each scrape: node_disk_*, object store counters. */
  extraMetrics(node: string): readonly Sample[];
  /**
   * Liveness phase: faults are healed, nodes are up, the load has ended. Returns why the cluster has not converged yet, or
   * undefined when it has. Asked again every virtual second until the bound (`finally.within`).
   */
  converged(): Promise<string | undefined>;
  /** Why `converged` need not be waited for any more, and says nothing: something is broken for good. Absent, undefined: it does. */
  cutShort?(): string | undefined;
  /** After the liveness phase: gathers what the checks look at (logs read back, index dumps, the shadow of the disks). */
  collectEvidence(history: readonly Operation[], run: RunFacts): Promise<void>;
  /** Checks by name, run after `collectEvidence`. */
  readonly checks: Readonly<Record<string, Check>>;
}

/** What the runner alone knows of a run, for the checks. */
export interface RunFacts {
  /** Every fault that was applied, in order. */
  readonly faults: readonly FaultLogEntry[];
  /** Virtual time at which the healing phase began; undefined if there was none. */
  readonly healedAtMs: number | undefined;
}

/** A check that gave up for want of memory or time says so instead of passing. */
export interface CheckResult {
  readonly violations: readonly Violation[];
  /** Why it could not decide. */
  readonly undecided?: string;
  /** What it looked at, in one line: `4,812 acknowledged records`. A check that looked at nothing must say so. */
  readonly detail: string;
}
export type Check = () => CheckResult | Promise<CheckResult>;

/** One value of a series, as node_exporter would export it. */
export interface Sample {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** How a process ended of its own accord. */
export interface NodeExit {
  /** Code of sysexits(3). */
  readonly code: number;
  /** The engine's stable code: `WalCorruption`. */
  readonly name: string;
  readonly message: string;
  readonly atMs: number;
}

/** Life and death of the engine's processes. All of it goes through here, so that timeline, states and `finally` agree. */
export interface NodeControl {
  state(node: string): NodeState;
  /** Exits of this node's processes so far, oldest first. */
  exits(node: string): readonly NodeExit[];
  /** Starts a process and resolves when it serves, or to its exit when it does not get there. No effect if one runs. */
  start(node: string): Promise<NodeExit | undefined>;
  /** SIGTERM: drains, then ends; what hangs is killed after `timeoutMs` (default 90,000, systemd's). */
  stop(node: string, timeoutMs?: number): Promise<void>;
  /** SIGHUP: the running process reads its configuration anew. */
  reload(node: string): Promise<{ readonly applied: readonly string[]; readonly needRestart: readonly string[] }>;
  /** The machine; its `process` is undefined when nothing runs. */
  machine(node: string): Machine;
}

/** What a workload is given. */
export interface LoadContext {
  /** `load`, parsed by `loadSchema`. */
  readonly load: unknown;
  readonly nodes: readonly string[];
  /** One host per client machine: its clock, its random streams, its network. */
  readonly clients: readonly Host[];
  /** The one history of the run. Process numbers are the workload's to give. */
  readonly history: History;
  /** A client of a node's routes, over the network of `host`. */
  readonly connect: (host: Host, node: string) => RouteClient;
}

/** A running workload. */
export interface Workload {
  /** The merged load, parsed, from now on. */
  change(load: unknown): void;
  /** Multiplies what the clients do by `factor`, 0 for nothing at all; returns how to undo that. */
  scale(factor: number): () => void;
  /** No new operation begins; resolves when the last open one has completed or timed out. */
  stop(): Promise<void>;
}

/** A command line of an operator. Throws `OperatorError` when it fails, as the shell would exit with 1. */
export type ShellVerb = (args: readonly string[], context: VerbContext) => Promise<string>;

export interface VerbContext {
  /** The machine at whose shell it is typed. */
  readonly node: string;
  readonly control: NodeControl;
  readonly world: World;
  /** A machine of the operator's own: what asks the nodes goes over its network. */
  readonly host: Host;
}

/** An operator's command failed; the message is what the terminal shows. */
export class OperatorError extends Error {
  override readonly name = 'OperatorError';
  /** Exit code of the command: 1 unless it has others. */
  readonly exit: number;
  constructor(message: string, options: { readonly exit?: number } = {}) {
    super(message);
    this.exit = options.exit ?? 1;
  }
}
