import type { ZodType } from 'zod';
import type { Host } from '../host/host.ts';
import type { MachineRow, MachineWishes } from '../host/machineWishes.ts';
import type { DeclaredPoints } from '../host/telemetry.ts';
import type { Route } from './route.ts';

/** Exit codes of a daemon, from BSD's sysexits(3). */
export const ExitCode = {
  ok: 0,
  usage: 64,
  data: 65,
  software: 70,
  locked: 73,
  io: 74,
  configuration: 78,
} as const;

/**
 * An engine could not start, or had to stop. `exitCode` is what the process ends with; `code` is stable and the engine's.
 */
export class EngineError extends Error {
  override readonly name: string = 'EngineError';
  readonly code: string;
  readonly exitCode: number;

  constructor(code: string, exitCode: number, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.exitCode = exitCode;
  }
}

/** An answer that the HTTP server gave without asking a route's handler. */
export interface Refusal {
  readonly method: string;
  /** Undefined when no route takes the path and the method. */
  readonly route: Route | undefined;
  readonly status: number;
  /** The code of the error body. */
  readonly code: string;
  /** From the arrival of the request to its answer. */
  readonly seconds: number;
}

/** A started engine. */
export interface RunningEngine {
  /** Every HTTP route of the engine, `/metrics` and `/health*` among them. */
  readonly routes: readonly Route[];
  /**
   * Told of each request that the server refuses by itself (no such route, no right to it, a body that it does not take),
   * so that the engine's metrics count it too.
   */
  readonly refused?: (refusal: Refusal) => void;
  /**
   * Settles when the engine stops of its own accord: resolves after a drain that an operator asked for by signal,
   * rejects with `EngineError` when it cannot go on.
   */
  readonly stopped: Promise<void>;
  /** Takes over what can change while running; returns the keys that changed and those that need a restart. */
  reload(config: unknown): { readonly applied: readonly string[]; readonly needRestart: readonly string[] };
  /** Graceful end: refuse new work, finish what was begun, close. At its time-out it stops and names what was unfinished. */
  drain(): Promise<{ readonly unfinished: readonly string[] }>;
  /** Ends now, without the lame-duck time; nothing acknowledged depends on it. */
  close(): Promise<void>;
}

/** A thread that belongs to one piece of an engine's code, which may block it. */
export interface DedicatedThread {
  /** Sends a message (structured clone); shared buffers stay shared. */
  post(message: unknown): void;
  /** Told of each message that comes back. Set once, before anything is posted. */
  onMessage(fn: (message: unknown) => void): void;
  /** Resolves when the thread has ended by itself or was told to; rejects with what it died of. */
  readonly ended: Promise<void>;
  /** Ends it, wherever it is. */
  terminate(): Promise<void>;
}

/** What a daemon can give an engine beside its host; the simulator has none of it. */
export interface DaemonServices {
  /** Starts a body of this name on a thread of its own; undefined where there are no threads. */
  readonly startThread?: (body: 'indexbus-router', data: unknown) => DedicatedThread;
  /** Rejects with `EngineError` where the address of the daemon's HTTP is taken: nothing need be made for a server that cannot be. */
  readonly checkAddress?: () => Promise<void>;
  /** What runs here. */
  readonly version?: string;
  /** Judges this machine by what is asked of it, as `hotfire doctor` prints it. */
  readonly machine?: (wishes: MachineWishes) => readonly MachineRow[];
  /** Processors that this process may use. */
  readonly cores?: number;
  /** NUMA node of a processor; undefined where the machine does not tell. */
  readonly nodeOfCpu?: (cpu: number) => number | undefined;
  /** What the machine says of a process; undefined where it is not there, or not to be seen. */
  readonly processUsage?: (pid: number) => ProcessUsage | undefined;
}

/** A process as its machine sees it. */
export interface ProcessUsage {
  /** Processor time since it began; undefined where nobody counts it. */
  readonly cpuSeconds: number | undefined;
  readonly residentBytes: number;
  /** Stopped by a signal or a debugger. */
  readonly isStopped: boolean;
  /** Processor it ran on last. */
  readonly cpu: number;
}

