import { Findings } from '../findings.ts';
import type { Operation } from '../history.ts';
import { type LogOperation, polledOf, readLog, sentOf } from '../log/operations.ts';
import { valueText } from '../log/valueText.ts';
import type { StreamBusCheck } from './check.ts';
import { logOperations } from './logAnomalies.ts';

/** Nobody that reads committed records reads what its own transaction, still open, has sent. */
export const precommitted: StreamBusCheck = {
  name: 'precommitted',
  claim: 'no transaction reads what it has sent itself: it is not committed yet',
  run(evidence) {
    const findings = new Findings('precommitted');
    const transactions = readLog(logOperations(evidence).filter(({ f }) => f === 'txn'));
    for (const one of transactions) {
      const sent = new Set(sentOf(one).map(({ key, value }) => `${key} ${value}`));
      for (const { key, records } of polledOf(one)) {
        const own = records.find(({ value }) => sent.has(`${key} ${value}`));
        if (own === undefined) continue;
        findings.add(`a transaction polled the value ${valueText(own.value)} of ${key} that it had sent itself`, {
          operations: [one.operation.id],
        });
      }
    }
    return findings.result(`${transactions.length} transactions`);
  },
};

interface Edge {
  readonly to: Operation;
  readonly why: string;
}

/**
 * No circular flow of information (Adya's G1c) between committed transactions: one reads what the other wrote, and the other what the
 * first one wrote. Kafka promises nothing of the order in which transactions write, so that writes alone make no edge here.
 */
export const circularFlow: StreamBusCheck = {
  name: 'g1c',
  claim: 'no two committed transactions have read from each other, nor any longer circle of them',
  run(evidence) {
    const findings = new Findings('g1c');
    const transactions = readLog(logOperations(evidence).filter(({ f, outcome }) => f === 'txn' && outcome !== 'fail'));
    const edges = readsBetween(transactions);
    for (const circle of circles(edges)) {
      findings.add(
        `transactions have read from each other: ${circle.map(({ to, why }) => `${why} → ${to.id}`).join(', ')}`,
        {
          operations: circle.map(({ to }) => to.id),
        },
      );
    }
    let count = 0;
    for (const list of edges.values()) count += list.length;
    return findings.result(`${transactions.length} transactions, ${count} reads between them`);
  },
};

/** From each transaction to those that polled what it sent. */
function readsBetween(transactions: readonly LogOperation[]): Map<Operation, Edge[]> {
  const writers = new Map<string, Operation>();
  for (const one of transactions) {
    for (const { key, value } of sentOf(one)) writers.set(`${key} ${value}`, one.operation);
  }
  const edges = new Map<Operation, Edge[]>();
  for (const one of transactions) {
    if (one.operation.outcome !== 'ok') continue;
    for (const { key, records } of polledOf(one)) {
      for (const { value } of records) {
        const writer = writers.get(`${key} ${value}`);
        if (writer === undefined || writer === one.operation) continue;
        const edge: Edge = { to: one.operation, why: `${value} of ${key}` };
        const list = edges.get(writer);
        if (list === undefined) edges.set(writer, [edge]);
        else list.push(edge);
      }
    }
  }
  return edges;
}

/** One circle for each transaction from which one is found: depth first, without recursion. */
function circles(edges: ReadonlyMap<Operation, readonly Edge[]>): Edge[][] {
  const found: Edge[][] = [];
  const done = new Set<Operation>();
  for (const start of edges.keys()) {
    if (done.has(start)) continue;
    const path: { readonly at: Operation; readonly by: Edge | undefined; next: number }[] = [
      { at: start, by: undefined, next: 0 },
    ];
    const onPath = new Set<Operation>([start]);
    while (path.length > 0) {
      const top = path.at(-1);
      if (top === undefined) break;
      const edge = edges.get(top.at)?.[top.next++];
      if (edge === undefined) {
        path.pop();
        onPath.delete(top.at);
        done.add(top.at);
      } else if (onPath.has(edge.to)) {
        const from = path.findIndex(({ at }) => at === edge.to);
        found.push([...path.slice(from + 1).flatMap(({ by }) => by ?? []), edge]);
      } else if (!done.has(edge.to)) {
        path.push({ at: edge.to, by: edge, next: 0 });
        onPath.add(edge.to);
      }
    }
  }
  return found;
}

/** Each beginning of a transactional producer, and each end of a transaction of version 2, gives an epoch that fences the one before. */
export const epochsGrow: StreamBusCheck = {
  name: 'epochs-grow',
  claim: 'what is given an epoch is given a higher one than before: who has the old one is fenced',
  run(evidence) {
    const findings = new Findings('epochs-grow');
    const last = new Map<string, number>();
    for (const { transactionalId, producerId, epoch, atMs, by } of evidence.epochs) {
      const at = `${transactionalId} ${producerId}`;
      const before = last.get(at);
      last.set(at, epoch);
      if (before === undefined || epoch > before) continue;
      findings.add(`${by} gave ${transactionalId} (producer ${producerId}) the epoch ${epoch} after ${before}`, {
        atMs,
      });
    }
    return findings.result(`${evidence.epochs.length} epochs`);
  },
};
