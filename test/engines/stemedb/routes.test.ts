import { generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { prepareAssertion } from '../../../src/engines/stemedb/content.ts';
import type { AssertionInput } from '../../../src/engines/stemedb/model.ts';
import { claim, errorOf, type Node, onNode, smallConfig } from './support/world.ts';

const AGENT = 'a1'.repeat(32);
const OTHER = 'b2'.repeat(32);
const NOWHERE = 'f'.repeat(64);

async function rejections(node: Node, code: string): Promise<number> {
  const { body } = await node.request('GET /metrics');
  const line = String(body)
    .split('\n')
    .find((text) => text.startsWith(`stemedb_write_rejections_total{code="${code}"}`));
  return line === undefined ? 0 : Number(line.split(' ')[1]);
}

describe('POST /v1/assert', () => {
  test('answers 201 with LSN and id, 200 when it is there, and a query sees it at once', () =>
    onNode(async (node) => {
      const first = await node.request('POST /v1/assert', { json: claim(1) });
      const { id } = prepareAssertion(claim(1));
      expect(first).toMatchObject({
        status: 201,
        headers: { 'stemedb-lsn': '1' },
        body: { hash: id, lsn: 1, status: 'created' },
      });
      const again = await node.request('POST /v1/assert', { json: claim(1) });
      expect(again).toMatchObject({ status: 200, body: { hash: id, lsn: 1, status: 'exists' } });
      const answer = await node.request('GET /v1/query?subject=s&predicate=p');
      expect(answer.body).toMatchObject({
        winner: { hash: id, lsn: 1, assertion: { object: { number: 1 } } },
        decided_by: 'only',
        lsn: 1,
      });
      const record = await node.request(`GET /v1/assertions/${id}`);
      expect(record).toMatchObject({ status: 200, body: { hash: id, lsn: 1, kind: 'assertion', signatures: [] } });
    }));

  test('gives equal content one LSN, also while it is pending', () =>
    onNode(async (node) => {
      const answers = await Promise.all([1, 2, 3].map(() => node.request('POST /v1/assert', { json: claim(1) })));
      expect(answers.map(({ status }) => status)).toEqual([201, 200, 200]);
      expect(answers.map(({ headers }) => headers?.['stemedb-lsn'])).toEqual(['1', '1', '1']);
    }));

  test.each<[string, string, string | null, number, string]>([
    ['not JSON', '{', 'application/json', 400, 'VALIDATION_FAILED'],
    ['an empty body', '', 'application/json', 400, 'VALIDATION_FAILED'],
    ['brackets 100,000 deep', '['.repeat(100_000), 'application/json', 400, 'VALIDATION_FAILED'],
    ['another content type', '{}', 'text/plain', 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['no content type', '{}', null, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['more than the body limit', ' '.repeat(2 ** 20 + 1), 'application/json', 413, 'TOO_LARGE'],
  ])('refuses %s', (_, text, contentType, status, code) =>
    onNode(async (node) => {
      const response = await node.request('POST /v1/assert', { text, contentType });
      expect(response.status).toBe(status);
      expect(errorOf(response)).toMatchObject({ code, outcome: 'not_applied' });
      expect(await rejections(node, code)).toBe(1);
    }),
  );

  test('refuses a timestamp further ahead than the skew, with the clock that counts', () =>
    onNode(async (node, host) => {
      const ahead = await node.request('POST /v1/assert', {
        json: claim(1, { timestamp: Math.ceil(host.clock.wall()) + 300_100 }),
      });
      expect(ahead.status).toBe(400);
      expect(errorOf(ahead)).toMatchObject({ code: 'TIMESTAMP_AHEAD', outcome: 'not_applied' });
      const within = await node.request('POST /v1/assert', {
        json: claim(1, { timestamp: Math.floor(host.clock.wall()) + 299_000 }),
      });
      expect(within.status).toBe(201);
    }));

  test.each<[string, string, object]>([
    ['parent', 'POST /v1/assert', claim(1, { parent: NOWHERE })],
    ['epoch', 'POST /v1/assert', claim(1, { epoch: NOWHERE })],
    ['assertion', 'POST /v1/vote', { assertion: NOWHERE, agent: AGENT, value: 'support', timestamp: 1 }],
    ['supersedes', 'POST /v1/epoch', { name: 'e', supersedes: NOWHERE, timestamp: 1 }],
  ])('refuses a %s that is not stored', (path, line, json) =>
    onNode(async (node) => {
      const response = await node.request(line, { json });
      expect(response.status).toBe(422);
      expect(errorOf(response)).toMatchObject({
        code: 'REFERENCE_NOT_FOUND',
        outcome: 'not_applied',
        details: [{ path, got: NOWHERE }],
      });
    }),
  );

  test('refuses a reference to a record of another type, takes one that is pending', () =>
    onNode(async (node) => {
      const parent = prepareAssertion(claim(1)).id;
      const both = await Promise.all([
        node.request('POST /v1/assert', { json: claim(1) }),
        node.request('POST /v1/assert', { json: claim(2, { parent }) }),
      ]);
      expect(both.map(({ status }) => status)).toEqual([201, 201]);
      const wrong = await node.request('POST /v1/assert', { json: claim(3, { epoch: parent }) });
      expect(errorOf(wrong)).toMatchObject({ code: 'REFERENCE_NOT_FOUND' });
    }));

  test('refuses a record over its limit', () =>
    onNode(
      async (node) => {
        const response = await node.request('POST /v1/assert', {
          json: claim(1, { object: { text: 'x'.repeat(2_000) } }),
        });
        expect([response.status, errorOf(response).code]).toEqual([413, 'TOO_LARGE']);
      },
      smallConfig({ wal: { max_record_bytes: 1_024 } }),
    ));
});

describe('signatures', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const key = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex');
  const signed = (input: AssertionInput): AssertionInput => ({
    ...input,
    signatures: [
      { key, signature: sign(null, Buffer.from(prepareAssertion(input).id, 'hex'), privateKey).toString('hex') },
    ],
  });

  test('that verify are stored; one that does not is refused', () =>
    onNode(async (node) => {
      const good = await node.request('POST /v1/assert', { json: signed(claim(1, { agent: key })) });
      expect(good.status).toBe(201);
      const stored = await node.request(`GET /v1/assertions/${prepareAssertion(claim(1, { agent: key })).id}`);
      expect(stored.body).toMatchObject({ signatures: [{ key }] });
      const bad = await node.request('POST /v1/assert', {
        json: { ...claim(2), signatures: [{ key, signature: '0'.repeat(128) }] },
      });
      expect([bad.status, errorOf(bad).code, errorOf(bad).outcome]).toEqual([422, 'SIGNATURE_INVALID', 'not_applied']);
    }));

  test('other than the stored ones are ignored, and counted', () =>
    onNode(async (node) => {
      await node.request('POST /v1/assert', { json: claim(1) });
      const again = await node.request('POST /v1/assert', { json: signed(claim(1)) });
      expect(again).toMatchObject({ status: 200, body: { status: 'exists', signatures_ignored: 1 } });
    }));

  test.each<[string, AssertionInput, number]>([
    ['none', claim(1), 422],
    ['one of another key than the agent', signed(claim(1, { agent: AGENT })), 422],
    ['one of the agent', signed(claim(1, { agent: key })), 201],
    ['one where no agent is named', signed(claim(1)), 201],
  ])('with "require", %s', (_, json, status) =>
    onNode(
      async (node) => expect((await node.request('POST /v1/assert', { json })).status).toBe(status),
      smallConfig({ assert: { signatures: 'require' } }),
    ),
  );

  test('with "off" are stored unchecked', () =>
    onNode(
      async (node) => {
        const json = { ...claim(2), signatures: [{ key, signature: '0'.repeat(128) }] };
        expect((await node.request('POST /v1/assert', { json })).status).toBe(201);
      },
      smallConfig({ assert: { signatures: 'off' } }),
    ));

  test('are verified 16 a turn: 40 of them all count', () =>
    onNode(async (node) => {
      const items = Array.from({ length: 40 }, (_, n) => signed(claim(n, { agent: key })));
      const { body } = await node.request('POST /v1/assert/batch', { json: { assertions: items } });
      expect(body).toMatchObject({ created: 40, rejected: 0 });
    }));
});

describe('POST /v1/assert/batch', () => {
  test('stores the good ones and names the bad ones by index; later items may refer to earlier ones', () =>
    onNode(async (node) => {
      const parent = prepareAssertion(claim(1)).id;
      const assertions = [
        claim(1),
        { ...claim(2), confidence: 7 },
        claim(3, { parent }),
        claim(1),
        claim(4, { parent: NOWHERE }),
      ];
      const { status, body } = await node.request('POST /v1/assert/batch', { json: { assertions } });
      expect(status).toBe(200);
      expect(body).toMatchObject({
        created: 2,
        existing: 1,
        rejected: 2,
        results: [
          { status: 'created', lsn: 1 },
          { status: 'rejected', index: 1, error: { code: 'VALIDATION_FAILED', details: [{ path: 'confidence' }] } },
          { status: 'created', lsn: 2 },
          { status: 'exists', lsn: 1 },
          { status: 'rejected', index: 4, error: { code: 'REFERENCE_NOT_FOUND', outcome: 'not_applied' } },
        ],
      });
    }));

  test.each<[string, AssertionInput[]]>([
    ['validation', [claim(1), { ...claim(2), confidence: 7 }]],
    ['a dangling reference', [claim(1), claim(2, { parent: NOWHERE })]],
  ])('with atomic stores nothing when one fails by %s', (_, assertions) =>
    onNode(async (node) => {
      const response = await node.request('POST /v1/assert/batch', { json: { assertions, atomic: true } });
      expect(response.status).toBe(400);
      expect(errorOf(response)).toMatchObject({ code: 'VALIDATION_FAILED', outcome: 'not_applied', index: 1 });
      expect((await node.request(`GET /v1/assertions/${prepareAssertion(claim(1)).id}`)).status).toBe(404);
      expect(node.engine.db.journal.durableLsn).toBe(0);
    }),
  );

  test('refuses more items than a batch may hold, and an unknown key', () =>
    onNode(async (node) => {
      const many = await node.request('POST /v1/assert/batch', { json: { assertions: new Array(10_001).fill(0) } });
      expect([many.status, errorOf(many).code]).toEqual([413, 'TOO_LARGE']);
      const unknown = await node.request('POST /v1/assert/batch', { json: { assertions: [], atomical: true } });
      expect([unknown.status, errorOf(unknown).code]).toEqual([400, 'VALIDATION_FAILED']);
      const type = await node.request('POST /v1/assert/batch', { text: '{}', contentType: 'text/plain' });
      expect([type.status, errorOf(type).code]).toEqual([415, 'UNSUPPORTED_MEDIA_TYPE']);
      for (const code of ['TOO_LARGE', 'VALIDATION_FAILED', 'UNSUPPORTED_MEDIA_TYPE'])
        expect(await rejections(node, code)).toBe(1);
    }));

  test('splits what does not fit one append, in order', () =>
    onNode(async (node) => {
      const assertions = Array.from({ length: 40 }, (_, n) =>
        claim(n, { object: { text: `${n}-${'x'.repeat(20_000)}` } }),
      );
      const { body } = await node.request('POST /v1/assert/batch', { json: { assertions } });
      const { results } = body as { results: { lsn: number }[] };
      expect(results.map(({ lsn }) => lsn)).toEqual(assertions.map((_, i) => i + 1));
    }));

  test('as NDJSON answers line by line, goes on after a broken line, whatever the pieces', () =>
    onNode(async (node) => {
      const text = `${JSON.stringify(claim(1))}\n{"broken\n\n${JSON.stringify(claim(2))}\r\n${JSON.stringify({ ...claim(3), stage: 'x' })}\n${JSON.stringify(claim(1))}`;
      for (const size of [text.length, 7]) {
        const pieces = text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
        const response = await node.request('POST /v1/assert/batch', { contentType: 'application/x-ndjson', pieces });
        let lines = '';
        for await (const piece of response.body as AsyncIterable<string>) lines += piece;
        const results = lines
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line));
        expect(results.map(({ line, lsn, error }) => [line, lsn ?? error.code])).toEqual([
          [1, 1],
          [2, 'VALIDATION_FAILED'],
          [4, 2],
          [5, 'VALIDATION_FAILED'],
          [6, 1],
        ]);
      }
    }));

  test('as NDJSON refuses a line beyond the limit and keeps on', () =>
    onNode(async (node) => {
      const pieces = ['x'.repeat(700_000), 'x'.repeat(700_000), `\n${JSON.stringify(claim(1))}\n`];
      const response = await node.request('POST /v1/assert/batch', { contentType: 'application/x-ndjson', pieces });
      let lines = '';
      for await (const piece of response.body as AsyncIterable<string>) lines += piece;
      expect(
        lines
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line)),
      ).toMatchObject([
        { line: 1, error: { code: 'TOO_LARGE' } },
        { line: 2, status: 'created' },
      ]);
    }));
});

