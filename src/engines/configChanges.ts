/** Dotted names of the keys in which two configurations differ, sorted. A list is one value, a table has keys of its own. */
export function changedKeys(before: object, after: object): string[] {
  const left = flatten(before);
  const right = flatten(after);
  return [...new Set([...left.keys(), ...right.keys()])].filter((key) => left.get(key) !== right.get(key)).sort();
}

/** What becomes of changed keys at a reload: which took effect, and which wait for a restart. */
export function reloadReport(
  changed: readonly string[],
  reloadable: ReadonlySet<string>,
): { readonly applied: string[]; readonly needRestart: string[] } {
  return {
    applied: changed.filter((key) => reloadable.has(key)),
    needRestart: changed.filter((key) => !reloadable.has(key)),
  };
}

function flatten(value: object, prefix = '', into = new Map<string, string>()): Map<string, string> {
  for (const [key, member] of Object.entries(value)) {
    const isTable = typeof member === 'object' && member !== null && !Array.isArray(member);
    if (isTable) flatten(member, `${prefix}${key}.`, into);
    else if (member !== undefined) into.set(`${prefix}${key}`, JSON.stringify(member));
  }
  return into;
}
