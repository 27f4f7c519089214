import { describe, expect, it } from 'vitest';
import { natureOf } from '../../../src/chaos/stemedb/nature.ts';
import { mediaFaults } from '../../../src/checkers/stemedb/damage.ts';

describe('what the steps of a run allow to be demanded', () => {
  it.each(mediaFaults)('should be detection alone after %s, which the checks take for damage', (fault) => {
    expect(natureOf([{ at: '1s', fault, nodes: 'stemedb-1' }]).media).toBe(true);
  });

  it('should be detection alone after a sync that lied and a loss of power behind it, not before', () => {
    const lie = { at: '2s', fault: 'disk.sync-error', variant: 'late', nodes: 'stemedb-1' };
    const loss = (at: string) => ({ at, fault: 'process.power-loss', nodes: 'stemedb-1' });
    expect(natureOf([lie, loss('3s')]).media).toBe(true);
    expect(natureOf([loss('1s'), lie]).media).toBe(false);
    expect(natureOf([{ ...lie, variant: 'keep' }, loss('3s')]).media).toBe(false);
    expect(natureOf([{ ...lie, device: 'sdc' }, loss('3s')]).media).toBe(false);
  });

  it('should be nothing at all where two proofs may be gone: unreadable sectors of every file are two', () => {
    const unreadable = (path?: string) => ({
      at: '1s',
      fault: 'disk.sector-error',
      nodes: 'stemedb-1',
      ...(path && { path }),
    });
    expect(natureOf([unreadable()]).unprovable).toBe(true);
    expect(natureOf([unreadable('/var/lib/stemedb/wal/segment-*')]).unprovable).toBe(false);
    expect(natureOf([{ ...unreadable(), range: { from: 8192 } }]).unprovable).toBe(false);
  });
});
