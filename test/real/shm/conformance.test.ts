import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createMappedSharedMemory } from '../../../src/real/shm/mapped.ts';
import { sharedMemoryConformance } from '../../host/sharedMemory.conformance.ts';
import { inMemoryDirectory } from './memoryDirectory.ts';
import { describeMapped } from './needsNative.ts';

describeMapped('shared memory, real, mapped', (addon, by) => {
  // What the conformance says of it holds where it is.
  test(by === 'addon' ? 'gathers' : 'does not gather: a call by FFI costs as much as the loop', () =>
    inMemoryDirectory(async (directory) => {
      const region = await createMappedSharedMemory(addon, { directory }).open('ring', 4096, { mode: 'create' });
      expect(region.gather !== undefined).toBe(by === 'addon');
    }),
  );

  sharedMemoryConformance((body) =>
    inMemoryDirectory((directory) =>
      body({
        one: createMappedSharedMemory(addon, { directory }),
        other: createMappedSharedMemory(addon, { directory }),
        sleep: async (ms) => {
          await sleep(ms);
        },
        exactWakes: false,
      }),
    ),
  );
});
