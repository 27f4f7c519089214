import { nearestWord } from '../../host/nearest.ts';
import type { ConfigKeys } from './keys.ts';
import { ConfigError } from './problems.ts';

/** A key that the environment sets. */
export interface EnvironmentOverride {
  readonly variable: string;
  readonly path: readonly string[];
  readonly value: unknown;
}

/** Names of the environment that set keys: `STEMEDB_WAL_DIR` for `wal.dir`, and the aliases. */
export function environmentNames(
  prefix: string,
  keys: ConfigKeys,
  aliases: Readonly<Record<string, string>> = {},
): Map<string, readonly string[]> {
  const names = new Map<string, readonly string[]>();
  for (const leaf of keys.leaves) names.set(`${prefix}_${leaf.join('_').toUpperCase()}`, leaf);
  for (const [alias, key] of Object.entries(aliases)) names.set(alias, key.split('.'));
  return names;
}

/**
 * Reads the overrides of an environment. Values are read by the type that the key has: `5` is a number for a number's
 * key and a text for a text's. An empty variable counts as not set, as systemd and docker leave them behind.
 *
 * `strangers` are variables with the prefix that set nothing, each with the nearest name: other tools may use the
 * prefix too, so they are worth a warning, not a refusal. Those named in `elsewhere` are not even that.
 *
 * @throws ConfigError when a name and its alias disagree
 */
export function readEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  prefix: string,
  keys: ConfigKeys,
  aliases: Readonly<Record<string, string>> = {},
  elsewhere: readonly string[] = [],
): { readonly overrides: readonly EnvironmentOverride[]; readonly strangers: readonly string[] } {
  const names = environmentNames(prefix, keys, aliases);
  const overrides = new Map<string, EnvironmentOverride>();
  const strangers: string[] = [];
  for (const [variable, text] of Object.entries(environment)) {
    if (text === undefined || text === '') continue;
    const path = names.get(variable);
    if (path === undefined) {
      if (elsewhere.includes(variable)) continue;
      if (variable.startsWith(`${prefix}_`)) strangers.push(stranger(variable, names.keys()));
      continue;
    }
    const value = readValue(text, keys.typesOf(path));
    const key = path.join('.');
    const other = overrides.get(key);
    if (other !== undefined && other.value !== value) {
      throw new ConfigError([
        {
          where: `environment ${variable}`,
          key,
          expected: `the same value as ${other.variable} (${JSON.stringify(other.value)})`,
          got: JSON.stringify(value),
        },
      ]);
    }
    overrides.set(key, { variable, path, value });
  }
  return { overrides: [...overrides.values()], strangers };
}

function stranger(variable: string, names: Iterable<string>): string {
  const nearest = nearestWord(variable, names);
  return `environment variable ${variable} sets nothing${nearest === undefined ? '' : `; did you mean ${nearest}?`}`;
}

function readValue(text: string, types: ReadonlySet<string>): unknown {
  const unknownType = types.size === 0;
  const isNumber = /^[+-]?(\d[\d_]*)(\.\d+)?([eE][+-]?\d+)?$/.test(text);
  if (isNumber && (unknownType || types.has('number') || types.has('integer'))) return Number(text.replaceAll('_', ''));
  if ((text === 'true' || text === 'false') && (unknownType || types.has('boolean'))) return text === 'true';
  if (text === 'null' && types.has('null')) return null;
  if (types.has('array')) return text.split(',').map((part) => part.trim());
  return text;
}