describe('reads', () => {
  test('an unknown id is 404, no id at all 400', () =>
    onNode(async (node) => {
      expect((await node.request(`GET /v1/assertions/${NOWHERE}`)).status).toBe(404);
      expect((await node.request('GET /v1/assertions/xyz')).status).toBe(400);
    }));

  test('as_of_lsn gives what the store knew, beyond the log it is LSN_AHEAD; as_of what was claimed until then', () =>
    onNode(async (node) => {
      for (const n of [1, 2, 3]) await node.request('POST /v1/assert', { json: claim(n) });
      const winner = async (query: string) => {
        const { body } = await node.request(`GET /v1/query?subject=s&predicate=p&${query}`);
        return (body as { winner: { lsn: number } }).winner.lsn;
      };
      expect(await winner('')).toBe(3);
      expect(await winner('as_of_lsn=2')).toBe(2);
      expect(await winner('as_of=1001')).toBe(1);
      const ahead = await node.request('GET /v1/query?subject=s&as_of_lsn=4');
      expect([ahead.status, errorOf(ahead).code]).toEqual([400, 'LSN_AHEAD']);
    }));

  test('only the agent itself withdraws a claim, and history still shows it', () =>
    onNode(async (node) => {
      const first = claim(1, { agent: AGENT });
      const parent = prepareAssertion(first).id;
      await node.request('POST /v1/assert', { json: first });
      await node.request('POST /v1/assert', { json: claim(2, { agent: OTHER, stage: 'retired', parent }) });
      const matched = async (query = '') => {
        const { body } = await node.request(`GET /v1/query?subject=s&predicate=p${query}`);
        return (body as { matched: number }).matched;
      };
      expect(await matched()).toBe(1);
      await node.request('POST /v1/assert', { json: claim(3, { agent: AGENT, stage: 'retired', parent }) });
      expect(await matched()).toBe(0);
      expect(await matched('&as_of_lsn=2')).toBe(1);
    }));

  test('every lens has its route, and votes and weights count', () =>
    onNode(async (node) => {
      const ids = [1, 2].map((n) => prepareAssertion(claim(n)).id);
      for (const n of [1, 2]) await node.request('POST /v1/assert', { json: claim(n) });
      await node.request('POST /v1/vote', {
        json: { assertion: ids[0], agent: AGENT, value: 'support', timestamp: 5 },
      });
      const winner = async (line: string, json: object) =>
        ((await node.request(line, { json })).body as { winner: { hash: string } | null }).winner?.hash;
      const subject = { subject: 's', predicate: 'p' };
      expect(await winner('POST /v1/query', { ...subject, lens: 'consensus' })).toBe(ids[0]);
      await node.request('POST /v1/vote', {
        json: { assertion: ids[1], agent: OTHER, value: 'support', timestamp: 5 },
      });
      const weight = await node.request(`POST /v1/agents/${OTHER}/weight`, { json: { weight: 0.5, timestamp: 6 } });
      expect(weight.status).toBe(201);
      expect(await winner('POST /v1/query', { ...subject, lens: 'authority' })).toBe(ids[0]);
      expect(await winner('POST /v1/layered', { ...subject, lenses: ['consensus', 'recency'] })).toBe(ids[1]);
      expect(await winner('POST /v1/constraints', { ...subject, forbidden: [ids[1]] })).toBe(ids[0]);
      const skeptic = await node.request('POST /v1/skeptic', { json: subject });
      expect(skeptic.body).toMatchObject({
        winner: null,
        conflict: 500_000,
        objects: [{ share: 500_000 }, { share: 500_000 }],
      });
      const wrong = await node.request('POST /v1/skeptic', { json: { ...subject, lens: 'recency' } });
      expect(wrong.status).toBe(400);
    }));

  test('an unknown route is 404 with the nearest, a wrong method 405 with Allow', () =>
    onNode(async (node) => {
      const unknown = await node.request('POST /v1/asert');
      expect([unknown.status, errorOf(unknown).code]).toEqual([404, 'NOT_FOUND']);
      const method = await node.request('DELETE /v1/assert');
      expect([method.status, method.headers?.allow]).toEqual([405, 'POST']);
    }));
});

