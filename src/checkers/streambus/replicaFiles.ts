import { Findings } from '../findings.ts';
import type { StreamBusCheck } from './check.ts';
import type { BatchSeen, ReplicaSeen, StreamBusEvidence } from './evidence.ts';

const allBatches = (replica: ReplicaSeen): BatchSeen[] => replica.segments.flatMap(({ batches }) => batches);
const counted = (evidence: StreamBusEvidence): string =>
  `${evidence.replicas.length} replicas, ${evidence.replicas.reduce((sum, one) => sum + allBatches(one).length, 0)} batches`;

function byKey(replicas: readonly ReplicaSeen[]): Map<string, ReplicaSeen[]> {
  const keys = new Map<string, ReplicaSeen[]>();
  for (const replica of replicas) {
    const others = keys.get(replica.key);
    if (others === undefined) keys.set(replica.key, [replica]);
    else others.push(replica);
  }
  return keys;
}

/** An offset is the number of records before it: batch follows batch without a gap, each as long as it says. */
export const offsetFold: StreamBusCheck = {
  name: 'offset-fold',
  claim: 'an offset is the number of records before it',
  run(evidence) {
    const findings = new Findings('offset-fold');
    for (const replica of evidence.replicas) {
      let next: number | undefined;
      for (const batch of allBatches(replica)) {
        const where = `${replica.key} on ${replica.node}`;
        if (next !== undefined && batch.baseOffset !== next) {
          findings.add(`${where}: a batch begins at ${batch.baseOffset}, the one before it ends before ${next}`, {
            node: replica.node,
          });
        }
        if (batch.lastOffset - batch.baseOffset + 1 !== batch.records) {
          findings.add(
            `${where}: the batch at ${batch.baseOffset} goes to ${batch.lastOffset} and holds ${batch.records} records`,
            { node: replica.node },
          );
        }
        if (!batch.intact)
          findings.add(`${where}: the checksum of the batch at ${batch.baseOffset} does not hold`, {
            node: replica.node,
          });
        next = batch.lastOffset + 1;
      }
      const first = allBatches(replica)[0];
      if (first !== undefined && first.baseOffset > replica.start) {
        findings.add(
          `${replica.key} on ${replica.node}: it begins at ${replica.start}, its first batch at ${first.baseOffset}`,
          {
            node: replica.node,
          },
        );
      }
    }
    return findings.result(counted(evidence));
  },
};

/** Replicas have the same batches, cut into the same segments: all of them in the sealed ones, as far as both go in the last one. */
export const replicaIdentity: StreamBusCheck = {
  name: 'replica-identity',
  claim: 'segments of a partition are equal on all of its replicas, byte for byte',
  run(evidence) {
    const findings = new Findings('replica-identity');
    for (const [key, replicas] of byKey(evidence.replicas)) {
      const [first, ...others] = replicas;
      if (first === undefined) continue;
      for (const other of others) {
        const difference = firstDifference(first, other);
        if (difference !== undefined) findings.add(`${key}: ${first.node} and ${other.node} differ: ${difference}`);
      }
    }
    return findings.result(counted(evidence));
  },
};

function firstDifference(one: ReplicaSeen, other: ReplicaSeen): string | undefined {
  for (const segment of one.segments) {
    const same = other.segments.find(({ baseOffset }) => baseOffset === segment.baseOffset);
    if (same === undefined) {
      const others = other.segments.map(({ baseOffset }) => baseOffset);
      // What is below its first one, or above its last, it may not have (yet).
      if (segment.baseOffset < Math.min(...others) || segment.baseOffset > Math.max(...others)) continue;
      return `the second has no segment that begins at ${segment.baseOffset}`;
    }
    const shared = Math.min(segment.batches.length, same.batches.length);
    for (let at = 0; at < shared; at++) {
      const [left, right] = [segment.batches[at], same.batches[at]];
      if (left?.digest === right?.digest && left?.baseOffset === right?.baseOffset) continue;
      return `the batches at ${left?.baseOffset} and ${right?.baseOffset} of segment ${segment.baseOffset} are not the same`;
    }
    if (segment.sealed && same.sealed && segment.batches.length !== same.batches.length) {
      return `segment ${segment.baseOffset} is sealed with ${segment.batches.length} and with ${same.batches.length} batches`;
    }
  }
  return undefined;
}

