import type { Device } from '../../../sim/disk/device.ts';
import type { DiskEvent } from '../../../sim/disk/events.ts';
import { dataDirectory } from './devices.ts';
import { type JournalRecord, journalRecords } from './journalBytes.ts';

const journalDirectory = `${dataDirectory}/raft-state/journal/`;

/** Who is told of what reaches the medium of a broker's disk. */
export interface MediaWatch {
  /** These records of the journal are durable, in this order; `file`: the number of the file that they are in. */
  readonly durable: (records: readonly JournalRecord[], file: number) => void;
  /** The process has removed a file of the journal: what it carried over is in later ones, or another journal begins. */
  readonly removed: (file: number) => void;
  /** Nothing of what was there can be relied on. */
  readonly lost: (why: string) => void;
}

/**
 * Watches a disk for durable writes to the journal. What a durable write brings is noted when it begins and counts when the device has
 * reported it done; a plain write counts with the sync that covers it.
 */
export function watchMedia(device: Device, watch: MediaWatch): void {
  const underWay = new Map<number, readonly JournalRecord[]>();
  /** Written and not yet synced, by file. */
  const cached = new Map<number, JournalRecord[]>();
  const covered = new Map<number, { readonly file: number; readonly count: number }>();

  function cache(file: number, records: readonly JournalRecord[]): void {
    if (records.length === 0) return;
    const known = cached.get(file);
    if (known === undefined) cached.set(file, [...records]);
    else known.push(...records);
  }

  function take(event: DiskEvent): void {
    switch (event.kind) {
      case 'durable-write-begin': {
        if (!event.path.startsWith(journalDirectory)) return;
        const records = journalRecords(event.data ?? []);
        if (records.length > 0) underWay.set(event.operation, records);
        return;
      }
      case 'durable-write-complete': {
        const records = underWay.get(event.operation);
        if (records === undefined) return;
        underWay.delete(event.operation);
        watch.durable(records, event.file);
        return;
      }
      case 'durable-write-fail':
        // Its bytes may be in the page cache, where a later sync finds them.
        cache(event.file, underWay.get(event.operation) ?? []);
        underWay.delete(event.operation);
        return;
      case 'write': {
        // A durable write: it says itself what becomes of it.
        if (underWay.has(event.operation) || !event.path.startsWith(journalDirectory)) return;
        cache(event.file, journalRecords(event.data ?? []));
        return;
      }
      case 'sync-begin': {
        const count = cached.get(event.file)?.length ?? 0;
        if (count > 0) covered.set(event.operation, { file: event.file, count });
        return;
      }
      case 'sync-complete': {
        const cover = covered.get(event.operation);
        covered.delete(event.operation);
        const records = cover === undefined ? undefined : cached.get(cover.file)?.splice(0, cover.count);
        if (records !== undefined && records.length > 0) watch.durable(records, event.file);
        return;
      }
      case 'remove':
        if (!event.path.startsWith(journalDirectory)) return;
        cached.delete(event.file);
        watch.removed(event.file);
        return;
      case 'power-loss':
        underWay.clear();
        cached.clear();
        covered.clear();
        return;
      case 'wipe':
        underWay.clear();
        cached.clear();
        covered.clear();
        watch.lost('wiped');
    }
  }
  device.observe(take);
}