describe('rate limits', () => {
  test('count records: 429 with Retry-After, part of a batch by index', () =>
    onNode(async (node) => {
      const set = await node.request('POST /v1/admin/rate-limit', {
        text: '{"max_writes_per_sec": 5}',
        contentType: 'application/x-www-form-urlencoded',
      });
      expect(set).toMatchObject({ status: 200, body: { max_writes_per_sec: 5, persistent: false } });
      const batch = await node.request('POST /v1/assert/batch', {
        json: { assertions: [1, 2, 3, 4, 5, 6, 7].map((n) => claim(n)) },
      });
      expect(batch.body).toMatchObject({ created: 5, rejected: 2 });
      const over = await node.request('POST /v1/assert', { json: claim(8) });
      expect([over.status, over.headers?.['retry-after'], errorOf(over).code, errorOf(over).outcome]).toEqual([
        429,
        '1',
        'RATE_LIMITED',
        'not_applied',
      ]);
      expect(errorOf(over).retry_after_ms).toBeGreaterThan(0);
      expect(await node.request('DELETE /v1/admin/rate-limit')).toMatchObject({ body: { max_writes_per_sec: null } });
      expect((await node.request('POST /v1/assert', { json: claim(8) })).status).toBe(201);
    }));

  test.each([
    '{"max_writes_per_sec": 0}',
    '{"max_writes_per_sec": -5}',
    '{"max_writes_per_sec": "500"}',
    '{"max_writes_per_sec": 1.5}',
    '{"max_writes_per_sec": 1000001}',
    '',
    '{}',
    '{"max_writes_per_sec": 5, "duration": "soon"}',
  ])('refuse %j with the range, and the present limit stays', (text) =>
    onNode(async (node) => {
      await node.request('POST /v1/admin/rate-limit', { text: '{"max_writes_per_sec": 7}' });
      const refused = await node.request('POST /v1/admin/rate-limit', { text });
      expect([refused.status, errorOf(refused).code]).toEqual([400, 'VALIDATION_FAILED']);
      expect(await node.request('GET /v1/admin/rate-limit')).toMatchObject({ body: { max_writes_per_sec: 7 } });
    }),
  );

  test('end with their duration', () =>
    onNode(async (node, host) => {
      await node.request('POST /v1/admin/rate-limit', { json: { max_writes_per_sec: 7, duration: '30s' } });
      await host.clock.sleep(29_000);
      expect(await node.request('GET /v1/admin/rate-limit')).toMatchObject({ body: { max_writes_per_sec: 7 } });
      await host.clock.sleep(2_000);
      expect(await node.request('GET /v1/admin/rate-limit')).toMatchObject({ body: { max_writes_per_sec: null } });
    }));

  test('of an endpoint count requests', () =>
    onNode(
      async (node) => {
        const statuses = await Promise.all(
          [1, 2, 3].map(() => node.request('GET /v1/query?subject=s').then(({ status }) => status)),
        );
        expect(statuses).toEqual([200, 200, 429]);
      },
      smallConfig({ rate_limit: { endpoints: { query: 2 } } }),
    ));
});

