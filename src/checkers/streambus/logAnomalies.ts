import { Findings } from '../findings.ts';
import type { Operation, Violation } from '../history.ts';
import { checkLog, type LogAnomaly } from '../log/checkLog.ts';
import type { StreamBusCheck } from './check.ts';
import type { StreamBusEvidence } from './evidence.ts';

const logNames: ReadonlySet<string> = new Set(['txn', 'send', 'poll', 'assign', 'subscribe']);
const cache = new WeakMap<StreamBusEvidence, readonly Violation[]>();

/** The operations on the log alone. */
export function logOperations(evidence: Pick<StreamBusEvidence, 'operations'>): Operation[] {
  return evidence.operations.filter(({ f }) => logNames.has(f));
}

/** All anomalies of the log, found once for all the checks that take their share of them. */
function anomaliesOf(evidence: StreamBusEvidence): readonly Violation[] {
  let found = cache.get(evidence);
  if (found === undefined) {
    const operations = logOperations(evidence);
    const subscribed = new Set(operations.filter(({ f }) => f === 'subscribe').map(({ process }) => process));
    found = checkLog(operations, { polledToEnd: evidence.polledToEnd }).filter(
      (violation) => !isOfRebalance(violation, evidence, subscribed),
    );
    cache.set(evidence, found);
  }
  return found;
}

/** Between two polls a rebalance may take a key away and give it back elsewhere; of those who were assigned nothing excuses it. */
function isOfRebalance(
  { check, operations = [] }: Violation,
  evidence: StreamBusEvidence,
  subscribed: ReadonlySet<number>,
): boolean {
  if (check !== 'poll-skip' && check !== 'nonmonotonic-poll') return false;
  return operations.some((id) => subscribed.has(evidence.operations[id]?.process ?? Number.NaN));
}

function checkOf(name: string, claim: string, anomalies: readonly LogAnomaly[]): StreamBusCheck {
  return {
    name,
    claim,
    run(evidence) {
      const findings = new Findings(name);
      for (const violation of anomaliesOf(evidence)) {
        if (!(anomalies as readonly string[]).includes(violation.check)) continue;
        const { check: _, message, ...more } = violation;
        findings.add(message, { ...timesOf(evidence, more.operations), ...more });
      }
      return findings.result(`${logOperations(evidence).length} operations on the log`);
    },
  };
}

/** When the last of the operations that show it was answered. */
function timesOf(evidence: StreamBusEvidence, ids: readonly number[] = []): { readonly atMs?: number } {
  const times = ids
    .map((id) => evidence.operations[id]?.completedAt ?? Number.POSITIVE_INFINITY)
    .filter((time) => Number.isFinite(time));
  return times.length === 0 ? {} : { atMs: Math.max(...times) };
}

/** What clients see of a log: the anomalies of Jepsen's Kafka workload, by the names of the contract. */
export const logChecks: readonly StreamBusCheck[] = [
  checkOf('inconsistent-offsets', 'one value at one offset of a partition, for everybody and for ever', [
    'inconsistent-offsets',
  ]),
  checkOf('duplicate', 'one offset for one value', ['duplicate']),
  checkOf('lost-write', 'acknowledged values below the highest one that was read are read', ['lost-write']),
  checkOf('unseen', 'in the end every acknowledged value was read', ['unseen']),
  checkOf('definite-error', 'what was refused never becomes visible', ['aborted-read']),
  checkOf('poll-order', 'consumers neither skip nor step back', [
    'poll-skip',
    'int-poll-skip',
    'nonmonotonic-poll',
    'int-nonmonotonic-poll',
  ]),
  checkOf('send-order', "a producer's offsets grow", ['nonmonotonic-send', 'int-nonmonotonic-send']),
  checkOf('txn-atomic', 'of a transaction all is read, or nothing', ['torn-transaction']),
];
