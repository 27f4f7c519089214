import type { Host } from '../../../../host/host.ts';
import type { RandomStream } from '../../../../host/random.ts';
import { apiKeys } from '../../../../wire/kafka/apis.ts';
import type { ClusterClient } from '../client/cluster.ts';
import { CallFailed } from '../client/connection.ts';
import { errorOf, isPassing, kafka, type LoadWorld, openCluster, partitionOf, pause, topicOf } from './context.ts';
import { poll } from './fetching.ts';
import { Values } from './producer.ts';
import { type Batch, sendOnce, stepsOf } from './send.ts';

const transactionTimeoutMs = 10_000;
const retryAfterMs = 150;
const attemptsMax = 10;

/** Sends in transactions until the load stops, each over several partitions, and now and then with what it has read before. */
export async function runTransactions(world: LoadWorld, host: Host, index: number): Promise<void> {
  const random = host.random.stream(`transactions ${index}`);
  const client = openCluster(world, host, `transactional-${index}`);
  const producer = new TransactionalProducer(world, client, random, index);
  while (!world.isStopped()) {
    const load = world.load();
    await pause(world, host, load['transaction every']);
    if (!world.isStopped() && index < load.transactional && world.factor() > 0) await producer.transact();
  }
  client.close();
}

/** What a call to the coordinator came to. */
type Called<Answer> =
  | { readonly kind: 'answered'; readonly answer: Answer; readonly errorCode: number; readonly doubt: boolean }
  | { readonly kind: 'gave-up'; readonly doubt: boolean; readonly code: string };

class TransactionalProducer {
  readonly #world: LoadWorld;
  readonly #client: ClusterClient;
  readonly #random: RandomStream;
  readonly #values: Values;
  readonly #id: string;
  readonly #group: string;
  /** Transactions of version 2 (KIP-890): each end raises the epoch, and partitions are added by producing. */
  readonly #isNew: boolean;
  readonly #sequences = new Map<string, number>();
  readonly #positions = new Map<string, number>();
  #identity: { readonly id: number; readonly epoch: number } | undefined;
  #process: number;

  constructor(world: LoadWorld, client: ClusterClient, random: RandomStream, index: number) {
    this.#world = world;
    this.#client = client;
    this.#random = random;
    this.#values = new Values(`t${index}`, random);
    this.#id = `transactional-${index}`;
    this.#group = `of-transactional-${index}`;
    this.#isNew = !random.chance(world.load()['old transactions'] / 100);
    this.#process = world.nextProcess();
  }

