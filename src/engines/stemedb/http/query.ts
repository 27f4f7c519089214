import { StemeError } from '../errors.ts';
import { type LensName, type Query, querySchema } from '../model.ts';
import { type HttpContext, type PlainRoute, parseDataBody } from './request.ts';

/** GET /v1/assertions/{hash}; GET and POST /v1/query; POST /v1/skeptic, /v1/layered, /v1/constraints. */
export function queryRoutes({ db }: HttpContext): PlainRoute[] {
  const maxBytes = () => db.config.server.max_body_bytes;

  const byLens = (lens: LensName): PlainRoute => ({
    method: 'POST',
    path: `/v1/${lens}`,
    summary: `Resolves the claims of a subject under the lens ${lens}.`,
    role: 'read',
    endpoint: 'query',
    schema: { body: querySchema },
    handler: async (request) => {
      const body = parseDataBody(request, maxBytes());
      const query = typeof body === 'object' && body !== null && !('lens' in body) ? { ...body, lens } : body;
      if (typeof query === 'object' && query !== null && 'lens' in query && query.lens !== lens) {
        throw new StemeError(
          'VALIDATION_FAILED',
          `lens: expected ${lens} on this route, got ${JSON.stringify(query.lens)}`,
        );
      }
      return { status: 200, body: await db.query(query as Query) }; // query() parses it
    },
  });

  return [
    {
      method: 'GET',
      path: '/v1/assertions/{hash}',
      summary: 'The record with this id.',
      role: 'read',
      endpoint: 'query',
      handler: async (request) => {
        const hash = request.parameters.hash ?? '';
        if (!/^[0-9a-f]{64}$/.test(hash)) {
          throw new StemeError(
            'VALIDATION_FAILED',
            `hash: expected 64 lower-case hexadecimal digits, got ${JSON.stringify(hash.slice(0, 80))}`,
          );
        }
        const record = await db.get(hash);
        if (record === undefined) throw new StemeError('NOT_FOUND', `no record has the id ${hash}`);
        return { status: 200, headers: { 'stemedb-lsn': String(record.lsn) }, body: record };
      },
    },
    {
      method: 'GET',
      path: '/v1/query',
      summary: 'Resolves the claims of a subject; lists are separated by commas.',
      role: 'read',
      endpoint: 'query',
      schema: { query: querySchema },
      handler: async (request) => ({ status: 200, body: await db.query(queryOfStrings(request.query)) }),
    },
    {
      method: 'POST',
      path: '/v1/query',
      summary: 'Resolves the claims of a subject.',
      role: 'read',
      endpoint: 'query',
      schema: { body: querySchema },
      handler: async (request) => ({ status: 200, body: await db.query(parseDataBody(request, maxBytes()) as Query) }), // query() parses it
    },
    byLens('skeptic'),
    byLens('layered'),
    byLens('constraints'),
  ];
}

const NUMBERS = new Set(['limit', 'as_of_lsn', 'as_of']);
const LISTS = new Set(['lenses', 'must_use', 'forbidden']);

/** A query string as a query: numbers and lists are read, everything else is left to the schema. */
function queryOfStrings(strings: Readonly<Record<string, string>>): Query {
  const query: Record<string, unknown> = {};
  for (const [name, text] of Object.entries(strings)) {
    if (NUMBERS.has(name)) query[name] = /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
    else if (LISTS.has(name)) query[name] = text.split(',');
    else query[name] = text;
  }
  return query as Query; // query() parses it
}
