import type { CommittedEntry } from '../broker/group.ts';
import { decodeJson, encodeJson } from '../groups/entries.ts';
import type { TopicPartition, TransactionState } from './coordinator.ts';

/** A transactional id as every replica knows it. Never changed: each step is an entry with the next one. */
export interface TransactionRecord {
  readonly transactionalId: string;
  readonly producerId: number;
  /** The newest epoch: older ones are fenced. */
  readonly producerEpoch: number;
  /** The epoch before, if its holder may still ask for the newest (its answer was lost); -1: it may not. */
  readonly lastEpoch: number;
  /** The producer id before the present one, for the same reason; -1: none. */
  readonly previousProducerId: number;
  /** Taken over when the transaction is complete, because epochs have run out; -1: none. */
  readonly nextProducerId: number;
  readonly timeoutMs: number;
  readonly state: TransactionState;
  readonly partitions: readonly TopicPartition[];
  /** Consumer groups whose offsets are committed within it. */
  readonly groups: readonly string[];
  /** Wall time at which the open transaction began; -1: none is open. */
  readonly startedWall: number;
  /** Wall time of the last step. */
  readonly changedWall: number;
  /** The client speaks version 2 (KIP-890): each end raises the epoch. */
  readonly raisesEpoch: boolean;
  /** Index of the entry with which the last transaction began: tells it from later ones of the same epoch. 0: none yet. */
  readonly transaction: number;
  /** Version of the metadata that knew all of `partitions`. */
  readonly metadataVersion: number;
}

export type TransactionEntry =
  /** The next state of an id. `begins`: a transaction, which is numbered by the entry's index. */
  | { readonly kind: 'put'; readonly record: TransactionRecord; readonly begins: boolean }
  /** Ids that were not used since the wall time beside them. */
  | { readonly kind: 'forget'; readonly ids: readonly (readonly [transactionalId: string, changedWall: number])[] };

/** The replicated state of a shard of transactions, by transactional id. */
export type TransactionsState = Map<string, TransactionRecord>;

/** Applies an entry, and gives it decoded. It is never refused: it was decided before it was proposed. */
export function applyTransactionEntry(state: TransactionsState, committed: CommittedEntry): TransactionEntry {
  // The form is ours: entries are written by `encodeJson` from a TransactionEntry only.
  const entry = decodeJson(committed.data) as TransactionEntry;
  switch (entry.kind) {
    case 'put': {
      const { record, begins } = entry;
      state.set(record.transactionalId, begins ? { ...record, transaction: committed.index } : record);
      return entry;
    }
    case 'forget':
      for (const [id, changedWall] of entry.ids) {
        const record = state.get(id);
        if (record?.changedWall === changedWall && !isOpen(record)) state.delete(id);
      }
      return entry;
  }
}

/** A transaction that has begun and is not complete. */
export function isOpen({ state }: TransactionRecord): boolean {
  return state === 'Ongoing' || isEnding(state);
}

/** It is decided how the transaction ends; its markers are on their way. */
export function isEnding(state: TransactionState): boolean {
  return state === 'PrepareCommit' || state === 'PrepareAbort';
}

/** The whole state as bytes. */
export function encodeTransactions(state: TransactionsState): Uint8Array {
  return encodeJson({ format: 1, records: [...state.values()] });
}

/** Throws on bytes of another format. */
export function decodeTransactions(bytes: Uint8Array): TransactionsState {
  // The form is ours, or of a later version: its number is checked before anything else is read.
  const saved = decodeJson(bytes) as { readonly format: number; readonly records: readonly TransactionRecord[] };
  if (saved.format !== 1) throw new Error(`state of transactions: expected format 1, got ${String(saved.format)}`);
  return new Map(saved.records.map((record) => [record.transactionalId, record]));
}
