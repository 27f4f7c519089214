import type { PendingOperation } from '../../../../checkers/recorder.ts';
import { apiKeys } from '../../../../wire/kafka/apis.ts';
import { type BatchOptions, buildBatch } from '../../../../wire/kafka/records.ts';
import type { ClusterClient } from '../client/cluster.ts';
import { CallFailed } from '../client/connection.ts';
import { isInDoubt, isOfLeader, partitionOf, topicOf } from './context.ts';

/** A batch on its way: values of one partition. */
export interface Batch {
  readonly key: string;
  readonly values: readonly string[];
  readonly operation?: PendingOperation;
}

/** What one attempt to send a batch came to. `epoch` is that of the leader that was asked. */
export type SendResult =
  | { readonly kind: 'ok'; readonly baseOffset: number; readonly epoch: number }
  /** Nothing was appended by this attempt. */
  | { readonly kind: 'refused'; readonly code: number; readonly message: string; readonly epoch: number }
  /** It may be there. */
  | { readonly kind: 'doubt'; readonly code: string; readonly message: string }
  /** It never left this machine. */
  | { readonly kind: 'unsent'; readonly code: string; readonly message: string };

export interface SendOptions {
  readonly acks: -1 | 1;
  readonly version: number;
  readonly timeoutMs: number;
  readonly transactionalId?: string;
  readonly batch?: BatchOptions;
}

const encoder = new TextEncoder();

/** Sends a batch once, to whoever is known to lead. Never rejects. */
export async function sendOnce(client: ClusterClient, batch: Batch, options: SendOptions): Promise<SendResult> {
  const { key, values } = batch;
  const timestamp = Math.floor(client.host.clock.wall());
  const records = buildBatch(
    values.map((value) => ({ timestamp, value: encoder.encode(value) })),
    options.batch ?? {},
  );
  try {
    const broker = await client.leader(key);
    const epoch = client.leaderOf(key)?.epoch ?? -1;
    const answer = await client.call(
      broker,
      apiKeys.Produce,
      options.version,
      {
        transactionalId: options.transactionalId ?? null,
        acks: options.acks,
        timeoutMs: Math.max(500, Math.floor(options.timeoutMs * 0.8)),
        topicData: [{ name: topicOf(key), partitionData: [{ index: partitionOf(key), records }] }],
      },
      options.timeoutMs,
    );
    const part = answer.responses[0]?.partitionResponses[0];
    if (part === undefined) return { kind: 'doubt', code: 'NO_ANSWER', message: 'the answer has no partition' };
    if (part.errorCode === 0) return { kind: 'ok', baseOffset: part.baseOffset, epoch };
    if (isOfLeader(part.errorCode)) client.forgetLeader(key);
    const message = part.errorMessage ?? `error ${part.errorCode}`;
    if (isInDoubt(part.errorCode)) return { kind: 'doubt', code: `KAFKA_${part.errorCode}`, message };
    return { kind: 'refused', code: part.errorCode, message, epoch };
  } catch (error) {
    if (!(error instanceof CallFailed)) throw error;
    client.forgetLeader(key);
    return { kind: error.sent ? 'doubt' : 'unsent', code: error.code, message: error.message };
  }
}

/** Steps of a history for a batch, with offsets once they are known. */
export function stepsOf({ key, values }: Batch, baseOffset?: number): Record<string, unknown>[] {
  const isKnown = baseOffset !== undefined && baseOffset >= 0;
  return values.map((value, index) => ({
    kind: 'send',
    key,
    value,
    ...(isKnown ? { offset: baseOffset + index } : {}),
  }));
}
