import { setTimeout as sleep } from 'node:timers/promises';
import { createMappedSharedMemory } from '../../../src/real/shm/mapped.ts';
import { sharedMemoryConformance } from '../../host/sharedMemory.conformance.ts';
import { inMemoryDirectory } from './memoryDirectory.ts';
import { describeMapped } from './needsNative.ts';

describeMapped('shared memory, real, mapped', (addon) => {
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
