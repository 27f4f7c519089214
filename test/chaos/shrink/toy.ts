import type { ScenarioDocument } from '../../../src/chaos/definition.ts';
import type { SearchOptions, Trial } from '../../../src/chaos/shrink/search.ts';
import { stepsOf } from '../../../src/chaos/shrink/timeline.ts';

/** A trial of a document that fails `checks`; operations are `writers` times `seconds`. */
export function toyTrial(document: ScenarioDocument, checks: readonly string[]): Trial {
  const load = (document.load ?? { writers: 8 }) as { readonly writers?: number };
  const cluster = (document.cluster ?? {}) as { readonly nodes?: number };
  return {
    size: {
      faults: stepsOf(document).length,
      nodes: cluster.nodes ?? 1,
      operations: (load.writers ?? 8) * 10,
      virtualMs: 1_000,
    },
    checks,
    reasons: checks.map((check) => `${check}: seen`),
  };
}

/** A document of these fault names, and a search for what fails while `fails` says so. */
export function toySearch(
  document: ScenarioDocument,
  fails: (document: ScenarioDocument) => boolean,
  more: Partial<SearchOptions> = {},
): SearchOptions & { readonly played: ScenarioDocument[] } {
  const played: ScenarioDocument[] = [];
  return {
    played,
    document,
    trial: toyTrial(document, ['wanted']),
    play: async (candidate) => {
      played.push(candidate);
      return toyTrial(candidate, fails(candidate) ? ['wanted'] : []);
    },
    stand: { defaultNodes: 1, nodeName: (number) => `toy-${number}`, loadDefaults: { writers: 8, votes: 10 } },
    runsMax: 10_000,
    ...more,
  };
}

/** Names of the faults of a document, in order. */
export function faultsOf(document: ScenarioDocument): string[] {
  return stepsOf(document).map((step) => String(step.fault));
}
