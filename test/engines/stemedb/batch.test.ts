import { describe, expect, test } from 'vitest';
import { claim, onNode, smallConfig } from './support/world.ts';

const results = (body: unknown) => (body as { results: { status: string; lsn?: number; index?: number }[] }).results;

describe('a batch of several turns', () => {
  test('has its results in the order of its claims, the bad ones among them', () =>
    onNode(async (node) => {
      const assertions = Array.from({ length: 700 }, (_, n) => claim(n, n % 100 === 50 ? { confidence: 7 } : {}));
      const { body } = await node.request('POST /v1/assert/batch', { json: { assertions } });
      expect(body).toMatchObject({ created: 693, rejected: 7 });
      for (const [n, result] of results(body).entries()) {
        expect(result).toMatchObject(n % 100 === 50 ? { status: 'rejected', index: n } : { status: 'created' });
      }
    }));

  test('may refer to what stands before it, in another turn', () =>
    onNode(async (node) => {
      const first = claim(0);
      const { hash } = await node.engine.db.assert(first);
      const known = Array.from({ length: 300 }, (_, n) => claim(n + 1));
      const child = claim(999, { parent: hash });
      const { body } = await node.request('POST /v1/assert/batch', { json: { assertions: [...known, child, first] } });
      expect(body).toMatchObject({ created: 301, existing: 1, rejected: 0 });
      expect(results(body).at(-1)).toMatchObject({ status: 'exists', lsn: 1 });
    }));

  test('lets others in between its turns', () =>
    onNode(async (node, host) => {
      const order: string[] = [];
      const big = node.engine.db.assertBatch(Array.from({ length: 1_000 }, (_, n) => claim(n)));
      host.clock.timer(0, () => order.push('another'));
      void big.then(() => order.push('the batch'));
      await big;
      await Promise.resolve();
      expect(order).toEqual(['another', 'the batch']);
    }));

  test('is stored as far as the rate lets it, and refused as a whole when nothing of it is', () =>
    onNode(
      async (node) => {
        const assertions = Array.from({ length: 400 }, (_, n) => claim(n));
        const { body } = await node.request('POST /v1/assert/batch', { json: { assertions } });
        expect(body).toMatchObject({ created: 200, rejected: 200 });
        expect(results(body).findIndex(({ status }) => status === 'rejected')).toBe(200);
        const again = Array.from({ length: 400 }, (_, n) => claim(1_000 + n));
        expect((await node.request('POST /v1/assert/batch', { json: { assertions: again } })).status).toBe(429);
      },
      smallConfig({ rate_limit: { max_writes_per_sec: 200 } }),
    ));
});
