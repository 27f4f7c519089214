/** The checks of streambus, in the order in which they run and are reported. */
import { ackAfterSync } from './ackAfterSync.ts';
import type { StreamBusCheck } from './check.ts';
import { fetchGives, highWatermarkMonotonic } from './ends.ts';
import { offsetCommit, oneOwner } from './groupsOfConsumers.ts';
import { logChecks } from './logAnomalies.ts';
import { offsetFold, replicaIdentity, retention, sequence } from './replicaFiles.ts';
import { bounded, liveness, metricsTruth } from './service.ts';
import { circularFlow, epochsGrow, precommitted } from './transactions.ts';

/** A check that watched the run: its findings are part of the evidence. */
function watched(name: string, claim: string): StreamBusCheck {
  return {
    name,
    claim,
    run({ watched: findings }) {
      const outcome = findings.get(name);
      if (outcome === undefined) throw new Error(`${name}: expected what it found while it watched, got nothing`);
      return outcome;
    },
  };
}

/** Every check of the engine. */
export const streamBusChecks: readonly StreamBusCheck[] = [
  ...logChecks,
  precommitted,
  circularFlow,
  epochsGrow,
  offsetCommit,
  watched('raft-paper', "the paper's five properties at every event; one candidate a term, member and group"),
  watched('raft-rules', "a server's own rules: whose replicas it counts, when it stands, when it leads no more"),
  watched('committed-is-durable', 'what is committed is on the media of a majority of its configuration'),
  ackAfterSync,
  watched('decided-first', 'a marker is in a partition only after the decision of its transaction is committed'),
  watched('conf-safety', 'consecutive configurations share a majority; one change at a time; learners never count'),
  highWatermarkMonotonic,
  fetchGives,
  offsetFold,
  replicaIdentity,
  retention,
  watched('tail-rule', 'what was on a medium is not forgotten'),
  oneOwner,
  sequence,
  metricsTruth,
  bounded,
  liveness,
];
