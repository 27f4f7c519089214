import { type ZodType, z } from 'zod';
import { nearestWord } from '../../../host/nearest.ts';
import type { Route, RouteRequest, RouteResponse } from '../../route.ts';
import type { Needs } from './standing.ts';

/** A request of an administrator that is refused. `status` is HTTP's, `code` is stable, `hint` says what to do. */
export class AdminRefusal extends Error {
  override readonly name = 'AdminRefusal';
  readonly status: number;
  readonly code: string;
  readonly hint: string;
  constructor(status: number, code: string, message: string, hint = '') {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }
}

/** An answer in JSON. */
export function ok(body: unknown, status = 200): RouteResponse {
  return { status, body };
}

/** The answer to a refused request. */
export function refused({ status, code, message, hint }: AdminRefusal): RouteResponse {
  return { status, body: { error: { code, message, hint } } };
}

/** A route whose handler may throw `AdminRefusal`. */
export type AdminRoute = Omit<Route, 'role'> & {
  readonly role?: Route['role'];
  /** Answered by this broker whatever `?broker` says. */
  readonly isLocal?: boolean;
  /** Answered with 503 while this is missing. Default: it rests on nothing. */
  readonly needs?: Needs;
};

const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * The JSON of a body, whatever content type it claims: `curl -d` claims a form. An empty body is an empty object.
 *
 * @throws AdminRefusal 400 BAD_JSON, 422 BAD_FIELD with the nearest name
 */
export function bodyOf<T>(request: RouteRequest, schema: ZodType<T>): T {
  let value: unknown = {};
  try {
    if (request.body.length > 0) value = JSON.parse(decoder.decode(request.body));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new AdminRefusal(400, 'BAD_JSON', `expected JSON in UTF-8, got ${reason}`);
  }
  return checked(value, schema, 'BAD_FIELD');
}

/** The query, checked. @throws AdminRefusal 422 BAD_QUERY */
export function queryOf<T>(request: RouteRequest, schema: ZodType<T>): T {
  const { broker: _, ...query } = request.query;
  return checked(query, schema, 'BAD_QUERY');
}

/** Checks a value. @throws AdminRefusal 422 with every mistake in one message */
export function checked<T>(value: unknown, schema: ZodType<T>, code: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const known = Object.keys(schema instanceof z.ZodObject ? schema.shape : {});
  const hints: string[] = [];
  const messages = parsed.error.issues.map((issue) => {
    if (issue.code === 'unrecognized_keys' && issue.path.length === 0) {
      for (const key of issue.keys) {
        const nearest = nearestWord(key, known);
        if (nearest !== undefined) hints.push(`did you mean ${nearest}?`);
      }
      const expected = known.length === 0 ? 'no fields' : `one of ${known.join(', ')}`;
      return `${issue.keys.join(', ')}: expected ${expected}`;
    }
    const where = issue.path.join('.');
    return where === '' ? issue.message : `${where}: ${issue.message}`;
  });
  throw new AdminRefusal(422, code, messages.join('; '), hints.join(' '));
}
