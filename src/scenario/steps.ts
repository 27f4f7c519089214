import type { z } from 'zod';
import type { FaultDefinition } from '../faults/fault.ts';
import { parseCommand } from './command.ts';
import type { SourceDocument } from './document.ts';
import { explain, keysAt, unknownKey, unknownWord } from './explain.ts';
import type { Mistake } from './mistakes.ts';
import type { Command, Step } from './scenario.ts';
import { type ScenarioFile, type StepKind, stepSchemas } from './schema.ts';
import type { Stand } from './stands/stand.ts';

/**
 * Reads the timeline, each step by the key that says what it is. Mistakes are added to `mistakes`. `loadIsSound` says whether
 * the file's own load has passed its schema.
 */
export function readSteps(
  source: SourceDocument,
  file: ScenarioFile,
  stand: Stand,
  faults: ReadonlyMap<string, FaultDefinition>,
  mistakes: Mistake[],
  loadIsSound: boolean,
): Step[] {
  // Changes of a load that is wrong are not blamed for what is wrong in it.
  let load: Record<string, unknown> | undefined = loadIsSound ? (file.load ?? {}) : undefined;
  const steps: Step[] = [];
  for (const [index, raw] of file.timeline.entries()) {
    const path = ['timeline', index];
    const kind = kindOf(source, raw, path, mistakes);
    if (kind === undefined) continue;
    const reader = new StepReader(source, path, mistakes);
    const step = readStep(reader, kind, raw, index, { stand, faults, load });
    if (step === undefined) continue;
    steps.push(step);
    if (kind === 'load') load = { ...load, ...(raw.load as Record<string, unknown>) }; // its schema has passed
  }
  return steps;
}

function kindOf(
  source: SourceDocument,
  raw: Record<string, unknown>,
  path: readonly PropertyKey[],
  mistakes: Mistake[],
): StepKind | undefined {
  const kinds = Object.keys(stepSchemas).filter((kind): kind is StepKind => kind in raw);
  if (kinds.length === 1) return kinds[0];
  const known = Object.keys(stepSchemas);
  if (kinds.length > 1) {
    mistakes.push({
      ...source.place(path),
      path: path.join('.'),
      message: `expected one of ${known.join(', ')}, got ${kinds.join(' and ')}`,
    });
    return undefined;
  }
  const common = keysAt(stepSchemas.heal, []);
  const unknown = Object.keys(raw).find((key) => !common.includes(key));
  mistakes.push(
    unknown === undefined
      ? { ...source.place(path), path: path.join('.'), message: `expected a step with one of ${known.join(', ')}` }
      : unknownKey(source, path, unknown, known),
  );
  return undefined;
}

class StepReader {
  readonly source: SourceDocument;
  readonly path: readonly PropertyKey[];
  readonly #mistakes: Mistake[];

  constructor(source: SourceDocument, path: readonly PropertyKey[], mistakes: Mistake[]) {
    this.source = source;
    this.path = path;
    this.#mistakes = mistakes;
  }

  parse<T>(schema: z.ZodType<T>, value: unknown, under: readonly PropertyKey[] = []): T | undefined {
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    this.#mistakes.push(...explain(this.source, schema, result.error.issues, [...this.path, ...under]));
    return undefined;
  }

  add(mistake: Mistake): undefined {
    this.#mistakes.push(mistake);
    return undefined;
  }

  say(key: string, message: string): undefined {
    const path = [...this.path, key];
    return this.add({ ...this.source.place(path), path: path.join('.'), message });
  }
}

interface StepContext {
  readonly stand: Stand;
  readonly faults: ReadonlyMap<string, FaultDefinition>;
  /** The load so far; undefined if it is wrong already. */
  readonly load: Record<string, unknown> | undefined;
}

function readStep(
  reader: StepReader,
  kind: StepKind,
  raw: Record<string, unknown>,
  index: number,
  context: StepContext,
): Step | undefined {
  switch (kind) {
    case 'fault':
      return readFault(reader, raw, index, context.faults);
    case 'operator': {
      const parsed = reader.parse(stepSchemas.operator, raw);
      if (parsed === undefined) return undefined;
      const timing = timingOf(reader, raw, parsed, index);
      const commands = readCommands(reader, parsed.operator);
      if (timing === undefined || commands === undefined) return undefined;
      return {
        ...timing,
        kind,
        commands,
        ...(parsed.on === undefined ? {} : { on: parsed.on }),
        ...(parsed.answer === undefined ? {} : { answer: parsed.answer }),
      };
    }
    case 'load': {
      const parsed = reader.parse(stepSchemas.load, raw);
      const timing = parsed && timingOf(reader, raw, parsed, index);
      if (parsed === undefined || timing === undefined || context.load === undefined) return undefined;
      const load = reader.parse(context.stand.loadSchema, { ...context.load, ...parsed.load }, ['load']);
      return load === undefined ? undefined : { ...timing, kind, load, text: JSON.stringify(parsed.load) };
    }
    case 'heal': {
      const parsed = reader.parse(stepSchemas.heal, raw);
      const timing = parsed && timingOf(reader, raw, parsed, index);
      if (parsed === undefined || timing === undefined) return undefined;
      return { ...timing, kind, steps: [parsed.heal].flat() };
    }
    case 'expect': {
      const parsed = reader.parse(stepSchemas.expect, raw);
      const timing = parsed && timingOf(reader, raw, parsed, index);
      if (parsed === undefined || timing === undefined) return undefined;
      return { ...timing, kind, expressions: [parsed.expect].flat() };
    }
  }
}

