import type { PeerAnswers, ReplicatedMachine } from '../broker/group.ts';
import type { GroupId } from '../ids.ts';

/** States of a transaction as Kafka's tools name them. */
export type TransactionState =
  | 'Empty'
  | 'Ongoing'
  | 'PrepareCommit'
  | 'PrepareAbort'
  | 'CompleteCommit'
  | 'CompleteAbort';

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** Who produces: an epoch fences all earlier ones of its id. */
export interface ProducerIdentity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

export interface InitRequest extends ProducerIdentity {
  readonly transactionalId: string;
  readonly timeoutMs: number;
}

export interface InitAnswer extends ProducerIdentity {
  readonly errorCode: number;
}

export interface TransactionRequest extends ProducerIdentity {
  readonly transactionalId: string;
}

export interface EndRequest extends TransactionRequest {
  readonly commit: boolean;
  /** From EndTxn 5 (KIP-890): each end raises the epoch, and may be repeated with the former one. */
  readonly raisesEpoch: boolean;
}

export interface VerifyRequest extends TransactionRequest {
  readonly partitions: readonly TopicPartition[];
  /** A consumer group whose offsets are to be committed in the transaction; undefined: none. */
  readonly groupId: string | undefined;
  /** Adds what is missing (clients of transaction version 2) in place of answering 48. */
  readonly add: boolean;
}

export interface TransactionSummary {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly state: TransactionState;
}

export interface TransactionDescription extends TransactionSummary {
  /** 105 when the id is not known. */
  readonly errorCode: number;
  readonly producerEpoch: number;
  readonly timeoutMs: number;
  /** Wall time of its first partition; -1: none is open. */
  readonly startedWallMs: number;
  readonly partitions: readonly TopicPartition[];
  readonly groups: readonly string[];
}

/**
 * Transactions of one shard, as its leader serves them (KIP-98, KIP-360, KIP-890). Numbers in answers are Kafka's errors, those of
 * the newest version of the request: 90 for a fenced producer, which older versions call 47; 16 and 14 as in `GroupCoordinator`.
 */
export interface TransactionCoordinator {
  readonly shard: GroupId;
  /** 0: requests are served; else 14 or 16. */
  readonly unavailable: number;
  /** Transactions that are not ended. */
  readonly openCount: number;
  /** Wall time at which the oldest open transaction began; undefined: none is open. */
  readonly oldestOpenWallMs: number | undefined;
  /** Whether another instance of the producer has taken its place, so that every request of this one is refused for ever. */
  isFenced(request: TransactionRequest): boolean;
  init(request: InitRequest): Promise<InitAnswer>;
  addPartitions(request: TransactionRequest, partitions: readonly TopicPartition[]): Promise<number>;
  addOffsets(request: TransactionRequest, groupId: string): Promise<number>;
  /** Resolves when the decision is committed; markers follow. */
  end(request: EndRequest): Promise<InitAnswer>;
  /** Whether all partitions belong to the open transaction: 0, 48, 49, 51, 90. */
  verify(request: VerifyRequest): Promise<number>;
  describe(transactionalId: string): Promise<TransactionDescription>;
  list(): Promise<{ readonly errorCode: number; readonly transactions: readonly TransactionDescription[] }>;
}

/** What the broker opens for a shard of transactions. */
export interface TransactionShard extends ReplicatedMachine, PeerAnswers {
  readonly coordinator: TransactionCoordinator;
}
