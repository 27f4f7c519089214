import { describe, expect, test } from 'vitest';
import { bent, nth, violationsOf } from './bentStory.ts';
import { claim, recordOf, type Story } from './story.ts';

describe('C5 recovery-idempotent', () => {
  test('should see a recovery that drops intact records', () => {
    const story = bent(({ lives, image }) => {
      nth(lives, 1).recovered = image([recordOf(claim(1), 1)], 28);
    });
    expect(violationsOf('C5', story)).toEqual([expect.stringMatching(/it found 2 intact records and kept 1/)]);
  });
  test('should excuse records that a failing sync took back while their write was under way, and no others', () => {
    const dropped = (variant: string, isUnderWay: boolean) =>
      bent(({ lives, image, evidence, disk }) => {
        const second = nth(lives, 1);
        const write = disk.find(({ batches }) => batches?.some(({ ids }) => ids.includes(claim(2).id)));
        if (write === undefined) throw new Error('claim 2 is not written');
        if (isUnderWay) write.endedOrder = second.startedOrder;
        second.recovered = image([recordOf(claim(1), 1)], 28);
        evidence.faults = [{ name: 'disk.sync-error', startMs: 20, endMs: 27.5, parameters: { variant } }];
      });
    const blamed = (story: Story) => violationsOf('C5', story).filter((line) => /kept 1/.test(line));
    expect(blamed(dropped('revert', true))).toEqual([]);
    expect(blamed(dropped('revert', false))).toHaveLength(1);
    expect(blamed(dropped('keep', true))).toHaveLength(1);
  });
  test('should see other bytes', () => {
    const story = bent(({ lives, image }) => {
      nth(lives, 1).recovered = image([recordOf(claim(1), 1), { ...recordOf(claim(2), 2), sum: 99 }], 28);
    });
    expect(violationsOf('C5', story)).toEqual([expect.stringMatching(/LSN 2 has other bytes/)]);
  });
  test('should see an interrupted recovery that tore the log', () => {
    const story = bent(({ lives, image }) => {
      delete nth(lives, 0).recovered;
      nth(lives, 0).found = image(
        [1, 2].map((n) => recordOf(claim(n), n)),
        0,
      );
      nth(lives, 1).found = image([recordOf(claim(1), 1)], 27);
      nth(lives, 1).recovered = image([recordOf(claim(1), 1)], 28);
    });
    expect(violationsOf('C5', story)).toEqual([
      expect.stringMatching(/found LSN 1..2, was interrupted, and incarnation 2 found 1..1/),
    ]);
  });
  test('should blame no recovery for the file that somebody deleted while it was interrupted', () => {
    const deleted = (startMs: number) =>
      bent(({ lives, image, evidence }) => {
        const first = nth(lives, 0);
        delete first.recovered;
        first.found = image([recordOf(claim(1), 1), recordOf(claim(2), 2)], 0, { floor: 2 });
        nth(lives, 1).found = image([], 27);
        nth(lives, 1).recovered = image([], 28);
        evidence.powerLosses = [{ atMs: 26, order: first.endedOrder }];
        const parameters = { directory: '/var/lib/stemedb/wal', name: 'segment-' };
        evidence.faults = [{ name: 'operator.delete-file', startMs, endMs: startMs, parameters }];
      });
    expect(violationsOf('C5', deleted(26))).toEqual([]);
    expect(violationsOf('C5', deleted(45))).toEqual([
      expect.stringMatching(/found LSN 1..2 \(proven to 2\); after its interruption only 1..0 are left/),
    ]);
  });
  test('should take a refusal for no interruption, and not compare logs of two disks', () => {
    const story = refusedOnBareDirectory('root');
    expect(violationsOf('C5', story)).toEqual([]);
    const served = refusedOnBareDirectory('root');
    Object.assign(nth(served.lives, 1), { recovered: nth(served.lives, 1).found, exit: undefined });
    expect(violationsOf('C5', served)).toEqual([]);
    const sameDisk = refusedOnBareDirectory('sdb');
    Object.assign(nth(sameDisk.lives, 0), { recovered: nth(sameDisk.lives, 2).recovered });
    expect(violationsOf('C5', sameDisk)).toEqual([
      expect.stringMatching(/incarnation 1 recovered and served LSN 1 .*; incarnation 7 found a log without it/),
    ]);
  });
  test('should bind a recovery to what it served, but for one that had no room to finish', () => {
    const lost = (fate: 'finished' | 'no room' | 'room later', floor = 1) =>
      bent(({ lives, image, disk, order }) => {
        const [first, second] = [nth(lives, 0), nth(lives, 1)];
        const [before, served] = [order(), order()];
        const copy = { incarnation: 1, path: '/var/lib/stemedb/wal/spare.wal', beganAtMs: 1, endedAtMs: 1 };
        const call = { ...copy, beganOrder: before, endedOrder: before };
        if (fate !== 'finished') disk.push({ ...call, operation: 'write', error: 'ENOSPC' });
        if (fate === 'room later')
          disk.push({ ...call, operation: 'rename', to: '/var/lib/stemedb/wal/segment-00000001.wal' });
        first.servedOrder = served;
        first.found = { ...first.found, floor };
        first.recovered = image([recordOf(claim(1), 1), recordOf(claim(2), 2)], 1);
        second.found = image([recordOf(claim(1), 1)], 27);
        second.recovered = image([recordOf(claim(1), 1)], 28);
      });
    const served = (story: Story) =>
      violationsOf('C5', story).filter((line) => /recovered and served LSN 2/.test(line));
    expect(served(lost('finished'))).toHaveLength(1);
    expect(served(lost('no room'))).toEqual([]);
    expect(served(lost('no room', 2))).toHaveLength(1);
    expect(served(lost('room later'))).toHaveLength(1);
  });
  test('should see a refusal that began a log of its own', () => {
    const story = refusedOnBareDirectory('root');
    const { order } = story;
    story.disk.push({
      incarnation: 7,
      operation: 'write',
      path: '/var/lib/stemedb/wal/spare.wal',
      beganAtMs: 26,
      beganOrder: order(),
      endedAtMs: 26,
      endedOrder: order(),
    });
    expect(violationsOf('C5', story)).toEqual([
      expect.stringMatching(/incarnation 7 refused to start, yet had done a write of .*spare.wal/),
    ]);
  });

  /** Between the two lives somebody starts the engine on a disk without the log: it refuses. */
  function refusedOnBareDirectory(device: string): Story {
    return bent(({ lives, image, order }) => {
      const { recovered: _, ...bare } = nth(lives, 1);
      lives.splice(1, 0, {
        ...bare,
        incarnation: 7,
        startedAtMs: 26.2,
        startedOrder: order(),
        device,
        found: image([], 26.2, { floor: 2, witness: 2 }),
        endedAtMs: 26.3,
        end: 'exited',
        exit: { code: 65, name: 'WalCorruption', message: 'acknowledged records 1..2 are damaged or missing' },
      });
    });
  }
});