/** Switches of `hotfire serve` that only some engines have. */
export type ServeSwitch = 'role' | 'standby' | 'strict';

/** What an engine declares of itself: all that daemon, stand and chaos need to run it. */
export interface EngineDefinition<Config = unknown> {
  readonly name: string;
  readonly summary: string;
  /** Shape and defaults of the configuration file: `parse({})` gives the defaults. Unknown keys are errors. */
  readonly configSchema: ZodType<Config>;
  /** Prefix of the environment variables: `STEMEDB` for `STEMEDB_WAL_DIR`. */
  readonly environmentPrefix: string;
  /** Extra names of the environment, and the key that each sets. */
  readonly environmentAliases?: Readonly<Record<string, string>>;
  /** Names with the prefix that set no key and mean something elsewhere, such as to the engine's own commands: nobody is warned of them. */
  readonly environmentElsewhere?: readonly string[];
  /**
   * A name with the prefix that sets no key, and is close to one that does, is a mistake like an unknown key of the file. Default: it is
   * worth a warning.
   */
  readonly refusesMistypedEnvironment?: boolean;
  /** Directory that belongs to this engine's state on this machine: the daemon counts its starts there. Undefined: it keeps none. */
  readonly stateDirectory: (config: Config) => string | undefined;
  /** Keys of the configuration's top that `hotfire serve` has switches for: `--standby` sets `standby`. Default none. */
  readonly switches?: readonly ServeSwitch[];
  /** Names of the environment without a meaning here that a runbook knows, and what to tell who has set one. */
  readonly environmentHints?: Readonly<Record<string, string>>;
  /** Bytes that the heap of the process may grow to: the daemon starts itself with that limit. Undefined: as the runtime has it. */
  readonly heapBytes?: (config: Config, host: Pick<Host, 'memoryBytes'>) => number;
  /** What `hotfire serve --init` sets, in the shape of the configuration file: it lets the engine make its state where there is none. */
  readonly initOverrides?: Readonly<Record<string, unknown>>;
  /** Where the HTTP server listens, and its limits, read from the configuration. */
  readonly server: (config: Config) => ServerSettings;
  /** What neither the schema nor the daemon can say of a configuration, found without starting: returns warnings, throws `EngineError`. */
  readonly validate?: (config: Config, services?: Pick<DaemonServices, 'machine'>) => readonly string[];
  /** What a configuration asks of the machine, for `hotfire doctor`; an engine without asks nothing. */
  readonly machine?: (config: Config) => MachineWishes;
  /** Probes and fault points of its code, all of them: another name throws on the stand. */
  readonly points: DeclaredPoints;
  /** Starts the engine; throws `EngineError`. */
  readonly start: (host: Host, config: Config, services?: DaemonServices) => Promise<RunningEngine>;
}

export interface ServerSettings {
  /** `host:port`. */
  readonly bind: string;
  readonly maxBodyBytes: number;
  readonly tls?: TlsFileNames;
  /** File with one `token role[,role]` a line. Needed, as TLS is, beyond loopback. */
  readonly tokensFile?: string;
  /** What is needed beyond loopback; default both. */
  readonly beyondLoopback?: { readonly tls: boolean; readonly tokens: boolean };
  /** Keys of the configuration, for messages: where one has to look. */
  readonly keys?: {
    readonly host: string;
    /** Section with `cert`, `key` and `client_ca`. */
    readonly tls: string;
    readonly tokens: string;
    /** What lifts the need for tokens beyond loopback. */
    readonly allowAnonymous?: string;
  };
  /** What the process ends with when the address cannot be had; default `LISTEN_FAILED` and 74. `key` is that of the port. */
  readonly listenFailure?: { readonly code: string; readonly exitCode: number; readonly key: string };
  /** Files that the engine reads by itself when it starts: they are tried with the server's own. */
  readonly ownFiles?: {
    /** By the section of the configuration that names them. */
    readonly tls: Readonly<Record<string, TlsFileNames>>;
    /** By key; each must have something in it. */
    readonly secrets: Readonly<Record<string, string>>;
  };
}

/** Files in PEM. */
export interface TlsFileNames {
  readonly certFile: string;
  readonly keyFile: string;
  readonly clientCaFile?: string;
}
