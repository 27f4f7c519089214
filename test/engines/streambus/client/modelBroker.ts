import { FrameReader } from '../../../../src/engines/streambus/kafka/frameReader.ts';
import { createScramServer, type SaslExchange } from '../../../../src/engines/streambus/security/scram.ts';
import { credentialOf } from '../../../../src/engines/streambus/security/scramKeys.ts';
import type { Host } from '../../../../src/host/host.ts';
import type { Connection } from '../../../../src/host/network.ts';
import { apiKeys, apis } from '../../../../src/wire/kafka/apis.ts';
import { decodeRequest, decodeRequestHeader, encodeResponse } from '../../../../src/wire/kafka/codec.ts';
import type { RequestOf } from '../../../../src/wire/kafka/messages.ts';
import { batchDefect, readBatchHeader, stampBatch } from '../../../../src/wire/kafka/recordBatch.ts';

/** What happens to one request: lost before it has an effect, answered into a broken connection, never answered, or refused. */
export type Interference = 'lose' | 'cut-answer' | 'silence' | number | undefined;

interface Partition {
  readonly batches: Uint8Array[];
  end: number;
  /** Last sequence and its offsets, by producer id. */
  readonly producers: Map<number, { epoch: number; next: number; batches: Map<number, number> }>;
}

/** One broker in one object: enough of the protocol to judge a client by, with faults on demand. */
export class ModelBroker {
  readonly #host: Host;
  readonly #partitions = new Map<string, Partition>();
  readonly offsets = new Map<string, number>();
  /** Names of the requests that came, in order. */
  readonly seen: string[] = [];
  /** Asked before each request takes effect; `count` of this API so far, from 0. */
  interfere: (api: string, count: number) => Interference = () => undefined;
  /** Without it nobody need log in. */
  password: string | undefined;
  readonly #counts = new Map<string, number>();
  #nextProducer = 100;

  constructor(host: Host, topics: Readonly<Record<string, number>>) {
    this.#host = host;
    for (const [topic, count] of Object.entries(topics)) {
      for (let n = 0; n < count; n++) {
        this.#partitions.set(`${topic}/${n}`, { batches: [], end: 0, producers: new Map() });
      }
    }
  }

  async listen(): Promise<void> {
    await this.#host.network.listen({ host: '0.0.0.0', port: 9092 }, (connection) => void this.#serve(connection));
  }

  /** Batches of a partition as they lie in its log. */
  log(partition: string): readonly Uint8Array[] {
    return this.#partitions.get(partition)?.batches ?? [];
  }

