import type { CheckOutcome } from '../findings.ts';
import { Findings } from '../findings.ts';
import { nameOf } from './raftPaper.ts';

/** How a transaction ends. Epochs of a producer are not used again once another has been given. */
export interface Ending {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly commit: boolean;
}

/** A marker that a leader puts into the log of a partition. */
export interface Marked extends Ending {
  readonly group: number;
  readonly member: number;
  /** Virtual milliseconds. */
  readonly atMs: number;
}

/** Told of what is committed by coordinators, and of what leaders of partitions append. */
export interface DecisionsWatch {
  /** That it ends so is committed in the log of its coordinator's shard. */
  decided(ending: Ending): void;
  marked(marker: Marked): void;
  /** `committed`: transactions that were told to be committed and had sent something; each puts a marker at least into one partition. */
  result(committed?: number): CheckOutcome;
}

/**
 * A marker makes the end of a transaction visible in one partition: if the decision behind it could still be lost, another coordinator
 * might end the rest of the transaction the other way.
 */
export function watchDecisions(): DecisionsWatch {
  const findings = new Findings('decided-first');
  const decided = new Set<string>();
  let markers = 0;

  return {
    decided: (ending) => void decided.add(keyOf(ending)),
    marked(marker) {
      markers++;
      if (decided.has(keyOf(marker))) return;
      const { group, member, producerId, producerEpoch, commit, atMs } = marker;
      findings.add(
        `${nameOf(member)} puts into group ${group} that a transaction of producer ${producerId}, epoch ${producerEpoch}, is ${commit ? 'committed' : 'aborted'}: no coordinator has committed that decision`,
        { atMs },
      );
    },
    result(committed = 0) {
      const seen = findings.result(`${markers} markers, ${decided.size} decisions`);
      if (markers > 0 || committed === 0) return seen;
      const message = `expected a marker at least of ${committed} committed transactions that had sent records, saw none: nothing was checked`;
      return { ...seen, violations: [...seen.violations, { check: 'decided-first', message }] };
    },
  };
}

function keyOf({ producerId, producerEpoch, commit }: Ending): string {
  return `${producerId}/${producerEpoch}/${commit}`;
}
