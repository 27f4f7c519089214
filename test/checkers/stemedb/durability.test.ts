import { describe, expect, test } from 'vitest';
import { stemeChecks } from '../../../src/checkers/stemedb/index.ts';
import { bent, nth, violationsOf } from './bentStory.ts';
import { claim, goodStory, recordOf, type Story } from './story.ts';

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