  async transact(): Promise<void> {
    if (this.#identity === undefined && !(await this.#begin())) return;
    const batches = this.#draw();
    const reads = this.#random.chance(0.5);
    const input = [...(reads ? [{ kind: 'poll', records: {} }] : []), ...batches.flatMap((batch) => stepsOf(batch))];
    const operation = this.#world.history.invoke({ process: this.#process, f: 'txn', input });
    const polled = reads ? await this.#poll() : undefined;
    const steps: Record<string, unknown>[] = polled === undefined ? [] : [{ kind: 'poll', records: polled.records }];
    let isWhole = true;
    for (const batch of batches) {
      const baseOffset = await this.#send(batch);
      if (baseOffset === undefined) {
        isWhole = false;
        break;
      }
      steps.push(...stepsOf(batch, baseOffset));
      const { 'transaction thinks': thinks } = this.#world.load();
      if (thinks > 0) await pause(this.#world, this.#client.host, thinks);
    }
    const commit = polled === undefined ? undefined : this.#offsetCommit(polled.positions);
    if (isWhole && polled !== undefined) isWhole = await this.#sendOffsets(polled.positions);
    const shallCommit = isWhole && !this.#random.chance(this.#world.load().aborts / 100);
    const ended = await this.#end(shallCommit);
    commit?.complete(shallCommit ? ended : 'fail');
    // A batch may have been taken under a sequence number that would come again.
    if (!isWhole) this.#forget();
    if (!shallCommit) {
      operation.fail({
        code: 'ABORTED',
        message: isWhole ? 'aborted on purpose' : 'aborted: it could not be completed',
      });
    } else if (ended === 'ok') {
      for (const [key, next] of polled?.positions ?? []) this.#positions.set(key, next);
      operation.ok(steps);
    } else if (ended === 'fail') {
      operation.fail({ code: 'REFUSED', message: 'the commit was refused' });
    } else {
      operation.info({ code: 'IN_DOUBT', message: 'nobody answered whether it was committed' }, steps);
      this.#process = this.#world.nextProcess();
    }
  }

  #draw(): Batch[] {
    const { batch: most, text } = this.#world.load();
    const keys = this.#random.shuffle([...this.#world.transactionalKeys]).slice(0, this.#random.integer(1, 3));
    return keys.map((key) => ({ key, values: this.#values.take(Math.min(most, 3), text) }));
  }

  async #poll() {
    const keys = this.#world.transactionalKeys;
    const wanted = new Map(keys.map((key) => [key, this.#positions.get(key) ?? 0]));
    return poll(this.#world, this.#client, wanted, { name: `${this.#id} ${this.#process}`, maxWaitMs: 10 });
  }

  /** Sends one batch until it is answered; undefined: the transaction cannot be completed any more. */
  async #send(batch: Batch): Promise<number | undefined> {
    const { key, values } = batch;
    const identity = this.#identity;
    if (identity === undefined) return undefined;
    if (!this.#isNew && !(await this.#addPartition(key))) return undefined;
    const sequence = this.#sequences.get(key) ?? 0;
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const result = await sendOnce(this.#client, batch, {
        acks: -1,
        version: this.#isNew ? 12 : 11,
        timeoutMs: this.#world.load().timeout,
        transactionalId: this.#id,
        batch: {
          producerId: identity.id,
          producerEpoch: identity.epoch,
          baseSequence: sequence,
          isTransactional: true,
        },
      });
      if (result.kind === 'ok') {
        this.#sequences.set(key, sequence + values.length);
        return result.baseOffset;
      }
      if (result.kind === 'refused' && !isPassing(result.code)) return undefined;
      await this.#client.host.clock.sleep(retryAfterMs);
    }
    return undefined;
  }

  async #addPartition(key: string): Promise<boolean> {
    const called = await this.#ask(
      (broker, { id, epoch }) =>
        this.#client.call(broker, apiKeys.AddPartitionsToTxn, 3, {
          transactionalId: this.#id,
          producerId: id,
          producerEpoch: epoch,
          topics: [{ name: topicOf(key), partitions: [partitionOf(key)] }],
        }),
      (answer) => answer.results[0]?.results[0]?.partitionErrorCode ?? -1,
    );
    return called.kind === 'answered' && called.errorCode === kafka.none;
  }

  async #sendOffsets(positions: ReadonlyMap<string, number>): Promise<boolean> {
    if (positions.size === 0) return true;
    if (!this.#isNew) {
      const added = await this.#ask(
        (broker, { id, epoch }) =>
          this.#client.call(broker, apiKeys.AddOffsetsToTxn, 3, {
            transactionalId: this.#id,
            producerId: id,
            producerEpoch: epoch,
            groupId: this.#group,
          }),
        ({ errorCode }) => errorCode,
      );
      if (added.kind !== 'answered' || added.errorCode !== kafka.none) return false;
    }
    const topics = [...new Set([...positions.keys()].map(topicOf))].map((name) => ({
      name,
      partitions: [...positions]
        .filter(([key]) => topicOf(key) === name)
        .map(([key, committedOffset]) => ({
          partitionIndex: partitionOf(key),
          committedOffset,
          committedMetadata: '',
        })),
    }));
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const identity = this.#identity;
      if (identity === undefined) return false;
      try {
        const broker = await this.#client.coordinator('group', this.#group);
        const answer = await this.#client.call(broker, apiKeys.TxnOffsetCommit, this.#isNew ? 5 : 4, {
          transactionalId: this.#id,
          groupId: this.#group,
          producerId: identity.id,
          producerEpoch: identity.epoch,
          topics,
        });
        const codes = answer.topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode));
        const error = codes.find((code) => code !== kafka.none);
        if (error === undefined) return true;
        if (!isPassing(error)) return false;
      } catch (error) {
        if (!(error instanceof CallFailed)) throw error;
      }
      this.#client.forgetCoordinator('group', this.#group);
      await this.#client.host.clock.sleep(retryAfterMs);
    }
    return false;
  }

  /** Notes what becomes committed with the transaction. */
  #offsetCommit(positions: ReadonlyMap<string, number>) {
    if (positions.size === 0) return undefined;
    const seen: LoadWorld['told']['commits'][number] = {
      group: this.#group,
      generation: undefined,
      offsets: Object.fromEntries(positions),
      invokedAt: this.#world.now(),
      completedAt: Number.POSITIVE_INFINITY,
      outcome: 'info',
    };
    this.#world.told.commits.push(seen);
    return {
      complete: (outcome: 'ok' | 'fail' | 'info') => {
        seen.outcome = outcome;
        if (outcome !== 'info') seen.completedAt = this.#world.now();
      },
    };
  }

  /** Ends the transaction; `fail`: it was refused and never was in doubt. Whatever is not certain costs the identity. */
  async #end(commit: boolean): Promise<'ok' | 'fail' | 'info'> {
    const called = await this.#ask(
      (broker, { id, epoch }) =>
        this.#client.call(broker, apiKeys.EndTxn, this.#isNew ? 5 : 4, {
          transactionalId: this.#id,
          producerId: id,
          producerEpoch: epoch,
          committed: commit,
        }),
      ({ errorCode }) => errorCode,
    );
    if (called.kind === 'answered' && called.errorCode === kafka.none) {
      const { producerId, producerEpoch } = called.answer;
      if (this.#isNew && producerId >= 0) {
        this.#noteEpoch(producerId, producerEpoch, 'EndTxn');
        this.#identity = { id: producerId, epoch: producerEpoch };
        this.#sequences.clear();
      }
      return 'ok';
    }
    this.#forget();
    return called.doubt ? 'info' : 'fail';
  }

  #noteEpoch(producerId: number, epoch: number, by: 'InitProducerId' | 'EndTxn'): void {
    const atMs = this.#world.now();
    this.#world.told.epochs.push({ transactionalId: this.#id, producerId, epoch, atMs, by });
  }

  #forget(): void {
    this.#identity = undefined;
    this.#sequences.clear();
  }

  /** Calls the coordinator until it answers for good. `doubt`: an earlier attempt may have been heard. */
  async #ask<Answer>(
    call: (broker: number, identity: { readonly id: number; readonly epoch: number }) => Promise<Answer>,
    codeOf: (answer: Answer) => number,
  ): Promise<Called<Answer>> {
    let doubt = false;
    let code = 'NO_IDENTITY';
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const identity = this.#identity;
      if (identity === undefined) break;
      try {
        const answer = await call(await this.#client.coordinator('transaction', this.#id), identity);
        const errorCode = codeOf(answer);
        if (!isPassing(errorCode)) return { kind: 'answered', answer, errorCode, doubt };
        // Loading, not the coordinator, busy with the last one: nothing was done. Anything else may have been.
        if (![14, 15, 16, 51].includes(errorCode)) doubt = true;
        else if (errorCode === kafka.notCoordinator) doubt = true;
        code = errorOf(errorCode).code;
      } catch (error) {
        if (!(error instanceof CallFailed)) throw error;
        if (error.sent) doubt = true;
        code = error.code;
      }
      this.#client.forgetCoordinator('transaction', this.#id);
      await this.#client.host.clock.sleep(retryAfterMs);
    }
    return { kind: 'gave-up', doubt, code };
  }

  /** Takes the transactional id: whatever was open under it is ended. */
  async #begin(): Promise<boolean> {
    try {
      const broker = await this.#client.coordinator('transaction', this.#id);
      const answer = await this.#client.call(broker, apiKeys.InitProducerId, 4, {
        transactionalId: this.#id,
        transactionTimeoutMs,
      });
      if (answer.errorCode === kafka.none) {
        this.#identity = { id: answer.producerId, epoch: answer.producerEpoch };
        this.#noteEpoch(answer.producerId, answer.producerEpoch, 'InitProducerId');
        this.#sequences.clear();
        return true;
      }
    } catch (error) {
      if (!(error instanceof CallFailed)) throw error;
    }
    this.#client.forgetCoordinator('transaction', this.#id);
    await this.#client.host.clock.sleep(retryAfterMs);
    return false;
  }
}