describe('C9 tail-verdict', () => {
  test('should see a start below the floor', () => {
    const story = bent(({ lives, image }) => {
      nth(lives, 1).found = image([recordOf(claim(1), 1)], 27, { floor: 2, witness: 2 });
    });
    expect(violationsOf('C9', story)).toEqual([
      expect.stringMatching(/ends at LSN 1 although intact bytes prove LSN 2/),
    ]);
  });
  test('should accept a start to which a healed disk has given the lost write back, if it has it', () => {
    const healed = (endMs: number, keeps: readonly number[]) =>
      bent(({ lives, image, evidence }) => {
        const life = nth(lives, 1);
        life.found = image([recordOf(claim(1), 1)], 27, { floor: 2, witness: 2 });
        life.recovered = image(
          keeps.map((n) => recordOf(claim(n), n)),
          28,
        );
        evidence.faults = [{ name: 'disk.lost-write', startMs: 20, endMs, parameters: {} }];
      });
    expect(violationsOf('C9', healed(27.5, [1, 2]))).toEqual([]);
    expect(violationsOf('C9', healed(27.5, [1]))).toHaveLength(1);
    expect(violationsOf('C9', healed(26, [1, 2]))).toHaveLength(1);
  });
  test('should take the index for a proof, but not where a start does not scan what it covers', () => {
    const indexed = (nextBaseLsn?: number) =>
      bent(({ lives, image }) => {
        const life = nth(lives, 1);
        const damage = { segment: 'segment-00000001.wal', offset: 8192, reason: 'no batch' };
        const invalid = nextBaseLsn === undefined ? damage : { ...damage, nextBaseLsn };
        Object.assign(life, { indexedLsn: 2, found: image([recordOf(claim(1), 1)], 27, { floor: 1, invalid }) });
      });
    expect(violationsOf('C9', indexed())).toEqual([expect.stringMatching(/prove LSN 2 acknowledged .*index: 2/)]);
    expect(violationsOf('C9', indexed(4))).toHaveLength(1);
    expect(violationsOf('C9', indexed(3))).toEqual([]);
  });
  test('should see a refusal that nothing justifies, and accept one that damage does', () => {
    const refused = (floor: number, indexedLsn = 0) =>
      bent(({ lives, image }) => {
        const life = nth(lives, 1);
        Object.assign(life, { indexedLsn });
        delete life.recovered;
        life.found = image([recordOf(claim(1), 1)], 27, { floor });
        life.end = 'exited';
        life.exit = { code: 65, name: 'WalCorruption', message: 'damaged' };
      });
    expect(violationsOf('C9', refused(1))).toEqual([
      expect.stringMatching(/nothing proves more than the intact LSN 1..1/),
    ]);
    expect(violationsOf('C9', refused(2))).toEqual([]);
    expect(violationsOf('C9', refused(1, 2))).toEqual([]);
    // What was whole when the process began has rotted before it was read; or the engine itself has spoilt it.
    const spoilt = (faults: Story['evidence']['faults']) => {
      const story = refused(1);
      nth(story.lives, 1).left = story.image([], 40, { floor: 1 });
      nth(story.lives, 1).endedAtMs = 40;
      story.evidence.faults = faults;
      return story;
    };
    const rot = { name: 'disk.bit-rot', startMs: 30, endMs: Number.POSITIVE_INFINITY, parameters: {} };
    expect(violationsOf('C9', spoilt([rot]))).toEqual([]);
    expect(violationsOf('C9', spoilt([{ ...rot, startMs: 45 }]))).toHaveLength(1);
    expect(violationsOf('C9', spoilt([]))).toHaveLength(1);
    // The second life's write to the log, behind such a rot, is the copy of a tail that was whole.
    const refusalsOf = (story: Story) => violationsOf('C5', story).filter((line) => /refused to start, yet/.test(line));
    expect(refusalsOf(spoilt([rot]))).toEqual([]);
    expect(refusalsOf(spoilt([]))).toHaveLength(1);
  });
});
