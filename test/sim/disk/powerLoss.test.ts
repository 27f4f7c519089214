import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PowerLossMode } from '../../../src/sim/devices.ts';
import { createRig } from './rig.ts';

const modes: readonly PowerLossMode[] = ['drop', 'tear', 'reorder', 'corrupt', 'all-durable'];
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const fill = (bytes: number, value: number): Uint8Array => new Uint8Array(bytes).fill(value);

const at = (position: number) => ({ at: position, count: 1, value: 1 });

describe('power loss', () => {
  it('should keep synced content, length and names in every mode', async () => {
    const write = fc.record({
      at: fc.nat(5000),
      count: fc.integer({ min: 1, max: 3000 }),
      value: fc.integer({ min: 1, max: 255 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...modes),
        fc.nat(),
        fc.array(write, { minLength: 1, maxLength: 5 }),
        fc.array(write, { maxLength: 5 }),
        async (mode, seed, synced, unsynced) => {
          const rig = createRig(seed);
          const file = await rig.durable('/f', text(''));
          for (const one of synced)
            await rig.settle(file.write(one.at, [fill(one.count, one.value)], { durable: false }));
          await rig.settle(file.sync());
          const before = await rig.content('/f');
          // From here on nothing is synced: it may touch any byte of its own ranges, and no other.
          const touched = new Set<number>();
          for (const one of unsynced) {
            await rig.settle(file.write(one.at, [fill(one.count, one.value)], { durable: false }));
            for (let n = 0; n < one.count; n++) touched.add(one.at + n);
          }
          rig.process.kill();
          rig.table.powerLoss(mode);
          const after = await rig.content('/f');
          expect(after.byteLength).toBeGreaterThanOrEqual(before.byteLength);
          for (let n = 0; n < before.byteLength; n++) {
            if (!touched.has(n) && after[n] !== before[n])
              expect.fail(`byte ${n} was synced as ${before[n]}, is ${after[n]}`);
          }
        },
      ),
      {
        numRuns: 60,
        examples: [['corrupt', 736_772_549, [{ at: 0, count: 2, value: 1 }], [at(2), { ...at(0), value: 2 }]]],
      },
    );
  });

  it('should leave each unsynced sector old or new, whole, in every mode but corrupt', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...modes.filter((mode) => mode !== 'corrupt')), fc.nat(), async (mode, seed) => {
        const rig = createRig(seed);
        const file = await rig.durable('/f', fill(8192, 1));
        await rig.settle(file.write(0, [fill(8192, 2)], { durable: false }));
        rig.table.powerLoss(mode);
        const after = await rig.content('/f');
        for (let sector = 0; sector < 16; sector++) {
          const values = new Set(after.subarray(sector * 512, (sector + 1) * 512));
          expect(values.size).toBe(1);
          if (mode === 'drop') expect([...values]).toEqual([1]);
          else if (mode === 'all-durable') expect([...values]).toEqual([2]);
          else expect([1, 2]).toContain([...values][0]);
        }
      }),
      { numRuns: 40 },
    );
  });

  async function outcomes(mode: PowerLossMode): Promise<string[]> {
    const seen: string[] = [];
    for (let seed = 0; seed < 60; seed++) {
      const rig = createRig(seed);
      const file = await rig.durable('/f', fill(2048, 1));
      await rig.settle(file.write(0, [fill(2048, 2)], { durable: false }));
      rig.table.powerLoss(mode);
      const after = await rig.content('/f');
      seen.push(
        [0, 1, 2, 3]
          .map((sector) => {
            const values = new Set(after.subarray(sector * 512, (sector + 1) * 512));
            if (values.size === 1) return values.has(1) ? 'o' : 'n';
            return [...values].every((value) => value === 1 || value === 2) ? 'p' : 'g';
          })
          .join(''),
      );
    }
    return seen;
  }

  it('should tear at one place, and show both sides of it', async () => {
    const seen = await outcomes('tear');
    for (const one of seen) expect(one).toMatch(/^(n*o*|o*n*)$/);
    expect(seen.some((one) => /^n+o+$/.test(one))).toBe(true);
    expect(seen.some((one) => /^o+n+$/.test(one))).toBe(true);
  });

  it('should reorder into holes', async () => {
    expect((await outcomes('reorder')).some((one) => /non|ono/.test(one))).toBe(true);
  });

  it('should corrupt into old, new, partly new sectors and garbage', async () => {
    expect([...new Set((await outcomes('corrupt')).join(''))].sort()).toEqual(['g', 'n', 'o', 'p']);
  });

  it('should decide the length apart from the content', async () => {
    const lengths = new Set<number>();
    let zeros = false;
    for (let seed = 0; seed < 40; seed++) {
      const rig = createRig(seed);
      const file = await rig.durable('/f', fill(512, 1));
      await rig.settle(file.write(512, [fill(1024, 2)], { durable: false }));
      rig.table.powerLoss('reorder');
      const after = await rig.content('/f');
      lengths.add(after.byteLength);
      if (after.byteLength === 1536 && after[1000] === 0) zeros = true;
    }
    expect([...lengths].sort((a, b) => a - b)).toEqual([512, 1024, 1536]);
    expect(zeros).toBe(true);
  });

  it('should undo a name whose directory was not synced, content synced or not', async () => {
    const rig = createRig();
    const file = await rig.open('/f');
    await rig.settle(file.write(0, [text('x')], { durable: true }));
    rig.table.powerLoss('drop');
    await expect(rig.settle(rig.start().disk.stat('/f'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('should keep or undo a rename as a whole', async () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 40; seed++) {
      const rig = createRig(seed);
      await rig.durable('/a', text('new'));
      await rig.durable('/b', text('old'));
      await rig.settle(rig.disk.rename('/a', '/b'));
      rig.table.powerLoss('reorder');
      const names = (await rig.settle(rig.start().disk.list('/'))).map((entry) => entry.name).join('');
      seen.add(`${names}:${new TextDecoder().decode(await rig.content('/b'))}`);
    }
    expect([...seen].sort()).toEqual(['ab:old', 'b:new']);
  });

  it('should need a sync of both directories for a rename between them', async () => {
    const rig = createRig();
    await rig.settle(rig.disk.makeDirectory('/x'));
    await rig.settle(rig.disk.makeDirectory('/y'));
    await rig.settle(rig.disk.syncDirectory('/'));
    await rig.durable('/x/a', text('1'));
    await rig.settle(rig.disk.rename('/x/a', '/y/a'));
    await rig.settle(rig.disk.syncDirectory('/y'));
    rig.table.powerLoss('drop');
    expect(await rig.content('/x/a')).toEqual(text('1'));
    const again = rig.start().disk;
    await rig.settle(again.rename('/x/a', '/y/a'));
    await rig.settle(again.syncDirectory('/y'));
    await rig.settle(again.syncDirectory('/x'));
    rig.table.powerLoss('drop');
    expect(await rig.content('/y/a')).toEqual(text('1'));
  });

  it('should not lose a file whose old name was given away before the power went', async () => {
    for (let seed = 0; seed < 40; seed++) {
      const rig = createRig(seed);
      await rig.durable('/a', text('first'));
      await rig.settle(rig.disk.rename('/a', '/b'));
      const second = await rig.open('/a');
      await rig.settle(second.write(0, [text('second')], { durable: true }));
      rig.table.powerLoss('reorder');
      const names = (await rig.settle(rig.start().disk.list('/'))).map((entry) => entry.name);
      const all: string[] = [];
      for (const name of names) all.push(new TextDecoder().decode(await rig.content(`/${name}`)));
      expect(all).toContain('first');
    }
  });

  it('should keep the page cache when only the process dies', async () => {
    const rig = createRig();
    const file = await rig.open('/f');
    await rig.settle(file.write(0, [text('cached')], { durable: false }));
    rig.process.kill();
    expect(await rig.content('/f')).toEqual(text('cached'));
  });

  it('should treat a sync that is under way as not done', async () => {
    const rig = createRig();
    const file = await rig.durable('/f', fill(512, 1));
    let told = false;
    const pending = file.write(0, [fill(512, 2)], { durable: true }).then(() => {
      told = true;
    });
    await rig.scheduler.run({ toMs: rig.scheduler.now + 0.01 });
    rig.process.kill();
    rig.table.powerLoss('drop');
    await rig.scheduler.run({ toMs: rig.scheduler.now + 1000 });
    expect(await rig.content('/f')).toEqual(fill(512, 1));
    expect(told).toBe(false);
    void pending;
  });

  it('should make durable what lay in the cache when the sync began, and nothing later', async () => {
    for (const later of ['overwrite', 'truncate'] as const) {
      const rig = createRig();
      const file = await rig.durable('/f', fill(3000, 1));
      const pending = file.write(0, [fill(3000, 2)], { durable: true });
      await rig.scheduler.run({ toMs: rig.scheduler.now + 0.01 });
      const change = later === 'overwrite' ? file.write(0, [fill(3000, 3)], { durable: false }) : file.truncate(100);
      await rig.settle(pending);
      await rig.settle(change);
      rig.table.powerLoss('drop');
      expect(await rig.content('/f')).toEqual(fill(3000, 2));
    }
  });

  it('should never bring an older sync of a file over a newer one', async () => {
    for (let seed = 0; seed < 30; seed++) {
      const rig = createRig(seed);
      const file = await rig.durable('/f', fill(600, 0));
      const writes: Promise<void>[] = [];
      for (let value = 1; value <= 8; value++)
        writes.push(file.write(0, [fill(600 + value, value)], { durable: true }));
      await rig.settle(Promise.all(writes));
      rig.table.powerLoss('drop');
      expect(await rig.content('/f')).toEqual(fill(608, 8));
    }
  });

  it('should undo a cut that was not synced, and the length with it', async () => {
    const rig = createRig();
    const file = await rig.durable('/f', fill(3000, 1));
    await rig.settle(file.truncate(10));
    rig.table.powerLoss('drop');
    expect(await rig.content('/f')).toEqual(fill(3000, 1));
  });
});
