import { readFileSync, readlinkSync } from 'node:fs';
import type { LivenessEvidence, ProcessIdentity } from '../../host/sharedMemory.ts';

/** Fields of /proc/PID/stat that tell who a process is (proc(5)). */
interface ProcessStat {
  /** One letter: R, S, D, T (stopped), Z (zombie), X (dead). */
  readonly state: string;
  readonly startTicks: number;
}

/** What procfs tells of a pid; undefined if it tells nothing. */
function processStat(pid: number | 'self'): ProcessStat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The second field is the command's name in parentheses, which may hold blanks and parentheses itself.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, startTicks] = [fields[0], Number(fields[22 - 3])];
  return state === undefined || !Number.isSafeInteger(startTicks) ? undefined : { state, startTicks };
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

function ownPidSpace(): number {
  try {
    return Number(/\[(\d+)\]/.exec(readlinkSync('/proc/self/ns/pid'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** What has become of a process. Nobody is `gone` because procfs does not show it: who has the pid is `unknown` then. */
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
