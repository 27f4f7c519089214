/** The value at an index that is known to be there; throws where that turns out wrong. */
export function at<T>(list: { readonly [index: number]: T; readonly length: number }, index: number): T {
  const value = list[index];
  if (value === undefined) throw new Error(`index ${index} is outside 0..${list.length - 1}`);
  return value;
}
