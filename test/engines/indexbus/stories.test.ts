import { describe, expect, it } from 'vitest';
import { Story } from './support/story.ts';

describe('participants that come, work and die, and routers that die within a poll', () => {
  it.each(['broadcast', 'workqueue', 'keyed', undefined] as const)('keep every count, order and slot: %s', (mode) => {
    let crashes = 0;
    let messages = 0;
    for (let seed = 1; seed <= 100; seed += 1) {
      const story = new Story(seed, [], mode);
      story.run(300);
      expect(story.problems, `seed ${seed}`).toEqual([]);
      crashes += story.crashes;
      messages += story.twin.messages;
    }
    // Each of them went where the twin of plain arrays says.
    expect(messages).toBeGreaterThan(10_000);
    expect(crashes).toBeGreaterThan(50);
  });

  it.each([1, 2])('take over the seats of others where there are few: %i', (lanes) => {
    let taken = 0;
    for (const mode of ['workqueue', 'keyed', undefined] as const) {
      for (let seed = 1; seed <= 60; seed += 1) {
        const story = new Story(seed, [], mode, lanes);
        story.run(300);
        expect(story.problems, `${mode} seed ${seed}`).toEqual([]);
        taken += story.twin.takeOvers;
      }
    }
    expect(taken).toBeGreaterThan(100);
  });

  it('see that a take-over forgets what waits', () => {
    const story = new Story(10, ['take-over-forgets'], 'workqueue', 1);
    story.run(300);
    expect(story.problems.join()).toMatch(/A4 .*T1 lane 0 goes live with/s);
  });

  it.each([
    'tail-before-payload',
    'head-by-store',
    'receive-before-claim',
    'freeze-skipped',
    'return-before-seal',
    'redo-skipped',
    'redo-unsealed',
    'redo-head-blind',
    'seat-reuse-unacked',
    'signed-compare',
    'admit-while-placing',
    'credit-from-old-tail',
    'all-full-twice',
    'requeue-last',
    'bucket-jump',
    'view-freed-at-head',
    'fence-reads-head',
  ])('see the planted bug %s', (mutant) => {
    expect(firstProblem(mutant)).toBeDefined();
  });
});

describe('the twin of plain arrays', () => {
  it.each(['credit-from-old-tail', 'all-full-twice', 'admit-while-placing', 'redo-skipped'])(
    'decides otherwise than a router with %s',
    (mutant) => {
      expect(firstOfTwin(mutant)).toMatch(/^T1 /);
    },
  );
});

/** What the twin says in the first of 200 stories in which it says something. */
function firstOfTwin(mutant: string): string | undefined {
  for (let seed = 1; seed <= 200; seed += 1) {
    const story = new Story(seed, [mutant]);
    try {
      story.run(300);
    } catch {
      // An invariant of the engine itself ends the story; the twin may have spoken before.
    }
    if (story.twin.problems.length > 0) return story.twin.problems[0];
  }
  return undefined;
}

/** What the first of 200 stories with a planted bug says; undefined if none sees it. */
function firstProblem(mutant: string): string | undefined {
  for (let seed = 1; seed <= 200; seed += 1) {
    const story = new Story(seed, [mutant]);
    try {
      story.run(300);
    } catch (error) {
      // An invariant of the engine itself, or a payload that is torn.
      return String(error);
    }
    if (story.problems.length > 0) return story.problems[0];
  }
  return undefined;
}
