import type { z } from 'zod';
import type { FaultDefinition } from '../faults/fault.ts';
import { type Override, readDocument, type SourceDocument } from './document.ts';
import { explain, unknownWord } from './explain.ts';
import { type Mistake, ScenarioError } from './mistakes.ts';
import { findMistakes } from './references.ts';
import type { Scenario } from './scenario.ts';
import { healWithinMsDefault, type ScenarioFile, scenarioSchema } from './schema.ts';
import type { Stand } from './stands/stand.ts';
import { readSteps } from './steps.ts';

/** What scenarios can speak of. */
export interface Vocabulary {
  readonly stands: ReadonlyMap<string, Stand>;
  readonly faults: ReadonlyMap<string, FaultDefinition>;
  /** The text of a stand's Prometheus rule file. */
  readonly rules: (stand: Stand) => string;
}

export interface LoadOptions {
  /** For messages and for the report; default `scenario`. */
  readonly file?: string;
  readonly overrides?: readonly Override[];
  readonly seed?: number;
}

/**
 * Reads a scenario file: YAML, schema, and everything it refers to (faults, alerts, steps, nodes, checks, verbs).
 * Throws `ScenarioError` with all mistakes that were found, each with line, what was expected and the nearest valid word.
 */
export function loadScenario(text: string, vocabulary: Vocabulary, options: LoadOptions = {}): Scenario {
  const file = options.file ?? 'scenario';
  const overrides = options.seed === undefined ? [] : [{ path: 'seed', value: String(options.seed) }];
  const source = readDocument(file, text, [...(options.overrides ?? []), ...overrides]);
  const parsed = scenarioSchema.safeParse(source.document.toJS());
  if (!parsed.success) throw new ScenarioError(file, explain(source, scenarioSchema, parsed.error.issues));
  const stand = findStand(source, vocabulary, parsed.data.engine);

  const mistakes: Mistake[] = [];
  const parse = (schema: z.ZodType, value: unknown, base: readonly PropertyKey[]) => {
    const result = schema.safeParse(value);
    if (!result.success) mistakes.push(...explain(source, schema, result.error.issues, base));
    return result.success ? result.data : undefined;
  };
  const devices = parse(stand.devicesSchema, parsed.data.cluster.devices, ['cluster', 'devices']);
  parse(stand.engine.configSchema, parsed.data.cluster.config, ['cluster', 'config']);
  const load = parsed.data.load === undefined ? undefined : parse(stand.loadSchema, parsed.data.load, ['load']);
  const loadIsSound = parsed.data.load === undefined || load !== undefined;
  const steps = readSteps(source, parsed.data, stand, vocabulary.faults, mistakes, loadIsSound);
  if (mistakes.length > 0) throw new ScenarioError(file, mistakes);

  const scenario: Scenario = {
    ...describe(parsed.data),
    stand,
    nodes: Array.from({ length: parsed.data.cluster.nodes ?? stand.defaultNodes }, (_, index) =>
      stand.nodeName(index + 1),
    ),
    config: parsed.data.cluster.config,
    devices,
    ...(load === undefined ? {} : { load }),
    timeline: steps,
    rules: vocabulary.rules(stand),
    yaml: source.document.toString({ lineWidth: 0 }),
    ...(options.file === undefined ? {} : { file: options.file }),
  };
  const dangling = findMistakes(source, scenario);
  if (dangling.length > 0) throw new ScenarioError(file, dangling);
  return scenario;
}

function findStand(source: SourceDocument, vocabulary: Vocabulary, engine: string): Stand {
  const stand = vocabulary.stands.get(engine);
  if (stand !== undefined) return stand;
  const known = [...vocabulary.stands.keys()];
  throw new ScenarioError(source.file, [unknownWord(source, ['engine'], 'an engine', engine, known)]);
}

function describe(file: ScenarioFile) {
  return {
    title: file.title,
    ...(file.source === undefined ? {} : { source: file.source }),
    ...(file.description === undefined ? {} : { description: file.description }),
    engine: file.engine,
    seed: file.seed,
    durationMs: file.duration,
    buggify: file.buggify,
    ...(file.steadyState === undefined
      ? {}
      : { steadyState: { metrics: file.steadyState.metrics, withinMs: file.steadyState.within } }),
    expect: file.expect,
    ...(file.finally === 'leave'
      ? {}
      : { healWithinMs: file.finally === 'heal' ? healWithinMsDefault : file.finally.within }),
  };
}
