import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import type { MachineRow, MachineWishes } from '../../../src/host/machineWishes.ts';
import {
  cpuList,
  hasCapability,
  type MachineFacts,
  machineFacts,
  memlockOf,
  removesIpc,
} from '../../../src/real/shm/machine.ts';
import { differs, machineRows, refusesStrict } from '../../../src/real/shm/tuning.ts';
import { describeNative } from './needsNative.ts';

const mebibyte = 2 ** 20;

const here = machineFacts();

/** A machine with all that can be asked for. */
function machine(changes: Partial<MachineFacts> = {}): MachineFacts {
  return {
    ...here,
    uid: 1000,
    directory: { path: '/run/user/1000', size: 1024 * mebibyte, free: 1000 * mebibyte },
    hugePages: { total: 40, free: 40 },
    hugetlbfsMount: '/dev/hugepages',
    byteLocks: true,
    memlock: { soft: 64 * mebibyte, hard: 64 * mebibyte },
    locksBeyondLimit: false,
    memoryLimit: undefined,
    memoryRoom: { bytes: 1000 * mebibyte, of: 'the machine' },
    cpus: [0, 1, 2, 3],
    isolated: [3],
    siblings: new Map([[3, [3]]]),
    governors: new Map([[3, 'performance']]),
    numaNodes: [0],
    removesIpc: false,
    ...changes,
  };
}

const wishes: MachineWishes = { bytes: 39 * mebibyte, backing: 'hugetlbfs', cpu: 3, numaNode: 0, lockMemory: true };

function rowOf(rows: readonly MachineRow[], name: string): MachineRow {
  const row = rows.find((each) => each.name === name);
  if (row === undefined) throw new Error(`no row ${name}`);
  return row;
}

