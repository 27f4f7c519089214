import { FaultError } from '../../faults/fault.ts';
import { loadScenario, type Vocabulary } from '../../scenario/load.ts';
import { ScenarioError } from '../../scenario/mistakes.ts';
import { runScenario } from '../../scenario/runner.ts';
import type { RunRecord } from '../../scenario/runRecord.ts';
import { putRightId, type ScenarioDocument } from '../definition.ts';
import { type SearchOptions, type Trial, textOf } from './search.ts';
import { stepsOf } from './timeline.ts';

/** Beyond this number of events a run is undecided. */
export const eventsMax = 5_000_000;

/**
 * Plays a document exactly as `replay` would play its file.
 *
 * @throws FaultError when a fault cannot be applied there, such as bit rot where no bytes are at rest: that is not the engine's failure
 * @throws ScenarioError when there is a mistake in it: in one that nobody edited that is a defect of whoever drew it
 */
export async function playDocument(
  document: ScenarioDocument,
  vocabulary: Vocabulary,
  mutants: readonly string[],
): Promise<RunRecord> {
  const scenario = loadScenario(textOf(document), vocabulary);
  return await runScenario(scenario, { mutants, eventsMax });
}

/** The same of a document that was edited, or that an earlier commit wrote. Undefined when there is a mistake in it, or a fault cannot be applied. */
export async function playEdited(
  document: ScenarioDocument,
  vocabulary: Vocabulary,
  mutants: readonly string[],
): Promise<RunRecord | undefined> {
  try {
    return await playDocument(document, vocabulary, mutants);
  } catch (error) {
    if (error instanceof ScenarioError || error instanceof FaultError) return undefined;
    throw error;
  }
}

/** What a search must know of a run. */
export function trialOf(document: ScenarioDocument, record: RunRecord): Trial {
  return {
    size: {
      faults: stepsOf(document).filter((step) => step.fault !== undefined && step.id !== putRightId).length,
      nodes: record.nodes.filter((node) => node.role === 'engine').length,
      operations: record.operations.total,
      virtualMs: record.virtualMs,
    },
    checks: record.verdict === 'violated' ? checksOf(record) : [],
    reasons: record.reasons,
  };
}

/** Who saw that something is wrong: checks by name, else the expectations that did not hold. */
export function checksOf(record: RunRecord): string[] {
  const names = new Set(record.violations.map((violation) => violation.check));
  if (names.size === 0) {
    for (const result of record.expectations) if (result.outcome === 'violated') names.add(result.text);
  }
  return [...names];
}

/**
 * How a search plays candidates of an engine, and what it knows of its stand. With planted bugs a candidate that fails alike
 * without them too is refused: it would show another failure, or a demand that cannot be met.
 */
export function playersOf(
  engine: string,
  vocabulary: Vocabulary,
  mutants: readonly string[],
): Pick<SearchOptions, 'play' | 'stand' | 'confirm'> {
  const stand = vocabulary.stands.get(engine);
  if (stand === undefined) throw new Error(`unreachable: a run of ${engine} was played`);
  const { defaultNodes, nodeName } = stand;
  const facts = { defaultNodes, nodeName, loadDefaults: stand.loadSchema.parse({}) as Record<string, unknown> }; // every key has a default or is absent
  const play = async (document: ScenarioDocument) => {
    const record = await playEdited(document, vocabulary, mutants);
    return record === undefined || record.verdict === 'undecided' ? undefined : trialOf(document, record);
  };
  if (mutants.length === 0) return { play, stand: facts };
  return {
    play,
    stand: facts,
    confirm: async (document) => (await playEdited(document, vocabulary, []))?.verdict === 'held',
  };
}
