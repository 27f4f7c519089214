import type { RandomStream } from '../host/random.ts';
import type { NodeSpec } from './scenario.ts';

/** The words of a node spec (Jepsen's), beside the names of nodes. */
export const nodeWords = ['one', 'minority', 'minority-third', 'majority', 'primary', 'rest', 'all', 'random'] as const;

export interface NodeSpecContext {
  readonly nodes: readonly string[];
  readonly primary: () => string | undefined;
  readonly random: RandomStream;
}

/**
 * Why a spec cannot name nodes of this cluster; undefined if it can. Client machines may be named too.
 *
 * @param others names of further machines that the stand makes
 */
export function unknownNode(spec: NodeSpec, nodes: readonly string[], others?: RegExp): string | undefined {
  const known = (word: string) =>
    nodes.includes(word) ||
    nodeWords.some((each) => each === word) ||
    /^client-\d+$/.test(word) ||
    others?.test(word) === true;
  return (typeof spec === 'string' ? [spec] : spec).find((word) => !known(word));
}

/**
 * The nodes that a spec means now. `one` is any node; `minority` ⌊(n−1)/2⌋ of them, `minority-third` ⌊(n−1)/3⌋, at least
 * one each; `majority` ⌊n/2⌋+1; `random` a non-empty subset; `primary` the engine's primary, any node if it has none.
 * Those that draw take their nodes from `random`.
 */
export function resolveNodes(spec: NodeSpec, context: NodeSpecContext): string[] {
  if (typeof spec !== 'string') return [...new Set(spec.flatMap((each) => resolveNodes(each, context)))];
  const { nodes, random } = context;
  const count = nodes.length;
  const some = (size: number) => {
    const drawn = new Set(random.shuffle(nodes).slice(0, Math.max(1, size)));
    return nodes.filter((node) => drawn.has(node));
  };
  switch (spec) {
    case 'all':
      return [...nodes];
    case 'one':
      return some(1);
    case 'minority':
      return some(Math.floor((count - 1) / 2));
    case 'minority-third':
      return some(Math.floor((count - 1) / 3));
    case 'majority':
      return some(Math.floor(count / 2) + 1);
    case 'random':
      return some(random.integer(1, count));
    case 'primary': {
      const primary = context.primary();
      return primary === undefined ? some(1) : [primary];
    }
    case 'rest': {
      const primary = context.primary();
      return nodes.filter((node) => node !== primary);
    }
    default:
      return [spec];
  }
}
