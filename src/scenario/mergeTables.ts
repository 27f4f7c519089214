type Table = Readonly<Record<string, unknown>>;

/** One document over another: tables are merged, everything else is replaced. */
export function mergeTables(base: Table, over: Table): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key];
    merged[key] = isTable(below) && isTable(value) ? mergeTables(below, value) : structuredClone(value);
  }
  return merged;
}

/** A value with keys of its own: neither a list nor nothing. */
export function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
