import { mkdtempSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { UsageError } from '../../../src/cli/exit.ts';
import { tailTopic } from '../../../src/cli/indexbus/tail.ts';
import { createSegment } from '../../../src/engines/indexbus/segment.ts';
import { createRealHost } from '../../../src/real/host.ts';
import { loadShm } from '../../../src/real/shm/load.ts';
import { peerSizes } from '../../engines/indexbus/support/peers.ts';

/** What a signal does, of the tail that was begun last. */
let interrupt = (): void => {};
vi.mock('../../../src/cli/interrupt.ts', () => ({
  onInterrupt: (stop: () => void) => {
    interrupt = stop;
    return () => {};
  },
}));

const isMapped = loadShm().by !== 'nobody';
const directory = isMapped ? mkdtempSync('/dev/shm/hotfire-tail-ends-') : '';
afterAll(() => isMapped && rmSync(directory, { recursive: true }));

const tail = (segment: string): Promise<number> => tailTopic('orders.>', { segment, directory, host: 'here' });

describe.skipIf(!isMapped)('hotfire indexbus tail (skipped with neither native addon nor FFI)', () => {
  it.each([
    ['of a segment that is not there', 'missing'],
    ['of a segment that nobody routes', 'unrouted'],
  ])('%s should end with 0 at a signal, at once and without a word', async (_, segment) => {
    const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const { shm } = createRealHost({ name: 'here' });
    const place = { shm, name: 'unrouted', directory, backing: 'tmpfs' } as const;
    if (segment === 'unrouted') (await createSegment(place, peerSizes, 1)).region.close();
    const began = performance.now();
    const ended = tail(segment);
    await sleep(200);
    interrupt();
    expect(await ended).toBe(0);
    expect(performance.now() - began).toBeLessThan(2_500);
    expect(said).not.toHaveBeenCalled();
    said.mockRestore();
  });

  it('of what cannot be the name of a segment should be wrong usage, as inspect says it', async () => {
    await expect(tail('../bus')).rejects.toThrow(UsageError);
  });
});
