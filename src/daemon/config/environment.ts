import { nearestWord } from '../../host/nearest.ts';
import type { ConfigKeys } from './keys.ts';
import { ConfigError } from './problems.ts';

/** A key that the environment sets. */
export interface EnvironmentOverride {
  readonly variable: string;
  readonly path: readonly string[];
  readonly value: unknown;
}

/** A variable with the prefix that sets nothing. */
export interface StrangeVariable {
  readonly variable: string;
  /** The name that was probably meant. */
  readonly nearest: string | undefined;
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
 * prefix too, so by themselves they are worth a warning. Those named in `elsewhere` are not even that, nor are those that
 * Kubernetes sets for a service.
 *
 * @throws ConfigError when a name and its alias disagree
 */
export function readEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  prefix: string,
  keys: ConfigKeys,
  aliases: Readonly<Record<string, string>> = {},
  elsewhere: readonly string[] = [],
): { readonly overrides: readonly EnvironmentOverride[]; readonly strangers: readonly StrangeVariable[] } {
  const names = environmentNames(prefix, keys, aliases);
  const overrides = new Map<string, EnvironmentOverride>();
  const strangers: StrangeVariable[] = [];
  for (const [variable, text] of Object.entries(environment)) {
    if (text === undefined || text === '') continue;
    const path = names.get(variable);
    if (path === undefined) {
      if (elsewhere.includes(variable) || isOfService(variable, text)) continue;
      if (variable.startsWith(`${prefix}_`)) strangers.push({ variable, nearest: nearestWord(variable, names.keys()) });
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

/** The sentence of a warning. */
export function strangerText({ variable, nearest }: StrangeVariable): string {
  return `environment variable ${variable} sets nothing${nearest === undefined ? '' : `; did you mean ${nearest}?`}`;
}

/** Whether it is one of those that Kubernetes gives every container of a namespace for each service in it. */
function isOfService(variable: string, text: string): boolean {
  if (/_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$/.test(variable)) return true;
  return /_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(variable) || /^(tcp|udp|sctp):\/\//.test(text);
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
