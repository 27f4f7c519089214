import type { Millis } from './clock.ts';

/** A function in a profile, as V8 names it. */
export interface ProfileFrame {
  /** Empty: anonymous. */
  readonly functionName: string;
  readonly url: string;
  /** From 0; −1: unknown. */
  readonly lineNumber: number;
}

/** A CPU profile of V8: a tree of calls and the node that each sample was in. Times in microseconds. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: ProfileFrame;
    readonly children?: readonly number[];
  }[];
  readonly startTime: number;
  readonly endTime: number;
  readonly samples: readonly number[];
  /** Before each sample. */
  readonly timeDeltas: readonly number[];
}

/** What was allocated and is alive, by the stack that allocated it, in bytes. */
export interface HeapProfileNode {
  readonly callFrame: ProfileFrame;
  readonly selfSize: number;
  readonly children: readonly HeapProfileNode[];
}

export interface HeapProfile {
  readonly head: HeapProfileNode;
}

/** Looks into the process it runs in. There is none in the simulator: what it showed would be the simulator. */
export interface Profiler {
  /** Samples the CPU for `ms`; rejects with the signal's reason. */
  cpu(ms: Millis, signal: AbortSignal): Promise<CpuProfile>;
  /** The live heap as sampled since the first call, or since the process was told to. */
  heap(): Promise<HeapProfile>;
  gzip(bytes: Uint8Array): Promise<Uint8Array>;
}
