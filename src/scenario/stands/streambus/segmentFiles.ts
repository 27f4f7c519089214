import type { BatchSeen, ReplicaSeen, SegmentSeen } from '../../../checkers/streambus/evidence.ts';
import type { DeviceTable } from '../../../sim/disk/deviceTable.ts';
import { crc32c } from '../../../wire/crc32c.ts';
import { dataDirectory } from './devices.ts';

const headerBytes = 61;
const prefixBytes = 12;
const crcFrom = 21;
const controlBit = 32;
const transactionalBit = 16;

/**
 * The replicas on a machine's disk, as an independent reader finds them: the bytes that a process would read now. `startOf` is where the
 * broker says that its replica begins: files below are no part of it, they go with one of its next checkpoints.
 */
export function replicasOn(
  table: DeviceTable,
  node: string,
  startOf: (key: string) => number | undefined,
): ReplicaSeen[] {
  const segments = new Map<string, SegmentSeen[]>();
  const prefix = `${dataDirectory}/data/`;
  for (const [path, { file }] of table.files()) {
    const match = path.startsWith(prefix)
      ? /^(.+)\/partition-(\d+)\/(\d{20})\.seg$/.exec(path.slice(prefix.length))
      : null;
    if (match === null) continue;
    const key = `${match[1]}/${match[2]}`;
    const list = segments.get(key) ?? [];
    list.push({ baseOffset: Number(match[3]), sealed: true, batches: batchesOf(file.peek()) });
    segments.set(key, list);
  }
  return [...segments].map(([key, list]) => {
    const start = startOf(key);
    const sorted = list
      .filter(({ batches }) => start === undefined || (batches.at(-1)?.lastOffset ?? start) >= start)
      .sort((a, b) => a.baseOffset - b.baseOffset);
    const last = sorted.length - 1;
    return {
      key,
      node,
      start: start ?? sorted[0]?.baseOffset ?? 0,
      segments: sorted.map((segment, index) => ({ ...segment, sealed: index < last })),
    };
  });
}

/** Batches from the beginning of a file; a torn one at the end is no batch yet. */
function batchesOf(bytes: Uint8Array): BatchSeen[] {
  const batches: BatchSeen[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + headerBytes <= bytes.length; ) {
    const length = view.getInt32(at + 8) + prefixBytes;
    if (length < headerBytes || at + length > bytes.length) break;
    const baseOffset = Number(view.getBigInt64(at));
    const attributes = view.getInt16(at + 21);
    batches.push({
      baseOffset,
      lastOffset: baseOffset + view.getInt32(at + 23),
      records: view.getInt32(at + 57),
      leaderEpoch: view.getInt32(at + 12),
      producerId: Number(view.getBigInt64(at + 43)),
      producerEpoch: view.getInt16(at + 51),
      baseSequence: view.getInt32(at + 53),
      isControl: (attributes & controlBit) !== 0,
      isTransactional: (attributes & transactionalBit) !== 0,
      digest: crc32c(bytes.subarray(at, at + length)),
      intact: crc32c(bytes.subarray(at + crcFrom, at + length)) === view.getUint32(at + 17),
    });
    at += length;
  }
  return batches;
}
