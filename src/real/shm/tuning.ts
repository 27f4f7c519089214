import type { MachineRow, MachineWishes } from '../../host/machineWishes.ts';
import type { TuningRow } from '../../host/sharedMemory.ts';
import type { UringSupport } from '../uring/support.ts';
import type { MachineFacts } from './machine.ts';
import {
  backingRow,
  callsOf,
  directoryRow,
  groupRow,
  hugePagesRow,
  memoryFreeRow,
  memoryRow,
  memorySizeRows,
} from './memoryRows.ts';
import { asked, mebibyte, mib, told } from './rows.ts';

/** What the rows are about that shared memory is not. */
export interface MachineExtras {
  readonly uring: UringSupport;
}

/** Whether a row says that something asked for is not there. */
export function differs(row: TuningRow): boolean {
  return row.reason !== '';
}

/** Whether nothing starts for it that is strict. */
export function refusesStrict(row: MachineRow): boolean {
  return differs(row) && row.isKept !== true;
}

/** Judges a machine: a row for each thing that shared memory, and a thread that should not wait, depend on. */
export function machineRows(
  facts: MachineFacts,
  wishes: MachineWishes = {},
  extras?: MachineExtras,
): readonly MachineRow[] {
  return [
    addonRow(facts),
    ffiRow(facts),
    backingRow(facts, wishes),
    hugePagesRow(facts, wishes),
    directoryRow(facts, wishes),
    ...memorySizeRows(facts, wishes),
    memoryRow(facts, wishes),
    memoryFreeRow(facts, wishes),
    ...(wishes.group === undefined ? [] : [groupRow(facts, wishes.group)]),
    sharedBufferRow(facts),
    futexRow(facts),
    byteLocksRow(facts),
    memlockRow(facts, wishes),
    affinityRow(facts, wishes),
    isolationRow(facts, wishes),
    smtRow(facts, wishes),
    governorRow(facts, wishes),
    numaRow(facts, wishes),
    timerSlackRow(facts),
    removeIpcRow(facts),
    ...(extras === undefined ? [] : [ioUringRow(extras.uring)]),
  ];
}

function addonRow({ native }: MachineFacts): MachineRow {
  if ('addon' in native) return asked('addon', 'yes', 'yes');
  const advice = native.reason.startsWith('HOTFIRE_NATIVE=')
    ? 'unset HOTFIRE_NATIVE'
    : 'install a C++ compiler (apt install g++), then npm rebuild hotfire';
  return asked('addon', 'yes', 'no', { reason: native.reason, advice });
}

function ffiRow({ native, ffi }: MachineFacts): MachineRow {
  if ('addon' in native) return told('ffi', 'not needed');
  if ('shm' in ffi) return told('ffi', 'koffi');
  // What is missing is the addon; this only stands in for it.
  const advice = ffi.reason.startsWith('HOTFIRE_FFI=')
    ? 'unset HOTFIRE_FFI'
    : 'npm install --include=optional; without addon and FFI regions stay within one process';
  return told('ffi', `none: ${ffi.reason}`, advice);
}

function sharedBufferRow(facts: MachineFacts): MachineRow {
  const { native, nodeVersion } = facts;
  if (callsOf(facts) === undefined) return told('shared_buffer', 'heap');
  if (!('addon' in native)) return told('shared_buffer', 'ArrayBuffer: each worker maps for itself');
  if (native.addon.hasExternalShared()) return asked('shared_buffer', 'SharedArrayBuffer', 'SharedArrayBuffer');
  return asked('shared_buffer', 'SharedArrayBuffer', 'ArrayBuffer', {
    reason: `Node ${nodeVersion} makes no SharedArrayBuffer over a mapping: each worker maps for itself`,
    advice: 'Node 24.21 does',
  });
}

function futexRow(facts: MachineFacts): MachineRow {
  const calls = callsOf(facts);
  if (calls === undefined) return told('futex', 'Atomics.wait');
  const method = calls.futexMethod();
  if (method === 'futex_waitv') return asked('futex', 'futex_waitv', method);
  return asked('futex', 'futex_waitv', method, {
    reason:
      'the kernel, a seccomp filter or HOTFIRE_FUTEX=polling keeps futex_waitv away: event loops look at their words each millisecond',
    advice: 'Linux 5.16 or newer, and a seccomp profile that allows futex_waitv',
  });
}

function byteLocksRow(facts: MachineFacts): MachineRow {
  const { byteLocks } = facts;
  if (callsOf(facts) === undefined) return told('byte_locks', 'none: one process');
  if (byteLocks === true) return asked('byte_locks', 'yes', 'yes');
  return asked('byte_locks', 'yes', 'no', {
    reason: byteLocks,
    advice: 'a directory on tmpfs that this user may write',
  });
}

