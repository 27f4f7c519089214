import { describe, expect, test } from 'vitest';
import type { Operation } from '../../../src/checkers/history.ts';
import type { ClientInput, ClientOutput } from '../../../src/checkers/stemedb/evidence.ts';
import { stemeChecks } from '../../../src/checkers/stemedb/index.ts';
import { claim, goodStory, recordOf, type Story } from './story.ts';

function violationsOf(number: string, story: Story): string[] {
  const check = stemeChecks.find((candidate) => candidate.number === number);
  if (check === undefined) throw new Error(`no check ${number}`);
  return check.run(story.evidence).violations.map((violation) => violation.message);
}

function bent(bend: (story: Story) => void): Story {
  const story = goodStory();
  bend(story);
  return story;
}

function nth<T>(list: readonly T[], index: number): T {
  const value = list.at(index);
  if (value === undefined) throw new Error(`no element ${index}`);
  return value;
}

describe('a good run', () => {
  for (const check of stemeChecks) {
    test(`should pass ${check.number} ${check.name}, and say what was looked at`, () => {
      const result = check.run(goodStory().evidence);
      expect(result.violations).toEqual([]);
      expect(result.undecided).toBeUndefined();
      expect(result.detail).not.toBe('');
    });
  }
});

describe('C1 acked-is-durable', () => {
  test('should miss a record that was acknowledged before the crash', () => {
    const story = bent(({ lives, image }) => {
      nth(lives, 1).recovered = image([recordOf(claim(1), 1)], 28);
    });
    expect(violationsOf('C1', story)).toEqual([
      expect.stringMatching(/LSN 2 was acknowledged.*no such LSN \(it ends at 1\)/),
    ]);
  });
  test('should see another record under the LSN', () => {
    const story = bent(({ lives, image }) => {
      nth(lives, 1).recovered = image([recordOf(claim(1), 1), recordOf(claim(9), 2)], 28);
    });
    expect(violationsOf('C1', story)).toEqual([expect.stringMatching(/another record there/)]);
  });
  test('should forgive a sync that lied once the power was lost, of what nothing proves; not a restart alone', () => {
    const seen = (how: Parameters<typeof lostBySync>[0]) =>
      ['C1', 'C2', 'C10'].filter((number) => violationsOf(number, lostBySync(how)).length > 0);
    for (const variant of ['late', 'lost']) {
      expect(seen({ variant, powerLost: true, floor: 1 })).toEqual([]);
      // The witness, or a later batch, still proves it: then it was to be refused.
      expect(seen({ variant, powerLost: true, floor: 2 })).toEqual(['C1', 'C2', 'C10']);
      expect(seen({ variant, powerLost: false, floor: 1 })).toEqual(['C1', 'C2', 'C10']);
    }
    expect(seen({ variant: 'keep', powerLost: true, floor: 1 })).toEqual(['C1', 'C2', 'C10']);
  });
  test('should forgive what an operator gave up, and only that', () => {
    const story = bent(({ evidence, lives, image }) => {
      nth(lives, 1).recovered = image([], 28);
      evidence.acceptedLoss = [{ from: 2, to: 2 }];
    });
    expect(violationsOf('C1', story)).toHaveLength(1);
  });
});

/** The second life found LSN 1 alone, gave LSN 2 to another claim, and a query of it lacks the claim that had LSN 2. */
function lostBySync({ variant, powerLost, floor }: { variant: string; powerLost: boolean; floor: number }): Story {
  return bent(({ evidence, lives, image, order, requests, operations }) => {
    const [first, second] = [nth(lives, 0), nth(lives, 1)];
    evidence.faults = [{ name: 'disk.sync-error', startMs: 15, endMs: 25, parameters: { variant } }];
    // Between the two lives: the order of the crash.
    if (powerLost) evidence.powerLosses = [{ atMs: 26, order: first.endedOrder }];
    second.found = { ...second.found, records: [recordOf(claim(1), 1)], floor };
    second.recovered = image([recordOf(claim(1), 1)], 28);
    second.left = image([recordOf(claim(1), 1), recordOf(claim(3), 2)], 41);
    nth(requests, 2).acks = [{ id: claim(3).id, lsn: 2, status: 'created' }];
    nth(operations, 2).output = { acks: [{ id: claim(3).id, lsn: 2, status: 'created' }] };
    operations.push({
      id: operations.length,
      process: 2,
      f: 'query',
      input: { f: 'query', subject: 'tower', predicate: 'height', lens: 'recency' },
      invokedAt: 42,
      invokedOrder: 1000 + order(),
      outcome: 'ok',
      completedAt: 43,
      completedOrder: 1000 + order(),
      output: { candidates: [claim(1).id, claim(3).id], lsn: 2 },
    });
  });
}

