import type { Ending } from '../../../checkers/streambus/decisions.ts';
import type { TransactionEntry } from '../../../engines/streambus/txn/state.ts';
import { isControl, readBatchHeader } from '../../../wire/kafka/recordBatch.ts';
import { readMarker } from '../../../wire/kafka/records.ts';

const batchHeaderBytes = 61;
/** How the entry of a transaction's next state begins; no entry of another machine does. */
const putPrefix = new TextEncoder().encode('{"kind":"put","record":');
const decoder = new TextDecoder();

/** The decision that an entry of a coordinator's shard holds; undefined: none. */
export function decisionOf(data: Uint8Array): Ending | undefined {
  if (data.length < putPrefix.length || putPrefix.some((byte, at) => data[at] !== byte)) return undefined;
  const entry = JSON.parse(decoder.decode(data)) as TransactionEntry; // nothing else begins like this
  if (entry.kind !== 'put') return undefined;
  const { state, producerId, producerEpoch } = entry.record;
  if (state !== 'PrepareCommit' && state !== 'PrepareAbort') return undefined;
  return { producerId, producerEpoch, commit: state === 'PrepareCommit' };
}

/** The marker that an entry of a partition holds; undefined: none. */
export function markerOf(data: Uint8Array): Ending | undefined {
  if (data.length < batchHeaderBytes || data[0] !== 0) return undefined;
  const header = readBatchHeader(data);
  if (!isControl(header)) return undefined;
  const marker = readMarker(data, header);
  if (marker === undefined) return undefined;
  return { producerId: header.producerId, producerEpoch: header.producerEpoch, commit: marker.commit };
}
