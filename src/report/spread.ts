/** At most `max` of the values, in their order, spread evenly over them, the first and the last among them if there is room. */
export function spread<T>(values: readonly T[], max: number): readonly T[] {
  if (max <= 0) return [];
  if (values.length <= max) return values;
  const step = max === 1 ? 0 : (values.length - 1) / (max - 1);
  return Array.from({ length: max }, (_, index) => values[Math.round(index * step)] as T); // the index is within
}
