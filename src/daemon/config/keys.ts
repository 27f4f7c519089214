import { type ZodType, z } from 'zod';

/** A JSON schema, as far as it is looked at here. */
interface SchemaNode {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly anyOf?: readonly SchemaNode[];
  readonly oneOf?: readonly SchemaNode[];
  readonly allOf?: readonly SchemaNode[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
}

/** What a configuration's schema says of its keys. */
export interface ConfigKeys {
  /** Paths of all keys that hold values, sections left out, in the schema's order. */
  readonly leaves: readonly (readonly string[])[];
  /** Names that a section may have; the top level for an empty path. */
  namesUnder(section: readonly string[]): readonly string[];
  /** Types that a key may have, as JSON schema names them; empty if the schema does not say. */
  typesOf(path: readonly string[]): ReadonlySet<string>;
}

/** Reads the keys of a zod schema from the JSON schema of its input. */
export function keysOf(schema: ZodType): ConfigKeys {
  // What has no JSON form (a transform, a refinement) becomes {}: any type, which is what it is before it is parsed.
  const root = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'inline' }) as SchemaNode; // the shape that zod documents

  const find = (path: readonly string[]): SchemaNode[] => {
    let nodes: SchemaNode[] = expand(root);
    for (const name of path) {
      nodes = nodes.flatMap((node) => {
        const child = node.properties?.[name];
        return child === undefined ? [] : expand(child);
      });
    }
    return nodes;
  };

  return {
    leaves: leavesOf(root, []),
    namesUnder: (section) => find(section).flatMap((node) => Object.keys(node.properties ?? {})),
    typesOf: (path) => new Set(find(path).flatMap(typesOfNode)),
  };
}

/** The node and the branches of its unions. */
function expand(node: SchemaNode): SchemaNode[] {
  const branches = [...(node.anyOf ?? []), ...(node.oneOf ?? []), ...(node.allOf ?? [])];
  return branches.length === 0 ? [node] : [node, ...branches.flatMap(expand)];
}

function leavesOf(node: SchemaNode, path: readonly string[]): (readonly string[])[] {
  const properties = expand(node).flatMap((branch) => Object.entries(branch.properties ?? {}));
  if (properties.length === 0) return path.length === 0 ? [] : [path];
  return properties.flatMap(([name, child]) => leavesOf(child, [...path, name]));
}

function typesOfNode(node: SchemaNode): string[] {
  if (node.enum !== undefined) return node.enum.map((value) => (value === null ? 'null' : typeof value));
  if (node.const !== undefined) return [node.const === null ? 'null' : typeof node.const];
  if (node.type === undefined) return [];
  return typeof node.type === 'string' ? [node.type] : [...node.type];
}
