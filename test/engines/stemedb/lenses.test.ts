import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Candidate, LensContext, Voice } from '../../../src/engines/stemedb/lenses/lens.ts';
import { type LensChoice, resolve } from '../../../src/engines/stemedb/lenses/resolve.ts';

const AGENTS = ['', 'a', 'b', 'c', 'd'];
const WEIGHTS: Record<string, number> = { a: 100_000, b: 200_000, c: 300_000, d: 1_000_000_000 };
const context: LensContext = { weightOf: (agent) => WEIGHTS[agent] ?? 1_000_000, floatSum: false, tieByArrival: false };

const CHOICES: LensChoice[] = [
  { lens: 'recency' },
  { lens: 'confidence' },
  { lens: 'consensus' },
  { lens: 'authority' },
  { lens: 'epoch' },
  { lens: 'skeptic' },
  { lens: 'layered', lenses: ['epoch', 'authority', 'confidence'] },
  { lens: 'constraints', must_use: ['a', 'b', 'id-000003'], forbidden: ['b'] },
];

const vote = fc.record({
  agent: fc.constantFrom(...AGENTS.slice(1)),
  timestamp: fc.integer({ min: 0, max: 3 }),
  supports: fc.boolean(),
});

const candidates = fc
  .array(
    fc.record({
      agent: fc.constantFrom(...AGENTS),
      object: fc.constantFrom('x', 'y', 'z'),
      timestamp: fc.integer({ min: 0, max: 3 }),
      confidence: fc.integer({ min: 0, max: 3 }).map((tenth) => tenth * 100_000),
      epochDepth: fc.integer({ min: -1, max: 2 }),
      votes: fc.array(vote, { maxLength: 4 }),
    }),
    { maxLength: 6 },
  )
  .map((claims) =>
    claims.map((claim, i): Candidate => {
      const id = `id-${String(i).padStart(6, '0')}`;
      return { ...claim, row: i + 1, id, votes: claim.votes.map((v, n): Voice => ({ ...v, id: `${id}-vote-${n}` })) };
    }),
  );

/** The same claims as if they had arrived in another order: other rows, other order of candidates and of votes. */
function shuffled(claims: readonly Candidate[], order: readonly number[]): Candidate[] {
  return order.map((from, i) => {
    const claim = claims[from];
    if (claim === undefined) throw new Error('order beyond the claims');
    return { ...claim, row: i + 1, votes: [...claim.votes].reverse() };
  });
}

/** What an answer says, without rows, which tell of the arrival. */
function meaning(claims: readonly Candidate[], choice: LensChoice, given = context) {
  const { ranked, winner, decidedBy, conflict, objects } = resolve(claims, choice, given);
  return {
    order: ranked.map(({ candidate, scores }) => [candidate.id, ...scores]),
    winner: winner?.id,
    decidedBy,
    conflict,
    objects: objects?.map(({ example, ...rest }) => ({ ...rest, example: example.id })),
  };
}

describe.each(CHOICES)('lens $lens', (choice) => {
  test('answers the same under every order of arrival', () => {
    fc.assert(
      fc.property(candidates, fc.integer(), (claims, seed) => {
        const order = claims
          .map((_, i) => i)
          .sort((a, b) => ((a * 7919 + seed) % 13) - ((b * 7919 + seed) % 13) || b - a);
        expect(meaning(shuffled(claims, order), choice)).toEqual(meaning(claims, choice));
      }),
      { numRuns: 500 },
    );
  });

  test('answers as the naive lens', () => {
    fc.assert(
      fc.property(candidates, (claims) => {
        const answer = resolve(claims, choice, context);
        const allowed = claims.filter((claim) => isAllowed(claim, choice));
        expect(answer.winner?.id).toBe(choice.lens === 'skeptic' ? undefined : naiveWinner(allowed, choice)?.id);
        if (choice.lens === 'skeptic') expect(answer.conflict).toBe(naiveConflict(claims));
      }),
      { numRuns: 500 },
    );
  });
});

function isAllowed(claim: Candidate, choice: LensChoice): boolean {
  if (choice.lens !== 'constraints') return true;
  const named = (list: readonly string[] | undefined) =>
    (list ?? []).some((name) => name === claim.id || name === claim.agent);
  return named(choice.must_use) && !named(choice.forbidden);
}

