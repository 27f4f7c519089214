import { closeSync, constants, existsSync, openSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { MachineWishes } from '../../host/machineWishes.ts';
import { SharedMemoryError, type SharedMemoryErrorCode } from '../../host/sharedMemory.ts';
import { loadNative, type NativeResult } from '../native.ts';
import { accessFor } from './access.ts';
import type { ShmAddon } from './addon.ts';
import { directorySpace, hugePages, hugetlbfsMount, readText, resolveDirectory } from './directory.ts';
import { type FfiResult, loadFfi } from './ffi/load.ts';
import type { MappedBacking } from './memory.ts';
import { type MemoryRoom, memoryLimit, memoryRoom } from './memoryRoom.ts';
import { openMemory, readRendezvous } from './rendezvous.ts';

/** What is found on a machine of what shared memory, and a thread that should not wait, depend on. */
export interface MachineFacts {
  readonly native: NativeResult;
  /** What stands in for the addon; not looked for where it is there. */
  readonly ffi: FfiResult;
  readonly nodeVersion: string;
  readonly uid: number;
  readonly directory:
    | { readonly path: string; readonly size: number; readonly free: number }
    | { readonly reason: string; readonly refusal: SharedMemoryErrorCode };
  /** The region that was asked about, where it is there already. */
  readonly region?: { readonly backing: MappedBacking; readonly hugePages: boolean; readonly bytes: number };
  /** Why the group that was asked about is none; undefined where it is one, or none was asked about. */
  readonly group?: string;
  readonly hugePages: { readonly total: number; readonly free: number };
  readonly hugetlbfsMount: string | undefined;
  /** Whether a lock of a byte holds in the directory: true, or why not. */
  readonly byteLocks: true | string;
  /** Limits of locked memory, bytes; -1 for none; undefined where they cannot be read. */
  readonly memlock: { readonly soft: number; readonly hard: number } | undefined;
  /** Whether this process may lock memory beyond the limit (CAP_IPC_LOCK). */
  readonly locksBeyondLimit: boolean;
  /** Bytes that the control group allows this process and its neighbours; undefined for no limit. */
  readonly memoryLimit: number | undefined;
  /** What is left of the machine's memory, or of its control group's; undefined where nothing tells. */
  readonly memoryRoom: MemoryRoom | undefined;
  /** Processors that this thread may run on. */
  readonly cpus: readonly number[];
  /** Processors that the scheduler leaves alone (isolcpus, isolated cpusets). */
  readonly isolated: readonly number[];
  /** Processors of one core, by processor. */
  readonly siblings: ReadonlyMap<number, readonly number[]>;
  /** Frequency governor by processor; none where the machine does not tell. */
  readonly governors: ReadonlyMap<number, string>;
  readonly numaNodes: readonly number[];
  /** Nanoseconds; undefined where it cannot be read. */
  readonly timerSlack: number | undefined;
  /** Whether logind removes this user's shared memory when the last session ends. */
  readonly removesIpc: boolean;
}

/** Looks at this machine, as far as what is asked of it needs it. */
export function machineFacts({ directory, region, group }: MachineWishes = {}): MachineFacts {
  const native = loadNative();
  const ffi: FfiResult = 'addon' in native ? { reason: 'the addon is there' } : loadFfi();
  const shm = 'addon' in native ? native.addon : 'shm' in ffi ? ffi.shm : undefined;
  const place = directoryFacts(directory);
  const uid = process.getuid?.() ?? 0;
  const there = region === undefined || !('path' in place) ? undefined : regionFacts(place.path, region, group);
  const noGroup = group === undefined ? undefined : whyNoGroup(group);
  return {
    native,
    ffi,
    nodeVersion: process.version,
    uid,
    directory: place,
    ...(there === undefined ? {} : { region: there }),
    ...(noGroup === undefined ? {} : { group: noGroup }),
    hugePages: hugePages(),
    hugetlbfsMount: hugetlbfsMount(),
    byteLocks:
      shm === undefined ? 'neither addon nor FFI' : 'path' in place ? tryByteLock(shm, place.path) : place.reason,
    memlock: shm?.memlockLimit() ?? memlockOf(readText('/proc/self/limits')),
    locksBeyondLimit: hasCapability(readText('/proc/self/status'), ipcLock),
    memoryLimit: memoryLimit(),
    memoryRoom: memoryRoom(),
    cpus: shm?.getAffinity() ?? cpuList(/^Cpus_allowed_list:\s*(.*)$/m.exec(readText('/proc/self/status'))?.[1] ?? ''),
    isolated: cpuList(readText('/sys/devices/system/cpu/isolated')),
    siblings: perCpu('topology/thread_siblings_list', cpuList),
    governors: perCpu('cpufreq/scaling_governor', (text) => text),
    numaNodes: cpuList(readText('/sys/devices/system/node/online')),
    timerSlack: shm?.getTimerSlack(),
    removesIpc: existsSync('/run/systemd/system') && removesIpc(uid, logindSettings()),
  };
}

function directoryFacts(asked: string | undefined): MachineFacts['directory'] {
  try {
    const path = resolveDirectory(asked, 'doctor');
    return { path, ...directorySpace(path) };
  } catch (error) {
    if (error instanceof SharedMemoryError) return { reason: error.detail, refusal: error.code };
    return { reason: error instanceof Error ? error.message : String(error), refusal: 'ENOTMEMORY' };
  }
}

/** The region of this name, if its memory is there. What cannot be read is told by who opens it. */
function regionFacts(directory: string, name: string, group: string | undefined): MachineFacts['region'] {
  try {
    const says = readRendezvous(directory, name, accessFor(group === undefined ? {} : { group }, name));
    const fd = says === undefined ? undefined : openMemory(directory, name, says);
    if (says === undefined || fd === undefined) return undefined;
    closeSync(fd);
    return { backing: says.backing, hugePages: says.hugePages, bytes: says.bytes };
  } catch {
    return undefined;
  }
}

function whyNoGroup(group: string): string | undefined {
  try {
    accessFor({ group }, 'doctor');
    return undefined;
  } catch (error) {
    if (error instanceof SharedMemoryError) return error.detail;
    return error instanceof Error ? error.message : String(error);
  }
}

function tryByteLock(shm: ShmAddon, directory: string): true | string {
  const path = join(directory, `.hotfire-doctor.${process.pid}`);
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  let holding: number | undefined;
  let looking: number | undefined;
  try {
    holding = openSync(path, flags, 0o600);
    looking = openSync(path, constants.O_RDWR);
    const seen = shm.lockByte(holding, 1) && shm.byteHeld(looking, 1) && !shm.byteHeld(looking, 2);
    return seen ? true : 'a lock that was taken is not seen through another descriptor';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    for (const fd of [holding, looking]) if (fd !== undefined) closeSync(fd);
    if (holding !== undefined) rmSync(path, { force: true });
  }
}

/** Number of CAP_IPC_LOCK (capabilities(7)). */
const ipcLock = 14;

/** Whether /proc/PID/status tells of a capability in force. */
export function hasCapability(status: string, capability: number): boolean {
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0';
  return ((BigInt(`0x${mask}`) >> BigInt(capability)) & 1n) === 1n;
}

/** The limit of locked memory in /proc/PID/limits. */
export function memlockOf(limits: string): { readonly soft: number; readonly hard: number } | undefined {
  const found = /^Max locked memory\s+(\S+)\s+(\S+)/m.exec(limits);
  if (found === null) return undefined;
  const bytes = (text: string | undefined): number => (text === 'unlimited' ? -1 : Number(text));
  return { soft: bytes(found[1]), hard: bytes(found[2]) };
}

/** Numbers of a list as the kernel writes it: `0-3,8`. */
export function cpuList(text: string): number[] {
  const cpus: number[] = [];
  for (const part of text.trim().split(',')) {
    const found = /^(\d+)(?:-(\d+))?$/.exec(part);
    if (found === null) continue;
    for (let cpu = Number(found[1]); cpu <= Number(found[2] ?? found[1]); cpu++) cpus.push(cpu);
  }
  return cpus;
}

function perCpu<T>(file: string, read: (text: string) => T): Map<number, T> {
  const found = new Map<number, T>();
  for (const cpu of cpuList(readText('/sys/devices/system/cpu/online'))) {
    const text = readText(`/sys/devices/system/cpu/cpu${cpu}/${file}`);
    if (text !== '') found.set(cpu, read(text));
  }
  return found;
}

function logindSettings(): string {
  const texts = [readText('/etc/systemd/logind.conf')];
  for (const directory of ['/usr/lib/systemd/logind.conf.d', '/etc/systemd/logind.conf.d']) {
    if (!existsSync(directory)) continue;
    for (const file of readdirSync(directory).sort()) texts.push(readText(join(directory, file)));
  }
  return texts.join('\n');
}

/** Whether logind takes away a user's shared memory: it does by default, not for system users (logind.conf(5)). */
export function removesIpc(uid: number, settings: string): boolean {
  if (uid < 1000) return false;
  const values = [...settings.matchAll(/^\s*RemoveIPC\s*=\s*(\S+)/gm)].map(([, value = '']) => value.toLowerCase());
  return !['no', 'false', 'off', '0'].includes(values.at(-1) ?? 'yes');
}
