import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import { type BatchHeader, isTransactional, stampAppendTime, stampBatch } from '../../../wire/kafka/recordBatch.ts';
import { buildMarker } from '../../../wire/kafka/records.ts';
import { NotProposed, type Proposed } from '../broker/group.ts';
import { checkBatch, isRefusal } from './batchRules.ts';
import { lastOffsetOf } from './batchView.ts';
import type { PartitionCore } from './core.ts';
import { Deadlines } from './deadlines.ts';
import { encodeExpiry, encodeLimits, encodeRoll } from './entries.ts';
import { afterBatch, afterMarker, judgeSequence, maxProducers, type ProducerState } from './producers.ts';
import type { AppendRequest, AppendResult, TransactionMarker } from './replica.ts';
import { type PartitionSettings, settingsOf } from './settings.ts';
import { Tail } from './tail.ts';
import type { CachedBatch } from './tailCache.ts';

/** Producers that expire at once when a partition has too many. */
const expiryStep = 1_000;
/** A batch that is a small part of its buffer is copied, or it would keep the whole buffer in memory. */
const wastedBytesMax = 4096;

/** An append under way. */
interface Pending {
  readonly proposed: Promise<Proposed>;
}

/** The leader's side: checks against the tail, stamps, proposes, answers. */
export class Appender {
  readonly #core: PartitionCore;
  readonly #deadlines: Deadlines;
  /** By base offset: what a repeat of it waits for. */
  readonly #pending = new Map<number, Pending>();
  /** Undefined while this replica does not lead. */
  tail: Tail | undefined;
  /** See `PartitionReplica.transactionEnds`. */
  transactionEnds = 0;
  /** Of a planted bug: what is appended, shown to consumers before it is committed. */
  premature: CachedBatch[] = [];
  #configs: ReadonlyMap<string, string> | undefined;
  #settings: PartitionSettings | undefined;

  constructor(core: PartitionCore) {
    this.#core = core;
    this.#deadlines = new Deadlines(core.host.clock);
    core.onBatch = (header) => this.#applied(header);
    core.onExpiry = (producers) => {
      for (const id of producers) this.tail?.applied(id);
    };
  }

