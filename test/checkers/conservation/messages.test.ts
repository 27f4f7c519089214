import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  checkMessagesConserved,
  type MessageImbalance,
  type MessageOptions,
} from '../../../src/checkers/conservation/messages.ts';
import type { Operation } from '../../../src/checkers/history.ts';
import { drawnHistories } from '../drawn.ts';
import { op } from '../histories.ts';

const sent = op(0, 0, 'send', 'a', 0, 1, true);
const received = (id: number, what: unknown, from = 10 * id) => op(id, 1, 'receive', undefined, from, from + 1, what);
const unbalanced = (operations: readonly Operation[], options?: MessageOptions) =>
  checkMessagesConserved(operations, { held: [], ...options }).map(({ evidence }) => evidence as MessageImbalance);

describe('conservation of messages', () => {
  test('should account for what came out, is held, or was told to be lost', () => {
    expect(unbalanced([sent, received(1, 'a')])).toEqual([]);
    expect(unbalanced([sent], { held: ['a'] })).toEqual([]);
    expect(unbalanced([sent, op(1, 9, 'give-up', undefined, 10, 11, ['a'])])).toEqual([]);
    expect(unbalanced([sent, received(1, null)])).toEqual([{ kind: 'lost', messages: ['a'], inDoubt: 0 }]);
    expect(checkMessagesConserved([sent], { held: [] })[0]).toMatchObject({ check: 'conserved', operations: [0] });
  });

  test('should call nothing lost where nobody looked what is still held, and go on looking for the rest', () => {
    expect(checkMessagesConserved([sent, received(1, null)])).toEqual([]);
    expect(checkMessagesConserved([sent, received(1, ['a', 'a'])])).toMatchObject([
      { evidence: { kind: 'duplicated' } },
    ]);
  });

  test('should let a receive in doubt have taken one message, and no more', () => {
    const doubt = op(1, 1, 'receive', undefined, 10, 11, undefined, 'info');
    const other = op(2, 0, 'send', 'b', 20, 21, true);
    expect(unbalanced([sent, doubt])).toEqual([]);
    expect(unbalanced([sent, doubt, other])).toEqual([{ kind: 'lost', messages: ['a', 'b'], inDoubt: 1 }]);
    expect(unbalanced([sent, doubt, other], { receiveMax: 2 })).toEqual([]);
    expect(unbalanced([sent, op(1, 1, 'receive', undefined, 10, 11, undefined, 'fail')])).toHaveLength(1);
  });

  test('should find what comes out twice, or is still held after it came out, unless that is allowed', () => {
    for (const [operations, options] of [
      [[sent, received(1, 'a'), received(2, 'a')], {}],
      [[sent, received(1, 'a')], { held: ['a'] }],
    ] as const) {
      expect(unbalanced(operations, options)).toMatchObject([{ kind: 'duplicated', messages: ['a'] }]);
      expect(unbalanced(operations, { ...options, delivery: 'at-most-once' })).toMatchObject([{ kind: 'duplicated' }]);
      expect(unbalanced(operations, { ...options, delivery: 'at-least-once' })).toEqual([]);
    }
    expect(unbalanced([sent], { delivery: 'at-most-once' })).toEqual([]);
    expect(unbalanced([sent], { delivery: 'at-least-once' })).toMatchObject([{ kind: 'lost' }]);
  });

  test('should find what was never sent, failed to be sent, or came out too early; a send in doubt may be there', () => {
    const send = (outcome: Operation['outcome'], from = 0) => op(0, 0, 'send', 'a', from, from + 1, true, outcome);
    expect(unbalanced([received(1, ['a'])])).toMatchObject([{ kind: 'phantom', received: 1 }]);
    expect(unbalanced([send('fail'), received(1, 'a')])).toMatchObject([{ kind: 'phantom' }]);
    expect(unbalanced([send('fail')], { held: ['a'] })).toMatchObject([{ kind: 'phantom', held: 1 }]);
    expect(unbalanced([send('ok', 20), received(1, 'a')])).toMatchObject([{ kind: 'phantom' }]);
    expect(unbalanced([send('info'), received(1, 'a')])).toEqual([]);
    expect(unbalanced([send('info')])).toEqual([]);
  });

  test('should name an operation that is none of a queue of messages', () => {
    expect(() => unbalanced([op(4, 0, 'read', 1, 0, 1)])).toThrow(
      'operation 4: messages know send, receive and give-up, not read',
    );
    expect(() => unbalanced([received(4, { id: 1 })])).toThrow('operation 4: expected the answer of receive');
  });
});

test('the dumb twin: should agree with counting, message by message', () => {
  const name = fc.constantFrom('a', 'b', 'c');
  const kinds = fc.oneof(
    { weight: 4, arbitrary: name.map((input) => ({ f: 'send', input, output: true })) },
    { weight: 3, arbitrary: fc.option(name, { nil: null }).map((output) => ({ f: 'receive', output })) },
    { weight: 1, arbitrary: fc.array(name, { maxLength: 2 }).map((output) => ({ f: 'give-up', output })) },
  );
  const delivery = fc.constantFrom('exactly-once' as const, 'at-least-once' as const, 'at-most-once' as const);
  const counts = { lost: 0, duplicated: 0, phantom: 0, fine: 0 };
  fc.assert(
    fc.property(drawnHistories(kinds, 7), fc.array(name, { maxLength: 2 }), delivery, (operations, held, how) => {
      const expected = new Set<string>();
      const gone: string[] = [];
      for (const message of ['a', 'b', 'c']) {
        let [found, asked, acknowledged] = [0, 0, false];
        let [earliestSend, earliestSeen] = [Infinity, Infinity];
        for (const { f, input, output, outcome, invokedOrder, completedOrder } of operations) {
          if (f === 'send' && input === message && outcome !== 'fail') {
            asked++;
            earliestSend = Math.min(earliestSend, invokedOrder);
            if (outcome === 'ok') acknowledged = true;
          }
          if (f === 'send' || outcome !== 'ok') continue;
          const times = [output].flat().filter((one) => one === message).length;
          found += times;
          if (times > 0) earliestSeen = Math.min(earliestSeen, completedOrder);
        }
        found += held.filter((one) => one === message).length;
        if (found === 0 && acknowledged && how !== 'at-most-once') gone.push(message);
        if (found > asked && asked > 0 && how !== 'at-least-once') expected.add(`duplicated ${message}`);
        if (found > 0 && (asked === 0 || earliestSeen < earliestSend)) expected.add(`phantom ${message}`);
      }
      if (gone.length > operations.filter(({ f, outcome }) => f === 'receive' && outcome === 'info').length)
        expected.add(`lost ${gone.join(' ')}`);
      const own = unbalanced(operations, { held, delivery: how });
      expect(new Set(own.map(({ kind, messages }) => `${kind} ${[...messages].sort().join(' ')}`))).toEqual(expected);
      for (const { kind } of own) counts[kind]++;
      if (own.length === 0) counts.fine++;
    }),
    { numRuns: 2_000 },
  );
  for (const count of Object.values(counts)) expect(count).toBeGreaterThan(10);
});
