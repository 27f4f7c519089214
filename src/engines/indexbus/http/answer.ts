import type { ZodType, z } from 'zod';
import { nearestWord } from '../../../host/nearest.ts';
import type { Route, RouteRequest, RouteResponse } from '../../route.ts';
import { BusError, busErrorStatus } from '../errors.ts';
import { bodyProblem } from './bodyProblem.ts';

/** Longest body of a request. */
export const bodyBytesMax = 64 * 1024;

/** A request that is refused for what it names or says. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: number;
  readonly code: string;
  readonly expected: string | undefined;
  readonly got: string | undefined;
  constructor(
    status: number,
    code: string,
    message: string,
    { expected, got }: { readonly expected?: string; readonly got?: string } = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.expected = expected;
    this.got = got;
  }
}

/** What is asked for is not there; says what is. */
export function unknown(what: string, name: string, known: readonly string[]): Refusal {
  const nearest = nearestWord(name, known);
  const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
  const there = known.length === 0 ? `there is no ${what}` : `expected one of ${known.join(', ')}`;
  return new Refusal(404, 'UNKNOWN', `no ${what} ${JSON.stringify(name)}: ${there}${hint}`, {
    expected: known.join(', '),
    got: name,
  });
}

export function ok(body: unknown, status = 200): RouteResponse {
  return { status, body };
}

/** A route whose handler may throw `Refusal` or `BusError`. */
export function answering(route: Route): Route {
  return {
    ...route,
    maxBodyBytes: bodyBytesMax,
    handler: async (request) => {
      try {
        return await route.handler(request);
      } catch (error) {
        if (error instanceof Refusal) return refused(error.status, error);
        if (error instanceof BusError) return refused(busErrorStatus[error.code], error);
        throw error;
      }
    },
  };
}

function refused(status: number, { code, message, expected, got }: Refusal | BusError): RouteResponse {
  return {
    status,
    body: {
      error: { code, message, ...(expected === undefined ? {} : { expected }), ...(got === undefined ? {} : { got }) },
    },
  };
}

const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * The JSON of a body, whatever content type it claims; an empty body is an empty object. @throws Refusal 400 BAD_JSON, 413, 422
 * IB_BAD_CONFIG with the nearest key
 */
export function bodyOf<T>(request: RouteRequest, schema: ZodType<T>): T {
  if (request.body.length > bodyBytesMax) {
    throw new Refusal(413, 'BODY_TOO_LARGE', 'the body is too long', {
      expected: `at most ${bodyBytesMax} bytes`,
      got: `${request.body.length} bytes`,
    });
  }
  let value: unknown = {};
  try {
    if (request.body.length > 0) value = JSON.parse(decoder.decode(request.body));
  } catch (error) {
    throw new Refusal(400, 'BAD_JSON', `expected JSON in UTF-8, got ${error instanceof Error ? error.message : error}`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { message, ...details } = bodyProblem(value, schema, parsed.error.issues);
  throw new Refusal(422, 'IB_BAD_CONFIG', message, details);
}

/** The same of a change: `{}` changes nothing, but what is sent without a body has lost it. @throws Refusal, too, 422 without a body */
export function changesOf<T>(request: RouteRequest, schema: z.ZodObject & ZodType<T>): T {
  if (request.body.length > 0) return bodyOf(request, schema);
  const expected = `an object with some of ${Object.keys(schema.shape).join(', ')}`;
  throw new Refusal(422, 'IB_BAD_CONFIG', `the body: expected ${expected}, got nothing`, { expected, got: 'nothing' });
}
