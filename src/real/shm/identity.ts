import { readFileSync, readlinkSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import type { LivenessEvidence, ProcessIdentity } from '../../host/sharedMemory.ts';

/** Fields of /proc/PID/stat that tell who a process is, or a thread: procfs answers for a thread's number as for a pid (proc(5)). */
interface ProcessStat {
  readonly pid: number;
  /** One letter: R, S, D, T (stopped), Z (zombie), X (dead). */
  readonly state: string;
  readonly startTicks: number;
}

/** What procfs tells of a pid; undefined if it tells nothing. */
function processStat(pid: number | 'self' | 'thread-self'): ProcessStat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The second field is the command's name in parentheses, which may hold blanks and parentheses itself.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, startTicks] = [fields[0], Number(fields[22 - 3])];
  if (state === undefined || !Number.isSafeInteger(startTicks)) return undefined;
  return { pid: Number.parseInt(text, 10), state, startTicks };
}

/**
 * Whether some process has a pid, as kill(2) without a signal tells. It is not silenced by what makes procfs silent of living processes: its options
 * `hidepid`, systemd's `ProtectProc`, no descriptor left to read it with.
 */
function isTaken(pid: number): boolean {
  // Other numbers are no pids, and some of them name groups.
  if (!(pid > 0 && pid < 2 ** 31)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is another user's.
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH');
  }
}

let own: ProcessIdentity | undefined;

/** Who this process is to others of the machine. Without procfs: its pid, start 0, space 0. */
export function ownIdentity(): ProcessIdentity {
  own ??= { pid: process.pid, startTicks: processStat('self')?.startTicks ?? 0, pidSpace: ownPidSpace() };
  return own;
}

let participant: ProcessIdentity | undefined;

/**
 * Who takes part in shared memory here: this process, or of a worker thread that thread alone. Node closes a worker's descriptors when it ends, and its
 * locks with them, while the process runs on: told by the process, it could never be proven gone.
 */
export function ownParticipant(): ProcessIdentity {
  participant ??= isMainThread ? ownIdentity() : workerIdentity();
  return participant ?? ownIdentity();
}

function workerIdentity(): ProcessIdentity | undefined {
  const stat = processStat('thread-self');
  return stat && { pid: stat.pid, startTicks: stat.startTicks, pidSpace: ownIdentity().pidSpace };
}

function ownPidSpace(): number {
  try {
    return Number(/\[(\d+)\]/.exec(readlinkSync('/proc/self/ns/pid'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** What has become of a process, or of a thread of one. Nobody is `gone` because procfs does not show it: who has the pid is `unknown` then. */
export function processOf(holder: ProcessIdentity): LivenessEvidence['process'] {
  if (holder.pidSpace !== ownIdentity().pidSpace) return 'unknown';
  const stat = processStat(holder.pid);
  if (stat === undefined) return isTaken(holder.pid) ? 'unknown' : 'gone';
  if (stat.startTicks !== holder.startTicks) return 'other';
  return stat.state === 'Z' || stat.state === 'X' ? 'zombie' : 'running';
}

let boot: readonly [number, number, number, number] | undefined;

/** Number of this boot as four 32-bit words; zeros where the kernel gives none. */
export function bootId(): readonly [number, number, number, number] {
  boot ??= readBootId();
  return boot;
}

function readBootId(): readonly [number, number, number, number] {
  let text = '';
  try {
    text = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').replaceAll('-', '');
  } catch {
    // Not Linux: what is shared does not outlive the process there.
  }
  const word = (index: number): number => Number.parseInt(text.slice(8 * index, 8 * index + 8) || '0', 16) >>> 0;
  return [word(0), word(1), word(2), word(3)];
}
