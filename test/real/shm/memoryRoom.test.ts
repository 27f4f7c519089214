import { describe, expect, it } from 'vitest';
import { createMappedSharedMemory } from '../../../src/real/shm/mapped.ts';
import { memoryLimit, memoryRoom } from '../../../src/real/shm/memoryRoom.ts';
import { inMemoryDirectory } from './memoryDirectory.ts';
import { describeMapped } from './needsNative.ts';

/** A machine of 8 GiB, and what more it has. */
function files(more: Readonly<Record<string, string>>): (path: string) => string {
  const all: Readonly<Record<string, string>> = {
    '/proc/meminfo': 'MemFree: 1 kB\nMemAvailable:    8388608 kB\n',
    ...more,
  };
  return (path) => all[path] ?? '';
}

describe('the room in memory', () => {
  it('is that of the machine where no control group has a limit', () => {
    const read = files({ '/proc/self/cgroup': '0::/', '/sys/fs/cgroup/memory.max': 'max' });
    expect([memoryLimit(read), memoryRoom(read)]).toEqual([undefined, { bytes: 8 * 2 ** 30, of: 'the machine' }]);
    expect(memoryRoom(() => '')).toBeUndefined();
  });

  it('is what a group of version 2, or one around it, has left, its cache of files and what the kernel keeps of them with it', () => {
    const read = files({
      '/proc/self/cgroup': '0::/pod/daemon',
      '/sys/fs/cgroup/pod/daemon/memory.max': '4000000',
      '/sys/fs/cgroup/pod/daemon/memory.current': '1000000',
      '/sys/fs/cgroup/pod/memory.max': '5000000',
      '/sys/fs/cgroup/pod/memory.current': '4500000',
      // Shared memory is in `file`, and on the lists of `anon`: the kernel does not give it up.
      '/sys/fs/cgroup/pod/memory.stat':
        'anon 1\nfile 2500000\nshmem 2000000\ninactive_anon 1500000\nactive_anon 500001\ninactive_file 200000\nactive_file 90000\nslab_reclaimable 10000\nslab_unreclaimable 7\n',
    });
    expect(memoryLimit(read)).toBe(4_000_000);
    expect(memoryRoom(read)).toEqual({ bytes: 800_000, of: 'the control group /sys/fs/cgroup/pod' });
  });

  it('is there where a limit is full of files that were read twice', () => {
    const mebibyte = 2 ** 20;
    const read = files({
      '/proc/self/cgroup': '0::/',
      '/sys/fs/cgroup/memory.max': `${512 * mebibyte}`,
      '/sys/fs/cgroup/memory.current': `${500 * mebibyte}`,
      '/sys/fs/cgroup/memory.stat': `anon ${50 * mebibyte}\ninactive_file 0\nactive_file ${450 * mebibyte}\n`,
    });
    expect(memoryRoom(read)?.bytes).toBe(462 * mebibyte);
  });

  it('is what a group of version 1 has left', () => {
    const read = files({
      '/proc/self/cgroup': '5:cpu,cpuacct:/\n4:memory:/daemon\n0::/',
      '/sys/fs/cgroup/memory/daemon/memory.limit_in_bytes': '4000000',
      '/sys/fs/cgroup/memory/daemon/memory.usage_in_bytes': '1000000',
      '/sys/fs/cgroup/memory/daemon/memory.stat':
        'inactive_file 1\nactive_file 2\ntotal_inactive_file 150000\ntotal_active_file 50000',
      '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712',
    });
    expect(memoryLimit(read)).toBe(4_000_000);
    expect(memoryRoom(read)).toEqual({ bytes: 3_200_000, of: 'the control group /sys/fs/cgroup/memory/daemon' });
  });
});

describeMapped('memory that is not there', (addon) => {
  it('is ENOSPC with need and room before a page is taken', () =>
    inMemoryDirectory(async (directory) => {
      // Nothing is reserved in this test, whatever the answer.
      const reserving: string[] = [];
      const shm = createMappedSharedMemory(
        {
          ...addon,
          mapMemory: () => {
            reserving.push('mapMemory');
            throw Object.assign(new Error('not in this test'), { code: 'EINVAL' });
          },
        },
        { directory },
      );
      const bytes = 2 ** 46;
      for (const backing of ['memfd', 'tmpfs', 'auto'] as const) {
        await expect(shm.open('huge', bytes, { mode: 'create', backing })).rejects.toMatchObject({
          code: 'ENOSPC',
          detail: expect.stringMatching(
            new RegExp(`${bytes} bytes are needed, \\d+ are free of the memory of the|control group allows`),
          ),
        });
      }
      expect(reserving).toEqual([]);
    }));
});
