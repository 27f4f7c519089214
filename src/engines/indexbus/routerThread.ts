import type { Host } from '../../host/host.ts';
import type { DedicatedThread } from '../engine.ts';
import { wakeRouter } from './bells.ts';
import type { RouterCommand } from './commands.ts';
import { type LoopStats, loopStats } from './loopStats.ts';
import { failureOf, type PlainFailure, type RouterNews, type RouterRunner, type RouterSetup } from './routerRunner.ts';
import type { Segment, SegmentPlace } from './segment.ts';

/** What the thread is started with. */
export interface ThreadData {
  /** Where the segment is: the thread maps it for itself. */
  readonly place: Omit<SegmentPlace, 'shm'>;
  readonly setup: RouterSetup;
  readonly stats: SharedArrayBuffer;
  /** Word 0 grows with each command that was sent: the loop looks at it, and not at a port, between two polls. */
  readonly calls: SharedArrayBuffer;
  /** Core to be bound to. */
  readonly cpu: number | undefined;
}

/** To the thread. */
export type ToThread =
  | { readonly id: number; readonly command: RouterCommand }
  | { readonly id: number; readonly stop: true };

/** From the thread. */
export type FromThread =
  | { readonly ready: true; readonly tuning: readonly TuningNote[] }
  | { readonly failed: PlainFailure }
  | { readonly id: number; readonly failure?: PlainFailure }
  | { readonly note: RouterNews }
  | { readonly log: 'debug' | 'info' | 'warn' | 'error'; readonly message: string; readonly fields: object };

/** What was asked of the machine for the thread, and what came of it. */
export interface TuningNote {
  readonly name: string;
  readonly requested: string;
  readonly applied: string;
  readonly reason: string;
}

/** A router on its thread. */
export interface ThreadedRouter extends RouterRunner {
  readonly tuning: readonly TuningNote[];
}

/** Starts a router on a thread and waits until it polls. Rejects with `BusError` where the segment is not to be had. */
export async function startRouterThread(
  thread: DedicatedThread,
  data: Pick<ThreadData, 'calls' | 'stats'>,
  segment: Segment,
  host: Host,
  onNews: (news: RouterNews) => void,
): Promise<ThreadedRouter> {
  const waiting = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  const calls = new Int32Array(data.calls);
  const stats: LoopStats = loopStats(data.stats);
  const ready = Promise.withResolvers<readonly TuningNote[]>();
  let next = 1;
  /** Why nothing is carried out any more. */
  let over: Error | undefined;

  thread.onMessage((message) => {
    const it = message as FromThread; // its own body is all that posts there
    if ('ready' in it) ready.resolve(it.tuning);
    else if ('failed' in it) ready.reject(failureOf(it.failed));
    else if ('note' in it) onNews(it.note);
    else if ('log' in it) host.telemetry.logger[it.log](it.message, { ...it.fields });
    else {
      const call = waiting.get(it.id);
      waiting.delete(it.id);
      if (it.failure === undefined) call?.resolve();
      else call?.reject(failureOf(it.failure));
    }
  });
  const send = (message: { command: RouterCommand } | { stop: true }): Promise<void> => {
    const id = next;
    next += 1;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    if (over !== undefined) return Promise.reject(over);
    waiting.set(id, { resolve, reject });
    thread.post({ ...message, id } satisfies ToThread);
    Atomics.add(calls, 0, 1);
    wakeRouter(segment.region);
    return promise;
  };
  const ended = thread.ended.then(
    () => failAll(new Error('the router has ended')),
    (error: unknown) => {
      failAll(error instanceof Error ? error : new Error(String(error)));
      throw error;
    },
  );
  function failAll(error: Error): void {
    over = error;
    ready.reject(error);
    for (const call of waiting.values()) call.reject(error);
    waiting.clear();
  }
  ended.catch(() => undefined);
  const tuning = await ready.promise;
  return {
    stats,
    isDedicated: true,
    tuning,
    ended,
    apply: (command) => send({ command }),
    async stop() {
      await send({ stop: true }).catch(() => undefined);
      await ended;
    },
  };
}
