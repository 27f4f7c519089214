import { type Document, isMap, isNode, isScalar, LineCounter, type Node, parse, parseDocument } from 'yaml';
import { type Mistake, ScenarioError } from './mistakes.ts';

/** A YAML file together with the places of its parts. */
export interface SourceDocument {
  readonly file: string;
  /** As it now stands, `--set` included. */
  readonly document: Document;
  /** Where the value at this path stands, or its nearest enclosing value; `key` asks for the key itself. */
  place(path: readonly PropertyKey[], key?: string): { line?: number; column?: number };
}

/** One `--set`: a dotted path and the YAML text of a value. Steps of the timeline go by number or by id. */
export interface Override {
  readonly path: string;
  readonly value: string;
}

/** Reads `path=value`; undefined if it is none. */
export function parseOverride(text: string): Override | undefined {
  const at = text.indexOf('=');
  return at <= 0 ? undefined : { path: text.slice(0, at).trim(), value: text.slice(at + 1) };
}

/** Parses a YAML text and applies the overrides. Throws `ScenarioError` for what is no YAML. */
export function readDocument(file: string, text: string, overrides: readonly Override[]): SourceDocument {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  if (document.errors.length > 0) {
    const mistakes = document.errors.map((error): Mistake => {
      const { line, col } = lines.linePos(error.pos[0]);
      return { line, column: col, path: '', message: `not YAML: ${error.message}` };
    });
    throw new ScenarioError(file, mistakes);
  }
  if (!isMap(document.contents)) {
    throw new ScenarioError(file, [
      { line: 1, column: 1, path: '', message: 'expected a map with the keys of a scenario' },
    ]);
  }
  for (const override of overrides) applyOverride(file, document, override);

  function place(path: readonly PropertyKey[], key?: string): { line?: number; column?: number } {
    const node = key === undefined ? undefined : keyNode(document, path, key);
    for (let depth = path.length; depth >= 0; depth--) {
      const found = node ?? nodeAt(document, path.slice(0, depth));
      const offset = found?.range?.[0];
      if (offset === undefined) continue;
      const { line, col } = lines.linePos(offset);
      return { line, column: col };
    }
    return {};
  }
  return { file, document, place };
}

function nodeAt(document: Document, path: readonly PropertyKey[]): Node | undefined {
  const node: unknown = path.length === 0 ? document.contents : document.getIn(path, true);
  return isNode(node) ? node : undefined;
}

function keyNode(document: Document, path: readonly PropertyKey[], key: string): Node | undefined {
  const map = nodeAt(document, path);
  if (!isMap(map)) return undefined;
  const found = map.items.find((pair) => isScalar(pair.key) && pair.key.value === key)?.key;
  return isNode(found) ? found : undefined;
}

function applyOverride(file: string, document: Document, { path, value }: Override): void {
  const parts: (string | number)[] = [];
  for (const part of path.split('.')) {
    const step = parts.length === 1 && parts[0] === 'timeline' ? stepIndex(document, part) : undefined;
    parts.push(step ?? (/^\d+$/.test(part) ? Number(part) : part));
  }
  try {
    document.setIn(parts, document.createNode(parse(value)));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ScenarioError(file, [{ path, message: `--set ${path}=${value}: ${why}` }]);
  }
}

function stepIndex(document: Document, id: string): number | undefined {
  const steps: unknown = document.toJS().timeline;
  if (!Array.isArray(steps)) return undefined;
  const index = steps.findIndex((step) => step?.id === id);
  return index < 0 ? undefined : index;
}
