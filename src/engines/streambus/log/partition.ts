import type { Host } from '../../../host/host.ts';
import type {
  CatchUpPeers,
  CommittedEntry,
  GroupHandle,
  MachineCheckpoint,
  MachineSnapshot,
  PeerAnswers,
  ReplicatedMachine,
} from '../broker/group.ts';
import type { BrokerId } from '../ids.ts';
import type { PartitionInfo } from '../meta/metadata.ts';
import { AbortedFinder } from './abortedFiles.ts';
import { Appender } from './append.ts';
import { restoreFrom, restoringFile } from './catchUpReceive.ts';
import { answerSegmentRequest } from './catchUpSend.ts';
import { makeCheckpoint, removeQuietly, removeStateFiles } from './checkpoint.ts';
import { PartitionCore } from './core.ts';
import type { PartitionDamage } from './damage.ts';
import { fetchFrom, highWatermarkOf, lastStableOffsetOf } from './fetch.ts';
import type { PartitionHooks } from './hooks.ts';
import { LogState } from './logState.ts';
import { findOffset } from './offsets.ts';
import { recover } from './open.ts';
import { lastSequenceKnown } from './producers.ts';
import type {
  AppendRequest,
  AppendResult,
  OffsetAnswer,
  PartitionReplica,
  ProducerView,
  ReadRequest,
  ReadResult,
  TransactionMarker,
} from './replica.ts';
import { scanPartition } from './scan.ts';
import type { LogConfig } from './settings.ts';
import { encodeLogState } from './stateCodec.ts';
import { deleteRecords } from './trim.ts';
import { verifyEnd } from './verifyEnd.ts';

export { PartitionRegressed } from './regressed.ts';

export interface OpenPartitionOptions {
  /**
   * Begins from nothing (`checkpoint` must be undefined) but keeps what the directory still holds of this group's log, checked
   * batch by batch: `restore` will not ask the others for it. For a replica on probation or of a new incarnation. Default false:
   * without a checkpoint the directory begins empty and the journal brings everything.
   */
  readonly salvage?: boolean;
}

/**
 * A partition on this broker: what its group replicates, and what clients are served from. Memory: the youngest batches, bounded
 * for all partitions together, and the state of its producers. What was applied and is not written yet is bounded, too: at the
 * bound appends are refused with 19 and `hold` keeps the driver from applying more.
 */
export class Partition implements ReplicatedMachine, PeerAnswers, PartitionReplica {
  readonly directory: string;
  readonly core: PartitionCore;
  readonly appender: Appender;
  #info: PartitionInfo;

  constructor(core: PartitionCore, info: PartitionInfo) {
    this.core = core;
    this.directory = core.directory;
    this.appender = new Appender(core);
    this.#info = info;
  }

  get info(): PartitionInfo {
    return this.#info;
  }

  /** The assignment changed. */
  setInfo(info: PartitionInfo): void {
    this.#info = info;
  }

  get handle(): GroupHandle {
    return this.core.handle;
  }

  get logStartOffset(): number {
    return this.core.state.start;
  }

  get highWatermark(): number {
    return highWatermarkOf(this.core, this.appender);
  }

  get lastStableOffset(): number {
    return lastStableOffsetOf(this.core, this.appender);
  }

  get leaderEpoch(): number {
    return this.core.handle.term;
  }

  get sizeBytes(): number {
    return this.core.state.segments.bytes;
  }

  /** Stretches of the log that cannot be read here now; empty when it is healthy. */
  get damage(): readonly PartitionDamage[] {
    return this.core.damage.all;
  }

  apply(entry: CommittedEntry): unknown {
    return this.core.apply(entry);
  }

  lead(term: number): void {
    this.appender.lead(term);
    this.appender.proposeLimits();
  }

  follow(): void {
    this.appender.follow();
    this.core.waiters.wakeAll();
  }

  checkpoint(): Promise<MachineCheckpoint> {
    return this.core.checkpointing(() => makeCheckpoint(this.core));
  }

  checkpointed(index: number): void {
    this.core.work
      .during(() => this.#tidy(index))
      .catch((error: unknown) => {
        // It was closed meanwhile: what stays is removed when it is opened.
        this.core.host.telemetry.logger.debug('files that are not needed any more stay', {
          directory: this.directory,
          error: String(error),
        });
      });
  }

  async #tidy(index: number): Promise<void> {
    await this.core.removeDoomed(index);
    await removeStateFiles(this.core, index);
    if (!this.core.restored || this.core.progress !== undefined) return;
    this.core.restored = false;
    await removeQuietly(this.core, restoringFile);
  }

  hold(): Promise<void> | undefined {
    return this.core.hooks.shared.room();
  }

  snapshot(): Uint8Array {
    return encodeLogState(this.core.state.data());
  }

