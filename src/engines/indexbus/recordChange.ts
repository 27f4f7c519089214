import type { Region } from '../../host/sharedMemory.ts';
import { BusError } from './errors.ts';
import { Header, type Layout, SubscriptionRecord, subscriptionsMax, subscriptionWords } from './layout.ts';
import { Point } from './points.ts';

/*
 * A subscription's record is changed as a whole: its new words are written beside it, into the header's page; one store of `subscriptionChange` names the
 * record, and from then on those are what it says; then they are copied into it, and a last store of `subscriptionChange` says that it speaks for
 * itself again. Whoever dies in between leaves the old one or the new one, and its successor copies once more. This is a redo log with room for
 * one record (Gray and Reuter, Transaction Processing, chapter 10), which readers look into.
 *
 * A reader in another process finds one of the two at any time, also while no router lives: the words that it reads are changed by nobody as
 * long as `subscriptionChange` stays what it was.
 */

const recordBits = 8;
const recordMask = (1 << recordBits) - 1;

/** What a change writes, its epoch last: counters and owners of buckets are for commits. */
const changedWords: readonly number[] = [
  ...from(SubscriptionRecord.mode, SubscriptionRecord.droppedNoCredit),
  ...from(SubscriptionRecord.name, SubscriptionRecord.owners),
  ...from(SubscriptionRecord.patterns, subscriptionWords),
  SubscriptionRecord.epoch,
];

function from(first: number, end: number): number[] {
  return Array.from({ length: end - first }, (_, index) => first + index);
}

/** First word of a record. */
export function recordAt(layout: Layout, record: number): number {
  return layout.subscriptions + record * subscriptionWords;
}

/**
 * Reads a record as it was at one moment. `read` gets the word from which on it stands; it loads atomically, and has to bear what it reads while another
 * process changes it: then it is called again.
 */
export function readRecord<T>(region: Region, layout: Layout, record: number, read: (at: number) => T): T {
  const { words } = region;
  for (;;) {
    const change = Atomics.load(words, Header.subscriptionChange);
    const isChanged = (change & recordMask) === record + 1;
    const found = read(isChanged ? Header.changedSubscription : recordAt(layout, record));
    if (Atomics.load(words, Header.subscriptionChange) === change) return found;
  }
}

/** Makes a record say what `image`, its 256 words, says. For the router; no other change is under way. */
export function changeRecord(region: Region, layout: Layout, record: number, image: Int32Array): void {
  const { words } = region;
  for (const field of changedWords) {
    store(region, Point.writeChange, Header.changedSubscription + field, image[field] ?? 0);
  }
  const count = (Atomics.load(words, Header.subscriptionChange) >>> recordBits) + 1;
  region.step(Point.sealChange);
  Atomics.store(words, Header.subscriptionChange, (count << recordBits) | (record + 1));
  finishChange(region, layout);
}

/** Copies what a change has sealed into its record, if one is under way: its writer's last part, or its successor's first. Throws IB_CORRUPT. */
export function finishChange(region: Region, layout: Layout): boolean {
  const { words } = region;
  const change = Atomics.load(words, Header.subscriptionChange);
  const record = (change & recordMask) - 1;
  if (record < 0) return false;
  if (record >= subscriptionsMax) {
    throw new BusError('IB_CORRUPT', 'the change of a subscription is damaged', {
      expected: `a record below ${subscriptionsMax}`,
      got: String(record),
    });
  }
  const at = recordAt(layout, record);
  for (const field of changedWords) {
    store(region, Point.applyChange, at + field, Atomics.load(words, Header.changedSubscription + field));
  }
  region.step(Point.changeDone);
  Atomics.store(words, Header.subscriptionChange, change & ~recordMask);
  return true;
}

function store(region: Region, point: number, word: number, value: number): void {
  if (Atomics.load(region.words, word) === value) return;
  region.step(point);
  Atomics.store(region.words, word, value);
}
