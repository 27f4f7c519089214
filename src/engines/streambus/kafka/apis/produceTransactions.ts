import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type { ProduceRequest } from '../../../../wire/kafka/messages/produce.ts';
import { verifyOrAdd } from '../../txn/verify.ts';
import type { DoorContext } from '../doorContext.ts';
import type { ProducePart } from './produce.ts';

/** From this version on clients leave it to the broker to add partitions to a transaction (KIP-890, second part). */
const addsFrom = 12;
/** First version whose clients know error 120. */
const abortableFrom = 11;
/** Longest time for which a produce request waits for the coordinator of its transaction. */
const verifyTimeoutMs = 5_000;

/**
 * Has the coordinator confirm that the transaction is open and knows the partitions, where a partition has not seen it yet: a late
 * batch of a transaction that has ended must not begin the next one (KIP-890). Undefined when nothing needs it; else settles
 * once each part that may not be appended has its refusal. Never rejects.
 */
export function verifyTransactions(
  request: ProduceRequest,
  parts: readonly ProducePart[],
  context: DoorContext,
): Promise<void> | undefined {
  const { transactionalId } = request;
  if (transactionalId === null || context.services.host.telemetry.mutant('no-verify')) return undefined;
  const unseen = parts.filter(isUnseen);
  for (const part of parts) if (part.summary.isTransactional) part.verifiedEnds = part.replica?.transactionEnds;
  return unseen.length === 0 ? undefined : verify(transactionalId, unseen, context);
}

/** True when an end was appended since the part was looked at: it may be that of the very transaction that was found open. */
export function isOvertaken({ verifiedEnds, replica }: ProducePart): boolean {
  return verifiedEnds !== undefined && replica?.transactionEnds !== verifiedEnds;
}

/** True for a part that may be appended only after its transaction was verified. */
function isUnseen({ refusal, summary, replica }: ProducePart): boolean {
  return (
    refusal === undefined &&
    summary.isTransactional &&
    replica?.hasOpenTransaction(summary.producerId, summary.producerEpoch) === false
  );
}

/** Verifications that an end overtook, and are begun again; then the client has to try again. */
const maxAttempts = 3;

async function verify(transactionalId: string, parts: readonly ProducePart[], context: DoorContext): Promise<void> {
  let left = parts;
  for (let attempt = 0; attempt < maxAttempts && left.length > 0; attempt++) {
    for (const part of left) part.verifiedEnds = part.replica?.transactionEnds;
    await verifyOnce(transactionalId, left, context);
    left = left.filter((part) => part.refusal === undefined && isOvertaken(part));
  }
}

async function verifyOnce(transactionalId: string, parts: readonly ProducePart[], context: DoorContext): Promise<void> {
  const { services, version, signal } = context;
  await Promise.all(
    Array.from(byProducer(parts), async ([, own]) => {
      const [first] = own;
      if (first === undefined) return;
      const { producerId, producerEpoch } = first.summary;
      const partitions = own.map(({ topic, partition }) => ({ topic, partition }));
      const add = version >= addsFrom;
      const code = await verifyOrAdd(
        services,
        { transactionalId, producerId, producerEpoch, partitions, groupId: undefined, add },
        { timeoutMs: verifyTimeoutMs, signal },
      );
      const errorCode = translate(code, version);
      if (errorCode === kafkaErrors.NONE) return;
      for (const part of own) {
        part.refusal = { errorCode, errorMessage: `the transaction's coordinator answered ${code}` };
      }
    }),
  );
}

/** A request has one producer; where a client puts several into one, each is verified by itself. */
function byProducer(parts: readonly ProducePart[]): Map<string, ProducePart[]> {
  const groups = new Map<string, ProducePart[]>();
  for (const part of parts) {
    const key = `${part.summary.producerId} ${part.summary.producerEpoch}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [part]);
    else group.push(part);
  }
  return groups;
}

/** The coordinator's answer in the numbers that a produce request may carry. */
function translate(code: number, version: number): number {
  switch (code) {
    case kafkaErrors.INVALID_TXN_STATE:
      return version >= abortableFrom ? kafkaErrors.TRANSACTION_ABORTABLE : code;
    case kafkaErrors.PRODUCER_FENCED:
      return kafkaErrors.INVALID_PRODUCER_EPOCH;
    case kafkaErrors.CONCURRENT_TRANSACTIONS:
      return version >= addsFrom ? code : kafkaErrors.NOT_ENOUGH_REPLICAS;
    case kafkaErrors.COORDINATOR_LOAD_IN_PROGRESS:
    case kafkaErrors.COORDINATOR_NOT_AVAILABLE:
    case kafkaErrors.NOT_COORDINATOR:
    case kafkaErrors.REQUEST_TIMED_OUT:
      // Nothing was appended and the client should try again: 7 would leave that open.
      return kafkaErrors.NOT_ENOUGH_REPLICAS;
    default:
      return code;
  }
}