describe('drain', () => {
  test('is 503 for readiness at once and for writes after the lame-duck time; reads go on; cancelled it serves', () =>
    onNode(
      async (node, host) => {
        await node.request('POST /v1/assert', { json: claim(1) });
        expect((await node.request('GET /health/ready')).status).toBe(200);
        expect((await node.request('POST /v1/admin/node/drain')).status).toBe(202);
        const ready = await node.request('GET /health/ready');
        expect([ready.status, JSON.stringify(ready.body)]).toEqual([503, expect.stringContaining('draining')]);
        expect((await node.request('POST /v1/assert', { json: claim(2) })).status).toBe(201);
        await host.clock.sleep(20_000);
        const refused = await node.request('POST /v1/assert', { json: claim(3) });
        expect([refused.status, errorOf(refused).code]).toEqual([503, 'DRAINING']);
        expect(await node.request('POST /v1/admin/node/drain')).toMatchObject({
          status: 200,
          body: { state: 'drained' },
        });
        expect((await node.request('GET /v1/query?subject=s')).status).toBe(200);
        expect(await node.request('DELETE /v1/admin/node/drain')).toMatchObject({
          status: 200,
          body: { state: 'serving' },
        });
        expect((await node.request('POST /v1/assert', { json: claim(3) })).status).toBe(201);
        expect(await node.request('DELETE /v1/admin/node/drain')).toMatchObject({
          status: 200,
          body: { state: 'serving' },
        });
      },
      smallConfig({ drain: { lame_duck_ms: 5_000 } }),
    ));

  test('at its time-out names what is unfinished', () =>
    onNode(
      async (node) => {
        expect(await node.engine.db.drain()).toEqual({
          state: 'draining',
          unfinished: ['lame-duck', 'commits', 'seal', 'snapshot'],
        });
      },
      smallConfig({ drain: { lame_duck_ms: 5_000, timeout_ms: 1_000 } }),
    ));
});