/** Nothing that is to be kept is deleted, and what is deleted is so on all replicas. */
export const retention: StreamBusCheck = {
  name: 'retention',
  claim: 'nothing is deleted that is to be kept, and the start is the same everywhere',
  run(evidence) {
    const findings = new Findings('retention');
    for (const [key, replicas] of byKey(evidence.replicas)) {
      const allowed = evidence.mayBeGoneBelow.get(key) ?? 0;
      for (const { node, start } of replicas) {
        if (start <= allowed) continue;
        findings.add(`${key} begins at ${start} on ${node}; nothing was to be deleted from ${allowed} on`, { node });
      }
      const starts = new Set(replicas.map(({ start }) => start));
      if (starts.size > 1) {
        findings.add(`${key} begins at ${replicas.map(({ node, start }) => `${start} on ${node}`).join(', ')}`);
      }
    }
    return findings.result(counted(evidence));
  },
};

/** What a producer may have written last: the dumb fold. */
interface Producer {
  epoch: number;
  /** Undefined: nothing of this epoch yet. */
  last: number | undefined;
}

/** Sequence numbers of a producer follow each other, from 0 in each new epoch; one that is not known may begin anywhere. */
export const sequence: StreamBusCheck = {
  name: 'sequence',
  claim: 'batches of an idempotent producer follow each other without a gap and without a repeat',
  run(evidence) {
    const findings = new Findings('sequence');
    let looked = 0;
    for (const replica of evidence.replicas) {
      const producers = new Map<number, Producer>();
      for (const batch of allBatches(replica)) {
        if (batch.producerId < 0) continue;
        looked++;
        const problem = fold(producers, batch);
        if (problem !== undefined) {
          findings.add(`${replica.key} on ${replica.node}, batch at ${batch.baseOffset}: ${problem}`, {
            node: replica.node,
          });
        }
      }
    }
    for (const { key, producerId, sequence: refused, errorCode, atMs } of evidence.refusals) {
      findings.add(
        `${key}: producer ${producerId} was answered ${errorCode} to its batch of sequence ${refused}, which was the next one, or a repeat of one of its last`,
        { atMs },
      );
    }
    return findings.result(`${looked} batches of idempotent producers`);
  },
};

/** Sequence numbers wrap at 2^31. */
const afterSequence = (last: number, count: number): number => (last + count) % 2 ** 31;

function fold(producers: Map<number, Producer>, batch: BatchSeen): string | undefined {
  const known = producers.get(batch.producerId);
  const who = `producer ${batch.producerId}`;
  if (known !== undefined && batch.producerEpoch < known.epoch) {
    return `${who} writes with epoch ${batch.producerEpoch} after ${known.epoch}`;
  }
  if (batch.isControl) {
    const isNew = known === undefined || batch.producerEpoch > known.epoch;
    producers.set(batch.producerId, { epoch: batch.producerEpoch, last: isNew ? undefined : known.last });
    return undefined;
  }
  const lastOfBatch = afterSequence(batch.baseSequence, batch.records - 1);
  producers.set(batch.producerId, { epoch: batch.producerEpoch, last: lastOfBatch });
  if (known === undefined) return undefined;
  if (batch.producerEpoch > known.epoch || known.last === undefined) {
    return batch.baseSequence === 0
      ? undefined
      : `${who} begins epoch ${batch.producerEpoch} with sequence ${batch.baseSequence}`;
  }
  const expected = afterSequence(known.last, 1);
  return batch.baseSequence === expected
    ? undefined
    : `${who} goes on with sequence ${batch.baseSequence}, expected ${expected}`;
}
