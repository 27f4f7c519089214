/**
 * The stand's own reader of what a broker writes to its journal, from the format and not from the engine's code: which entries of which
 * groups, and which term and vote, are in a write. Checksums are not looked at: the bytes come from the write itself.
 */
const batchMagic = 0x48464a42;
const batchHeaderBytes = 80;
const recordHeaderBytes = 16;
const alignBytes = 4096;

/** What a record says, without its data. */
export type JournalRecord =
  | {
      readonly kind: 'entries';
      readonly group: number;
      readonly entries: readonly { readonly index: number; readonly term: number }[];
    }
  | { readonly kind: 'hard-state'; readonly group: number; readonly term: number; readonly vote: number }
  | { readonly kind: 'checkpoint'; readonly group: number; readonly index: number; readonly replacesLog: boolean }
  | { readonly kind: 'removed'; readonly group: number };

/** The records of all batches that a write to a log file begins with; empty for any other write. */
export function journalRecords(buffers: readonly Uint8Array[]): JournalRecord[] {
  const first = buffers[0];
  if (first === undefined || first.length < 4 || viewOf(first).getUint32(0) !== batchMagic) return [];
  const bytes = buffers.length === 1 ? first : Buffer.concat(buffers);
  const records: JournalRecord[] = [];
  const view = viewOf(bytes);
  for (let at = 0; at + batchHeaderBytes <= bytes.length && view.getUint32(at) === batchMagic; ) {
    const count = view.getUint32(at + 20, true);
    const bodyBytes = view.getUint32(at + 48, true);
    let position = at + batchHeaderBytes;
    for (let index = 0; index < count; index++) {
      const length = view.getUint32(position, true);
      const stream = view.getUint32(position + 8, true);
      const type = view.getUint8(position + 12);
      const record = readRecord(type, stream, view, position + recordHeaderBytes);
      if (record !== undefined) records.push(record);
      position += recordHeaderBytes + Math.ceil(length / 8) * 8;
    }
    at += Math.ceil((batchHeaderBytes + bodyBytes) / alignBytes) * alignBytes;
  }
  return records;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function uint48(view: DataView, at: number): number {
  return view.getUint16(at) * 2 ** 32 + view.getUint32(at + 2);
}

/** The journal's own records (from type 240 on) say nothing of groups; what is carried forward (5) was told when it came first. */
function readRecord(type: number, group: number, view: DataView, at: number): JournalRecord | undefined {
  switch (type) {
    case 1: {
      const index = uint48(view, at);
      const count = view.getUint32(at + 12);
      const entries = Array.from({ length: count }, (_, offset) => ({
        index: index + offset,
        term: view.getUint32(at + 16 + offset * 9),
      }));
      return { kind: 'entries', group, entries };
    }
    case 2:
      return { kind: 'hard-state', group, term: view.getUint32(at), vote: uint48(view, at + 4) };
    case 3:
      return { kind: 'checkpoint', group, index: uint48(view, at + 5), replacesLog: (view.getUint8(at + 4) & 1) !== 0 };
    case 4:
      return { kind: 'removed', group };
    default:
      return undefined;
  }
}
