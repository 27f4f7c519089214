import { z } from 'zod';
import type { Context } from '../../../host/tracing.ts';
import type { RouteRequest, RouteResponse } from '../../route.ts';
import { errorBody, StemeError } from '../errors.ts';
import { type AssertionInput, LIMITS, parseInput } from '../model.ts';
import { readLines } from './lines.ts';
import {
  contentType,
  type HttpContext,
  type PlainRoute,
  parseJson,
  refusalCounted,
  requireContentType,
  withTimeout,
} from './request.ts';

const NDJSON = 'application/x-ndjson';
/** Lines of NDJSON that are written together. */
const CHUNK_LINES = 1_000;

const batchSchema = z.strictObject({
  assertions: z.array(z.unknown(), 'expected a list of assertions'),
  atomic: z.boolean('expected true or false').optional(),
});

/** POST /v1/assert/batch: a JSON document with many assertions, or any number of them as NDJSON. */
export function batchRoutes(context: HttpContext): PlainRoute[] {
  const { db } = context;

  async function document(request: RouteRequest, trace: Context | undefined): Promise<RouteResponse> {
    const { items, atomic } = refusalCounted(context, () => {
      const { assertions, atomic = false } = parseInput(batchSchema, parseJson(request.body, LIMITS.batchBodyBytes));
      if (assertions.length > LIMITS.batchItems) {
        throw new StemeError('TOO_LARGE', `expected at most ${LIMITS.batchItems} assertions, got ${assertions.length}`);
      }
      return { items: assertions as AssertionInput[], atomic }; // assertBatch() parses each
    });
    const body = await withTimeout(context, db.assertBatch(items, { atomic }, trace));
    countLimited(body.results);
    return { status: 200, body };
  }

  /** A batch of which the rate let only a part through, or none of a chunk, is answered 200: it was limited all the same. */
  function countLimited(results: readonly object[]): void {
    if (results.some((result) => 'error' in result && isRateLimited(result.error))) {
      db.metrics.rateLimited.inc({ endpoint: 'batch' });
    }
  }

  /** Writes what has come of the lines, answers it, and only then reads on: that is the back-pressure. */
  async function* answers(stream: AsyncIterable<Uint8Array>, trace: Context | undefined): AsyncGenerator<string> {
    for await (const lines of readLines(stream, db.config.server.max_body_bytes, CHUNK_LINES)) {
      yield await answerLines(lines, trace);
    }
  }

  async function answerLines(
    lines: readonly { readonly number: number; readonly bytes: Uint8Array | undefined }[],
    trace: Context | undefined,
  ): Promise<string> {
    const parsed = lines.map(({ bytes }) => parseLine(bytes, db.config.server.max_body_bytes));
    const good = parsed.filter((line) => !(line instanceof StemeError)) as AssertionInput[]; // assertBatch() parses each
    let results: readonly object[];
    try {
      results = good.length === 0 ? [] : (await withTimeout(context, db.assertBatch(good, {}, trace))).results;
    } catch (error) {
      if (!(error instanceof StemeError)) throw error;
      const refused = { status: 'rejected', ...errorBody(error) };
      results = good.map(() => refused);
    }
    countLimited(results);
    let text = '';
    let next = 0;
    for (const [i, line] of parsed.entries()) {
      const number = lines[i]?.number;
      let result: object | undefined;
      if (line instanceof StemeError) {
        db.metrics.rejections.inc({ code: line.code });
        result = { status: 'rejected', ...errorBody(line) };
      } else {
        result = results[next++];
      }
      const { index: _, ...rest } = { index: 0, ...result };
      text += `${JSON.stringify({ line: number, ...rest })}\n`;
    }
    return text;
  }

  return [
    {
      method: 'POST',
      path: '/v1/assert/batch',
      summary: 'Stores many assertions: a JSON document, or one a line of NDJSON.',
      role: 'write',
      endpoint: 'batch',
      schema: { body: batchSchema },
      maxBodyBytes: LIMITS.batchBodyBytes,
      streaming: [NDJSON],
      handler: async (request, trace) => {
        refusalCounted(context, () => requireContentType(request, ['application/json', NDJSON]));
        if (contentType(request) !== NDJSON) return document(request, trace);
        const stream = request.stream ?? once(request.body);
        return { status: 200, headers: { 'content-type': NDJSON }, body: answers(stream, trace) };
      },
    },
  ];
}

function isRateLimited(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'RATE_LIMITED';
}

function parseLine(bytes: Uint8Array | undefined, maxBytes: number): unknown {
  if (bytes === undefined) return new StemeError('TOO_LARGE', `expected a line of at most ${maxBytes} bytes, got more`);
  try {
    return parseJson(bytes, maxBytes);
  } catch (error) {
    if (error instanceof StemeError) return error;
    throw error;
  }
}

async function* once(body: Uint8Array): AsyncGenerator<Uint8Array> {
  yield body;
}