describe('admin', () => {
  test('a checkpoint is a job with a result, and the index starts from it', () =>
    onNode(async (node, host) => {
      for (const n of [1, 2, 3]) await node.request('POST /v1/assert', { json: claim(n) });
      const started = await node.request('POST /v1/admin/checkpoint');
      expect(started.status).toBe(202);
      await host.clock.sleep(1_000);
      const { job } = started.body as { job: string };
      expect(await node.request(`GET /v1/admin/jobs/${job}`)).toMatchObject({
        status: 200,
        body: { state: 'done', result: { lsn: 3 } },
      });
      expect((await node.request('GET /v1/admin/jobs/none')).status).toBe(404);
    }));

  test('shows the log, pauses background work, and /metrics has the lines of the runbook', () =>
    onNode(async (node) => {
      await node.request('POST /v1/assert', { json: claim(1) });
      expect(await node.request('GET /v1/admin/wal')).toMatchObject({
        status: 200,
        body: { state: 'open', durable_lsn: 1 },
      });
      expect(await node.request('POST /v1/admin/background', { json: { paused: true } })).toMatchObject({
        body: { paused: ['index', 'scrub'] },
      });
      const text = String((await node.request('GET /metrics')).body);
      for (const name of [
        'wal_fsync_duration_seconds{quantile="0.99"}',
        'wal_fsync_total',
        'write_duration_seconds{quantile="0.99"}',
        'background_paused{task="index"} 1',
        'index_rows 1',
        'assertions_total{status="created"} 1',
        'node_state{state="serving"} 1',
        'disk_free_bytes{dir="wal"}',
      ]) {
        expect(text).toContain(`stemedb_${name}`);
      }
    }));
});
