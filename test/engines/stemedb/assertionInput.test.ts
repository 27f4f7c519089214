import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ordinaryAssertion, parseAssertion } from '../../../src/engines/stemedb/assertionInput.ts';
import { prepareAssertion } from '../../../src/engines/stemedb/content.ts';
import { assertionSchema } from '../../../src/engines/stemedb/model.ts';

const id = fc.constantFrom('0'.repeat(64), 'abcdef0123456789'.repeat(4));
const word = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 });

/** Objects as JSON.parse makes them. */
const plain = <T>(members: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(members, { noNullPrototype: true });

/** What the schema takes, but for vector and signatures. */
const ordinary = fc.record(
  {
    v: fc.constant(1),
    kind: fc.constant('assertion'),
    subject: word,
    predicate: word,
    object: fc.oneof(
      plain({ text: fc.string({ unit: 'grapheme' }) }),
      plain({ number: fc.double({ noNaN: true, min: -1e15, max: 1e15 }) }),
      plain({ boolean: fc.boolean() }),
      plain({ reference: word }),
    ),
    source: id,
    parent: id,
    visual: fc.constant('0123456789abcdef'),
    stage: fc.constantFrom('proposed', 'approved', 'retired'),
    confidence: fc.double({ min: 0, max: 1, noNaN: true }),
    timestamp: fc.maxSafeNat(),
    agent: id,
    epoch: id,
  },
  { requiredKeys: ['subject', 'predicate', 'object', 'stage', 'confidence', 'timestamp'], noNullPrototype: true },
);

/** Values at and beyond the borders of what a member may be. */
const borders: readonly unknown[] = [
  ...[undefined, null, true, '', -0, -1, 1, 2, 0.5, 1.5, Number.NaN, Number.POSITIVE_INFINITY],
  ...[2 ** 53, 2 ** 53 - 1, -(2 ** 53)],
  ...['x'.repeat(256), 'x'.repeat(257), 'x'.repeat(512), 'x'.repeat(513), 'ä'.repeat(128), 'ä'.repeat(129)],
  ...['ä'.repeat(256), 'ä'.repeat(257), '\ud800', 'a\udc00b', 'retired', 'Approved', 'vote'],
  ...['0'.repeat(63), '0'.repeat(64), 'A'.repeat(64), `${'0'.repeat(64)}\n`, '0123456789abcdef', '0123456789ABCDEF'],
  ...[{}, [], [1], [{}], { text: 'a', number: 1 }, { text: undefined }, { other: 1 }, { text: 1 }, { boolean: 0 }],
  ...[{ number: 2 ** 53 }, { number: -0 }, { number: Number.NaN }, { number: Number.NEGATIVE_INFINITY }],
  ...[{ reference: '' }, { reference: 'x'.repeat(513) }, { text: 'y'.repeat(65_536) }, { text: 'y'.repeat(65_537) }],
  ...[{ text: '\udfff' }, { text: 'a', extra: undefined }, new Date(0), Object.create({ text: 'inherited' })],
];

const members = [
  ...['v', 'kind', 'subject', 'predicate', 'object', 'source', 'parent', 'visual', 'stage', 'confidence'],
  ...['timestamp', 'agent', 'epoch', 'vector', 'signatures', 'unknown', 'toString', 'constructor', '__proto__'],
];

const odd = fc.oneof(fc.constantFrom(...borders), fc.anything());
const member = fc.oneof(fc.constantFrom(...members), fc.string());

/** A copy with a member of this value, whatever its name; without it where the value is `gone`. */
function changed(assertion: object, name: string, value: unknown): Record<string, unknown> {
  const copy: Record<string, unknown> = { ...assertion };
  if (value === gone) delete copy[name];
  else Object.defineProperty(copy, name, { value, enumerable: true, configurable: true, writable: true });
  return copy;
}

const gone = Symbol('gone');

const disturbed = fc
  .tuple(ordinary, fc.array(fc.tuple(member, fc.oneof(odd, fc.constant(gone))), { maxLength: 3 }))
  .map(([assertion, changes]) => changes.reduce<object>((value, [name, to]) => changed(value, name, to), assertion));

/** Whether it was taken; fails when the schema would refuse it or make something else of it. */
function agreesWithSchema(value: unknown): boolean {
  const taken = ordinaryAssertion(value);
  if (taken === undefined) return false;
  const parsed = assertionSchema.safeParse(value);
  expect(parsed.error).toBeUndefined();
  if (parsed.success) expect(prepareAssertion(taken).canonical).toBe(prepareAssertion(parsed.data).canonical);
  return true;
}

describe('an assertion that is taken without the schema', () => {
  it('is one that the schema takes, with the same canonical bytes', () => {
    const outcomes = { taken: 0, left: 0 };
    fc.assert(
      fc.property(fc.oneof(disturbed, odd), (value) => {
        outcomes[agreesWithSchema(value) ? 'taken' : 'left']++;
      }),
      { numRuns: 2_000 },
    );
    expect(Math.min(outcomes.taken, outcomes.left)).toBeGreaterThan(100);
  });

  it('is one that the schema takes, whichever member is at a border', () => {
    const hex = '0123456789abcdef';
    const every = {
      ...{ v: 1, kind: 'assertion', subject: 's', predicate: 'p', object: { text: 't' }, source: hex.repeat(4) },
      ...{ parent: hex.repeat(4), visual: hex, stage: 'approved', confidence: 0.5, timestamp: 1 },
      ...{ agent: hex.repeat(4), epoch: hex.repeat(4) },
    };
    expect(agreesWithSchema(every)).toBe(true);
    let taken = 0;
    for (const name of members) {
      for (const value of [gone, ...borders]) if (agreesWithSchema(changed(every, name, value))) taken++;
    }
    expect(taken).toBeGreaterThan(50);
  });

  it('is every one that has nothing out of the ordinary', () => {
    fc.assert(
      fc.property(ordinary, (value) => {
        fc.pre(assertionSchema.safeParse(value).success);
        expect(ordinaryAssertion(value)).toBeDefined();
      }),
    );
  });

  it('shares nothing with what the caller keeps', () => {
    const object = { text: 'before' };
    const input = { subject: 's', predicate: 'p', object, stage: 'approved', confidence: 1, timestamp: 1 };
    const taken = parseAssertion(input);
    object.text = 'after';
    expect(taken.object).toEqual({ text: 'before' });
  });
});
