import type { MachineRow, MachineWishes } from '../../host/machineWishes.ts';
import type { ShmAddon } from './addon.ts';
import { hugePageBytes, mountLine } from './directory.ts';
import type { MachineFacts } from './machine.ts';
import { asked, mebibyte, mib, told } from './rows.ts';

/** What makes the calls of shared memory; undefined where regions stay within one process. */
export function callsOf({ native, ffi }: Pick<MachineFacts, 'native' | 'ffi'>): ShmAddon | undefined {
  if ('addon' in native) return native.addon;
  return 'shm' in ffi ? ffi.shm : undefined;
}

function pagesFor(bytes: number): number {
  return Math.ceil(bytes / hugePageBytes);
}

/** The sysctl line that makes as many huge pages free as the segment needs. */
function sysctlLine({ hugePages }: MachineFacts, needed: number): string {
  return `sysctl vm.nr_hugepages=${hugePages.total + Math.max(0, needed - hugePages.free)}`;
}

function hasPages({ hugePages }: MachineFacts, bytes: number): boolean {
  return hugePages.free >= pagesFor(bytes) && bytes >= hugePageBytes;
}

/** What `auto` takes: the region that is there, else huge pages that stay if enough are free, else files. */
function backingOfAuto(facts: MachineFacts, bytes: number): string {
  if (facts.region !== undefined) return facts.region.backing;
  if (hasPages(facts, bytes) && facts.hugetlbfsMount !== undefined) return 'hugetlbfs';
  return 'path' in facts.directory ? 'tmpfs' : 'none';
}

/** Where the memory comes from. */
export function backingRow(
  facts: MachineFacts,
  { backing = 'auto', bytes = hugePageBytes }: MachineWishes,
): MachineRow {
  if (callsOf(facts) === undefined) return withoutCalls(facts, backing);
  if (backing === 'sab' || backing === 'sim') {
    return asked('backing', backing, 'none', {
      reason: `${backing} is memory of one process, and this machine has memory that processes share`,
      advice: 'segment.backing: auto; sab stands in by itself where neither addon nor FFI is there',
      refusal: 'ENOTSUP',
    });
  }
  const given = backingOfAuto(facts, bytes);
  if (facts.region !== undefined) {
    if (backing === 'auto' || backing === given) return asked('backing', backing, given);
    return asked('backing', backing, given, {
      reason: `the memory is there already, on ${given}`,
      advice: 'hotfire indexbus roll makes it anew; or end all that uses it and remove it',
    });
  }
  if (backing === 'hugetlbfs' && given !== 'hugetlbfs') {
    const needed = pagesFor(bytes);
    if (facts.hugetlbfsMount === undefined) {
      return asked('backing', backing, 'none', {
        reason: 'no writable hugetlbfs mount of 2 MiB pages',
        advice: `${mountLine}, or segment.backing: auto`,
        refusal: 'ENOTSUP',
      });
    }
    if (facts.hugePages.free >= needed) return asked('backing', backing, backing);
    return asked('backing', backing, 'none', {
      reason: `${needed} huge pages are needed, ${facts.hugePages.free} are free`,
      advice: sysctlLine(facts, needed),
      refusal: 'ENOSPC',
    });
  }
  const applied = backing === 'auto' ? given : backing;
  if (applied === 'none') {
    return asked('backing', backing, applied, { reason: 'no directory in memory', advice: 'see directory' });
  }
  const row = asked('backing', backing, applied);
  if (applied === 'memfd') {
    const advice = `ends with its last holder: messages that wait are lost when router and participants have all ended; ${mountLine} and backing hugetlbfs keep them`;
    return { ...row, advice };
  }
  const lacksMount = backing === 'auto' && applied === 'tmpfs' && hasPages(facts, bytes);
  return lacksMount ? { ...row, advice: `for huge pages: ${mountLine}` } : row;
}

/** Neither addon nor FFI: memory of one process is all there is, and who asks for another gets nothing. */
function withoutCalls({ native, ffi }: MachineFacts, backing: string): MachineRow {
  const advice = 'see addon';
  if (backing === 'auto' || backing === 'sab') return { ...asked('backing', backing, 'sab'), advice };
  const why = [
    'reason' in native ? `no native addon: ${native.reason}` : '',
    'reason' in ffi ? `no FFI: ${ffi.reason}` : '',
  ];
  return asked('backing', backing, 'sab', {
    reason: why.filter((text) => text !== '').join('; '),
    advice,
    refusal: 'ENOTSUP',
  });
}

/** What huge pages need besides: a memfd needs no mount. */
function mountToo({ hugetlbfsMount }: MachineFacts, backing: string): readonly string[] {
  return hugetlbfsMount === undefined && backing !== 'memfd' ? [mountLine] : [];
}

/** Huge pages for the memory. */
export function hugePagesRow(facts: MachineFacts, { bytes, backing = 'auto' }: MachineWishes): MachineRow {
  const { total, free } = facts.hugePages;
  const applied = `${free} free of ${total}`;
  // Memory that is there has what it was made with: whoever left that to the machine misses nothing.
  const isThere = facts.region !== undefined && !facts.region.hugePages && backing === 'auto';
  const isSmall = backing === 'memfd' && (bytes ?? 0) < hugePageBytes;
  if (bytes === undefined || backing === 'tmpfs' || backing === 'sab' || backing === 'sim' || isThere || isSmall) {
    return told(
      'huge_pages',
      applied,
      total === 0 ? 'sysctl vm.nr_hugepages=N reserves N pages of 2 MiB; 4 KiB pages do without' : '',
    );
  }
  const { region } = facts;
  if (region?.hugePages === true) return asked('huge_pages', `${pagesFor(bytes)} of 2 MiB`, 'in use');
  if (region !== undefined) {
    return asked('huge_pages', `${pagesFor(bytes)} of 2 MiB`, 'none', {
      reason: 'the memory is there already, made without huge pages',
      advice: 'hotfire indexbus roll makes it anew; or end all that uses it and remove it',
    });
  }
  const needed = pagesFor(bytes);
  const row = asked('huge_pages', `${needed} of 2 MiB`, applied);
  if (free >= needed) return row;
  const advice = [sysctlLine(facts, needed), ...mountToo(facts, backing)].join('; ');
  // Nobody insists with `auto`: it takes the next backing.
  if (backing === 'auto') return { ...row, requested: `${needed} of 2 MiB, if free`, advice };
  return { ...row, reason: `${needed} are needed, ${free} are free`, advice };
}

