import fc from 'fast-check';
import { expect, test } from 'vitest';
import { changeSimply, enterJoint, leaveJoint } from '../../src/consensus/changer.ts';
import { type Configuration, configurationFault, emptyConfiguration } from '../../src/consensus/configuration.ts';
import { ConfChangeInvalid } from '../../src/consensus/errors.ts';
import { majorityVote } from '../../src/consensus/quorum.ts';
import type { ConfChangeSingle } from '../../src/consensus/types.ts';

const change: fc.Arbitrary<ConfChangeSingle> = fc.record({
  type: fc.constantFrom('add-node', 'add-learner', 'remove-node', 'update-node'),
  node: fc.integer({ min: 0, max: 8 }),
});
const changes = fc.array(change, { maxLength: 8 });
/** Any configuration that is not joint, with at least one voter. */
const start = changes.map((list) => {
  const first = changeSimply(emptyConfiguration, [{ type: 'add-node', node: 1 }]).configuration;
  try {
    return leaveJoint(enterJoint(first, false, list).configuration).configuration;
  } catch (error) {
    if (error instanceof ConfChangeInvalid) return first;
    throw error;
  }
});

/** What each member is after the changes, one by one: the dumb twin knows no joint configurations. */
function roles({ incoming, learners }: Configuration, list: readonly ConfChangeSingle[]): Map<number, string> {
  const all = new Map<number, string>();
  for (const id of incoming) all.set(id, 'voter');
  for (const id of learners) all.set(id, 'learner');
  for (const { type, node } of list) {
    if (node === 0) continue;
    if (type === 'add-node') all.set(node, 'voter');
    if (type === 'add-learner') all.set(node, 'learner');
    if (type === 'remove-node') all.delete(node);
  }
  return all;
}

function having(all: ReadonlyMap<number, string>, role: string): number[] {
  return [...all]
    .filter(([, has]) => has === role)
    .map(([id]) => id)
    .sort((a, b) => a - b);
}

function attempt(work: () => Configuration): Configuration | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof ConfChangeInvalid) return undefined;
    throw error;
  }
}

test('should reach by a joint configuration what its dumb twin reaches at once', () => {
  fc.assert(
    fc.property(start, changes, fc.boolean(), (before, list, autoLeave) => {
      const wanted = roles(before, list);
      const joint = attempt(() => enterJoint(before, autoLeave, list).configuration);
      if (joint === undefined) {
        expect(having(wanted, 'voter')).toEqual([]);
        return;
      }
      expect(joint.outgoing).toEqual(before.incoming);
      expect(joint.autoLeave).toBe(autoLeave);
      expect(joint.incoming).toEqual(having(wanted, 'voter'));
      expect([...joint.learners, ...joint.learnersNext].sort((a, b) => a - b)).toEqual(having(wanted, 'learner'));
      const after = leaveJoint(joint).configuration;
      expect(after.incoming).toEqual(having(wanted, 'voter'));
      expect(after.learners).toEqual(having(wanted, 'learner'));
      expect(after.outgoing).toEqual([]);
    }),
    { numRuns: 5_000 },
  );
});

test('should change simply where at most one voter comes or goes, to the same end', () => {
  fc.assert(
    fc.property(start, changes, (before, list) => {
      const wanted = having(roles(before, list), 'voter');
      const moved = [
        ...wanted.filter((id) => !before.incoming.includes(id)),
        ...before.incoming.filter((id) => !wanted.includes(id)),
      ];
      const after = attempt(() => changeSimply(before, list).configuration);
      if (after === undefined) {
        expect(wanted.length === 0 || moved.length > 1).toBe(true);
        return;
      }
      expect(moved.length).toBeLessThanOrEqual(1);
      expect(after.incoming).toEqual(wanted);
    }),
    { numRuns: 5_000 },
  );
});

test('should never let two majorities that do not meet decide, one configuration after the other', () => {
  const winners = (ids: readonly number[], half: readonly number[]): boolean =>
    majorityVote(half, { vote: (id) => ids.includes(id) }) === 'won';
  const decides = (ids: readonly number[], { incoming, outgoing }: Configuration): boolean =>
    winners(ids, incoming) && winners(ids, outgoing);
  fc.assert(
    fc.property(start, changes, fc.uniqueArray(fc.integer({ min: 1, max: 8 })), (before, list, some) => {
      const others = [1, 2, 3, 4, 5, 6, 7, 8].filter((id) => !some.includes(id));
      const joint = attempt(() => enterJoint(before, false, list).configuration);
      const simple = attempt(() => changeSimply(before, list).configuration);
      const steps: [Configuration, Configuration | undefined][] = [
        [before, joint],
        [before, simple],
      ];
      if (joint !== undefined) steps.push([joint, leaveJoint(joint).configuration]);
      for (const [first, second] of steps) {
        if (second === undefined) continue;
        expect(configurationFault(second)).toBeUndefined();
        expect(decides(some, first) && decides(others, second)).toBe(false);
      }
    }),
    { numRuns: 5_000 },
  );
});

test('should name as fresh exactly those whose log nothing is known of', () => {
  const before = changeSimply(emptyConfiguration, [{ type: 'add-node', node: 1 }]).configuration;
  const { fresh } = enterJoint(before, false, [
    { type: 'add-learner', node: 1 },
    { type: 'add-node', node: 2 },
    { type: 'remove-node', node: 1 },
    { type: 'add-node', node: 1 },
  ]);
  // 1 votes in the outgoing half all the time.
  expect([...fresh]).toEqual([2]);
});
