import fc from 'fast-check';
import { expect, test } from 'vitest';
import { asV2, decodeConfChange, encodeConfChange, entersJoint, leavesJoint } from '../../src/consensus/confChange.ts';
import type { ConfChange, ConfChangeV2 } from '../../src/consensus/types.ts';

const type = fc.constantFrom('add-node', 'remove-node', 'update-node', 'add-learner');
const node = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const context = fc.uint8Array({ maxLength: 200 });
const change: fc.Arbitrary<ConfChange | ConfChangeV2> = fc.oneof(
  fc.record({ version: fc.constant(1 as const), type, node, context }),
  fc.record({
    version: fc.constant(2 as const),
    transition: fc.constantFrom('auto', 'joint-implicit', 'joint-explicit'),
    changes: fc.array(fc.record({ type, node }), { maxLength: 10 }),
    context,
  }),
);

test('should be read as it was written', () => {
  fc.assert(
    fc.property(change, (given) => {
      expect(decodeConfChange(encodeConfChange(given))).toEqual(given);
    }),
  );
});

test('should have the bytes of raftpb', () => {
  const empty = new Uint8Array(0);
  expect([...encodeConfChange({ version: 1, type: 'add-learner', node: 300, context: empty }).data]).toEqual([
    8, 0, 16, 3, 24, 0xac, 2,
  ]);
  const v2 = encodeConfChange({
    version: 2,
    transition: 'joint-explicit',
    changes: [{ type: 'remove-node', node: 2 }],
    context: Uint8Array.of(7),
  });
  expect([v2.type, ...v2.data]).toEqual(['conf-change-v2', 8, 2, 0x12, 4, 8, 1, 16, 2, 0x1a, 1, 7]);
});

test('should be undefined, and never throw, for bytes that are no change', () => {
  fc.assert(
    fc.property(fc.constantFrom('conf-change' as const, 'conf-change-v2' as const), context, (kind, data) => {
      const read = decodeConfChange({ type: kind, data });
      if (read !== undefined) expect([1, 2]).toContain(read.version);
    }),
    { numRuns: 5_000 },
  );
  expect(decodeConfChange({ type: 'conf-change', data: Uint8Array.of(24) })).toBeUndefined();
  expect(decodeConfChange({ type: 'conf-change', data: Uint8Array.of(16, 9) })).toBeUndefined();
});

test('should leave a joint configuration without bytes', () => {
  const read = decodeConfChange({ type: 'conf-change-v2', data: new Uint8Array(0) });
  expect(read !== undefined && leavesJoint(asV2(read))).toBe(true);
});

test('should need a joint configuration for more than one change, or when it is asked for', () => {
  const one = [{ type: 'add-node', node: 1 }] as const;
  const empty = new Uint8Array(0);
  const of = (transition: ConfChangeV2['transition'], changes: ConfChangeV2['changes']): ConfChangeV2 => ({
    version: 2,
    transition,
    changes,
    context: empty,
  });
  expect(entersJoint(of('auto', one))).toBeUndefined();
  expect(entersJoint(of('auto', [...one, ...one]))).toEqual({ autoLeave: true });
  expect(entersJoint(of('joint-implicit', one))).toEqual({ autoLeave: true });
  expect(entersJoint(of('joint-explicit', one))).toEqual({ autoLeave: false });
});
