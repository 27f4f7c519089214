import type { GroupHandle } from '../broker/group.ts';
import type { PartitionInfo } from '../meta/metadata.ts';

/** A produce request's part for one partition. */
export interface AppendRequest {
  /** One RecordBatch v2 as it came, length and CRC not yet checked. Belongs to the partition from now on (offsets are stamped into it). */
  readonly records: Uint8Array;
  /** The request's transactional id; undefined outside a transaction. */
  readonly transactionalId: string | undefined;
  /** Version of the Produce request: some error numbers depend on it. */
  readonly version: number;
  readonly timeoutMs: number;
  readonly acks: -1 | 0 | 1;
  readonly clientId: string;
}

/** The answer of one partition, in Kafka's numbers. */
export interface AppendResult {
  readonly errorCode: number;
  readonly errorMessage: string | undefined;
  /** -1 with an error. */
  readonly baseOffset: number;
  /** Milliseconds since 1970 when the leader stamps times (`message.timestamp.type=LogAppendTime`), else -1. */
  readonly logAppendTimeMs: number;
  readonly logStartOffset: number;
  /** Where the time went. */
  readonly journalMs: number;
  readonly replicateMs: number;
}

export interface ReadRequest {
  readonly offset: number;
  readonly maxBytes: number;
  /** At least one batch is given, however large. */
  readonly minOneBatch: boolean;
  readonly isolation: 'read-uncommitted' | 'read-committed';
  /** -1: not checked; else 74 or 75 when it is not this leader's. */
  readonly currentLeaderEpoch: number;
  /** -1: not checked; else the diverging end is told when the client's log went another way. */
  readonly lastFetchedEpoch: number;
}

export interface ReadResult {
  readonly errorCode: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  /** With read-committed: the aborted transactions that reach into `records`. */
  readonly aborted: readonly { readonly producerId: number; readonly firstOffset: number }[];
  readonly diverging: { readonly epoch: number; readonly endOffset: number } | undefined;
  /** Whole batches, the bytes of the segment, one piece or several. */
  readonly records: readonly Uint8Array[];
  readonly bytes: number;
}

/** A replica of a partition on this broker, as the protocol's door uses it. */
export interface PartitionReplica {
  readonly info: PartitionInfo;
  readonly handle: GroupHandle;
  readonly logStartOffset: number;
  /** Offset after the last committed record that this replica has applied. */
  readonly highWatermark: number;
  /** First offset of the oldest open transaction, else the high watermark. */
  readonly lastStableOffset: number;
  readonly leaderEpoch: number;
  readonly sizeBytes: number;
  /** Checks, stamps and proposes synchronously (so requests of a connection keep their order), answers when committed. */
  append(request: AppendRequest): Promise<AppendResult>;
  /**
   * Defined while `append` would refuse so many bytes for a passing reason; settles when it is worth asking again, or when
   * `signal` ends the wait. Whoever appends without waiting gets 19, or 6 while the lead is being handed over. A signal that is not over
   * keeps a place in the order of those who wait, also while there is room, until it is.
   */
  room?(bytes: number, signal?: AbortSignal): Promise<void> | undefined;
  /** Serves what is there now; never waits for new records. */
  read(request: ReadRequest): Promise<ReadResult>;
  /** Resolves when something past `offset` becomes readable at this isolation, the lead is lost, or the signal fires. */
  readable(offset: number, isolation: ReadRequest['isolation'], signal: AbortSignal): Promise<void>;
  /** -1 latest, -2 earliest, -3 largest timestamp, else the first record at or after this time. Confirmed by ReadIndex. */
  offsetFor(timestampMs: number, isolation: ReadRequest['isolation']): Promise<OffsetAnswer>;
  /** Last epoch at or below `epoch` and where it ends. */
  endOfEpoch(epoch: number): { readonly epoch: number; readonly endOffset: number };
  /** DeleteRecords; -1 means the high watermark. Resolves to the new start. */
  deleteBefore(offset: number): Promise<{ readonly errorCode: number; readonly logStartOffset: number }>;
  /**
   * Ends a transaction here: appends the control batch. Repeats of the same end do nothing; an older epoch answers 47, another
   * coordinator's older term 51.
   */
  endTransaction(marker: TransactionMarker): Promise<{ readonly errorCode: number }>;
  /** What DescribeProducers shows. */
  producers(): readonly ProducerView[];
  /** True while a transaction of this id is open here: no verification is needed. */
  hasOpenTransaction(producerId: number, producerEpoch: number): boolean;
  /** Grows with every end of a transaction that is appended here, and with every lead: what was verified before is to be verified anew. */
  readonly transactionEnds: number;
}

export interface OffsetAnswer {
  readonly errorCode: number;
  readonly offset: number;
  readonly timestampMs: number;
  readonly leaderEpoch: number;
}

export interface TransactionMarker {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly commit: boolean;
  /** Term of the transactions' shard. */
  readonly coordinatorEpoch: number;
}

export interface ProducerView {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly lastSequence: number;
  readonly lastTimestampMs: number;
  readonly coordinatorEpoch: number;
  readonly currentTransactionStartOffset: number;
}
