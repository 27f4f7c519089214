import { readFileSync } from 'node:fs';
import type { EngineDefinition } from '../../engines/engine.ts';
import { readEnvironment, strangerText } from './environment.ts';
import { keysOf } from './keys.ts';
import { ConfigError, problemsOf } from './problems.ts';
import { type ConfigSource, parseConfigText } from './source.ts';

/** Where a configuration comes from. */
export interface ConfigOrigin {
  /** File in YAML or TOML; without one the defaults and the environment alone. */
  readonly file?: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** What the command line sets, in the shape of the file; it wins over file and environment. */
  readonly overrides?: Readonly<Record<string, unknown>>;
}

/** A configuration that passed its schema. */
export interface LoadedConfig<Config> {
  readonly config: Config;
  /** Sentences for the log: what looks like a mistake but need not be one. */
  readonly warnings: readonly string[];
}

/**
 * Loads and checks the configuration of an engine: file, then environment, then command line.
 *
 * @throws ConfigError with every problem found, each with its place
 */
export function loadConfig<Config>(definition: EngineDefinition<Config>, origin: ConfigOrigin): LoadedConfig<Config> {
  const source = origin.file === undefined ? emptySource : readSource(origin.file);
  const keys = keysOf(definition.configSchema);
  const { overrides, strangers } = readEnvironment(
    origin.environment,
    definition.environmentPrefix,
    keys,
    definition.environmentAliases,
    definition.environmentElsewhere,
  );

  const mistyped = definition.refusesMistypedEnvironment === true ? strangers : [];
  const refused = mistyped.flatMap(({ variable, nearest }) =>
    nearest === undefined
      ? []
      : [{ where: 'environment', key: '', expected: 'the name of a key', got: variable, nearest }],
  );

  const value = structuredClone(source.value);
  const setBy = new Map<string, string>();
  const set = (path: readonly string[], to: unknown, by: string) => {
    if (setIn(value, path, to)) setBy.set(path.join('.'), by);
  };
  for (const override of overrides) set(override.path, override.value, `environment ${override.variable}`);
  for (const [path, to] of leavesOf(origin.overrides ?? {})) set(path, to, 'command line');

  const parsed = definition.configSchema.safeParse(value);
  const hints = Object.entries(definition.environmentHints ?? {}).filter(
    ([name]) => origin.environment[name] !== undefined,
  );
  const warnings = [...strangers.map(strangerText), ...hints.map(([, hint]) => hint)];
  if (parsed.success && refused.length === 0) return { config: parsed.data, warnings };
  const whereIs = (path: readonly string[]): string => {
    const by = setBy.get(path.join('.'));
    if (by !== undefined) return by;
    const file = origin.file ?? 'configuration';
    const line = source.lineOf(path);
    return line === undefined ? file : `${file}:${line}`;
  };
  throw new ConfigError([...refused, ...problemsOf(parsed.error?.issues ?? [], value, keys, whereIs)]);
}

const emptySource: ConfigSource = { value: {}, lineOf: () => undefined };

function readSource(file: string): ConfigSource {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'an error'; // fs throws nothing else
    throw new ConfigError([{ where: file, key: '', expected: 'a readable file', got: code }]);
  }
  return parseConfigText(file, text);
}

function leavesOf(section: object, path: readonly string[] = []): [readonly string[], unknown][] {
  return Object.entries(section).flatMap(([name, value]: [string, unknown]): [readonly string[], unknown][] => {
    const isSection = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isSection ? leavesOf(value, [...path, name]) : [[[...path, name], value]];
  });
}

/** Sets a key inside nested sections; false if something that is no section stands in the way (the schema will say so). */
function setIn(root: unknown, path: readonly string[], to: unknown): boolean {
  let section = root;
  for (const [depth, name] of path.entries()) {
    if (section === null || typeof section !== 'object' || Array.isArray(section)) return false;
    const fields = section as Record<string, unknown>; // a plain object, by the line before
    if (depth === path.length - 1) {
      fields[name] = to;
      return true;
    }
    fields[name] ??= {};
    section = fields[name];
  }
  return false;
}