  lead(term: number): void {
    this.transactionEnds += 1;
    this.#pending.clear();
    this.premature = [];
    this.tail = new Tail(term, this.#core.state.next);
  }

  follow(): void {
    const { telemetry } = this.#core.host;
    const { tail } = this;
    telemetry.sometimes('deposed leader had a tail', tail !== undefined && tail.next > this.#core.state.next);
    telemetry.sometimes('idempotent tail truncated', tail !== undefined && tail.producers > 0);
    this.tail = undefined;
    this.premature = [];
    this.#pending.clear();
  }

  close(): void {
    this.follow();
    this.#deadlines.close();
  }

  /** The broker's configuration may have changed: settings are read again. */
  forgetSettings(): void {
    this.#settings = undefined;
  }

  /** The topic's settings, read again when they changed. */
  settings(): PartitionSettings {
    const configs = this.#core.hooks.topicConfigs();
    if (this.#settings === undefined || configs !== this.#configs) {
      this.#configs = configs;
      this.#settings = settingsOf(this.#core.config, configs);
    }
    return this.#settings;
  }

  /** Puts the topic's limits of segments into the log when they are not what it says: all replicas roll alike. */
  proposeLimits(): void {
    const { segmentBytes, segmentAgeMs } = this.settings();
    const { limits } = this.#core.state;
    if (this.tail === undefined) return;
    if (limits.segmentBytes === segmentBytes && limits.segmentAgeMs === segmentAgeMs) return;
    this.proposeQuietly(encodeLimits(segmentBytes, segmentAgeMs));
  }

  /** See `PartitionReplica.room`. */
  room(bytes: number, signal?: AbortSignal): Promise<void> | undefined {
    const { handle, hooks, writer } = this.#core;
    const isRefused = !handle.serving || this.tail === undefined || (hooks.readOnly() ?? writer.stalled) !== undefined;
    return isRefused ? undefined : (hooks.shared.room(signal) ?? handle.room?.(bytes, signal));
  }

  append(request: AppendRequest): Promise<AppendResult> {
    const { handle, hooks } = this.#core;
    const { tail } = this;
    if (!handle.serving || tail === undefined) {
      return this.#refuse(kafkaErrors.NOT_LEADER_OR_FOLLOWER, 'this broker does not lead the partition');
    }
    if (request.acks !== -1 && request.acks !== 0 && request.acks !== 1) {
      return this.#refuse(kafkaErrors.INVALID_REQUIRED_ACKS, `expected acks of -1, 0 or 1, got ${request.acks}`);
    }
    const why = hooks.readOnly() ?? this.#core.writer.stalled;
    if (why !== undefined) return this.#refuse(kafkaErrors.NOT_ENOUGH_REPLICAS, `read-only: ${why}`);
    if (hooks.shared.full) {
      return this.#refuse(kafkaErrors.NOT_ENOUGH_REPLICAS, 'too much is waiting for the disk, try again');
    }
    const settings = this.settings();
    const wallMs = this.#core.host.clock.wall();
    const checked = checkBatch(
      request.records,
      request.version,
      request.transactionalId !== undefined,
      settings,
      wallMs,
    );
    if (isRefusal(checked)) return this.#refuse(checked.errorCode, checked.message);
    const sequenced = this.#judge(tail, checked);
    if (sequenced.kind === 'refused') return this.#refuse(sequenced.errorCode, sequenced.message);
    if (sequenced.kind === 'repeat') return this.#answerRepeat(sequenced.baseOffset, request);

    const batch = compact(request.records);
    const logAppendTimeMs = settings.timestampType === 'LogAppendTime' ? Math.floor(wallMs) : -1;
    if (logAppendTimeMs >= 0) stampAppendTime(batch, logAppendTimeMs);
    stampBatch(batch, tail.next, tail.term);
    const header: BatchHeader = {
      ...checked,
      baseOffset: tail.next,
      maxTimestamp: logAppendTimeMs >= 0 ? logAppendTimeMs : checked.maxTimestamp,
    };
    return this.#propose(tail, batch, header, request, logAppendTimeMs);
  }

  #judge(tail: Tail, header: BatchHeader): ReturnType<typeof judgeSequence> {
    const { state, mutants } = this.#core;
    if (header.producerId < 0 && !mutants.pidMinus1Checked) return { kind: 'append' };
    const known = mutants.tailIgnored
      ? state.producers.get(header.producerId)
      : tail.get(header.producerId, state.producers);
    const verdict = judgeSequence(known, header, mutants.window1 ? 1 : undefined);
    if (verdict.kind === 'append' && known === undefined && !this.#roomForProducer(tail)) {
      return {
        kind: 'refused',
        errorCode: kafkaErrors.NOT_ENOUGH_REPLICAS,
        message: `the partition keeps ${maxProducers} producers and none of them is idle`,
      };
    }
    return verdict;
  }

  /** Makes room for one more producer: the oldest idle ones expire, by an entry before the batch. */
  #roomForProducer(tail: Tail): boolean {
    const { producers } = this.#core.state;
    if (producers.size + tail.producers < maxProducers) return true;
    const idle: number[] = [];
    for (const producer of producers.values()) {
      if (producer.transactionStart < 0 && !tail.isPending(producer.producerId)) idle.push(producer.producerId);
      if (idle.length === expiryStep) break;
    }
    return idle.length > 0 && this.expire(idle);
  }

  /** Lets producers expire by an entry. They must be idle. False when it could not be proposed. */
  expire(producers: readonly number[]): boolean {
    const { tail } = this;
    const proposed = tail === undefined ? undefined : this.proposeQuietly(encodeExpiry(producers));
    if (tail === undefined || proposed === undefined) return false;
    for (const id of producers) tail.appended(id, undefined, proposed);
    return true;
  }

  /** Proposes an entry whose loss does not matter: it is proposed again when it is still wanted. Undefined when it was refused. */
  proposeQuietly(data: Uint8Array): Promise<Proposed> | undefined {
    try {
      const proposed = this.#core.handle.propose(data);
      proposed.catch(() => undefined);
      return proposed;
    } catch (error) {
      if (error instanceof NotProposed) return undefined;
      throw error;
    }
  }

