import { readFileSync } from 'node:fs';
import { loadNative, type NativeAddon } from '../native.ts';
import type { RingMode, UringTrial } from './addon.ts';

/** Whether this process may use io_uring: found out by using it. `reason` is for an operator, with what can be done about it. */
export type UringSupport =
  | { readonly ok: true; readonly features: { readonly mode: RingMode; readonly operations: readonly string[] } }
  | { readonly ok: false; readonly reason: string };

/** Where Linux (6.6 and later) says who may use io_uring: 0 all, 1 only members of a group, 2 nobody. */
const sysctlPath = '/proc/sys/kernel/io_uring_disabled';

/** Opens a ring, has it do an empty operation, and asks the kernel which operations it knows; `HOTFIRE_URING=off` in
 * the environment keeps it out. Costs some ten microseconds. */
export function uringSupport(): UringSupport {
  if (process.env.HOTFIRE_URING === 'off') return { ok: false, reason: 'HOTFIRE_URING=off' };
  const native = loadNative();
  if ('reason' in native) return { ok: false, reason: `the native addon is not loaded: ${native.reason}` };
  return supportOf(native.addon);
}

/** What the trial of an addon says, in words. */
export function supportOf(addon: Pick<NativeAddon, 'uringSupport'>, disabled = readSysctl()): UringSupport {
  const trial = addon.uringSupport();
  if (trial.ok) return { ok: true, features: { mode: trial.mode, operations: trial.operations } };
  return { ok: false, reason: explain(trial, disabled) };
}

function explain(trial: UringTrial & { readonly ok: false }, disabled: string | undefined): string {
  const what = `${trial.call} answers ${trial.code}`;
  switch (trial.code) {
    case 'EPERM':
    case 'EACCES':
      if (disabled === '2') return `${what}: switched off for everybody (sysctl kernel.io_uring_disabled=2)`;
      if (disabled === '1') {
        return `${what}: kernel.io_uring_disabled=1 allows it to members of the group kernel.io_uring_group alone`;
      }
      return `${what}: a seccomp filter forbids it, as container run-times do by default; allow io_uring_setup, io_uring_enter, io_uring_register`;
    case 'ENOSYS':
      return `${what}: the kernel is older than Linux 5.1 or built without it, or a seccomp filter hides it`;
    case 'EOPNOTSUPP':
    case 'EINVAL':
      return `${what}: the kernel is too old, Linux 5.6 is the first that serves`;
    case 'ENOMEM':
      return `${what}: the limit of locked memory is too small for a ring on this kernel (ulimit -l)`;
    case 'EMFILE':
    case 'ENFILE':
      return `${what}: too many open files (ulimit -n)`;
    default:
      return what;
  }
}

function readSysctl(): string | undefined {
  try {
    return readFileSync(sysctlPath, 'utf8').trim();
  } catch {
    // Kernels before 6.6 have no such switch.
    return undefined;
  }
}