  restore(snapshot: MachineSnapshot, peers: CatchUpPeers): Promise<void> {
    return this.core.work.during(() => restoreFrom(this.core, snapshot, peers));
  }

  answerPeer(request: Uint8Array, _from: BrokerId): Promise<Uint8Array> {
    return this.core.work.during(() => answerSegmentRequest(this.core, request));
  }

  /** How much of a catch-up is done, 0 to 1; 1 when there is none. */
  get syncProgress(): number {
    const { progress } = this.core;
    return progress === undefined || progress.total === 0 ? 1 : progress.have / progress.total;
  }

  async close(): Promise<void> {
    this.appender.close();
    await this.core.close();
  }

  append(request: AppendRequest): Promise<AppendResult> {
    return this.appender.append(request);
  }

  room(bytes: number, signal?: AbortSignal): Promise<void> | undefined {
    return this.appender.room(bytes, signal);
  }

  read(request: ReadRequest): Promise<ReadResult> {
    return fetchFrom(this.core, this.appender, request);
  }

  readable(offset: number, isolation: ReadRequest['isolation'], signal: AbortSignal): Promise<void> {
    const limit = isolation === 'read-committed' ? this.lastStableOffset : this.highWatermark;
    if (!this.core.handle.serving || limit > offset) return Promise.resolve();
    return this.core.waiters.wait(offset, isolation, signal);
  }

  offsetFor(timestampMs: number, isolation: ReadRequest['isolation']): Promise<OffsetAnswer> {
    return findOffset(this.core, this.appender, timestampMs, isolation);
  }

  endOfEpoch(epoch: number): { readonly epoch: number; readonly endOffset: number } {
    return this.core.state.epochs.endOf(epoch, this.core.state.next);
  }

  deleteBefore(offset: number): Promise<{ readonly errorCode: number; readonly logStartOffset: number }> {
    return deleteRecords(this.core, offset);
  }

  endTransaction(marker: TransactionMarker): Promise<{ readonly errorCode: number }> {
    return this.appender.endTransaction(marker);
  }

  producers(): readonly ProducerView[] {
    return [...this.core.state.producers.values()].map((producer) => ({
      producerId: producer.producerId,
      producerEpoch: producer.epoch,
      lastSequence: lastSequenceKnown(producer) ?? -1,
      lastTimestampMs: producer.lastTimestamp,
      coordinatorEpoch: producer.coordinatorEpoch,
      currentTransactionStartOffset: producer.transactionStart,
    }));
  }

  hasOpenTransaction(producerId: number, producerEpoch: number): boolean {
    const producer = this.appender.producer(producerId);
    return producer !== undefined && producer.transactionStart >= 0 && producer.epoch === producerEpoch;
  }

  get transactionEnds(): number {
    return this.appender.transactionEnds;
  }
}

/**
 * Opens the replica in `directory` (`data/<topic>/partition-<n>`, made if missing): drops the bytes past the checkpoint, checks
 * what it names, and is ready for `apply` of the entry after `checkpoint.index` (or of the first one that the journal has).
 * Rejects with `PartitionRegressed` when the directory holds less than the checkpoint promised: the replica must go on probation
 * (open it again without a checkpoint, with `salvage`). Rejects with `DiskError` when the disk does not answer.
 */
export async function openPartition(
  host: Host,
  config: LogConfig,
  info: PartitionInfo,
  directory: string,
  handle: GroupHandle,
  checkpoint: MachineCheckpoint | undefined,
  hooks: PartitionHooks,
  options: OpenPartitionOptions = {},
): Promise<Partition> {
  const recovered = await recover(host, info, directory, checkpoint, options.salvage === true);
  const state = new LogState(recovered.state);
  const core = new PartitionCore({ host, config, directory, handle, hooks }, state, recovered.index, recovered.term);
  core.stateFiles = [...recovered.stateFiles];
  core.cache.wrote(state.next);
  core.restored = recovered.restoring;
  for (const part of recovered.headStart) core.keepPart(part);
  if (recovered.state !== undefined) {
    await core.writer.index(state.segments.active.base).cut(state.segments.active.bytes);
    await verifyEnd(core);
    if (recovered.abortedLost) await findAborted(core);
    else core.abortedAreStored(recovered.txnCounts);
  }
  return new Partition(core, info);
}

/** Reads the whole log for the transactions that were aborted: their files were lost. */
async function findAborted(core: PartitionCore): Promise<void> {
  core.host.telemetry.logger.warn('the files of aborted transactions are not whole, they are made anew from the log', {
    directory: core.directory,
  });
  const finder = new AbortedFinder();
  await scanPartition(core, (batch, header) => finder.visit(batch, header), core.work.signal);
  for (const transaction of finder.found) {
    if (transaction.lastOffset >= core.state.start) core.state.aborted.add(transaction);
  }
}
