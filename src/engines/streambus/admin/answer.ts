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
  /** Probes and scrapers add parameters of their own, and are answered all the same. Default: `schema.query` tells every one that there is. */
  readonly takesAnyQuery?: boolean;
};

const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * The JSON of a body, whatever content type it claims: `curl -d` claims a form. An empty body is an empty object. With `isSecret` a refusal
 * tells the type of what came, and nothing of the value.
 *
 * @throws AdminRefusal 400 BAD_JSON, 422 BAD_FIELD with the nearest name
 */
export function bodyOf<T>(request: RouteRequest, schema: ZodType<T>, isSecret = false): T {
  let value: unknown = {};
  try {
    if (request.body.length > 0) value = JSON.parse(decoder.decode(request.body));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new AdminRefusal(400, 'BAD_JSON', `expected JSON in UTF-8, got ${reason}`);
  }
  return checked(value, schema, 'BAD_FIELD', isSecret);
}

/** The query, checked. @throws AdminRefusal 422 BAD_QUERY */
export function queryOf<T>(request: RouteRequest, schema: ZodType<T>): T {
  const { broker: _, ...query } = request.query;
  return checked(query, schema, 'BAD_QUERY');
}

/**
 * Refuses a parameter that a route does not have: an order must not go to something else than was meant, because the word that said so was
 * overlooked. @throws AdminRefusal 422 BAD_QUERY with the nearest one, or with the place where it belongs
 */
export function refuseUnknownQuery({ schema = {}, isLocal, takesAnyQuery }: AdminRoute, { query }: RouteRequest): void {
  if (takesAnyQuery === true) return;
  const known = [...keysOf(schema.query), ...(isLocal === true ? [] : ['broker'])];
  const unknown = Object.keys(query).filter((key) => !known.includes(key));
  if (unknown.length === 0) return;
  const inBody = keysOf(schema.body);
  const hints = unknown.flatMap((key) => {
    if (inBody.includes(key)) return [`${key} belongs in the JSON of the body`];
    const nearest = nearestWord(key, known);
    return nearest === undefined ? [] : [`did you mean ${nearest}?`];
  });
  const expected = known.length === 0 ? 'no parameters' : `one of ${known.join(', ')}`;
  throw new AdminRefusal(422, 'BAD_QUERY', `${unknown.join(', ')}: expected ${expected}`, hints.join(' '));
}

function keysOf(schema: ZodType | undefined): readonly string[] {
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

/** Checks a value. @throws AdminRefusal 422 with every mistake in one message */
export function checked<T>(value: unknown, schema: ZodType<T>, code: string, isSecret = false): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const known = keysOf(schema);
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
    const sentence = sentenceOf(issue, value, isSecret);
    return where === '' ? sentence : `${where}: ${sentence}`;
  });
  throw new AdminRefusal(422, code, messages.join('; '), hints.join(' '));
}

/** What was expected and what came. */
function sentenceOf(issue: z.core.$ZodIssue, value: unknown, isSecret: boolean): string {
  const expected = expectedOf(issue);
  if (expected === undefined) return issue.message;
  const came = issue.path.reduce(inside, value);
  return `expected ${expected}, got ${isSecret ? kindOf(came) : shown(came)}`;
}

/** Undefined: the issue says it by itself. */
function expectedOf(issue: z.core.$ZodIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return nameOfType(issue.expected);
    case 'invalid_value':
      return issue.values.map(String).join(' or ');
    case 'too_small':
      return `${measureOf(issue.origin)}${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}`;
    case 'too_big':
      return `${measureOf(issue.origin)}${issue.inclusive === false ? 'less than' : 'at most'} ${issue.maximum}`;
    case 'invalid_union': {
      const branches = issue.errors.flatMap((branch) => branch.map((each) => expectedOf(each) ?? each.message));
      return branches.length === 0 ? undefined : [...new Set(branches)].join(' or ');
    }
    default:
      return undefined;
  }
}

function nameOfType(type: string): string {
  if (type === 'int') return 'a whole number';
  if (type === 'object' || type === 'record') return 'an object';
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`;
}

/** What is counted where it is no number. */
function measureOf(origin: string): string {
  if (origin === 'string') return 'a length of ';
  return origin === 'array' || origin === 'set' ? 'a count of ' : '';
}

function inside(value: unknown, key: PropertyKey): unknown {
  if (value === null || typeof value !== 'object' || !Object.hasOwn(value, key)) return undefined;
  return (value as Record<PropertyKey, unknown>)[key]; // an object with this own key, by the line before
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  return nameOfType(Array.isArray(value) ? 'array' : typeof value);
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 120 ? text : `${text.slice(0, 117)}...`;
}
