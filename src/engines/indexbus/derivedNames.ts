/** What the names of the regions end in that a segment has beside its own: no segment of its own may have such a name. */
export const derivedEnds = {
  /** The next generation, until it has the segment's name. */
  building: '.building',
  /** The generation before, until nobody is left there. */
  former: '.former',
  /** What the locks of the name are taken over: there before the segment, and after it. */
  locks: '.locks',
} as const;

/** Whether another segment may have a region of this name. Numbers of generations stand behind the whole name, and in names of files alone: `campus.7` is free. */
export function isDerivedName(name: string): boolean {
  return Object.values(derivedEnds).some((end) => name.endsWith(end));
}