function memlockRow({ memlock, locksBeyondLimit }: MachineFacts, { lockMemory, bytes = 0 }: MachineWishes): MachineRow {
  const limited = memlock === undefined ? 'unknown' : memlock.soft < 0 ? 'no limit' : mib(memlock.soft);
  const limit = locksBeyondLimit ? 'no limit (CAP_IPC_LOCK)' : limited;
  if (lockMemory !== true) return told('memlock', limit);
  const row = asked('memlock', mib(bytes), limit);
  if (locksBeyondLimit || memlock === undefined || memlock.soft < 0 || memlock.soft >= bytes) return row;
  const raise = memlock.hard < 0 || memlock.hard >= bytes ? `ulimit -l ${Math.ceil(bytes / 1024)}, or ` : '';
  return {
    ...row,
    reason: `${mib(bytes)} are to be locked, the limit is ${limit}`,
    advice: `${raise}LimitMEMLOCK=${Math.ceil(bytes / mebibyte) + 1}M in the unit, or CAP_IPC_LOCK; huge pages need no lock`,
  };
}

function affinityRow({ cpus }: MachineFacts, { cpu }: MachineWishes): MachineRow {
  const applied = listText(cpus);
  if (cpu === undefined) return told('affinity', applied);
  if (cpus.includes(cpu)) return asked('affinity', String(cpu), String(cpu));
  return asked('affinity', String(cpu), applied, {
    reason: `processor ${cpu} is not among those this process may use`,
    advice: 'another router_cpu, or a wider cpuset',
  });
}

function isolationRow({ isolated }: MachineFacts, { cpu }: MachineWishes): MachineRow {
  const applied = isolated.length === 0 ? 'none' : listText(isolated);
  if (cpu === undefined) return told('isolation', applied);
  if (isolated.includes(cpu)) return asked('isolation', String(cpu), applied);
  return asked('isolation', String(cpu), applied, {
    reason: `the scheduler puts other work on processor ${cpu} too`,
    advice: `isolcpus=${cpu} on the kernel's command line, or an isolated cpuset partition`,
  });
}

function smtRow({ siblings, cpus }: MachineFacts, { cpu }: MachineWishes): MachineRow {
  const shared = (of: number): readonly number[] => (siblings.get(of) ?? []).filter((other) => other !== of);
  if (cpu === undefined) {
    if (siblings.size === 0) return told('smt', 'unknown');
    return told('smt', cpus.some((each) => shared(each).length > 0) ? 'on' : 'off');
  }
  const others = shared(cpu);
  if (others.length === 0) return asked('smt', 'off', siblings.size === 0 ? 'unknown' : 'off');
  return asked('smt', 'off', `on: ${cpu} shares its core with ${listText(others)}`, {
    reason: `what runs on processor ${listText(others)} slows the router`,
    advice: 'echo off > /sys/devices/system/cpu/smt/control, or keep the sibling free',
  });
}

function governorRow({ governors }: MachineFacts, { cpu }: MachineWishes): MachineRow {
  const all = [...new Set(governors.values())].join(', ');
  if (cpu === undefined) return told('governor', all === '' ? 'unknown' : all);
  const governor = governors.get(cpu);
  // A guest has none to set; its host decides.
  if (governor === undefined || governor === 'performance')
    return asked('governor', 'performance', governor ?? 'unknown');
  return asked('governor', 'performance', governor, {
    reason: `processor ${cpu} may run slower than it can`,
    advice: `echo performance > /sys/devices/system/cpu/cpu${cpu}/cpufreq/scaling_governor`,
  });
}

function numaRow({ numaNodes }: MachineFacts, { numaNode }: MachineWishes): MachineRow {
  const applied = numaNodes.length === 0 ? 'unknown' : `${numaNodes.length}: ${listText(numaNodes)}`;
  if (numaNode === undefined) return told('numa', applied);
  if (numaNodes.includes(numaNode)) return asked('numa', String(numaNode), String(numaNode));
  return asked('numa', String(numaNode), applied, {
    reason: `there is no node ${numaNode}`,
    advice: 'numa_node = "auto", or one that is there',
  });
}

function timerSlackRow({ timerSlack }: MachineFacts): MachineRow {
  return told('timer_slack', timerSlack === undefined ? 'unknown' : `${timerSlack} ns`);
}

function removeIpcRow({ removesIpc, directory }: MachineFacts): MachineRow {
  if (!removesIpc || !('path' in directory) || !directory.path.startsWith('/dev/shm'))
    return asked('remove_ipc', 'no', 'no');
  return asked('remove_ipc', 'no', 'yes', {
    reason: 'logind removes the files of this user in /dev/shm when its last session ends',
    advice: 'RemoveIPC=no in /etc/systemd/logind.conf, or run as a system user (User= in a unit)',
  });
}

function ioUringRow(support: UringSupport): MachineRow {
  if (support.ok) return asked('io_uring', 'yes', 'yes');
  return asked('io_uring', 'yes', 'no', {
    reason: support.reason,
    advice: 'nothing is lost but speed: disks go through node:fs',
  });
}

/** Numbers as a list of the kernel: `0-3,8`. */
function listText(numbers: readonly number[]): string {
  const parts: string[] = [];
  for (let at = 0; at < numbers.length; ) {
    let end = at;
    while (numbers[end + 1] === (numbers[end] ?? 0) + 1) end++;
    parts.push(end === at ? `${numbers[at]}` : `${numbers[at]}-${numbers[end]}`);
    at = end + 1;
  }
  return parts.join(',');
}
