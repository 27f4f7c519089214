import { metaGroup } from '../ids.ts';
import { AdminRefusal } from './answer.ts';
import type { AdminContext } from './context.ts';

/**
 * What a route's answer rests on. `metadata`: they are open here, so that brokers and groups can be named. `quorum`: somebody leads them
 * too, for the answer says what the cluster has: without a majority what lies here may be long past, and without any of it an empty list
 * would say that there is nothing.
 */
export type Needs = 'metadata' | 'quorum';

/** Why the metadata is not known here. */
export interface NotKnown {
  readonly code: 'NOT_READY' | 'NO_QUORUM';
  readonly why: string;
  readonly hint: string;
}

const startOthers = 'start the other brokers that vote on it; hotfire streambus check-quorum says which are missing';

/** Why nothing can be said that rests on `needs`; undefined: something can. */
export function notKnown({ runtime, services, waitsFor }: AdminContext, needs: Needs): NotKnown | undefined {
  const view = runtime.view(metaGroup);
  // A broker that joins has opened it and has nothing of it yet.
  if (view === undefined || services.metadata.clusterId === '') {
    const why = waitsFor() ?? `broker ${services.broker} is starting and has not opened it, or waits for other brokers`;
    const hint = 'see that a majority of the brokers of cluster.peers runs and that they reach each other';
    return { code: 'NOT_READY', why, hint };
  }
  if (needs === 'metadata') return undefined;
  if (view.leader !== 0 && runtime.leaderOf(metaGroup) !== undefined) return undefined;
  return {
    code: 'NO_QUORUM',
    why: `nobody is known to lead it at broker ${services.broker}: no majority of its voters, or an election`,
    hint: startOthers,
  };
}

/** @throws AdminRefusal 503 NOT_READY, NO_QUORUM */
export function expectKnown(context: AdminContext, needs: Needs): void {
  const missing = notKnown(context, needs);
  if (missing === undefined) return;
  throw new AdminRefusal(503, missing.code, `the metadata is not known: ${missing.why}`, missing.hint);
}
