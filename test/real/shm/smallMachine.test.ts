import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { asNobody, source } from './asNobody.ts';
import { inMemoryDirectory } from './memoryDirectory.ts';
import { describeNative } from './needsNative.ts';

describeNative('a machine with no huge pages, no root, 64 MiB of tmpfs and a small memlock limit', () => {
  test('still gives the memory, and says in words what is missing and what would give it', (context) =>
    inMemoryDirectory(async (directory) => {
      chmodSync(directory, 0o755);
      const small = join(directory, 'small');
      mkdirSync(small);
      const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64m,mode=1777', 'none', small]).status === 0;
      if (!mounted) return context.skip('this user may not mount a tmpfs');
      try {
        const ran = asNobody(`
          import { loadNative } from ${JSON.stringify(join(source, 'real/native.ts'))};
          import { createMappedSharedMemory } from ${JSON.stringify(join(source, 'real/shm/mapped.ts'))};
          import { machineFacts } from ${JSON.stringify(join(source, 'real/shm/machine.ts'))};
          import { differs, machineRows } from ${JSON.stringify(join(source, 'real/shm/tuning.ts'))};
          const directory = ${JSON.stringify(small)};
          const bytes = 39 * 2 ** 20;
          const wishes = { directory, bytes, backing: 'auto', lockMemory: true };
          const rows = machineRows(machineFacts(wishes), wishes).filter(differs);
          const shm = createMappedSharedMemory(loadNative().addon, { directory });
          const region = await shm.open('bus', bytes, { mode: 'create', lockMemory: true });
          region.bytes.fill(1);
          const more = await shm.open('more', bytes, { mode: 'create' }).catch((error) => error);
          const tuning = region.tuning().filter((row) => row.reason !== '');
          console.log(JSON.stringify({ rows, backing: region.backing, held: region.lock(0), tuning, more: [more.code, more.message] }));`);
        if (ran === undefined)
          return context.skip('this user cannot become another, or that one cannot read this checkout');
        expect(ran.stderr).toBe('');
        const said = JSON.parse(ran.stdout);
        expect([said.backing, said.held]).toEqual(['tmpfs', true]);
        expect(said.rows).toEqual([
          {
            name: 'memlock',
            requested: '39 MiB',
            applied: '64 KiB',
            reason: '39 MiB are to be locked, the limit is 64 KiB',
            advice: expect.stringMatching(/LimitMEMLOCK=40M in the unit/),
          },
        ]);
        expect(said.tuning).toEqual([
          expect.objectContaining({
            name: 'lockMemory',
            reason: expect.stringMatching(/^mlock: E[A-Z]+; .* the limit is 65536/),
          }),
        ]);
        expect(said.more).toEqual(['ENOSPC', expect.stringMatching(/40894464 bytes/)]);
      } finally {
        spawnSync('umount', ['--lazy', small]);
      }
    }));
});
