/** Producers and a reader on a cluster of real brokers, with a history of all that they were told, for `checkLog`. */
import { Kafka, logLevel } from 'kafkajs';
import type { Operation } from '../../../../src/checkers/history.ts';
import type { LogStep } from '../../../../src/checkers/log/operations.ts';
import { createHistory, type History } from '../../../../src/checkers/recorder.ts';
import { type ConsumedRecord, createClient, type StreamBusClient } from './clients.ts';

/** Who writes a topic: our client or kafkajs, with idempotence or without. */
export const writers = ['ours-idempotent', 'ours-plain', 'kafkajs-idempotent', 'kafkajs-plain'] as const;
export type Writer = (typeof writers)[number];

/** An acknowledgement: of which partition, and when. */
export interface Acknowledged {
  readonly key: string;
  /** Milliseconds of `performance.now()`. */
  readonly at: number;
}

/** What the load came to. */
export interface LoadOutcome {
  /** Histories of topics that hold every value once, and of those where a repeat may put one down twice. */
  readonly exact: readonly Operation[];
  readonly repeated: readonly Operation[];
  readonly acknowledged: number;
  /** Sends that clients gave up on. */
  readonly failures: readonly string[];
}

export interface Load {
  /** Every partition that is written, as `topic/partition`. */
  readonly keys: readonly string[];
  /** Acknowledgements so far, in their order. */
  readonly acknowledged: readonly Acknowledged[];
  /** What clients gave up on so far. */
  readonly failures: readonly string[];
  /** Resolves when each of these partitions has acknowledged something from now on; to the milliseconds that each took since `since`. */
  nextAcknowledged(keys: readonly string[], limitMs: number, since?: number): Promise<ReadonlyMap<string, number>>;
  /** Ends the writers, reads every partition from its beginning to its end, and hands over the histories. */
  finish(): Promise<LoadOutcome>;
  /** Drops everything; for after a failure. */
  abandon(): Promise<void>;
}

export interface LoadOptions {
  readonly bootstrap: readonly string[];
  /** Partitions of each writer's topic. Default 3. */
  readonly partitions?: number;
  /** Pause of a writer after each acknowledgement. Default 20 ms. */
  readonly pauseMs?: number;
}

/** Writes one group of values to one partition, in their order; resolves to the offset of each. */
type SendAll = (topic: string, partition: number, values: readonly string[]) => Promise<readonly number[]>;

const valuesPerSend = 4;

