/**
 * Delta debugging: from a list that makes a test fail, a part that still does and from which no single element can be left
 * out (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002). Chunks first, then their
 * complements, then finer chunks.
 *
 * @param fails whether the run with these elements alone fails in the same way; false too when there is no budget left
 */
export async function ddmin<T>(
  all: readonly T[],
  fails: (kept: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  if (all.length === 0 || (await fails([]))) return [];
  let kept = all;
  let chunks = 2;
  while (kept.length >= 2) {
    const parts = split(kept, chunks);
    const part = await first(parts, fails);
    if (part !== undefined) {
      kept = part;
      chunks = 2;
      continue;
    }
    // With two chunks, the complements are the chunks themselves.
    const complements = chunks === 2 ? [] : parts.map((_, index) => parts.toSpliced(index, 1).flat());
    const complement = await first(complements, fails);
    if (complement !== undefined) {
      kept = complement;
      chunks = Math.max(chunks - 1, 2);
      continue;
    }
    if (chunks >= kept.length) break;
    chunks = Math.min(chunks * 2, kept.length);
  }
  return kept;
}

async function first<T>(
  candidates: readonly (readonly T[])[],
  fails: (kept: readonly T[]) => Promise<boolean>,
): Promise<readonly T[] | undefined> {
  for (const candidate of candidates) if (await fails(candidate)) return candidate;
  return undefined;
}

/** Cuts into `count` parts of nearly the same length. */
function split<T>(list: readonly T[], count: number): T[][] {
  return Array.from({ length: count }, (_, index) =>
    list.slice(Math.floor((list.length * index) / count), Math.floor((list.length * (index + 1)) / count)),
  );
}