describe('C2 prefix', () => {
  test('should see a gap in the log', () => {
    const story = bent(({ lives, image }) => {
      nth(lives, 1).recovered = image([recordOf(claim(1), 1), recordOf(claim(2), 3)], 28);
    });
    expect(violationsOf('C2', story)[0]).toMatch(/expected LSN 2 in the log, found 3/);
  });
  test('should see an LSN below one that was acknowledged before the write arrived', () => {
    const story = bent(({ requests }) => {
      nth(requests, 1).acks = [{ id: claim(2).id, lsn: 1, status: 'created' }];
    });
    expect(violationsOf('C2', story)).toEqual([expect.stringMatching(/LSN 1 was given to a write that arrived/)]);
  });
  test('should see LSNs that were skipped after a rejected batch', () => {
    const story = bent(({ disk }) => {
      const call = nth(disk, 1);
      call.batches = [{ ...nth(call.batches ?? [], 0), firstLsn: 4, lastLsn: 4 }];
    });
    expect(violationsOf('C2', story)).toEqual([expect.stringMatching(/from LSN 4 after one that ended at 1: a gap/)]);
  });
});

describe('C3 no-phantom', () => {
  test('should see a record that nobody sent', () => {
    const story = bent(({ lives, image }) => {
      nth(lives, 1).left = image([1, 2, 3].map((n) => recordOf(claim(n), n)).concat(recordOf(claim(77), 4)), 45);
    });
    expect(violationsOf('C3', story)).toEqual([expect.stringMatching(/LSN 4.*no client ever sent this/)]);
  });
  test('should see one id under two LSNs', () => {
    const story = bent(({ lives, image }) => {
      nth(lives, 1).left = image([recordOf(claim(1), 1), recordOf(claim(2), 2), recordOf(claim(1), 3)], 45);
    });
    expect(violationsOf('C3', story)[0]).toMatch(/the same id is also LSN 1/);
  });
  test('should see a record that was refused', () => {
    const story = bent(({ requests }) => {
      const request = nth(requests, 2);
      request.acks = [];
      request.status = 503;
      request.error = { code: 'DRAINING', outcome: 'not_applied' };
    });
    expect(violationsOf('C3', story)).toEqual([
      expect.stringMatching(/every request for it was answered "not applied"/),
    ]);
  });
  test('should see an atomic request that lies in two batches', () => {
    const story = bent(({ requests }) => {
      const request = nth(requests, 0);
      request.atomic = true;
      request.acks = [1, 2].map((n) => ({ id: claim(n).id, lsn: n, status: 'created' as const }));
    });
    expect(violationsOf('C3', story)).toEqual([expect.stringMatching(/was written as 2 batches/)]);
  });
});

test('C4 should see a record that comes back from the dead', () => {
  const story = bent(({ lives, image }) => {
    nth(lives, 1).recovered = image([recordOf(claim(1), 1)], 28);
    nth(lives, 1).left = image(
      [1, 2, 3].map((n) => recordOf(claim(n), n)),
      45,
    );
  });
  expect(violationsOf('C4', story)).toEqual([
    expect.stringMatching(/was absent when incarnation 2 had recovered, was not sent again/),
  ]);
});