/** Makes the topics and begins to write and to read. */
export async function startLoad(options: LoadOptions): Promise<Load> {
  const { bootstrap, partitions = 3, pauseMs = 20 } = options;
  const client = createClient(bootstrap);
  const complaints: string[] = [];
  const kafka = new Kafka({
    brokers: [...bootstrap],
    logLevel: logLevel.ERROR,
    logCreator:
      () =>
      ({ log }) => {
        complaints.push(`${log.timestamp} ${JSON.stringify(log)}`);
      },
    connectionTimeout: 1_000,
    requestTimeout: 5_000,
    retry: { initialRetryTime: 50, maxRetryTime: 300, retries: 200 },
  });
  await client.admin.createTopics(writers.map((name) => ({ name, partitions, replication: 3 })));
  // After a request that timed out kafkajs asks the same broker again, until its metadata is this old (five minutes by default): a
  // leader that hangs without closing its connections would be asked for as long.
  const settings = { maxInFlightRequests: 5, metadataMaxAge: 3_000 };
  const kafkajs = {
    'kafkajs-idempotent': kafka.producer({ idempotent: true, ...settings }),
    'kafkajs-plain': kafka.producer(settings),
  };
  await Promise.all(Object.values(kafkajs).map((producer) => producer.connect()));
  // A batch as small as one record: the values of one send are several batches under way.
  const ours = {
    'ours-idempotent': client.producer({ batchBytes: 1, deliveryTimeoutMs: 60_000, replicationTimeoutMs: 2_000 }),
    'ours-plain': client.producer({ isIdempotent: false, deliveryTimeoutMs: 60_000, replicationTimeoutMs: 2_000 }),
  };
  const sendAll = (writer: Writer): SendAll =>
    writer === 'ours-idempotent' || writer === 'ours-plain'
      ? async (topic, partition, values) => {
          const sent = await Promise.all(values.map((value) => ours[writer].send({ topic, partition, value })));
          return sent.map(({ offset }) => offset);
        }
      : async (topic, partition, values) => {
          const messages = values.map((value) => ({ value, partition }));
          const answers = await kafkajs[writer].send({ topic, messages, acks: -1 });
          // A send is resolved also where kafkajs has left out a partition: acknowledged is what the answer names.
          const answer = answers.find((each) => each.partition === partition);
          if (answer?.baseOffset === undefined) throw new Error(`the answer of the send lacks ${topic}/${partition}`);
          const base = Number(answer.baseOffset);
          return values.map((_, index) => base + index);
        };

  const order = { next: 0 };
  const historyOf = () =>
    createHistory<unknown, unknown>(
      () => performance.now(),
      () => order.next++,
    );
  const histories = { exact: historyOf(), repeated: historyOf() };
  const acknowledged: Acknowledged[] = [];
  const failures: string[] = [];
  const waiting = new Set<() => void>();
  let isEnding = false;
  let processes = 0;

  async function write(history: History, topic: Writer, partition: number): Promise<void> {
    const key = `${topic}/${partition}`;
    const send = sendAll(topic);
    let process = processes++;
    for (let next = 0; !isEnding; next += valuesPerSend) {
      const values = Array.from({ length: valuesPerSend }, (_, index) => `${key} ${next + index}`);
      const steps = (offsets: readonly number[]) =>
        values.map((value, index): LogStep => {
          const offset = offsets[index];
          return { kind: 'send', key, value, ...(offset === undefined ? {} : { offset }) };
        });
      const operation = history.invoke({ process, f: 'send', input: steps([]) });
      try {
        operation.ok(steps(await send(topic, partition, values)));
        acknowledged.push({ key, at: performance.now() });
        for (const wake of waiting) wake();
      } catch (error) {
        operation.info({ code: 'SEND', message: String(error) });
        process = processes++;
        if (!isEnding) failures.push(`${key}: ${String(error)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }

  const keysOf = (names: readonly Writer[]) =>
    names.flatMap((topic) => Array.from({ length: partitions }, (_, partition) => ({ topic, partition })));
  const exact = writers.filter((name) => name.endsWith('idempotent'));
  const repeated = writers.filter((name) => !name.endsWith('idempotent'));
  const running = [
    ...keysOf(exact).map(({ topic, partition }) => write(histories.exact, topic, partition)),
    ...keysOf(repeated).map(({ topic, partition }) => write(histories.repeated, topic, partition)),
  ];
  const tails = [
    readAlong(histories.exact, bootstrap, keysOf(exact), processes++),
    readAlong(histories.repeated, bootstrap, keysOf(repeated), processes++),
  ];

  async function release(): Promise<void> {
    isEnding = true;
    client.close();
    await Promise.all(tails.map((tail) => tail.end()));
    await Promise.all(Object.values(kafkajs).map((producer) => producer.disconnect()));
  }

  return {
    keys: keysOf(writers).map(({ topic, partition }) => `${topic}/${partition}`),
    acknowledged,
    failures,
    async nextAcknowledged(keys, limitMs, since = performance.now()) {
      const from = acknowledged.length;
      const took = new Map<string, number>();
      let looked = from;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const look = () => {
        for (; looked < acknowledged.length; looked++) {
          const { key, at } = acknowledged[looked] as Acknowledged; // below the length
          if (keys.includes(key) && !took.has(key)) took.set(key, at - since);
        }
        if (took.size === keys.length) resolve();
      };
      const timer = setTimeout(() => {
        const missing = keys.filter((key) => !took.has(key));
        const said = [...failures, ...complaints].slice(-20).join('\n');
        reject(new Error(`not acknowledged within ${limitMs} ms: ${missing.join(', ')}\n${said}`));
      }, limitMs);
      waiting.add(look);
      look();
      try {
        await promise;
      } finally {
        clearTimeout(timer);
        waiting.delete(look);
      }
      return took;
    },
    async finish() {
      isEnding = true;
      await Promise.all(running);
      await Promise.all(tails.map((tail) => tail.end()));
      await readAll(histories.exact, client, keysOf(exact), processes++);
      await readAll(histories.repeated, client, keysOf(repeated), processes++);
      await release();
      return {
        exact: histories.exact.operations,
        repeated: histories.repeated.operations,
        acknowledged: acknowledged.length * valuesPerSend,
        failures,
      };
    },
    async abandon() {
      await release();
      await Promise.allSettled(running);
    },
  };
}

type Partition = { readonly topic: string; readonly partition: number };

function stepOf(records: readonly ConsumedRecord[]): LogStep[] {
  const byKey = Map.groupBy(records, ({ topic, partition }) => `${topic}/${partition}`);
  const decoder = new TextDecoder();
  return [
    {
      kind: 'poll',
      records: Object.fromEntries(
        [...byKey].map(([key, of]) => [
          key,
          of.map(({ offset, value }) => ({ offset, value: decoder.decode(value ?? new Uint8Array()) })),
        ]),
      ),
    },
  ];
}

function keysOf(partitions: readonly Partition[]): string[] {
  return partitions.map(({ topic, partition }) => `${topic}/${partition}`);
}

/** Polls along with the writers, on connections of its own, until it is ended. */
function readAlong(
  history: History,
  bootstrap: readonly string[],
  partitions: readonly Partition[],
  process: number,
): { end(): Promise<void> } {
  const client = createClient(bootstrap);
  const consumer = client.consumer({ offsetReset: 'earliest' });
  let isEnding = false;
  history.invoke({ process, f: 'assign', input: { keys: keysOf(partitions) } }).ok({ keys: keysOf(partitions) });
  consumer.assign(partitions);
  const running = (async () => {
    while (!isEnding) {
      const operation = history.invoke({ process, f: 'poll', input: [{ kind: 'poll', records: {} }] });
      try {
        operation.ok(stepOf(await consumer.poll(200)));
      } catch (error) {
        operation.fail({ code: 'POLL', message: String(error) });
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  })();
  return {
    async end() {
      isEnding = true;
      await running;
      client.close();
    },
  };
}

/** Reads every partition from its beginning to the end that it has now. */
async function readAll(
  history: History,
  client: StreamBusClient,
  partitions: readonly Partition[],
  process: number,
): Promise<void> {
  const ends = new Map<string, number>();
  for (const at of partitions) {
    const { offset } = await client.admin.offset(at, 'latest');
    ends.set(`${at.topic}/${at.partition}`, offset);
  }
  const consumer = client.consumer({ offsetReset: 'earliest' });
  history.invoke({ process, f: 'assign', input: { keys: keysOf(partitions) } }).ok({ keys: keysOf(partitions) });
  consumer.assign(partitions);
  const until = performance.now() + 60_000;
  const isDone = () =>
    partitions.every((at) => (consumer.position(at) ?? 0) >= (ends.get(`${at.topic}/${at.partition}`) ?? 0));
  while (!isDone()) {
    if (performance.now() > until) throw new Error(`not read to the ends ${JSON.stringify([...ends])} in 60 s`);
    const operation = history.invoke({ process, f: 'poll', input: [{ kind: 'poll', records: {} }] });
    operation.ok(stepOf(await consumer.poll(200)));
  }
}
