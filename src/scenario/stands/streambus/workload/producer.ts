import type { Host } from '../../../../host/host.ts';
import type { RandomStream } from '../../../../host/random.ts';
import { apiKeys } from '../../../../wire/kafka/apis.ts';
import type { ClusterClient } from '../client/cluster.ts';
import { CallFailed } from '../client/connection.ts';
import { errorOf, isPassing, kafka, type LoadWorld, openCluster, pause } from './context.ts';
import { type Batch, type SendResult, sendOnce, stepsOf } from './send.ts';

/** Batches of an idempotent producer that are under way at once; Kafka's clients have five. */
const inFlightMax = 3;
const retryAfterMs = 150;
/** How often a batch in doubt is sent again before its producer gives up. */
const attemptsMax = 12;

/** Sends batches until the load stops, at its rate; half of the producers are idempotent, as the load says. */
export async function runProducer(world: LoadWorld, host: Host, index: number): Promise<void> {
  const random = host.random.stream(`producer ${index}`);
  const client = openCluster(world, host, `producer-${index}`);
  const isIdempotent = random.chance(world.load().idempotent / 100);
  const producer = isIdempotent
    ? new IdempotentProducer(world, client, random, index)
    : new PlainProducer(world, client, random, index);
  while (!world.isStopped()) {
    const { rate, think, producers } = world.load();
    const begunAt = world.now();
    if (index < producers && world.factor() > 0) await producer.send();
    const every = rate === undefined ? think : (1_000 * producers) / rate;
    // A closed loop against a cluster that refuses must not spin.
    await pause(world, host, Math.max(rate === undefined ? think : every - (world.now() - begunAt), 1));
  }
  client.close();
}

/** Draws what a batch holds: values are unique for ever. */
export class Values {
  readonly #prefix: string;
  readonly #random: RandomStream;
  #next = 0;

  constructor(prefix: string, random: RandomStream) {
    this.#prefix = prefix;
    this.#random = random;
  }

  take(most: number, bytes: number): string[] {
    return Array.from({ length: this.#random.integer(1, most) }, () =>
      `${this.#prefix}-${this.#next++}`.padEnd(bytes, '.'),
    );
  }
}

/** Sends each batch once: what is in doubt stays so. */
class PlainProducer {
  readonly #world: LoadWorld;
  readonly #client: ClusterClient;
  readonly #random: RandomStream;
  readonly #values: Values;
  readonly #acks: -1 | 1;
  #process: number;

  constructor(world: LoadWorld, client: ClusterClient, random: RandomStream, index: number) {
    this.#world = world;
    this.#client = client;
    this.#random = random;
    this.#values = new Values(`p${index}`, random);
    this.#acks = random.chance(world.load()['acks one'] / 100) ? 1 : -1;
    this.#process = world.nextProcess();
  }

