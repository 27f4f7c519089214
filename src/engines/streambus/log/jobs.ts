import { createHash } from 'node:crypto';
import { lastOffsetOf } from './batchView.ts';
import type { PartitionCore } from './core.ts';
import type { PartitionDamage } from './damage.ts';
import type { Partition } from './partition.ts';
import { repairPartition } from './repair.ts';
import { type ScanReport, scanPartition } from './scan.ts';
import { type IndexEntry, indexIntervalBytes } from './segmentIndex.ts';

/** Reads and checks every batch of a partition on this broker; what is bad is shut off, and repaired from the others at once. */
export async function scrubPartition(partition: Partition, signal: AbortSignal): Promise<ScanReport> {
  const report = await scanPartition(partition.core, () => undefined, signal);
  if (partition.core.damage.all.length > 0) await repairPartition(partition.core, partition.core.hooks.peers());
  return report;
}

/**
 * Reads segments of which something is shut off, the rest of them too: damage is rarely alone, and a repair writes whole sectors, which
 * would make last what nobody knows of in them.
 */
export function searchSegments(
  partition: Partition,
  bases: ReadonlySet<number>,
  signal: AbortSignal,
): Promise<ScanReport> {
  return scanPartition(
    partition.core,
    () => undefined,
    signal,
    (segment) => bases.has(segment.base),
  );
}

/** Makes the indexes of a partition's segments anew from the segments. Gives how many entries they have. */
export async function rebuildIndexes(partition: Partition, signal: AbortSignal): Promise<number> {
  const { core } = partition;
  await core.writer.flush(signal);
  const bySegment = new Map<number, IndexEntry[]>();
  await scanPartition(
    core,
    (_batch, header, { base, position, maxTimestampBefore }) => {
      const entries = bySegment.get(base) ?? [];
      bySegment.set(base, entries);
      if (position - (entries.at(-1)?.position ?? 0) >= indexIntervalBytes) {
        entries.push({ offset: header.baseOffset, position, maxTimestampBefore });
      }
    },
    signal,
  );
  return core.work.during(() => putIndexes(core, bySegment));
}

async function putIndexes(core: PartitionCore, bySegment: ReadonlyMap<number, readonly IndexEntry[]>): Promise<number> {
  let total = 0;
  for (const [base, entries] of bySegment) {
    if (!core.state.segments.all.some((segment) => segment.base === base)) continue;
    await core.writer.index(base).rebuild(entries);
    total += entries.length;
  }
  return total;
}

/** What a replica's log holds between two offsets: equal on all replicas that have it. */
export interface PartitionDigest {
  readonly firstOffset: number;
  /** After the last record that was looked at. */
  readonly endOffset: number;
  readonly batches: number;
  readonly bytes: number;
  /** SHA-256 of all batches that end in [firstOffset, endOffset), hex. */
  readonly sha256: string;
  readonly damage: readonly PartitionDamage[];
}

/**
 * Reads every batch and computes the digest of those that end in [from, to): compared with the other replicas' over the same range it
 * tells whether they hold the same. Defaults: from the log's start to its end at the call.
 */
export async function digestPartition(
  partition: Partition,
  signal: AbortSignal,
  from: number = partition.logStartOffset,
  to: number = partition.core.state.next,
): Promise<PartitionDigest> {
  const hash = createHash('sha256');
  await partition.core.writer.flush(signal);
  let batches = 0;
  let bytes = 0;
  await scanPartition(
    partition.core,
    (batch, header) => {
      const last = lastOffsetOf(header);
      if (last < from || last >= to) return;
      hash.update(batch);
      batches += 1;
      bytes += batch.length;
    },
    signal,
  );
  const damage = partition.damage.filter((range) => range.lastOffset >= from && range.firstOffset < to);
  return { firstOffset: from, endOffset: to, batches, bytes, sha256: hash.digest('hex'), damage };
}
