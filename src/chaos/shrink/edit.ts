/** Changes of plain data, each a new value: what was there stays as it is. */

export type Plain = Readonly<Record<string, unknown>>;
export type Path = readonly (string | number)[];

/** Whether a value is a map with keys, not a list. */
export function isMap(value: unknown): value is Plain {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value at a path; undefined where there is none. */
export function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Readonly<Record<string | number, unknown>>)[key]; // a map or a list: both are read by key
  }
  return value;
}

/** The same with another value at a path, all of whose parents are there. */
export function withValue<T>(root: T, path: Path, value: unknown): T {
  const [key, ...rest] = path;
  if (key === undefined) return value as T; // the root itself is replaced
  const copy: unknown = Array.isArray(root) ? [...root] : { ...root };
  const slots = copy as Record<string | number, unknown>; // a map or a list, as above
  slots[key] = withValue(slots[key], rest, value);
  return copy as T; // the same kind of thing
}

/** The same without the key at a path; maps that are empty by it go too, up to the first part of the path. */
export function withoutValue<T>(root: T, path: Path): T {
  const [key, ...rest] = path;
  if (key === undefined || !isMap(root)) return root;
  const { [key]: inner, ...others } = root;
  const kept = rest.length === 0 ? undefined : withoutValue(inner, rest);
  const gone = kept === undefined || (isMap(kept) && Object.keys(kept).length === 0);
  // The order of the keys is kept: the text of a document is what runs are remembered by.
  const entries = Object.entries(root).flatMap(([name, value]) =>
    name !== String(key) ? [[name, value]] : gone ? [] : [[name, kept]],
  );
  return (gone && Object.keys(others).length === 0 ? {} : Object.fromEntries(entries)) as T; // the same with a key less
}

/** Paths of everything below `path` that is no map. */
export function leavesBelow(root: unknown, path: Path = []): Path[] {
  const value = valueAt(root, path);
  if (value === undefined) return [];
  if (!isMap(value)) return [path];
  return Object.keys(value).flatMap((key) => leavesBelow(root, [...path, key]));
}
