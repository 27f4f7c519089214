import type { CatchUpPeers, MachineCheckpoint } from '../../../../src/engines/streambus/broker/group.ts';
import type { PartitionHooks } from '../../../../src/engines/streambus/log/hooks.ts';
import {
  type OpenPartitionOptions,
  openPartition,
  type Partition,
} from '../../../../src/engines/streambus/log/partition.ts';
import type { AppendRequest, ReadRequest } from '../../../../src/engines/streambus/log/replica.ts';
import { defaultLogConfig, type LogConfig } from '../../../../src/engines/streambus/log/settings.ts';
import { LogShared, type LogSharedOptions } from '../../../../src/engines/streambus/log/shared.ts';
import type { PartitionInfo } from '../../../../src/engines/streambus/meta/metadata.ts';
import type { Host } from '../../../../src/host/host.ts';
import { batchBytesAt, readBatchHeader } from '../../../../src/wire/kafka/recordBatch.ts';
import { type BatchOptions, buildBatch } from '../../../../src/wire/kafka/records.ts';
import { SoloGroup } from '../support/soloGroup.ts';

export const directory = '/data/orders/partition-0';

export const info: PartitionInfo = {
  topic: 'orders',
  partition: 0,
  group: 1024,
  generation: 1,
  replicas: [1, 2, 3],
  founders: [],
};

/** Largest time that tests write unless they say so: before the world's beginning. */
export const testTime = 1_767_225_000_000;

/** A batch of `values`, as a producer sends it. */
export function batchOf(
  values: readonly string[],
  options: BatchOptions & { readonly timestamp?: number } = {},
): Uint8Array {
  const encoder = new TextEncoder();
  const timestamp = options.timestamp ?? testTime;
  return buildBatch(
    values.map((value) => ({ timestamp, key: null, value: encoder.encode(value) })),
    options,
  );
}

export function produce(records: Uint8Array, more: Partial<AppendRequest> = {}): AppendRequest {
  return {
    records,
    transactionalId: undefined,
    version: 9,
    timeoutMs: 30_000,
    acks: -1,
    clientId: 'test',
    ...more,
  };
}

export function fetchAt(offset: number, more: Partial<ReadRequest> = {}): ReadRequest {
  return {
    offset,
    maxBytes: 1_000_000,
    minOneBatch: true,
    isolation: 'read-uncommitted',
    currentLeaderEpoch: -1,
    lastFetchedEpoch: -1,
    ...more,
  };
}

/** Base offsets and sizes of the batches in pieces of records. */
export function batchesIn(pieces: readonly Uint8Array[]): { base: number; last: number; bytes: Uint8Array }[] {
  const found = [];
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; ) {
      const header = readBatchHeader(piece, at);
      const end = at + (batchBytesAt(piece, at) ?? 0);
      found.push({
        base: header.baseOffset,
        last: header.baseOffset + header.lastOffsetDelta,
        bytes: piece.slice(at, end),
      });
      at = end;
    }
  }
  return found;
}

/** What a partition asked of its broker. */
export interface HookCalls {
  fatal: Error[];
  handOver: string[];
  damaged: string[];
  wanted: number;
  repeated: number;
  repaired: number;
}

export interface OpenedPartition {
  readonly partition: Partition;
  readonly group: SoloGroup;
  readonly shared: LogShared;
  readonly calls: HookCalls;
  readonly configs: Map<string, string>;
}

export interface RigOptions extends OpenPartitionOptions {
  readonly config?: Partial<LogConfig>;
  readonly shared?: LogSharedOptions;
  readonly checkpoint?: MachineCheckpoint | undefined;
  readonly group?: SoloGroup;
  readonly configs?: Map<string, string>;
  readonly directory?: string;
  readonly peers?: CatchUpPeers;
  readonly info?: PartitionInfo;
  /** Of a follower: nothing is applied and it does not lead. */
  readonly follows?: boolean;
}

export const noPeers: CatchUpPeers = {
  brokers: () => [],
  ask: () => Promise.reject(new Error('nobody is there')),
  signal: new AbortController().signal,
};

/** Opens a partition under a group of one replica, which applies what its log has beyond the checkpoint, and leads. */
export async function openRig(host: Host, options: RigOptions = {}): Promise<OpenedPartition> {
  const group = options.group ?? new SoloGroup({ group: info.group });
  const shared = new LogShared(host, options.shared);
  const calls: HookCalls = { fatal: [], handOver: [], damaged: [], wanted: 0, repeated: 0, repaired: 0 };
  const configs = options.configs ?? new Map<string, string>();
  const hooks: PartitionHooks = {
    shared,
    topicConfigs: () => configs,
    peers: () => options.peers ?? noPeers,
    readOnly: () => undefined,
    fatal: (error) => calls.fatal.push(error),
    handOver: (reason) => calls.handOver.push(reason),
    damaged: (reason) => calls.damaged.push(reason),
    repaired: () => {
      calls.repaired += 1;
    },
    repeated: () => {
      calls.repeated += 1;
    },
    wantCheckpoint: () => {
      calls.wanted += 1;
    },
  };
  const partition = await openPartition(
    host,
    { ...defaultLogConfig, ...options.config },
    options.info ?? info,
    options.directory ?? directory,
    group,
    options.checkpoint,
    hooks,
    { salvage: options.salvage ?? false },
  );
  if (options.follows === true) return { partition, group, shared, calls, configs };
  if (group.serving) group.lose();
  group.attach(partition, options.checkpoint?.index);
  return { partition, group, shared, calls, configs };
}