/** By elimination: those that no other beats. One of them is left, because ids differ. */
function naiveWinner(claims: readonly Candidate[], choice: LensChoice): Candidate | undefined {
  const names =
    choice.lens === 'layered' ? (choice.lenses ?? []) : [choice.lens === 'constraints' ? 'recency' : choice.lens];
  const beats = (a: Candidate, b: Candidate): boolean => {
    for (const name of names) {
      const difference = naiveScore(a, name, claims) - naiveScore(b, name, claims);
      if (difference !== 0) return difference > 0;
    }
    return a.timestamp === b.timestamp ? a.id < b.id : a.timestamp > b.timestamp;
  };
  return claims.find((claim) => claims.every((other) => other === claim || beats(claim, other)));
}

function naiveScore(claim: Candidate, lens: string, all: readonly Candidate[]): number {
  if (lens === 'recency') return claim.timestamp;
  if (lens === 'confidence') return claim.confidence;
  if (lens === 'epoch') return claim.epochDepth;
  const said = all
    .filter(({ object }) => object === claim.object)
    .flatMap((same) => [{ agent: same.agent, timestamp: same.timestamp, id: same.id, supports: true }, ...same.votes]);
  let score = 0;
  for (const agent of AGENTS) {
    const [last] = said
      .filter((voice) => voice.agent === agent)
      .sort((a, b) => b.timestamp - a.timestamp || (a.id < b.id ? 1 : -1));
    if (last === undefined) continue;
    const weight = lens === 'authority' ? (WEIGHTS[agent] ?? 1_000_000) : 1;
    score += last.supports ? weight : -weight;
  }
  return score;
}

function naiveConflict(claims: readonly Candidate[]): number {
  const voices = new Set(claims.map(({ object, agent }) => `${object}/${agent}`));
  const counts = ['x', 'y', 'z'].map((object) => [...voices].filter((voice) => voice.startsWith(object)).length);
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return 0;
  return 1_000_000 - Math.floor((counts.reduce((sum, count) => sum + count * count, 0) * 1_000_000) / (total * total));
}

describe('planted bugs are seen by the same properties', () => {
  test('tie-by-arrival: two equal claims swap when they arrive the other way round', () => {
    const bug: LensContext = { ...context, tieByArrival: true };
    const claim = { agent: 'a', object: 'x', timestamp: 1, confidence: 1, epochDepth: -1, votes: [] };
    const pair: Candidate[] = [
      { ...claim, row: 1, id: 'id-1' },
      { ...claim, row: 2, id: 'id-2' },
    ];
    expect(meaning(shuffled(pair, [1, 0]), { lens: 'recency' }, bug)).not.toEqual(
      meaning(pair, { lens: 'recency' }, bug),
    );
  });

  test('float-sum: 0.1 + 0.2 + 0.3 is not 0.3 + 0.2 + 0.1', () => {
    const bug: LensContext = { ...context, floatSum: true };
    const claim = (agent: string, i: number): Candidate => ({
      row: i,
      id: `id-${i}`,
      agent,
      object: 'x',
      timestamp: 1,
      confidence: 1,
      epochDepth: -1,
      votes: [],
    });
    const claims = [claim('a', 1), claim('b', 2), claim('c', 3)];
    expect(meaning(shuffled(claims, [2, 1, 0]), { lens: 'authority' }, bug)).not.toEqual(
      meaning(claims, { lens: 'authority' }, bug),
    );
    expect(meaning(shuffled(claims, [2, 1, 0]), { lens: 'authority' })).toEqual(meaning(claims, { lens: 'authority' }));
  });
});

describe('decided_by names the rule', () => {
  const claim = (id: string, timestamp: number, confidence: number): Candidate => ({
    row: 1,
    id,
    agent: 'a',
    object: 'x',
    timestamp,
    confidence,
    epochDepth: -1,
    votes: [],
  });

  test.each([
    ['none', []],
    ['only', [claim('1', 1, 1)]],
    ['score', [claim('1', 1, 2), claim('2', 1, 1)]],
    ['timestamp', [claim('1', 2, 1), claim('2', 1, 1)]],
    ['id', [claim('1', 1, 1), claim('2', 1, 1)]],
  ])('%s', (rule, claims) => expect(resolve(claims, { lens: 'confidence' }, context).decidedBy).toBe(rule));

  test('the layer, when there are several', () => {
    const choice: LensChoice = { lens: 'layered', lenses: ['recency', 'confidence'] };
    expect(resolve([claim('1', 1, 1), claim('2', 1, 2)], choice, context).decidedBy).toBe('confidence:score');
  });
});
