import { describe, expect, it } from 'vitest';
import { Story } from './support/story.ts';

describe('participants that come, work and die, and routers that die within a poll', () => {
  it.each(['broadcast', 'workqueue', 'keyed', undefined] as const)('keep every count, order and slot: %s', (mode) => {
    let crashes = 0;
    for (let seed = 1; seed <= 150; seed += 1) {
      const story = new Story(seed, [], mode);
      story.run(300);
      expect(story.problems, `seed ${seed}`).toEqual([]);
      crashes += story.crashes;
    }
    expect(crashes).toBeGreaterThan(100);
  });
});
