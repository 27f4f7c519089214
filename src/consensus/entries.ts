import type { Entry } from './types.ts';

/** Size of an entry as it is stored or sent. */
export type EntrySize = (entry: Entry) => number;

export function totalBytes(entries: readonly Entry[], entryBytes: EntrySize): number {
  let bytes = 0;
  for (const entry of entries) bytes += entryBytes(entry);
  return bytes;
}

/** Bytes of data alone: what a group has appended and not yet committed is counted so. */
export function payloadBytes(entries: readonly { readonly data: Uint8Array }[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entry.data.length;
  return bytes;
}

/** The longest prefix within `maxBytes`, but one entry at least. */
export function limitBytes(entries: readonly Entry[], maxBytes: number, entryBytes: EntrySize): readonly Entry[] {
  if (maxBytes === Number.POSITIVE_INFINITY || entries.length < 2) return entries;
  let bytes = 0;
  for (const [at, entry] of entries.entries()) {
    bytes += entryBytes(entry);
    if (at > 0 && bytes > maxBytes) return entries.slice(0, at);
  }
  return entries;
}