  async #serve(connection: Connection): Promise<void> {
    const reader = new FrameReader({
      read: () => connection.read(),
      minFrameBytes: () => 8,
      maxFrameBytes: () => 1e8,
      reserve: () => true,
    });
    let exchange: SaslExchange | undefined;
    try {
      for (;;) {
        const frame = await reader.next();
        if (frame === undefined) break;
        const { api, apiVersion, correlationId, body } = decodeRequestHeader(frame);
        if (api === undefined || body === undefined) break;
        this.seen.push(api.name);
        const count = this.#counts.get(api.name) ?? 0;
        this.#counts.set(api.name, count + 1);
        const fault = this.interfere(api.name, count);
        if (fault === 'lose') break;
        if (fault === 'silence') continue;
        let answer: object | undefined;
        if (api.key === apiKeys.SaslHandshake) {
          exchange = createScramServer({
            mechanism: 'SCRAM-SHA-256',
            credential: () =>
              this.password === undefined
                ? undefined
                : credentialOf('SCRAM-SHA-256', this.password, Buffer.from('0123456789abcdef'), 4096),
            nonce: 'server',
            decoyKey: new Uint8Array(32),
            decoys: {
              forScram: (_, mechanism) => ({ mechanism, salt: new Uint8Array(16), iterations: 4096 }),
            },
          });
          answer = { errorCode: 0, mechanisms: ['SCRAM-SHA-256'] };
        } else if (api.key === apiKeys.SaslAuthenticate) {
          const { authBytes } = decodeRequest(api.key, apiVersion, body);
          const step = exchange?.step(authBytes);
          answer =
            step === undefined || step.kind === 'failed'
              ? { errorCode: 58, errorMessage: step?.reason ?? null, authBytes: new Uint8Array(0) }
              : { errorCode: 0, authBytes: step.reply };
        } else {
          answer = this.#answer(
            api.key,
            decodeRequest(api.key, apiVersion, body),
            typeof fault === 'number' ? fault : 0,
          );
        }
        if (fault === 'cut-answer') break;
        // The model's answers follow the messages; what they lack has its default.
        for (const piece of encodeResponse(api.key, apiVersion, correlationId, answer as never)) {
          await connection.write(piece);
        }
      }
    } catch {
      // The client went away.
    }
    connection.destroy();
  }

  #answer(key: number, request: object, errorCode: number): object {
    // The request was decoded as this key's.
    switch (key) {
      case apiKeys.ApiVersions:
        return {
          errorCode: 0,
          apiKeys: apis.map((api) => ({ apiKey: api.key, minVersion: api.min, maxVersion: api.max })),
        };
      case apiKeys.Metadata:
        return this.#metadata(request as RequestOf<3>);
      case apiKeys.InitProducerId:
        if (errorCode !== 0) return { errorCode };
        return { errorCode: 0, producerId: this.#nextProducer++, producerEpoch: 0 };
      case apiKeys.Produce:
        return this.#produce(request as RequestOf<0>, errorCode);
      case apiKeys.Fetch:
        return this.#fetch(request as RequestOf<1>, errorCode);
      case apiKeys.ListOffsets:
        return this.#listOffsets(request as RequestOf<2>, errorCode);
      case apiKeys.FindCoordinator: {
        const { coordinatorKeys } = request as RequestOf<10>;
        return {
          coordinators: coordinatorKeys.map((one) => ({
            key: one,
            nodeId: 1,
            host: this.#host.name,
            port: 9092,
            errorCode,
          })),
        };
      }
      case apiKeys.OffsetCommit: {
        const { topics } = request as RequestOf<8>;
        return {
          topics: topics.map(({ name, partitions }) => ({
            name,
            partitions: partitions.map(({ partitionIndex, committedOffset }) => {
              if (errorCode === 0) this.offsets.set(`${name}/${partitionIndex}`, committedOffset);
              return { partitionIndex, errorCode };
            }),
          })),
        };
      }
      case apiKeys.OffsetFetch: {
        const { groups } = request as RequestOf<9>;
        return {
          groups: groups.map(({ groupId, topics }) => ({
            groupId,
            errorCode,
            topics: (topics ?? []).map(({ name, partitionIndexes }) => ({
              name,
              partitions: partitionIndexes.map((partitionIndex) => ({
                partitionIndex,
                committedOffset: this.offsets.get(`${name}/${partitionIndex}`) ?? -1,
                metadata: '',
                errorCode: 0,
              })),
            })),
          })),
        };
      }
      default:
        throw new Error(`the model does not know API ${key}`);
    }
  }

  #metadata({ topics }: RequestOf<3>): object {
    const names =
      topics?.map((topic) => topic.name ?? '') ?? [...this.#partitions.keys()].map((key) => key.split('/')[0] ?? '');
    return {
      brokers: [{ nodeId: 1, host: this.#host.name, port: 9092 }],
      controllerId: 1,
      clusterId: 'model',
      topics: [...new Set(names)].map((name) => {
        const partitions = [...this.#partitions.keys()]
          .filter((key) => key.startsWith(`${name}/`))
          .map((key) => ({
            errorCode: 0,
            partitionIndex: Number(key.split('/')[1]),
            leaderId: 1,
            leaderEpoch: 1,
            replicaNodes: [1],
            isrNodes: [1],
          }));
        return { name, topicId: idOf(name), errorCode: partitions.length === 0 ? 3 : 0, partitions };
      }),
    };
  }

  #produce({ topicData }: RequestOf<0>, errorCode: number): object {
    return {
      responses: topicData.map(({ name, partitionData }) => ({
        name,
        partitionResponses: partitionData.map(({ index, records }) => {
          if (errorCode !== 0) return { index, errorCode, baseOffset: -1 };
          return { index, ...this.#append(`${name}/${index}`, records ?? new Uint8Array(0)) };
        }),
      })),
    };
  }

  #append(key: string, records: Uint8Array): { errorCode: number; baseOffset: number } {
    const partition = this.#partitions.get(key);
    if (partition === undefined) return { errorCode: 3, baseOffset: -1 };
    const defect = batchDefect(records);
    if (defect !== undefined) return { errorCode: defect.errorCode, baseOffset: -1 };
    const { producerId, producerEpoch, baseSequence, recordCount } = readBatchHeader(records);
    if (producerId >= 0) {
      const known = partition.producers.get(producerId);
      const repeated = known?.batches.get(baseSequence);
      if (repeated !== undefined) return { errorCode: 0, baseOffset: repeated };
      if (known !== undefined && known.next !== baseSequence) return { errorCode: 45, baseOffset: -1 };
      const state = known ?? { epoch: producerEpoch, next: 0, batches: new Map() };
      state.next = baseSequence + recordCount;
      state.batches.set(baseSequence, partition.end);
      partition.producers.set(producerId, state);
    }
    const baseOffset = partition.end;
    const copy = records.slice();
    stampBatch(copy, baseOffset, 1);
    partition.batches.push(copy);
    partition.end += recordCount;
    return { errorCode: 0, baseOffset };
  }

  /** Puts a batch into the log as it is. */
  plant(key: string, batch: Uint8Array): void {
    const partition = this.#partitions.get(key);
    if (partition === undefined) throw new Error(`no partition ${key}`);
    stampBatch(batch, partition.end, 1);
    partition.batches.push(batch);
    partition.end += readBatchHeader(batch).recordCount;
  }

  /** What read-committed fetches are told. */
  aborted: readonly { producerId: number; firstOffset: number }[] = [];

  #fetch({ topics, isolationLevel }: RequestOf<1>, errorCode: number): object {
    return {
      responses: topics.map(({ topicId, partitions }) => {
        const topic = Buffer.from(topicId).toString().replaceAll('\0', '');
        return {
          topicId,
          partitions: partitions.map(({ partition, fetchOffset }) => {
            const found = this.#partitions.get(`${topic}/${partition}`);
            const batches = (found?.batches ?? []).filter((batch) => {
              const { baseOffset, lastOffsetDelta } = readBatchHeader(batch);
              return baseOffset + lastOffsetDelta >= fetchOffset;
            });
            return {
              partitionIndex: partition,
              errorCode,
              highWatermark: found?.end ?? -1,
              abortedTransactions: isolationLevel === 1 ? this.aborted : null,
              records: errorCode === 0 ? batches : null,
            };
          }),
        };
      }),
    };
  }

  #listOffsets({ topics }: RequestOf<2>, errorCode: number): object {
    return {
      topics: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex, timestamp }) => ({
          partitionIndex,
          errorCode,
          offset: timestamp === -2 ? 0 : (this.#partitions.get(`${name}/${partitionIndex}`)?.end ?? -1),
        })),
      })),
    };
  }
}

/** The id of a topic is its name. */
function idOf(name: string): Uint8Array {
  const id = new Uint8Array(16);
  id.set(Buffer.from(name).subarray(0, 16));
  return id;
}