const faultStepKeys = Object.keys(stepSchemas.fault.shape);

function readFault(
  reader: StepReader,
  raw: Record<string, unknown>,
  index: number,
  faults: ReadonlyMap<string, FaultDefinition>,
): Step | undefined {
  const parsed = reader.parse(stepSchemas.fault, raw);
  const timing = parsed && timingOf(reader, raw, parsed, index);
  if (parsed === undefined || timing === undefined) return undefined;
  const definition = faults.get(parsed.fault);
  if (definition === undefined) {
    return reader.add(
      unknownWord(reader.source, [...reader.path, 'fault'], 'a fault', parsed.fault, [...faults.keys()]),
    );
  }
  const beside = Object.fromEntries(Object.entries(raw).filter(([key]) => !faultStepKeys.includes(key)));
  const twice = Object.keys(beside).find((key) => parsed.with !== undefined && key in parsed.with);
  if (twice !== undefined)
    return reader.say(twice, `${twice} stands beside the step's keys and under with: expected it once`);
  // A mistyped key of the step itself would otherwise be called an unknown parameter.
  const known = [...keysAt(definition.schema, []), ...faultStepKeys];
  const unknown = Object.keys(beside).find((key) => !known.includes(key));
  if (unknown !== undefined) return reader.add(unknownKey(reader.source, reader.path, unknown, known));
  const under = parsed.with === undefined ? [] : ['with'];
  const parameters = reader.parse(definition.schema, { ...beside, ...parsed.with }, under);
  if (parameters === undefined) return undefined;
  return {
    ...timing,
    kind: 'fault',
    definition,
    parameters,
    ...(parsed.nodes === undefined ? {} : { nodes: parsed.nodes }),
    ...(parsed.duration === undefined ? {} : { durationMs: parsed.duration }),
  };
}

function readCommands(reader: StepReader, operator: string | readonly string[]): Command[] | undefined {
  const commands: Command[] = [];
  for (const text of typeof operator === 'string' ? [operator] : operator) {
    const command = parseCommand(text);
    if (typeof command === 'string') return reader.say('operator', command);
    commands.push(command);
  }
  return commands;
}

type ParsedTiming = Pick<z.output<typeof stepSchemas.heal>, 'id' | 'at' | 'when' | 'after' | 'delay' | 'within'>;

function timingOf(reader: StepReader, raw: Record<string, unknown>, parsed: ParsedTiming, index: number) {
  if (parsed.at === undefined && parsed.when === undefined && parsed.after === undefined) {
    const path = reader.path;
    return reader.add({
      ...reader.source.place(path),
      path: path.join('.'),
      message: 'expected at, when or after: it says when the step happens',
    });
  }
  if (parsed.at !== undefined && (parsed.when !== undefined || parsed.after !== undefined)) {
    return reader.say('at', 'expected at alone, or when and after: a step has one trigger');
  }
  if (parsed.at !== undefined && parsed.delay !== undefined) {
    return reader.say('delay', "expected delay only beside when or after; a fault's own delay goes under with");
  }
  if (parsed.within !== undefined && parsed.when === undefined) {
    return reader.say('within', 'expected within only beside when: it bounds the wait for it');
  }
  const { line, column } = reader.source.place(reader.path);
  const place = line === undefined ? reader.source.file : `${reader.source.file}:${line}:${column ?? 1}`;
  return {
    index,
    place: `${place}: ${reader.path.join('.')}`,
    id: parsed.id ?? `step-${index + 1}`,
    ...(parsed.at === undefined ? {} : { atMs: parsed.at }),
    ...(parsed.when === undefined ? {} : { when: parsed.when, whenText: String(raw.when) }),
    ...(parsed.after === undefined ? {} : { after: parsed.after }),
    delayMs: parsed.delay ?? 0,
    ...(parsed.within === undefined ? {} : { withinMs: parsed.within }),
  };
}
