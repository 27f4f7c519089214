import { BusError } from './errors.ts';
import type { Attachment } from './join.ts';
import { Header, Lock, subscriptionsMax } from './layout.ts';
import { isRetired, retired } from './retirement.ts';
import { asBusError, type Segment } from './segment.ts';
import { readSubscription } from './subscriptions.ts';

/** Time between two looks, in milliseconds: a start of a router takes longer. */
const lookEveryMs = 20;

/** What a router has said, and what shows that it lives. */
interface Said {
  readonly epoch: number;
  readonly isAllDeclared: boolean;
  /** Polls of the router so far: a dead one makes none. */
  readonly loops: number;
}

function saidBy({ words }: Segment): Said {
  const epoch = Atomics.load(words, Header.routerEpoch);
  const isAllDeclared = epoch !== 0 && epoch === Atomics.load(words, Header.declaredEpoch);
  return { epoch, isAllDeclared, loops: Atomics.load(words, Header.loops) };
}

/** Record of the subscription of this name; undefined where there is none. */
export function recordOf({ region, layout }: Segment, name: string): number | undefined {
  for (let record = 0; record < subscriptionsMax; record += 1) {
    if (readSubscription(region, layout, record)?.subscription.name === name) return record;
  }
  return undefined;
}

/**
 * The record of a subscription that others declare: the router its configuration's, soon after its start, and participants theirs. Who comes before a router has
 * said that its configuration is all there waits for that. Rejects with IB_UNKNOWN_TOPIC where a router says so, or nobody has declared it after
 * `timeoutMs`; IB_NO_ROUTER where nobody routes by then; IB_RETIRED, IB_CLOSED.
 */
export async function waitForSubscription(attachment: Attachment, name: string, timeoutMs: number): Promise<number> {
  const { segment, host, closing } = attachment;
  const deadline = host.clock.now() + timeoutMs;
  let former = saidBy(segment);
  for (;;) {
    if (closing?.aborted === true) throw new BusError('IB_CLOSED', 'the bus closes: open it again');
    // Before the look: what is declared between the two is found by it.
    const said = saidBy(segment);
    const record = recordOf(segment, name);
    if (record !== undefined) return record;
    if (said.isAllDeclared && hasPolled(former, said)) throw unknown(name);
    if (said.epoch !== former.epoch) former = said;
    if (isRetired(segment)) throw retired(segment);
    const left = deadline - host.clock.now();
    if (!(left > 0)) throw isRouted(attachment) ? unknown(name) : unrouted(segment, name);
    await host.clock.sleep(Math.min(left, lookEveryMs), closing).catch(() => undefined);
  }
}

/**
 * Whether the router that has said it lives, or did after the former look. What a dead one said counts no more, since the next one's configuration may have the
 * name; and until that one, which has the lock already, raises the epoch, the words are those of the dead one.
 */
function hasPolled(former: Said, said: Said): boolean {
  return said.epoch === former.epoch && said.loops !== former.loops;
}

/** Whether a process has the router's lock. */
export function isRouted({ segment, host }: Attachment): boolean {
  try {
    // Of whom it is does not matter: the lock alone is looked at.
    return segment.region.evidence(Lock.router, host.shm.identity()).lock === 'held';
  } catch (error) {
    throw asBusError(segment.name, error);
  }
}

function unknown(name: string): BusError {
  return new BusError(
    'IB_UNKNOWN_TOPIC',
    `there is no subscription ${name}: declare it, or add it to the router's configuration`,
  );
}

function unrouted(segment: Segment, name: string): BusError {
  return new BusError(
    'IB_NO_ROUTER',
    `nobody routes ${segment.name}, and there is no subscription ${name} yet: start its router (hotfire serve indexbus), or declare the subscription`,
  );
}