describeNative('what a machine gives', (addon) => {
  test('a machine with everything differs in nothing', () => {
    expect(machineRows(machine(), wishes).filter(differs)).toEqual([]);
  });

  // Each is one thing missing: the row that says so, why, and what would give it.
  test.for<[string, Partial<MachineFacts>, Partial<MachineWishes>, RegExp, RegExp]>([
    ['backing', { hugetlbfsMount: undefined }, {}, /no writable hugetlbfs/, /mount -t hugetlbfs/],
    [
      'backing',
      { hugePages: { total: 40, free: 19 } },
      {},
      /20 huge pages are needed, 19/,
      /sysctl vm\.nr_hugepages=41/,
    ],
    [
      'huge_pages',
      { hugePages: { total: 0, free: 0 } },
      { backing: 'memfd' },
      /20 are needed/,
      /sysctl vm\.nr_hugepages=20/,
    ],
    [
      'directory',
      { directory: { reason: '/tmp is not on tmpfs', refusal: 'ENOTMEMORY' } },
      {},
      /not on tmpfs/,
      /mount -t tmpfs/,
    ],
    [
      'directory',
      { directory: { path: '/dev/shm', size: 64 * mebibyte, free: 30 * mebibyte } },
      { backing: 'tmpfs' },
      /39 MiB are needed, 30 MiB are free/,
      /remount,size=73m \/dev\/shm/,
    ],
    ['memory_limit', { memoryLimit: 32 * mebibyte }, {}, /control group/, /memory\.max/],
    [
      'memory_free',
      { memoryRoom: { bytes: 30 * mebibyte, of: 'the machine' }, hugePages: { total: 0, free: 0 } },
      { backing: 'memfd' },
      /39 MiB are needed, 30 MiB are free of the memory of the machine/,
      /fewer or smaller slots/,
    ],
    ['byte_locks', { byteLocks: 'EROFS' }, {}, /EROFS/, /tmpfs/],
    [
      'memlock',
      { memlock: { soft: 65_536, hard: 65_536 } },
      {},
      /39 MiB are to be locked, the limit is 64 KiB/,
      /LimitMEMLOCK=40M/,
    ],
    ['memlock', { memlock: { soft: 65_536, hard: -1 } }, {}, /the limit is 64 KiB/, /ulimit -l 39936/],
    ['affinity', { cpus: [0, 1, 2] }, {}, /processor 3 is not/, /cpuset/],
    ['isolation', { isolated: [] }, {}, /other work on processor 3/, /isolcpus=3/],
    ['smt', { siblings: new Map([[3, [1, 3]]]) }, {}, /processor 1 slows/, /smt\/control/],
    ['governor', { governors: new Map([[3, 'powersave']]) }, {}, /slower/, /scaling_governor/],
    ['numa', {}, { numaNode: 2 }, /no node 2/, /numa_node/],
    [
      'remove_ipc',
      { removesIpc: true, directory: { path: '/dev/shm', size: 64 * mebibyte, free: 64 * mebibyte } },
      {},
      /logind removes/,
      /RemoveIPC=no/,
    ],
  ])('%s: %o %o', ([name, facts, more, reason, advice]) => {
    const rows = machineRows(machine(facts), { ...wishes, ...more });
    const row = rowOf(rows, name);
    expect(row.reason).toMatch(reason);
    expect(row.advice).toMatch(advice);
  });

  test('what opening the memory fails with is said in its row; what is merely less than asked for is not', () => {
    const refusals = (facts: Partial<MachineFacts>, more: Partial<MachineWishes>): readonly unknown[] =>
      machineRows(machine(facts), { ...wishes, ...more }).flatMap(({ name, refusal }) =>
        refusal === undefined ? [] : [`${name} ${refusal}`],
      );
    const small = { directory: { path: '/dev/shm', size: 64 * mebibyte, free: 30 * mebibyte } };
    expect(refusals({ hugetlbfsMount: undefined }, {})).toEqual(['backing ENOTSUP']);
    expect(refusals({ hugePages: { total: 40, free: 19 } }, {})).toEqual(['backing ENOSPC']);
    expect(refusals({}, { backing: 'sab' })).toEqual(['backing ENOTSUP']);
    expect(refusals(small, { backing: 'tmpfs' })).toEqual(['directory ENOSPC']);
    expect(refusals({ memoryLimit: 32 * mebibyte }, {})).toEqual(['memory_limit ENOSPC']);
    const full = { memoryRoom: { bytes: 30 * mebibyte, of: 'the machine' } };
    const unmounted = { ...full, hugetlbfsMount: undefined };
    expect(refusals(unmounted, { backing: 'tmpfs' })).toEqual(['memory_free ENOSPC']);
    expect(refusals(unmounted, { backing: 'auto' })).toEqual(['memory_free ENOSPC']);
    // Huge pages were set aside before.
    expect(refusals(full, {})).toEqual([]);
    expect(refusals(full, { backing: 'memfd' })).toEqual([]);
    expect(refusals({ group: 'there is no group staf' }, { group: 'staf' })).toEqual(['group EINVAL']);
    expect(refusals({ numaNodes: [], isolated: [], cpus: [] }, { backing: 'memfd' })).toEqual([]);
  });

  test('memory that is there asks for no room once more', () => {
    const facts = {
      region: { backing: 'tmpfs' as const, hugePages: false, bytes: 39 * mebibyte },
      directory: { path: '/dev/shm', size: 64 * mebibyte, free: 1 * mebibyte },
      hugePages: { total: 0, free: 0 },
      memoryLimit: undefined,
      memoryRoom: { bytes: 1 * mebibyte, of: 'the machine' },
    };
    expect(machineRows(machine(facts), { ...wishes, backing: 'auto' }).filter(differs)).toEqual([]);
    const other = machineRows(machine(facts), { ...wishes, backing: 'memfd' });
    expect(rowOf(other, 'backing')).toMatchObject({
      applied: 'tmpfs',
      reason: 'the memory is there already, on tmpfs',
    });
    expect(other.flatMap(({ refusal }) => refusal ?? [])).toEqual([]);
  });

  test.for([
    { backing: 'hugetlbfs', hugePages: true, applied: 'in use' },
    { backing: 'memfd', hugePages: true, applied: 'in use' },
  ] as const)('memory that is there needs no more huge pages: %o', ({ backing, hugePages, applied }) => {
    const rows = machineRows(
      machine({ region: { backing, hugePages, bytes: 39 * mebibyte }, hugePages: { total: 20, free: 0 } }),
      {
        ...wishes,
        backing,
      },
    );
    expect(rows.filter(differs)).toEqual([]);
    expect(rowOf(rows, 'huge_pages').applied).toBe(applied);
  });

  test('memory that is there and has another size is told, and refuses no start', () => {
    const region = { backing: 'tmpfs' as const, hugePages: false, bytes: 39 * mebibyte };
    const rows = machineRows(machine({ region, memoryRoom: { bytes: 100 * mebibyte, of: 'the machine' } }), {
      bytes: 2 ** 42,
    });
    const size = rowOf(rows, 'memory_size');
    expect(size).toMatchObject({ requested: '4194304 MiB', applied: '39 MiB', isKept: true });
    expect(size.advice).toContain('4194304 MiB, of which 100 MiB are free');
    expect([differs(size), refusesStrict(size)]).toEqual([true, false]);
    expect(rowOf(machineRows(machine({ region }), { bytes: 39 * mebibyte }), 'memory_size').reason).toBe('');
  });

  test('a memfd was asked for huge pages: one that is there without them says so', () => {
    const rows = machineRows(machine({ region: { backing: 'memfd', hugePages: false, bytes: 39 * mebibyte } }), {
      ...wishes,
      backing: 'memfd',
    });
    expect(rows.filter(differs).map(({ name, reason }) => [name, reason])).toEqual([
      ['huge_pages', 'the memory is there already, made without huge pages'],
    ]);
  });

  test('nobody insists with auto: no huge pages is advice and no difference', () => {
    const rows = machineRows(machine({ hugePages: { total: 0, free: 0 } }), { bytes: 39 * mebibyte });
    expect(rows.filter(differs)).toEqual([]);
    expect(rowOf(rows, 'backing').applied).toBe('tmpfs');
    expect(rowOf(rows, 'huge_pages').advice).toBe('sysctl vm.nr_hugepages=20');
    const neither = machine({ hugePages: { total: 0, free: 0 }, hugetlbfsMount: undefined });
    const pages = rowOf(machineRows(neither, { bytes: 39 * mebibyte }), 'huge_pages');
    expect(pages.advice).toMatch(/^sysctl vm\.nr_hugepages=20; mount -t hugetlbfs/);
    const unmounted = machine({ hugetlbfsMount: undefined });
    const files = rowOf(machineRows(unmounted, { bytes: 39 * mebibyte }), 'backing');
    expect([files.applied, files.advice]).toEqual(['tmpfs', expect.stringContaining('mount -t hugetlbfs')]);
    const memfd = rowOf(machineRows(unmounted, { bytes: 39 * mebibyte, backing: 'memfd' }), 'backing');
    expect([memfd.applied, memfd.advice]).toEqual(['memfd', expect.stringContaining('ends with its last holder')]);
    expect(rowOf(machineRows(machine(), { bytes: 39 * mebibyte }), 'backing').applied).toBe('hugetlbfs');
  });

  test('without the addon it says so in one row, and what the others are then', () => {
    const rows = machineRows(machine({ native: { reason: 'not built: no C++ compiler' } }), { bytes: 39 * mebibyte });
    expect(rows.filter(differs).map((row) => [row.name, row.reason])).toEqual([
      ['addon', 'not built: no C++ compiler'],
    ]);
    expect(rowOf(rows, 'addon').advice).toMatch(/g\+\+/);
    expect(rowOf(rows, 'backing').applied).toBe('sab');
  });

  test('with FFI in place of the addon the memory is what the addon would give, and each worker maps for itself', () => {
    const rows = machineRows(machine({ native: { reason: 'HOTFIRE_NATIVE=off' }, ffi: { shm: addon } }), {
      bytes: 39 * mebibyte,
    });
    expect(rows.filter(differs).map((row) => row.name)).toEqual(['addon']);
    expect(rowOf(rows, 'backing').applied).toBe('hugetlbfs');
    expect(rowOf(rows, 'futex').applied).toBe(addon.futexMethod());
    expect(rowOf(rows, 'shared_buffer').applied).toMatch(/^ArrayBuffer/);
  });

  test("this machine's numbers are those of the system's tools", () => {
    const said = (program: string, ...words: string[]): string =>
      spawnSync(program, words, { encoding: 'utf8' }).stdout?.trim() ?? '';
    expect(here.cpus.length).toBe(Number(said('nproc')));
    // prlimit, taskset: util-linux, which every Linux has.
    expect(String(here.memlock?.soft).replace('-1', 'unlimited')).toBe(
      said('prlimit', '--memlock', '-o', 'SOFT', '--noheadings'),
    );
    expect(here.cpus).toEqual(cpuList(said('taskset', '-cp', String(process.pid)).split(': ')[1] ?? ''));
    expect(said('df', '--output=size', '-B1', 'path' in here.directory ? here.directory.path : '').split('\n')[1]).toBe(
      String('size' in here.directory ? here.directory.size : 0),
    );
    expect(here.byteLocks).toBe(true);
  });
});

test("lists, limits, capabilities and settings are read as the kernel's and systemd's manual pages write them", () => {
  expect(cpuList('0-3,8,10-11\n')).toEqual([0, 1, 2, 3, 8, 10, 11]);
  expect(cpuList('')).toEqual([]);
  expect(memlockOf('Max locked memory         65536                unlimited            bytes')).toEqual({
    soft: 65_536,
    hard: -1,
  });
  expect(memlockOf('')).toBeUndefined();
  expect([hasCapability('CapEff:\t0000000000004000', 14), hasCapability('CapEff:\t0000000000003fff', 14)]).toEqual([
    true,
    false,
  ]);
  expect(removesIpc(1000, '')).toBe(true);
  expect(removesIpc(999, '')).toBe(false);
  expect(removesIpc(1000, '[Login]\n#RemoveIPC=yes\nRemoveIPC=no\n')).toBe(false);
  expect(removesIpc(1000, 'RemoveIPC=no\nRemoveIPC=yes')).toBe(true);
});
