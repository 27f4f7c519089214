/** Pairs of equal entries that are looked at; beyond, only what stands once in both lists counts. */
const pairsMax = 1_000_000;

/**
 * Indexes of a longest common subsequence of two lists of texts, ascending: Hunt and Szymanski, "A fast algorithm for computing longest
 * common subsequences" (1977). With more equal pairs than a million, entries that a list has twice are left out, and it may be shorter.
 */
export function commonSequence(left: readonly string[], right: readonly string[]): [left: number, right: number][] {
  const [inLeft, inRight] = [placesOf(left), placesOf(right)];
  let pairs = 0;
  for (const [text, places] of inLeft) pairs += places.length * (inRight.get(text)?.length ?? 0);
  const isAllowed = (text: string) =>
    pairs <= pairsMax || (inLeft.get(text)?.length === 1 && inRight.get(text)?.length === 1);
  /** For each length the chain that ends earliest on the right. */
  const ends: Link[] = [];
  for (const [index, text] of left.entries()) {
    const places = isAllowed(text) ? (inRight.get(text) ?? []) : [];
    // From behind, so that one entry of the left does not follow itself.
    for (const place of places.toReversed()) {
      const length = firstNotBelow(ends, place);
      ends[length] = { left: index, right: place, before: ends[length - 1] };
    }
  }
  const chain: [number, number][] = [];
  for (let link = ends.at(-1); link !== undefined; link = link.before) chain.push([link.left, link.right]);
  return chain.reverse();
}

interface Link {
  readonly left: number;
  readonly right: number;
  readonly before: Link | undefined;
}

function placesOf(texts: readonly string[]): Map<string, number[]> {
  const places = new Map<string, number[]>();
  for (const [index, text] of texts.entries()) {
    const own = places.get(text);
    if (own === undefined) places.set(text, [index]);
    else own.push(index);
  }
  return places;
}

/** Index of the first chain that ends at this place or behind it. */
function firstNotBelow(ends: readonly Link[], place: number): number {
  let [low, high] = [0, ends.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ends[middle]?.right ?? 0) >= place) high = middle;
    else low = middle + 1;
  }
  return low;
}
