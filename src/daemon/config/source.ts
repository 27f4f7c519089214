import { parse as parseToml, TomlError } from 'smol-toml';
import { isMap, LineCounter, parseDocument } from 'yaml';
import { ConfigError } from './problems.ts';

/** A configuration file, parsed but not yet checked. */
export interface ConfigSource {
  readonly value: unknown;
  /** Line (from 1) where a key is set, or the nearest section above it; undefined if neither is in the file. */
  lineOf(path: readonly string[]): number | undefined;
}

/**
 * Parses the text of a configuration file, TOML if `name` ends in `.toml`, YAML if in `.yaml`, `.yml` or `.json`.
 *
 * @throws ConfigError with the line of a mistake in the syntax, or for another ending
 */
export function parseConfigText(name: string, text: string): ConfigSource {
  if (/\.toml$/i.test(name)) return parseTomlText(name, text);
  if (/\.(ya?ml|json)$/i.test(name)) return parseYamlText(name, text);
  const got = /\.[^./]*$/.exec(name)?.[0] ?? 'no ending';
  throw new ConfigError([{ where: name, key: '', expected: 'a file that ends in .yaml, .yml, .json or .toml', got }]);
}

function parseYamlText(name: string, text: string): ConfigSource {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, strict: true });
  const [mistake] = document.errors;
  if (mistake !== undefined) {
    const { line } = lines.linePos(mistake.pos[0]);
    const [sentence = mistake.code] = mistake.message.split('\n');
    throw new ConfigError([{ where: `${name}:${line}`, key: '', expected: 'well-formed YAML', got: sentence }]);
  }
  const lineOf = (path: readonly string[]): number | undefined => {
    for (let depth = path.length; depth > 0; depth--) {
      const parent: unknown = depth === 1 ? document.contents : document.getIn(path.slice(0, depth - 1), true);
      if (!isMap(parent)) continue;
      const pair = parent.items.find((item) => String(item.key) === path[depth - 1]);
      // The parser gives every key node its range: [start, value end, node end].
      const range = (pair?.key as { range?: readonly [number, number, number] } | undefined)?.range;
      if (range !== undefined) return lines.linePos(range[0]).line;
    }
    return undefined;
  };
  return { value: document.toJS() ?? {}, lineOf };
}

function parseTomlText(name: string, text: string): ConfigSource {
  try {
    const value = parseToml(text);
    const index = tomlLines(text);
    return {
      value,
      lineOf: (path) => {
        for (let depth = path.length; depth > 0; depth--) {
          const line = index.get(path.slice(0, depth).join('\0'));
          if (line !== undefined) return line;
        }
        return undefined;
      },
    };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [sentence = 'a mistake'] = error.message.split('\n');
    throw new ConfigError([
      {
        where: `${name}:${error.line}`,
        key: '',
        expected: 'well-formed TOML',
        got: sentence.replace(/^Invalid TOML document: /, ''),
      },
    ]);
  }
}

/**
 * Lines of the keys and table headers of a TOML text. The parser gives no positions, so this reads line by line; inside
 * a multi-line string it may see a key that is none, which only matters if a real key of that name is wrong.
 */
function tomlLines(text: string): Map<string, number> {
  const index = new Map<string, number>();
  let table: readonly string[] = [];
  const note = (path: readonly string[], line: number) => {
    for (let depth = 1; depth <= path.length; depth++) {
      const key = path.slice(0, depth).join('\0');
      if (!index.has(key)) index.set(key, line);
    }
  };
  for (const [number, line] of text.split('\n').entries()) {
    const header = /^\s*\[\[?\s*([^\]]+?)\s*\]\]?/.exec(line)?.[1];
    if (header !== undefined) {
      table = dottedKey(header);
      note(table, number + 1);
      continue;
    }
    const key = /^\s*((?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+))*)\s*=/.exec(
      line,
    )?.[1];
    if (key !== undefined) note([...table, ...dottedKey(key)], number + 1);
  }
  return index;
}

function dottedKey(text: string): string[] {
  return [...text.matchAll(/"([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+)/g)].map((part) => part[1] ?? part[2] ?? part[3] ?? '');
}
