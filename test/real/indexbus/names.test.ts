import { expect, test } from 'vitest';
import { segmentName } from '../../../src/engines/indexbus/config.ts';
import { createSegment, openLocks, openSegment, removeFormer } from '../../../src/engines/indexbus/segment.ts';
import { createMappedSharedMemory } from '../../../src/real/shm/mapped.ts';
import { peerSizes } from '../../engines/indexbus/support/peers.ts';
import { inMemoryDirectory } from '../shm/memoryDirectory.ts';
import { describeMapped } from '../shm/needsNative.ts';

describeMapped('a segment whose name begins as that of another', (addon) => {
  // Files of `campus` are campus.json, campus.lock, campus.1 and so on.
  test.each(['7', '1', 'json', 'lock', '1.json'])('is its own: campus.%s beside campus', (end) =>
    inMemoryDirectory(async (directory) => {
      const shm = createMappedSharedMemory(addon, { directory });
      const longer = { shm, name: segmentName.parse(`campus.${end}`), backing: 'tmpfs' } as const;
      const shorter = { shm, name: 'campus', backing: 'tmpfs' } as const;
      const { region } = await createSegment(longer, peerSizes, 1);
      for (const place of [longer, shorter]) (await openLocks(place)).close();
      await createSegment(shorter, peerSizes, 1);
      const other = await createSegment(shorter, peerSizes, 2, () => {}, true);
      await removeFormer(shorter);
      expect((await openSegment(longer)).region.memory).toBe(region.memory);
      await createSegment(longer, peerSizes, 2);
      expect((await openSegment(shorter)).region.memory).toBe(other.region.memory);
    }),
  );
});