/** The directory of the files, and room in it for memory that is a file there. */
export function directoryRow(facts: MachineFacts, { bytes, backing = 'auto' }: MachineWishes): MachineRow {
  const { directory } = facts;
  if ('reason' in directory) {
    const { reason, refusal } = directory;
    const advice =
      refusal === 'EACCES'
        ? 'run as its owner, or name a directory on tmpfs that this user may write as segment.directory'
        : 'mount a tmpfs and name it as segment.directory: mount -t tmpfs -o size=256m none /run/hotfire';
    return asked('directory', 'tmpfs', 'none', {
      reason,
      advice,
      ...(callsOf(facts) === undefined ? {} : { refusal }),
    });
  }
  const applied = `${directory.path}, ${mib(directory.free)} of ${mib(directory.size)} free`;
  const isFile = (backing === 'auto' ? backingOfAuto(facts, bytes ?? 0) : backing) === 'tmpfs';
  if (bytes === undefined || facts.region !== undefined || !isFile) return asked('directory', 'tmpfs', applied);
  if (directory.free >= bytes) return asked('directory', `tmpfs, ${mib(bytes)}`, applied);
  return asked('directory', `tmpfs, ${mib(bytes)}`, applied, {
    reason: `${mib(bytes)} are needed, ${mib(directory.free)} are free`,
    advice: `mount -o remount,size=${Math.ceil((directory.size - directory.free + bytes) / mebibyte)}m ${directory.path}, or fewer or smaller slots`,
    ...(callsOf(facts) === undefined ? {} : { refusal: 'ENOSPC' as const }),
  });
}

/** The size of memory that is there already; no row where it is to be made. */
export function memorySizeRows(facts: MachineFacts, { bytes }: MachineWishes): readonly MachineRow[] {
  const { region, memoryRoom } = facts;
  if (region === undefined || bytes === undefined) return [];
  if (region.bytes === bytes) return [asked('memory_size', mib(bytes), mib(region.bytes))];
  const free = memoryRoom === undefined ? '' : `, of which ${mib(memoryRoom.bytes)} are free`;
  return [
    asked('memory_size', mib(bytes), mib(region.bytes), {
      reason: `the memory is there already, of ${region.bytes} bytes, and serves as it is; ${bytes} are asked for`,
      advice: `hotfire indexbus roll makes it anew beside it, with ${mib(bytes)}${free}; or ask for the sizes that it has`,
      isKept: true,
    }),
  ];
}

/** What the control group allows. */
export function memoryRow(facts: MachineFacts, { bytes }: MachineWishes): MachineRow {
  const { memoryLimit } = facts;
  const applied = memoryLimit === undefined ? 'no limit' : mib(memoryLimit);
  if (bytes === undefined) return told('memory_limit', applied);
  if (memoryLimit === undefined || memoryLimit > bytes)
    return asked('memory_limit', `more than ${mib(bytes)}`, applied);
  return asked('memory_limit', `more than ${mib(bytes)}`, applied, {
    reason: 'the control group allows less than the segment: the kernel would end the process that fills it',
    advice: `raise memory.max (memory.limit_in_bytes) of the container above ${mib(bytes)} and the heaps of its processes`,
    ...(callsOf(facts) === undefined || facts.region !== undefined ? {} : { refusal: 'ENOSPC' as const }),
  });
}

/** What is left of the memory, for a segment that takes ordinary pages of it. */
export function memoryFreeRow(facts: MachineFacts, { bytes, backing = 'auto' }: MachineWishes): MachineRow {
  const { memoryRoom } = facts;
  const applied = memoryRoom === undefined ? 'unknown' : `${mib(memoryRoom.bytes)} of ${memoryRoom.of}`;
  const given = backing === 'auto' ? backingOfAuto(facts, bytes ?? 0) : backing;
  const isMapped = given === 'tmpfs' || (given === 'memfd' && !hasPages(facts, bytes ?? 0));
  if (bytes === undefined || facts.region !== undefined || !isMapped) return told('memory_free', applied);
  if (memoryRoom === undefined || memoryRoom.bytes >= bytes) return asked('memory_free', mib(bytes), applied);
  return asked('memory_free', mib(bytes), applied, {
    reason: `${mib(bytes)} are needed, ${mib(memoryRoom.bytes)} are free of the memory of ${memoryRoom.of}: the kernel would end a process to make room`,
    advice: 'fewer or smaller slots, or end what uses the memory',
    ...(callsOf(facts) === undefined ? {} : { refusal: 'ENOSPC' as const }),
  });
}

/** The group whose members may open the memory too. */
export function groupRow(facts: MachineFacts, group: string): MachineRow {
  if (facts.group === undefined || callsOf(facts) === undefined) return asked('group', group, group);
  return asked('group', group, 'none', {
    reason: facts.group,
    advice: `groupadd ${group}, or another segment.group`,
    refusal: 'EINVAL',
  });
}
