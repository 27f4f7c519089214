/** Most participants of a scene. */
export const participantsMax = 8;
/** Most decisions of a run. */
export const decisionsMax = 2000;
const departuresMax = 64;
const errorBytes = 1024;

/** Words of the control memory. One thread at a time has the baton and writes here. */
export const Control = {
  /** 1: the participant may go on. Threads sleep on these. */
  go: 0,
  state: participantsMax,
  /** Word on which it sleeps. */
  sleepsOn: 2 * participantsMax,
  /** Its steps so far. */
  steps: 3 * participantsMax,
  /** Step at which it is killed, -1 for never. */
  killAt: 4 * participantsMax,
  priority: 5 * participantsMax,
  /** Bytes of what it threw. */
  errorLength: 6 * participantsMax,
  participants: 7 * participantsMax,
  decisions: 7 * participantsMax + 1,
  nextDeparture: 7 * participantsMax + 2,
  departures: 7 * participantsMax + 3,
  /** A `Phase`. */
  phase: 7 * participantsMax + 4,
  stuck: 7 * participantsMax + 5,
  /** 1: by priorities, the departures are where they change. */
  byPriority: 7 * participantsMax + 6,
  lowest: 7 * participantsMax + 7,
  departureAt: 8 * participantsMax,
  departureTo: 8 * participantsMax + departuresMax,
  /** By decision: bit 31 free, who was running, point, who could run. */
  trace: 8 * participantsMax + 2 * departuresMax,
} as const;

export const Phase = { prepare: 0, run: 1, end: 2 } as const;
export const State = { ready: 0, sleeping: 1, over: 2, killed: 3 } as const;

const words = Control.trace + decisionsMax;
const errorsFrom = words * 4;

/** Memory through which the threads of a scene pass the baton. */
export interface ControlMemory {
  readonly words: Int32Array;
  readonly buffer: SharedArrayBuffer;
}

export function controlOver(buffer = new SharedArrayBuffer(errorsFrom + participantsMax * errorBytes)): ControlMemory {
  return { words: new Int32Array(buffer, 0, words), buffer };
}

/** Keeps what a participant threw, for the driver. */
export function writeError({ words: control, buffer }: ControlMemory, who: number, text: string): void {
  const encoded = new TextEncoder().encode(text).subarray(0, errorBytes);
  new Uint8Array(buffer, errorsFrom + who * errorBytes).set(encoded);
  control[Control.errorLength + who] = encoded.byteLength;
}

export function readError({ words: control, buffer }: ControlMemory, who: number): string | undefined {
  const length = control[Control.errorLength + who] ?? 0;
  if (length === 0) return undefined;
  return new TextDecoder().decode(new Uint8Array(buffer, errorsFrom + who * errorBytes, length).slice());
}

/** What the trace tells of a decision. */
export function packDecision(who: number, point: number, runnable: number, free: boolean): number {
  return (free ? 1 << 31 : 0) | (who << 24) | ((point & 0xffff) << 8) | runnable;
}

export interface Decision {
  /** Who was running, or has just ended or gone to sleep. */
  readonly who: number;
  readonly point: number;
  /** Bits of those who could run. */
  readonly runnable: number;
  /** Somebody had to be chosen: another choice is no preemption. */
  readonly free: boolean;
}

export function unpackDecision(word: number): Decision {
  return { who: (word >>> 24) & 0x7f, point: (word >>> 8) & 0xffff, runnable: word & 0xff, free: word < 0 };
}
