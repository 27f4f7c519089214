import { checkQuorum } from './checkQuorum.ts';
import { clusterHealthCheck } from './clusterHealthCheck.ts';
import type { AdminCommand } from './command.ts';
import { diagnoseLatency } from './diagnoseLatency.ts';
import { forceElection } from './forceElection.ts';
import { groups } from './groups.ts';
import { quotas, readonly } from './limits.ts';
import { rollingRestart } from './rollingRestart.ts';
import { topics } from './topics.ts';
import { users } from './users.ts';
import { checkDataIntegrity, verifyDataIntegrity } from './verifyDataIntegrity.ts';

/** The commands of `hotfire streambus` that speak with brokers, by name. */
export const adminCommands: ReadonlyMap<string, AdminCommand> = new Map(
  [
    checkDataIntegrity,
    checkQuorum,
    clusterHealthCheck,
    diagnoseLatency,
    forceElection,
    groups,
    quotas,
    readonly,
    rollingRestart,
    topics,
    users,
    verifyDataIntegrity,
  ].map((command) => [command.name, command]),
);
