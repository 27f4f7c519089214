import { Pool } from 'undici';

/** A write that the daemon acknowledged. */
export interface Acknowledged {
  readonly hash: string;
  readonly lsn: number;
  /** What was sent. */
  readonly assertion: Readonly<Record<string, unknown>>;
}

/** A load of many connections that ends when its daemon does. */
export interface Load {
  readonly acknowledged: readonly Acknowledged[];
  /** Requests that got no answer: their writes may be there or not. */
  readonly unanswered: readonly Readonly<Record<string, unknown>>[];
  /** Resolves when every connection has seen the end; rejects on an answer that is no acknowledgement. */
  readonly ended: Promise<void>;
}

/** An assertion that no other has. */
export function assertionOf(round: number, number: number): Record<string, unknown> {
  return {
    subject: `subject-${number % 97}`,
    predicate: 'says',
    object: { text: `round ${round}, claim ${number}: ${'x'.repeat(number % 211)}` },
    stage: 'approved',
    confidence: (number % 101) / 100,
    timestamp: 1_700_000_000_000 + number,
  };
}

/** Writes over `connections` connections, every fourth with batches of ten, as fast as answers come. */
export function startLoad(url: string, round: number, connections: number): Load {
  const pool = new Pool(url, { connections, pipelining: 1 });
  const acknowledged: Acknowledged[] = [];
  const unanswered: Record<string, unknown>[] = [];
  let next = 0;

  async function post(path: string, body: unknown): Promise<unknown> {
    const answer = await pool.request({
      method: 'POST',
      path,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const text = await answer.body.text();
    if (answer.statusCode >= 300) throw new UnexpectedAnswer(`${path}: ${answer.statusCode} ${text}`);
    return JSON.parse(text);
  }

  async function client(number: number): Promise<void> {
    for (;;) {
      const batch = Array.from({ length: number % 4 === 3 ? 10 : 1 }, () => assertionOf(round, next++));
      try {
        if (batch.length === 1) note(await post('/v1/assert', batch[0]), batch[0]);
        else {
          const { results } = (await post('/v1/assert/batch', { assertions: batch })) as { results: unknown[] };
          for (const [index, result] of results.entries()) note(result, batch[index]);
        }
      } catch (error) {
        if (error instanceof UnexpectedAnswer) throw error;
        unanswered.push(...batch);
        return;
      }
    }
  }

  function note(result: unknown, assertion: Record<string, unknown> | undefined): void {
    const { hash, lsn, status } = result as { hash: string; lsn: number; status: string };
    if (status !== 'created' || assertion === undefined) {
      throw new UnexpectedAnswer(`expected a created record, got ${JSON.stringify(result)}`);
    }
    acknowledged.push({ hash, lsn, assertion });
  }

  const ended = Promise.all(Array.from({ length: connections }, (_, number) => client(number))).then(async () => {
    await pool.destroy();
  });
  return { acknowledged, unanswered, ended };
}

class UnexpectedAnswer extends Error {}