  async send(): Promise<void> {
    const { batch: most, text, timeout } = this.#world.load();
    const batch: Batch = { key: this.#random.pick(this.#world.plainKeys), values: this.#values.take(most, text) };
    const leader = this.#client.leaderOf(batch.key);
    const operation = this.#world.history.invoke({
      process: this.#process,
      f: 'send',
      input: stepsOf(batch),
      ...(leader === undefined ? {} : { node: this.#client.addressOf(leader.broker) }),
    });
    const result = await sendOnce(this.#client, batch, { acks: this.#acks, version: 9, timeoutMs: timeout });
    switch (result.kind) {
      case 'ok':
        return operation.ok(stepsOf(batch, result.baseOffset));
      case 'doubt':
        this.#process = this.#world.nextProcess();
        return operation.info({ code: result.code, message: result.message });
      case 'unsent':
        operation.fail({ code: result.code, message: result.message });
        break;
      case 'refused':
        operation.fail(errorOf(result.code, result.message));
        break;
    }
    await this.#client.host.clock.sleep(retryAfterMs);
  }
}

/** A batch with its place in the sequence of its producer. */
interface Sequenced extends Batch {
  readonly operation: NonNullable<Batch['operation']>;
  readonly sequence: number;
  /** An attempt may have put it down. */
  doubt: boolean;
}

/**
 * Sends up to three batches of one partition at once and the unanswered ones again, in their order and with their sequence numbers, until
 * each is answered: what Kafka's own clients do with `enable.idempotence`.
 */
class IdempotentProducer {
  readonly #world: LoadWorld;
  readonly #client: ClusterClient;
  readonly #random: RandomStream;
  readonly #values: Values;
  readonly #lanes: number[];
  readonly #sequences = new Map<string, number>();
  /** Epoch of the leader that acknowledged last, by partition. */
  readonly #acknowledgedBy = new Map<string, number>();
  /** Partitions that took a batch before those that go before it: to one that knows nothing of a producer any number is the first. */
  readonly #overtaken = new Set<string>();
  #identity: { readonly id: number; readonly epoch: number } | undefined;

  constructor(world: LoadWorld, client: ClusterClient, random: RandomStream, index: number) {
    this.#world = world;
    this.#client = client;
    this.#random = random;
    this.#values = new Values(`i${index}`, random);
    this.#lanes = Array.from({ length: inFlightMax }, () => world.nextProcess());
  }

  async send(): Promise<void> {
    if (this.#identity === undefined && !(await this.#begin())) return;
    const { batch: most, text } = this.#world.load();
    const key = this.#random.pick(this.#world.plainKeys);
    // The first one goes alone: of a producer that a partition does not know any sequence is taken, and a second batch may overtake it.
    const isKnown = this.#sequences.has(key);
    const count = this.#random.chance(0.3) && isKnown ? inFlightMax : 1;
    const pending: Sequenced[] = [];
    let sequence = this.#sequences.get(key) ?? 0;
    for (let lane = 0; lane < count; lane++) {
      const batch: Batch = { key, values: this.#values.take(most, text) };
      const process = this.#lanes[lane] ?? 0;
      const operation = this.#world.history.invoke({ process, f: 'send', input: stepsOf(batch) });
      pending.push({ ...batch, operation, sequence, doubt: false });
      sequence += batch.values.length;
    }
    await this.#sendAll(key, pending);
  }

  /** Sends what is pending, all of it and in order, until it is answered or nothing more can be hoped for. */
  async #sendAll(key: string, given: Sequenced[]): Promise<void> {
    let pending = given;
    for (let attempt = 0; attempt < attemptsMax && pending.length > 0; attempt++) {
      if (this.#world.isStopped() && attempt > 5) break;
      if (!(await this.#reach(key))) {
        await this.#client.host.clock.sleep(retryAfterMs);
        continue;
      }
      const results = await Promise.all(pending.map((batch) => this.#attempt(batch)));
      const left: Sequenced[] = [];
      let isOver = false;
      for (const [at, batch] of pending.entries()) {
        const result = results[at];
        if (result === undefined) continue;
        if (result.kind === 'ok') {
          if (left.length > 0) this.#overtaken.add(key);
          batch.operation.ok(stepsOf(batch, result.baseOffset));
          // Answers may come in another order than the numbers: a later batch was taken, and those before it are answered again.
          this.#sequences.set(key, Math.max(this.#sequences.get(key) ?? 0, batch.sequence + batch.values.length));
          this.#acknowledgedBy.set(key, result.epoch);
          continue;
        }
        if (result.kind === 'doubt') batch.doubt = true;
        // Out of order is what follows a batch that was not taken; by itself it is the end.
        const follows = result.kind === 'refused' && result.code === kafka.outOfOrder && left.length > 0;
        if (result.kind === 'refused' && !follows && !isPassing(result.code)) {
          isOver = true;
          this.#noteRefusal(key, batch, result);
        }
        left.push(batch);
        if (isOver && result.kind === 'refused') this.#giveUp(left.splice(left.indexOf(batch), 1), result);
      }
      pending = left;
      if (isOver) break;
      if (pending.length > 0) await this.#client.host.clock.sleep(retryAfterMs);
    }
    if (pending.length > 0)
      this.#giveUp(pending, { kind: 'doubt', code: 'GAVE_UP', message: 'no answer that decides it' });
  }

  /** A connection to the leader is there: else each batch would look for one by itself, and a later one might find it first. */
  async #reach(key: string): Promise<boolean> {
    try {
      await this.#client.connection(await this.#client.leader(key));
      return true;
    } catch (error) {
      if (!(error instanceof CallFailed)) throw error;
      this.#client.forgetLeader(key);
      return false;
    }
  }

  /** A leader that has acknowledged everything before it, or a later one, has no reason to refuse a batch for its number. */
  #noteRefusal(key: string, batch: Sequenced, result: Extract<SendResult, { kind: 'refused' }>): void {
    if (![kafka.outOfOrder, kafka.duplicateSequence].includes(result.code as 45 | 46)) return; // `includes` asks for a member of the list
    if (this.#overtaken.has(key)) return;
    if (batch.sequence > 0 && result.epoch < (this.#acknowledgedBy.get(key) ?? Number.POSITIVE_INFINITY)) return;
    this.#world.told.refusals.push({
      key,
      producerId: this.#identity?.id ?? -1,
      sequence: batch.sequence,
      errorCode: result.code,
      atMs: this.#world.now(),
    });
  }

  #attempt(batch: Sequenced): Promise<SendResult> {
    const { id, epoch } = this.#identity ?? { id: -1, epoch: -1 };
    return sendOnce(this.#client, batch, {
      acks: -1,
      version: 11,
      timeoutMs: this.#world.load().timeout,
      batch: { producerId: id, producerEpoch: epoch, baseSequence: batch.sequence },
    });
  }

  /** A new identity begins: sequence numbers that may have been taken are not used again. */
  #giveUp(batches: readonly Sequenced[], result: SendResult): void {
    this.#identity = undefined;
    this.#sequences.clear();
    this.#acknowledgedBy.clear();
    this.#overtaken.clear();
    for (const { operation, doubt } of batches) {
      const error =
        result.kind === 'refused'
          ? errorOf(result.code, result.message)
          : { code: result.kind === 'ok' ? 'NONE' : result.code, message: result.kind === 'ok' ? '' : result.message };
      const lane = this.#lanes.indexOf(operation.operation.process);
      if (doubt) {
        operation.info(error);
        if (lane >= 0) this.#lanes[lane] = this.#world.nextProcess();
      } else {
        operation.fail(error);
      }
    }
  }

  async #begin(): Promise<boolean> {
    try {
      await this.#client.refresh([]);
      const key = this.#random.pick(this.#world.plainKeys);
      const broker = await this.#client.leader(key);
      const answer = await this.#client.call(broker, apiKeys.InitProducerId, 4, {
        transactionalId: null,
        transactionTimeoutMs: 60_000,
      });
      if (answer.errorCode === kafka.none) {
        this.#identity = { id: answer.producerId, epoch: answer.producerEpoch };
        return true;
      }
    } catch (error) {
      if (!(error instanceof CallFailed)) throw error;
    }
    await this.#client.host.clock.sleep(retryAfterMs);
    return false;
  }
}
