import { expect, test } from 'vitest';
import { z } from 'zod';
import type { RouteRequest } from '../../../../src/engines/route.ts';
import { AdminRefusal, bodyOf } from '../../../../src/engines/streambus/admin/answer.ts';

const schema = z.strictObject({
  partitions: z.int().optional(),
  inner: z.strictObject({ rate: z.number() }).optional(),
});

function read(body: string | Uint8Array): unknown {
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body;
  const request = {
    method: 'POST',
    parameters: {},
    query: {},
    headers: {},
    signal: new AbortController().signal,
  } as const;
  try {
    return bodyOf({ ...request, body: bytes } satisfies RouteRequest, schema);
  } catch (error) {
    if (error instanceof AdminRefusal)
      return { status: error.status, code: error.code, message: error.message, hint: error.hint };
    throw error;
  }
}

test.each<[string | Uint8Array, unknown]>([
  ['', {}],
  ['{"partitions": 3}', { partitions: 3 }],
  ['{', { status: 400, code: 'BAD_JSON' }],
  [new Uint8Array([0x22, 0xff, 0x22]), { status: 400, code: 'BAD_JSON' }],
  ['{"partitons": 3}', { status: 422, code: 'BAD_FIELD', hint: 'did you mean partitions?' }],
  ['{"zzzzzzzz": 3}', { status: 422, message: 'zzzzzzzz: expected one of partitions, inner', hint: '' }],
  ['{"partitions": "3"}', { status: 422, message: expect.stringMatching(/^partitions: /) }],
  ['{"partitions": 1.5}', { status: 422, message: 'partitions: expected a whole number, got 1.5' }],
  ['{"inner": {"rate": "x"}}', { status: 422, message: 'inner.rate: expected a number, got "x"' }],
  ['{"inner": {"rat": 3}}', { status: 422, message: expect.stringMatching(/inner/) }],
  ['[]', { status: 422, message: 'expected an object, got []' }],
])('a body %j is read, or refused with what was expected', (body, expected) => {
  expect(read(body)).toMatchObject(expected as object);
});