describe('C5 recovery-idempotent', () => {
  test('should see a recovery that drops intact records', () => {
    const story = bent(({ lives, image }) => {
      nth(lives, 1).recovered = image([recordOf(claim(1), 1)], 28);
    });
    expect(violationsOf('C5', story)).toEqual([expect.stringMatching(/it found 2 intact records and kept 1/)]);
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

describe('C6 ack-after-sync', () => {
  test('should see an ack before the end of its write', () => {
    const story = bent(({ disk, order }) => {
      nth(disk, 2).endedOrder = order();
    });
    expect(violationsOf('C6', story)).toEqual([
      expect.stringMatching(/LSN 3 was acknowledged before its durable write/),
    ]);
  });
  test('should see an ack of a write that no sync followed', () => {
    const story = bent(({ disk }) => {
      nth(disk, 0).durable = false;
    });
    expect(violationsOf('C6', story)).toHaveLength(1);
  });
  test('should see an ack of bytes that never went to the disk', () => {
    const story = bent(({ disk }) => {
      disk.splice(1, 1);
    });
    expect(violationsOf('C6', story)).toEqual([expect.stringMatching(/no write of its bytes was ever begun/)]);
  });
  test('should see a file whose name no directory sync had made durable', () => {
    const story = bent(({ disk }) => {
      const base = { incarnation: 1, beganAtMs: 0, endedAtMs: 0, beganOrder: -4, endedOrder: -3 };
      disk.unshift({ ...base, operation: 'rename', path: '/var/lib/stemedb/wal/spare.wal', to: nth(disk, 0).path });
    });
    expect(violationsOf('C6', story)).toHaveLength(3);
    const synced = bent(({ disk }) => {
      const base = { incarnation: 1, beganAtMs: 0, endedAtMs: 0 };
      disk.unshift(
        {
          ...base,
          beganOrder: -4,
          endedOrder: -3,
          operation: 'rename',
          path: '/var/lib/stemedb/wal/spare.wal',
          to: nth(disk, 0).path,
        },
        { ...base, beganOrder: -2, endedOrder: -1, operation: 'syncDirectory', path: '/var/lib/stemedb/wal' },
      );
    });
    expect(violationsOf('C6', synced)).toEqual([]);
  });
});

test('C7 should see an ack and a second sync after a failed write', () => {
  const story = bent(({ disk, requests }) => {
    nth(disk, 0).error = 'EIO';
    requests.splice(0, 1);
  });
  expect(violationsOf('C7', story)).toEqual([
    expect.stringMatching(/LSN 2 was acknowledged after write of .* had failed with EIO/),
    expect.stringMatching(/was synced again/),
  ]);
  expect(
    violationsOf(
      'C7',
      bent(({ disk }) => void Object.assign(nth(disk, 0), { error: 'ENOSPC', failedOperation: 'write' })),
    ),
  ).toEqual([]);
  // A thin volume finds out at the sync: what that leaves is unknown, whatever the code.
  expect(
    violationsOf(
      'C7',
      bent(({ disk }) => void Object.assign(nth(disk, 0), { error: 'ENOSPC', failedOperation: 'sync' })),
    ),
  ).toEqual([
    expect.stringMatching(/LSN 1 was acknowledged after/),
    expect.stringMatching(/LSN 2 was acknowledged after/),
    expect.stringMatching(/was synced again/),
  ]);
});

test('C7 should see an ack behind the name of a segment that could not be made durable', () => {
  const directory = '/var/lib/stemedb/wal';
  /** A rotation between the two writes of the first life, whose last step fails. */
  const rotated = (more: (story: Story) => void) =>
    violationsOf(
      'C7',
      bent((story) => {
        const [first, second] = [nth(story.disk, 0), nth(story.disk, 1)];
        const call = (operation: string, path: string, at: number) => ({
          ...{ incarnation: 1, operation, path, beganAtMs: 15, endedAtMs: 15 },
          ...{ beganOrder: first.endedOrder + at, endedOrder: first.endedOrder + at + 0.1 },
        });
        const to = `${directory}/segment-00000002.wal`;
        story.disk.splice(1, 0, { ...call('rename', `${directory}/spare.wal`, 0.2), to });
        story.disk.splice(2, 0, { ...call('syncDirectory', directory, 0.4), error: 'EIO' });
        expect(second.beganOrder).toBeGreaterThan(first.endedOrder);
        more(story);
      }),
    );
  expect(rotated(() => {})).toEqual([
    expect.stringMatching(/LSN 2 was acknowledged after syncDirectory of .* had failed with EIO; only up to 1/),
  ]);
  // A sync of the directory that names no segment binds nothing: a file was removed.
  expect(rotated(({ disk }) => void disk.splice(1, 1))).toEqual([]);
});

describe('C8 no-bad-byte', () => {
  const reading = (found: NonNullable<ClientOutput['found']>): Operation<ClientInput, ClientOutput> => ({
    id: 9,
    process: 5,
    f: 'get',
    input: { f: 'get', id: claim(1).id },
    invokedAt: 44,
    invokedOrder: 90,
    outcome: 'ok',
    completedAt: 45,
    completedOrder: 91,
    output: { found },
  });
  test('should see content that nobody submitted, and a wrong LSN', () => {
    const wrong = bent(
      ({ operations }) => void operations.push(reading({ lsn: 1, content: { ...claim(1).content, confidence: 0.4 } })),
    );
    expect(violationsOf('C8', wrong)).toEqual([expect.stringMatching(/gave other content/)]);
    const misplaced = bent(({ operations }) => void operations.push(reading({ lsn: 2, content: claim(1).content })));
    expect(violationsOf('C8', misplaced)).toEqual([expect.stringMatching(/named LSN 2, the log has it as 1/)]);
    const right = bent(({ operations }) => void operations.push(reading({ lsn: 1, content: claim(1).content })));
    expect(violationsOf('C8', right)).toEqual([]);
  });
  test('should see bytes that the format does not guard', () => {
    const story = bent(({ disk }) => void Object.assign(nth(disk, 0), { malformed: 'record LSN 1: checksum differs' }));
    expect(violationsOf('C8', story)).toEqual([expect.stringMatching(/its format does not cover/)]);
  });
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

describe('C10 read-your-writes', () => {
  const query = (candidates: readonly string[]): Operation<ClientInput, ClientOutput> => ({
    id: 9,
    process: 5,
    f: 'query',
    input: { f: 'query', subject: 'tower', predicate: 'height', lens: 'recency' },
    invokedAt: 44,
    invokedOrder: 90,
    outcome: 'ok',
    completedAt: 45,
    completedOrder: 91,
    output: { candidates, winner: candidates[0], lsn: 3 },
  });
  test('should see a query that lacks what was acknowledged before', () => {
    const ids = [claim(3).id, claim(2).id];
    expect(
      violationsOf(
        'C10',
        bent(({ operations }) => void operations.push(query(ids))),
      ),
    ).toEqual([expect.stringMatching(/lacks .*, acknowledged before as LSN 1/)]);
    expect(
      violationsOf(
        'C10',
        bent(({ operations }) => void operations.push(query([...ids, claim(1).id]))),
      ),
    ).toEqual([]);
  });
  test('should see a read that finds nothing after the ack', () => {
    const story = bent(({ operations }) => {
      operations.push({ ...query([]), f: 'get', input: { f: 'get', id: claim(1).id }, output: {} });
    });
    expect(violationsOf('C10', story)).toEqual([expect.stringMatching(/are not linearizable/)]);
  });
});

test('C11 should see an index that lacks a record of the log, or has one too many', () => {
  const missing = bent(({ evidence }) => {
    evidence.index = [{ ...nth(evidence.index, 0), candidates: [claim(3).id, claim(2).id] }];
  });
  expect(violationsOf('C11', missing)).toEqual([expect.stringMatching(/1 missing, 0 too many/)]);
  const extra = bent(({ evidence }) => {
    evidence.index = [{ ...nth(evidence.index, 0), candidates: [1, 2, 3, 4].map((n) => claim(n).id) }];
  });
  expect(violationsOf('C11', extra)).toEqual([expect.stringMatching(/0 missing, 1 too many/)]);
});

test('C11 should not ask a log for its claims that somebody has deleted under the process', () => {
  const taken = (faults: Story['evidence']['faults']) =>
    bent(({ evidence, lives, image }) => {
      nth(lives, 1).left = image([], 41);
      evidence.faults = faults;
    });
  const deleted = { name: 'operator.delete-file', startMs: 35, endMs: 35, parameters: {} };
  expect(violationsOf('C11', taken([]))).toEqual([expect.stringMatching(/0 missing, 3 too many/)]);
  expect(violationsOf('C11', taken([{ ...deleted, startMs: 45 }]))).toHaveLength(1);
  expect(violationsOf('C11', taken([deleted]))).toEqual([]);
});

test('C12 should see a watermark or the wall time of batches fall', () => {
  const gauge = bent(({ samples }) => void Object.assign(nth(samples, 1), { durableLsn: 1 }));
  expect(violationsOf('C12', gauge)).toEqual([expect.stringMatching(/durableLsn of stemedb-1 fell from 2 to 1/)]);
  const wall = bent(({ disk }) => {
    const call = nth(disk, 2);
    call.batches = [{ ...nth(call.batches ?? [], 0), wallMs: 1 }];
  });
  expect(violationsOf('C12', wall)).toEqual([expect.stringMatching(/is dated 1, /)]);
});

test('C12 should hold a start on a damaged log to the dates that it found, and to no others', () => {
  const redated = (foundWalls: readonly number[], faults: Story['evidence']['faults']) =>
    bent(({ disk, lives, evidence }) => {
      const [call, second] = [nth(disk, 2), nth(lives, 1)];
      call.batches = [{ ...nth(call.batches ?? [], 0), wallMs: 500_000 }];
      second.found = { ...second.found, walls: foundWalls };
      evidence.faults = faults;
    });
  const rot = [{ name: 'disk.bit-rot', startMs: 26, endMs: Number.POSITIVE_INFINITY, parameters: {} }];
  expect(violationsOf('C12', redated([], rot))).toEqual([]);
  expect(violationsOf('C12', redated([500_001], rot))).toEqual([expect.stringMatching(/is dated 500000, 1 ms before/)]);
  expect(violationsOf('C12', redated([], []))).toEqual([expect.stringMatching(/is dated 500000, /)]);
});

describe('C15 space', () => {
  const readOnly = (until: number): Story =>
    bent(({ samples, evidence }) => {
      const base = { ...nth(samples, 1), walState: 'read-only', freeBytes: 64 << 20, freeInodes: 50_000 };
      for (let atMs = 1000; atMs <= until; atMs += 500) samples.push({ ...base, atMs });
      evidence.endedAtMs = until;
    });
  test('should see a journal that stays read-only though there is room', () => {
    expect(violationsOf('C15', readOnly(4000))).toEqual([expect.stringMatching(/still read-only/)]);
    expect(violationsOf('C15', readOnly(2500))).toEqual([]);
  });
  test('should see ENOSPC within a batch unless the device was made to fail there', () => {
    const story = bent(({ disk }) => void Object.assign(nth(disk, 2), { error: 'ENOSPC' }));
    expect(violationsOf('C15', story)).toEqual([expect.stringMatching(/met ENOSPC/)]);
    story.evidence.faults = [{ name: 'disk.full', startMs: 0, endMs: 100, parameters: { at: 'write' } }];
    expect(violationsOf('C15', story)).toEqual([]);
  });
  test('should see a read that fails while the journal is read-only', () => {
    const story = readOnly(2000);
    story.requests.push({
      ...nth(story.requests, 0),
      method: 'POST',
      path: '/v1/query',
      ids: [],
      acks: [],
      status: 507,
      answeredAtMs: 1500,
    });
    expect(violationsOf('C15', story)).toEqual([expect.stringMatching(/was answered 507 while/)]);
  });
});

test('C16 should see a lone writer that waits longer than two writes', () => {
  const story = bent(
    ({ requests }) => void Object.assign(nth(requests, 0), { answeredAtMs: nth(requests, 0).answeredAtMs + 8 }),
  );
  expect(violationsOf('C16', story)).toEqual([expect.stringMatching(/a lone write \(LSN 1\) took 10.10 ms/)]);
});

test('C16 should let the first write after a crowd gather in vain, and no longer than any other', () => {
  const second = (storyOf: Story, lateMs: number) => {
    const request = nth(storyOf.requests, 1);
    request.answeredAtMs += lateMs;
  };
  const afterCrowd = (lateMs: number) =>
    bent((story) => {
      const first = nth(story.requests, 0);
      const other = { ...first, ids: ['other'], acks: [{ id: 'other', lsn: 0, status: 'created' as const }] };
      story.requests.unshift({ ...other, arrivedAtMs: first.arrivedAtMs - 1, answeredAtMs: first.arrivedAtMs - 0.5 });
      const write = nth(story.disk, 0);
      write.batches = write.batches?.map((batch) => ({ ...batch, firstLsn: 0, ids: ['other', ...batch.ids] })) ?? [];
      const late = nth(story.requests, 2);
      late.answeredAtMs += lateMs;
    });
  expect(
    violationsOf(
      'C16',
      bent((story) => second(story, 8)),
    ),
  ).toEqual([expect.stringMatching(/a lone write \(LSN 2\)/)]);
  expect(violationsOf('C16', afterCrowd(12))).toEqual([]);
  expect(violationsOf('C16', afterCrowd(13))).toEqual([expect.stringMatching(/a write \(LSN 2\) took 15.10 ms/)]);
});

test('C16 should not judge what waits for the name of a new segment, and judge what another directory keeps waiting', () => {
  const besides = (path: string) =>
    bent(({ requests, disk }) => {
      const request = nth(requests, 0);
      request.answeredAtMs += 8;
      const call = { ...nth(disk, 0), operation: 'syncDirectory', path, endedAtMs: request.answeredAtMs - 1 };
      delete call.batches;
      disk.unshift(call);
    });
  expect(violationsOf('C16', besides('/var/lib/stemedb/wal'))).toEqual([]);
  expect(violationsOf('C16', besides('/var/lib/stemedb/db'))).toHaveLength(1);
});

test('C17 should see pending and index bytes beyond their limits', () => {
  const story = bent(({ samples }) => {
    nth(samples, 0).pendingBytes = (1 << 20) + 1;
    nth(samples, 1).indexBytes = 2 << 20;
  });
  expect(violationsOf('C17', story)).toHaveLength(2);
});

test('C17 should hold a process to its own settings, not to those of a later one', () => {
  const story = bent(({ lives, samples }) => {
    const first = nth(lives, 0);
    first.settings = { ...first.settings, maxPendingBytes: 1000 };
    for (const sample of samples) sample.pendingBytes = 2000;
  });
  const ofFirst = story.samples.filter(({ incarnation }) => incarnation === 1);
  expect(ofFirst.length).toBeGreaterThan(0);
  expect(ofFirst.length).toBeLessThan(story.samples.length);
  expect(violationsOf('C17', story)).toHaveLength(ofFirst.length);
});

test('C18 should see a call, a start and a drain that do not end', () => {
  const story = bent(({ evidence, operations, lives }) => {
    evidence.endedAtMs = 100_000;
    nth(operations, 2).completedAt = Number.POSITIVE_INFINITY;
    nth(lives, 1).servedAtMs = Number.POSITIVE_INFINITY;
    nth(lives, 1).stopAskedAtMs = 50;
  });
  expect(violationsOf('C18', story)).toEqual([
    expect.stringMatching(/was not answered within its time-out/),
    expect.stringMatching(/was not ready/),
    expect.stringMatching(/had not drained/),
  ]);
});

test('C18b should see writers in halves, and pass writers that share a write', () => {
  const run = (perWrite: number): Story =>
    bent((story) => {
      const { disk, operations } = story;
      disk.length = 0;
      operations.length = 0;
      let next = 0;
      for (let n = 0; n < 420; n++) {
        const ids: string[] = [];
        for (let m = 0; m < perWrite; m++) {
          const submission = claim(1000 + next);
          const process = next++ % 8;
          ids.push(submission.id);
          // Eight writers; with four to a write each is answered every second write.
          operations.push({
            id: operations.length,
            process,
            f: 'assert',
            input: { f: 'write', submissions: [submission], atomic: false },
            invokedAt: perWrite === 8 ? n * 10 : Math.max(0, (n - 1) * 10),
            invokedOrder: 2 * next,
            outcome: 'ok',
            completedAt: n * 10 + 10,
            completedOrder: 2 * next + 1,
          });
        }
        disk.push({
          incarnation: 2,
          operation: 'write',
          path: '/var/lib/stemedb/wal/segment-00000001.wal',
          durable: true,
          batches: [
            { firstLsn: next - perWrite + 1, lastLsn: next, durableLsn: next - perWrite, ids, wallMs: n, seal: false },
          ],
          beganAtMs: n * 10,
          beganOrder: n * 2,
          endedAtMs: n * 10 + 10,
          endedOrder: n * 2 + 1,
        });
      }
    });
  expect(violationsOf('C18b', run(4))).toEqual([
    expect.stringMatching(/8 closed-loop writers had 4.0 records a write/),
  ]);
  expect(violationsOf('C18b', run(8))).toEqual([]);
});

test('C19 should see counters and quantiles that differ from what the disk saw', () => {
  const counted = bent(({ samples }) => void Object.assign(nth(samples, 0), { fsyncTotal: 1 }));
  expect(violationsOf('C19', counted)).toEqual(['fsync_total was 1, the disk saw 2']);
  const quantile = bent(({ samples }) => void Object.assign(nth(samples, 0), { fsyncQuantiles: { 0.5: 0.004 } }));
  expect(violationsOf('C19', quantile)).toEqual([expect.stringMatching(/quantile 0.5 .* was 4.000 ms/)]);
  const records = bent(({ samples, disk, order }) => {
    samples.push({ ...nth(samples, 1), order: order(), atMs: 60 });
    disk.push({ ...nth(disk, 2), beganAtMs: 70, beganOrder: order(), endedAtMs: 72, endedOrder: order() });
    samples.push({ ...nth(samples, 1), order: order(), atMs: 120, fsyncTotal: 2 });
  });
  expect(violationsOf('C19', records)).toEqual([
    expect.stringMatching(/records_total grew by 0 .*, the disk took 1 records/),
  ]);
});

describe('C20 rate', () => {
  const limited = (admittedEachMs: number, refuse: boolean): Story =>
    bent((story) => {
      const base = { ...nth(story.requests, 0), ids: [], acks: [], incarnation: 2 };
      story.requests.push({ ...base, path: '/v1/admin/rate-limit', rateLimit: 100, status: 200, answeredAtMs: 1000 });
      for (let atMs = 1001; atMs < 9000; atMs += admittedEachMs) {
        const { id } = claim(atMs);
        story.requests.push({ ...base, ids: [id], arrivedAtMs: atMs, acks: [{ id, lsn: atMs, status: 'created' }] });
      }
      if (refuse) {
        story.requests.push({
          ...base,
          ids: ['x'],
          arrivedAtMs: 9000,
          error: { code: 'RATE_LIMITED', outcome: 'not_applied' },
        });
      }
    });
  test('should see more than the limit and a burst', () => {
    expect(violationsOf('C20', limited(4, false))).toEqual([expect.stringMatching(/were admitted within one second/)]);
    expect(violationsOf('C20', limited(8, false))).toEqual([]);
  });
  test('should see a refusal far below the limit', () => {
    expect(violationsOf('C20', limited(50, true))).toEqual([
      expect.stringMatching(/a write was refused although only/),
    ]);
    expect(violationsOf('C20', limited(8, true))).toEqual([]);
  });
});

test('C21 should see a winner that the naive lens does not choose, and one that changes', () => {
  const wrong = bent(({ evidence }) => {
    evidence.index = [{ ...nth(evidence.index, 0), winner: claim(1).id }];
  });
  expect(violationsOf('C21', wrong)).toHaveLength(1);
  const changed = bent(({ evidence }) => {
    const answer = { ...nth(evidence.index, 0), lens: 'epoch' };
    evidence.index = [answer, { ...answer, winner: claim(2).id, incarnation: 1 }];
  });
  expect(violationsOf('C21', changed)).toEqual([expect.stringMatching(/epoch of tower height at LSN 3/)]);
});

describe('C22 outcomes', () => {
  const failed = (code: string, outcome: string, bend: (story: Story) => void = () => {}): Story =>
    bent((story) => {
      const request = nth(story.requests, 2);
      request.acks = [];
      request.status = 500;
      request.error = { code, outcome };
      bend(story);
    });
  test('should see "not applied" said of what was submitted', () => {
    expect(violationsOf('C22', failed('WAL_FAILED', 'not_applied'))).toEqual([
      expect.stringMatching(/whose batch had been handed to the disk/),
    ]);
  });
  test('should see doubt about what was never submitted', () => {
    const never = (story: Story) => void story.disk.splice(2, 1);
    expect(violationsOf('C22', failed('WRITE_INDETERMINATE', 'indeterminate', never))).toEqual([
      expect.stringMatching(/though its batch was never handed to the disk/),
    ]);
    expect(violationsOf('C22', failed('WRITE_INDETERMINATE', 'indeterminate'))).toEqual([]);
    expect(violationsOf('C22', failed('WRITE_TIMEOUT', 'indeterminate', never))).toEqual([]);
  });
});
