import { createMemoryDisk } from '../../src/real/memoryDisk.ts';
import { describeDiskConformance } from '../host/disk.conformance.ts';

describeDiskConformance('memory', async () => {
  const disk = createMemoryDisk();
  await disk.makeDirectory('/home/test');
  return { disk, directory: '/home/test', settle: (promise) => promise, cleanUp: async () => undefined };
});
