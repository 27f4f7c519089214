import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, type Node, parse, parseDocument } from 'yaml';
import { nearestWord } from '../host/nearest.ts';
import { ScenarioError } from './mistakes.ts';

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
  const isBroken = document.errors.length > 0;
  // Of a program or an archive the parser complains in words that help nobody.
  if (isBroken && isText(text)) {
    // What follows the first is mostly the parser's trouble with what the first left open.
    const [first] = document.errors;
    const { line, col } = lines.linePos(first?.pos[0] ?? 0);
    const message = `not YAML: ${first?.message}; what comes after it has not been read`;
    throw new ScenarioError(file, [{ line, column: col, path: '', message }]);
  }
  if (isBroken || !isMap(document.contents)) {
    const message = `expected a map with the keys of a scenario (title, engine, seed, …), got ${kindOf(text, document)}`;
    throw new ScenarioError(file, [{ line: 1, column: 1, path: '', message }]);
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

/** U+FFFD stands for bytes that are no UTF-8. */
function isText(text: string): boolean {
  return !/[\0\uFFFD]/.test(text);
}

function kindOf(text: string, { contents }: Document): string {
  if (text.trim() === '') return 'an empty file';
  if (!isText(text)) return 'bytes that are no text';
  if (contents === null || (isScalar(contents) && contents.value === null)) return 'nothing but comments';
  if (isSeq(contents)) return `a list of ${contents.items.length}`;
  const shown = JSON.stringify(String(contents).trim());
  return shown.length > 60 ? `the text ${shown.slice(0, 59)}…` : `the text ${shown}`;
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
  const refuse = (why: string): never => {
    throw new ScenarioError(file, [{ path, message: `--set ${path}=${value}: ${why}` }]);
  };
  const parts: (string | number)[] = [];
  for (const part of path.split('.')) {
    const ofStep = parts.length === 1 && parts[0] === 'timeline';
    parts.push(ofStep ? stepIndex(document, part, refuse) : /^\d+$/.test(part) ? Number(part) : part);
  }
  try {
    document.setIn(parts, document.createNode(parse(value)));
  } catch (error) {
    refuse(error instanceof Error ? error.message : String(error));
  }
}

/** Position of a step by its id or its number, from 0. */
function stepIndex(document: Document, word: string, refuse: (why: string) => never): number {
  const timeline: unknown = document.toJS().timeline;
  const steps = Array.isArray(timeline) ? timeline : [];
  const ids = steps.map((step: { readonly id?: unknown } | null) => String(step?.id ?? ''));
  const index = ids.indexOf(word);
  if (index >= 0) return index;
  if (/^\d+$/.test(word)) {
    if (Number(word) < steps.length) return Number(word);
    return refuse(`expected a step from 0 to ${steps.length - 1}, got ${word}`);
  }
  const named = ids.filter((id) => id !== '');
  const nearest = nearestWord(word, named);
  const hint =
    nearest === undefined ? `; there are ${named.join(', ') || 'none with an id'}` : `; did you mean ${nearest}?`;
  return refuse(`expected the id of a step or its number, got ${word}${hint}`);
}
