import { ddmin } from './ddmin.ts';
import { isMap, type Path, valueAt, withoutValue, withValue } from './edit.ts';
import type { Search } from './search.ts';

/**
 * Fewer demands: of a file that people wrote, the expectations that this failure is not about. What a process may do (its
 * exits) is no demand that could go: without it more would be violated, not less.
 */
export async function shrinkDemands(search: Search): Promise<void> {
  if (search.isCompleted) return;
  await search.attempt(withoutValue(search.document, ['steadyState']));
  await search.attempt(withoutValue(search.document, ['expect', 'operations']));
  for (const list of ['alerts', 'metrics', 'logs']) {
    const path: Path = ['expect', list];
    const entries = valueAt(search.document, path);
    if (!Array.isArray(entries)) continue;
    await ddmin(entries, (kept) => {
      const expect = isMap(search.document.expect) ? search.document.expect : {};
      return search.attempt(
        kept.length === 0
          ? withoutValue({ ...search.document, expect }, path)
          : withValue({ ...search.document, expect }, path, kept),
      );
    });
  }
}
