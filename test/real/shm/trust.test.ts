import { chmodSync, chownSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createMappedSharedMemory } from '../../../src/real/shm/mapped.ts';
import { asNobody, source } from './asNobody.ts';
import { inMemoryDirectory } from './memoryDirectory.ts';
import { describeNative } from './needsNative.ts';

/** Neither root nor nobody. */
const stranger = 1;
/** nogroup, which nobody is in. */
const shared = 65_534;

describeNative('memory of another user', (addon) => {
  test('is believed by who names its group, and by nobody else who is in it', (context) =>
    inMemoryDirectory(async (directory) => {
      if (process.getuid?.() !== 0) return context.skip('this user cannot become another');
      chmodSync(directory, 0o777);
      const shm = createMappedSharedMemory(addon, { directory });
      const region = await shm.open('ring', 4096, { mode: 'create', backing: 'tmpfs', group: 'nogroup' });
      expect(region.lock(1)).toBe(true);
      for (const file of readdirSync(directory)) chownSync(join(directory, file), stranger, shared);
      const ran = asNobody(`
        import { loadShm } from ${JSON.stringify(join(source, 'real/shm/load.ts'))};
        import { createMappedSharedMemory } from ${JSON.stringify(join(source, 'real/shm/mapped.ts'))};
        const shm = createMappedSharedMemory(loadShm().shm, { directory: ${JSON.stringify(directory)} });
        const told = (call) => call.then(() => 'no error', (error) => error.code);
        const all = async (group) => {
          const codes = [await told(shm.stat('ring', group))];
          for (const mode of ['open', 'create']) codes.push(await told(shm.open('ring', 4096, { mode, ...group })));
          codes.push(await told(shm.rename('ring', 'named', group)), await told(shm.rename('named', 'ring', group)));
          return codes;
        };
        console.log(JSON.stringify([await all({}), await all({ group: 'daemon' }), await all({ group: 'nogroup' })]));`);
      if (ran === undefined) {
        return context.skip('this user cannot become another, or that one cannot read this checkout');
      }
      expect(ran.stderr).toBe('');
      const refused = new Array(3).fill('EACCES');
      const [alone, otherGroup, named] = JSON.parse(ran.stdout);
      expect(alone.slice(0, 4)).toEqual([...refused, 'EACCES']);
      expect(otherGroup.slice(0, 4)).toEqual([...refused, 'EACCES']);
      expect(named).toEqual(new Array(5).fill('no error'));
      region.close();
    }));
});
