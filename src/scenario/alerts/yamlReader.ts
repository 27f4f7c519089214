import { isMap, isNode, isScalar, isSeq, LineCounter, type Node, parseDocument, type YAMLMap } from 'yaml';
import { RuleFileError } from './ruleFileError.ts';

/** A value of a YAML file that knows where it stands. */
export interface Located<T> {
  readonly value: T;
  readonly node: Node;
}

/** Reads a YAML file piece by piece; what is not as expected throws `RuleFileError` with its line. */
export interface YamlReader {
  readonly root: Node | null;
  fail(node: Node | null, message: string, cause?: unknown): RuleFileError;
  /** The node as a mapping with no keys but these. */
  mapping(node: Node | null, what: string, keys: readonly string[]): YAMLMap;
  child(map: YAMLMap, key: string): Node | null;
  sequence(node: Node | null, what: string): readonly Node[];
  text(node: Node | null, what: string): Located<string>;
  /** A mapping of texts; none is an empty one. */
  texts(node: Node | null, what: string): Readonly<Record<string, Located<string>>>;
}

/** Parses the YAML of `text`; `file` is how errors name it. Throws `RuleFileError` if it is not YAML. */
export function readYaml(text: string, file: string): YamlReader {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const failAt = (offset: number, message: string, cause?: unknown) => {
    const { line, col } = lines.linePos(offset);
    return new RuleFileError(file, Math.max(line, 1), Math.max(col, 1), message, { cause });
  };
  const fail = (node: Node | null, message: string, cause?: unknown) => failAt(node?.range?.[0] ?? 0, message, cause);
  const [broken] = document.errors;
  if (broken) throw failAt(broken.pos[0], broken.message.split('\n')[0] ?? broken.message, broken);

  const reader: YamlReader = {
    root: document.contents,
    fail,
    mapping(node, what, keys) {
      if (!isMap(node)) throw fail(node, `${what} must be a mapping with the keys ${keys.join(', ')}`);
      for (const { key } of node.items) {
        const name = isScalar(key) ? String(key.value) : '';
        if (!keys.includes(name)) {
          throw fail(isNode(key) ? key : node, `unknown key \`${name}\` in ${what}; it may have ${keys.join(', ')}`);
        }
      }
      return node;
    },
    child(map, key) {
      const value = map.get(key, true);
      return isNode(value) ? value : null;
    },
    sequence(node, what) {
      if (!isSeq(node)) throw fail(node, `${what} must be a list`);
      return node.items.map((item) => {
        if (!isNode(item)) throw fail(node, `${what} has an empty item`);
        return item;
      });
    },
    text(node, what) {
      const value = isScalar(node) ? node.value : undefined;
      if (!node || (typeof value !== 'string' && typeof value !== 'number')) throw fail(node, `${what} must be a text`);
      return { value: String(value), node };
    },
    texts(node, what) {
      if (!node) return {};
      if (!isMap(node)) throw fail(node, `${what} must be a mapping of names to texts`);
      const texts: Record<string, Located<string>> = {};
      for (const { key } of node.items) {
        const name = isScalar(key) ? String(key.value) : '';
        texts[name] = reader.text(reader.child(node, name), `${what}.${name}`);
      }
      return texts;
    },
  };
  return reader;
}
