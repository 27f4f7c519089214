import type { Operation } from '../../../checkers/history.ts';
import type { ClientInput, IndexAnswer } from '../../../checkers/stemedb/evidence.ts';
import { queryLimit } from '../../../checkers/stemedb/readYourWrites.ts';
import type { RunningEngine } from '../../../engines/engine.ts';
import type { RouteRequest, RouteResponse } from '../../../engines/route.ts';
import type { World } from '../../../sim/world.ts';
import { answerOf } from './workload.ts';

/** Keys that are asked about at the end of a run; more are left out, the busiest are kept. */
const keysMax = 150;
/** How long the engine may take for all answers, in virtual milliseconds. */
const patienceMs = 30_000;
const lenses = ['recency', 'confidence', 'consensus', 'authority', 'skeptic'] as const;

/** Asks the running engine about every key that was written, under every lens: the index as it answers. */
export async function askIndex(
  running: RunningEngine,
  history: readonly Operation[],
  where: { readonly node: string; readonly incarnation: number; readonly world: World; readonly order: () => number },
): Promise<IndexAnswer[]> {
  const route = running.routes.find((candidate) => candidate.method === 'POST' && candidate.path === '/v1/query');
  if (route === undefined) throw new Error('the engine has no route POST /v1/query');
  const answers: IndexAnswer[] = [];
  const { handler } = route;
  /** A process that hangs does not hang its judges. */
  const answered = async (request: RouteRequest): Promise<RouteResponse> => {
    const { promise, resolve } = Promise.withResolvers<RouteResponse>();
    const giveUp = where.world.scheduler.after(patienceMs, 'judge gives up', undefined, () => resolve({ status: 504 }));
    try {
      return await Promise.race([handler(request), promise]);
    } finally {
      // An event that is never due would keep every answer of the race alive until the world is gone.
      where.world.scheduler.cancel(giveUp);
    }
  };
  const deadlineMs = where.world.now + patienceMs;
  for (const { subject, predicate } of keysOf(history)) {
    for (const lens of lenses) {
      if (where.world.now > deadlineMs) return answers;
      const response = await answered({
        method: 'POST',
        parameters: {},
        query: {},
        headers: { 'content-type': 'application/json' },
        body: new TextEncoder().encode(JSON.stringify({ subject, predicate, lens, limit: queryLimit })),
        signal: new AbortController().signal,
      });
      answers.push({
        incarnation: where.incarnation,
        atMs: where.world.now,
        order: where.order(),
        subject,
        predicate,
        lens,
        ...resultOf(response),
      });
    }
  }
  return answers;
}

function resultOf(response: RouteResponse): Pick<IndexAnswer, 'lsn' | 'winner' | 'candidates' | 'conflict' | 'error'> {
  if (response.status !== 200) {
    return { lsn: 0, winner: undefined, candidates: [], error: `status ${response.status}` };
  }
  const { candidates = [], winner, lsn = 0 } = answerOf(response.body);
  const conflict = (response.body as { readonly conflict?: unknown }).conflict; // an object: it had an LSN
  return { lsn, winner, candidates, ...(typeof conflict === 'number' ? { conflict } : {}) };
}

function keysOf(history: readonly Operation[]): { readonly subject: string; readonly predicate: string }[] {
  const counts = new Map<string, { readonly subject: string; readonly predicate: string; count: number }>();
  for (const operation of history) {
    const input = operation.input as ClientInput; // the stand's own clients
    if (input.f !== 'write') continue;
    for (const { content, kind } of input.submissions) {
      if (kind !== 'assertion') continue;
      const subject = String(content.subject);
      const predicate = String(content.predicate);
      const key = JSON.stringify([subject, predicate]);
      const entry = counts.get(key);
      if (entry === undefined) counts.set(key, { subject, predicate, count: 1 });
      else entry.count++;
    }
  }
  return [...counts.values()].sort((a, b) => b.count - a.count).slice(0, keysMax);
}
