/** Digits of an offset in a file's name: names sort as offsets do. */
const nameDigits = 20;

/** Files of a partition's directory that are named by a number: a segment's base offset, or the log index of a state (`producers`). */
export type PartitionFileKind = 'seg' | 'idx' | 'txn' | 'producers';

/** `00000000000000001234.seg` */
export function fileName(offset: number, kind: PartitionFileKind): string {
  return `${String(offset).padStart(nameDigits, '0')}.${kind}`;
}

export function filePath(directory: string, offset: number, kind: PartitionFileKind): string {
  return `${directory}/${fileName(offset, kind)}`;
}

/** The offset and kind of a file's name; undefined for any other name. */
export function parseFileName(name: string): { readonly offset: number; readonly kind: PartitionFileKind } | undefined {
  const match = /^(\d{20})\.(seg|idx|txn|producers)$/.exec(name);
  if (match === null) return undefined;
  // The expression has two groups, the second one of these words.
  return { offset: Number(match[1]), kind: match[2] as PartitionFileKind };
}
