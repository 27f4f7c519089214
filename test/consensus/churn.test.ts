import { expect, test } from 'vitest';
import { Churn } from './support/churn.ts';

test('should keep every promise of Raft under loss, reordering, crashes and changing configurations', () => {
  let applied = 0;
  let reads = 0;
  const configurations = new Set<string>();
  for (let seed = 1; seed <= 60; seed++) {
    const churn = new Churn(seed);
    churn.run(2_500);
    churn.heal(200);
    applied += churn.applied;
    reads += churn.readsAnswered;
    for (const seen of churn.configurationsSeen) configurations.add(seen);
  }
  // Nothing is shown by runs in which nothing happens.
  expect(applied).toBeGreaterThan(2_000);
  expect(reads).toBeGreaterThan(200);
  expect(configurations.size).toBeGreaterThan(50);
});