  #propose(
    tail: Tail,
    batch: Uint8Array,
    header: BatchHeader,
    request: AppendRequest,
    logAppendTimeMs: number,
  ): Promise<AppendResult> {
    const { host, handle, state, mutants } = this.#core;
    const began = host.clock.now();
    let proposed: Promise<Proposed>;
    try {
      proposed = handle.propose(batch);
    } catch (error) {
      if (error instanceof NotProposed) return this.#refuse(errorOfRefusal(error), error.message);
      throw error;
    }
    const { shared } = this.#core.hooks;
    shared.proposed(batch.length);
    const settled = (): void => shared.settled(batch.length);
    // Answers are given through other promises: a loss that nobody asked about is no defect.
    proposed.then(settled, settled);
    tail.next = lastOffsetOf(header) + 1;
    if (header.producerId >= 0 || mutants.pidMinus1Checked) {
      const known = tail.get(header.producerId, state.producers);
      tail.appended(header.producerId, afterBatch(known, header, isTransactional(header)), proposed);
      if (header.producerId >= 0) this.#pending.set(header.baseOffset, { proposed });
    }
    if (host.telemetry.buggify('roll at each batch')) this.proposeQuietly(encodeRoll());
    if (mutants.hwAtAppend) {
      this.premature.push({ base: header.baseOffset, last: lastOffsetOf(header), bytes: batch });
      this.#core.waiters.applied(tail.next, tail.next);
    }
    if (request.acks === 0) return Promise.resolve(this.#accepted(header.baseOffset, logAppendTimeMs, 0, 0));
    if (request.acks === 1 && this.#core.config.acksOne === 'leader' && handle.ownSync !== undefined) {
      return this.#within(request.timeoutMs, handle.ownSync(), () => {
        const ms = host.clock.now() - began;
        return this.#accepted(header.baseOffset, logAppendTimeMs, ms, 0);
      });
    }
    return this.#within(request.timeoutMs, proposed, (done) => {
      const ms = host.clock.now() - began;
      const journalMs = Math.min(done.journalMs ?? 0, ms);
      return this.#accepted(header.baseOffset, logAppendTimeMs, journalMs, ms - journalMs);
    });
  }

  /** A batch that was appended before: the answer is the original's, once that one is committed. */
  #answerRepeat(baseOffset: number, request: AppendRequest): Promise<AppendResult> {
    const { host, state, mutants, hooks } = this.#core;
    const pending = baseOffset < state.next ? undefined : this.#pending.get(baseOffset);
    host.telemetry.sometimes('repeat before its original committed', pending !== undefined);
    hooks.repeated();
    if (pending === undefined || mutants.repeatAnsweredEarly || request.acks === 0) {
      return Promise.resolve(this.#accepted(baseOffset, -1, 0, 0));
    }
    return this.#within(request.timeoutMs, pending.proposed, () => this.#accepted(baseOffset, -1, 0, 0));
  }

  #within<T>(timeoutMs: number, work: Promise<T>, accepted: (done: T) => AppendResult): Promise<AppendResult> {
    return new Promise((resolve) => {
      const cancel = this.#deadlines.add(timeoutMs, () => {
        resolve(
          this.#failed(
            kafkaErrors.REQUEST_TIMED_OUT,
            `not committed within ${timeoutMs} ms: whether it will be is open`,
          ),
        );
      });
      work.then(
        (done) => {
          cancel();
          resolve(accepted(done));
        },
        (error: unknown) => {
          cancel();
          resolve(this.#lost(error));
        },
      );
    });
  }

  /** What became of it is open: only an indeterminate number may be given. */
  #lost(error: unknown): AppendResult {
    const code = this.#core.mutants.error6AfterAppend
      ? kafkaErrors.NOT_LEADER_OR_FOLLOWER
      : kafkaErrors.NOT_ENOUGH_REPLICAS_AFTER_APPEND;
    return this.#failed(
      code,
      `appended, and then the lead was lost: ${error instanceof Error ? error.message : 'unknown'}`,
    );
  }

  #accepted(baseOffset: number, logAppendTimeMs: number, journalMs: number, replicateMs: number): AppendResult {
    return {
      errorCode: kafkaErrors.NONE,
      errorMessage: undefined,
      baseOffset,
      logAppendTimeMs,
      logStartOffset: this.#core.state.start,
      journalMs,
      replicateMs,
    };
  }

  #failed(errorCode: number, errorMessage: string): AppendResult {
    return {
      errorCode,
      errorMessage,
      baseOffset: -1,
      logAppendTimeMs: -1,
      logStartOffset: this.#core.state.start,
      journalMs: 0,
      replicateMs: 0,
    };
  }

  #refuse(errorCode: number, message: string): Promise<AppendResult> {
    return Promise.resolve(this.#failed(errorCode, message));
  }

  /** A batch was applied: the tail of its producer gets shorter. */
  #applied(header: BatchHeader): void {
    if (this.tail === undefined) return;
    if (header.producerId >= 0) {
      this.tail.applied(header.producerId);
      this.#pending.delete(header.baseOffset);
    } else if (this.#core.mutants.pidMinus1Checked) {
      this.tail.applied(header.producerId);
    }
    if (this.premature.length > 0) this.premature = this.premature.filter((batch) => batch.last > header.baseOffset);
  }

  /** A producer's state as the next batch will meet it. */
  producer(producerId: number): ProducerState | undefined {
    const { producers } = this.#core.state;
    return this.tail === undefined ? producers.get(producerId) : this.tail.get(producerId, producers);
  }

  async endTransaction(marker: TransactionMarker): Promise<{ readonly errorCode: number }> {
    const { handle, host, state } = this.#core;
    const { tail } = this;
    if (!handle.serving || tail === undefined) return { errorCode: kafkaErrors.NOT_LEADER_OR_FOLLOWER };
    const known = tail.get(marker.producerId, state.producers);
    if (known !== undefined) {
      if (marker.producerEpoch < known.epoch) return { errorCode: kafkaErrors.INVALID_PRODUCER_EPOCH };
      if (marker.coordinatorEpoch < known.coordinatorEpoch) return { errorCode: kafkaErrors.CONCURRENT_TRANSACTIONS };
      if (known.transactionStart < 0 && known.epoch === marker.producerEpoch) {
        // Ended before, perhaps by a marker that is still under way: the answer must not be earlier than that.
        const underWay = tail.underWay(marker.producerId);
        host.telemetry.sometimes('marker repeated', true);
        return underWay === undefined ? { errorCode: kafkaErrors.NONE } : this.#committed(underWay);
      }
    }
    const batch = buildMarker(marker, Math.floor(host.clock.wall()));
    stampBatch(batch, tail.next, tail.term);
    let proposed: Promise<Proposed>;
    try {
      proposed = handle.propose(batch);
    } catch (error) {
      if (error instanceof NotProposed) return { errorCode: errorOfRefusal(error) };
      throw error;
    }
    const header = markerHeader(marker, tail, host.clock.wall());
    this.transactionEnds += 1;
    tail.appended(marker.producerId, afterMarker(known, header, marker.coordinatorEpoch), proposed);
    tail.next += 1;
    return this.#committed(proposed);
  }

  async #committed(proposed: Promise<unknown>): Promise<{ readonly errorCode: number }> {
    try {
      await proposed;
      return { errorCode: kafkaErrors.NONE };
    } catch {
      return { errorCode: kafkaErrors.NOT_ENOUGH_REPLICAS_AFTER_APPEND };
    }
  }
}

function markerHeader(marker: TransactionMarker, tail: Tail, wallMs: number) {
  return {
    baseOffset: tail.next,
    lastOffsetDelta: 0,
    producerId: marker.producerId,
    producerEpoch: marker.producerEpoch,
    maxTimestamp: Math.floor(wallMs),
  };
}

/** A refusal is definite: busy brokers say 19, which clients try again, all others that somebody else leads. */
function errorOfRefusal(error: NotProposed): number {
  return error.reason === 'busy' || error.reason === 'read-only'
    ? kafkaErrors.NOT_ENOUGH_REPLICAS
    : kafkaErrors.NOT_LEADER_OR_FOLLOWER;
}

function compact(records: Uint8Array): Uint8Array {
  return records.buffer.byteLength > records.length * 2 + wastedBytesMax ? records.slice() : records;
}
