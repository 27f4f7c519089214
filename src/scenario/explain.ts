import { z } from 'zod';
import { nearestWord } from '../host/nearest.ts';
import type { SourceDocument } from './document.ts';
import type { Mistake } from './mistakes.ts';

/** A JSON schema, as far as it is walked here. */
interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
}

/** Turns the issues of a schema into mistakes with a place. `base` is the path of the value that was parsed. */
export function explain(
  source: SourceDocument,
  schema: z.ZodType,
  issues: readonly z.core.$ZodIssue[],
  base: readonly PropertyKey[] = [],
): Mistake[] {
  return issues.flatMap((issue): Mistake[] => {
    if (issue.code === 'unrecognized_keys') {
      const known = keysAt(schema, issue.path);
      return issue.keys.map((key) => unknownKey(source, [...base, ...issue.path], key, known));
    }
    const path = [...base, ...issue.path];
    return [{ ...source.place(path), path: path.join('.'), message: sentenceOf(source, issue, path) }];
  });
}

/** The mistake of a key that is not known there. */
export function unknownKey(
  source: SourceDocument,
  path: readonly PropertyKey[],
  key: string,
  known: readonly string[],
): Mistake {
  const nearest = nearestWord(key, known);
  const hint = nearest === undefined ? `; known here: ${known.join(', ')}` : `; did you mean ${nearest}?`;
  return {
    ...source.place(path, key),
    path: [...path, key].join('.'),
    message: `unknown key ${key}${known.length > 0 ? hint : ''}`,
  };
}

/** The mistake of a value that is none of the words known there. */
export function unknownWord(
  source: SourceDocument,
  path: readonly PropertyKey[],
  what: string,
  word: string,
  known: readonly string[],
): Mistake {
  const nearest = nearestWord(word, known);
  const hint = nearest === undefined ? `known: ${known.join(', ')}` : `did you mean ${nearest}?`;
  return { ...source.place(path), path: path.join('.'), message: `expected ${what}, got ${word}; ${hint}` };
}

function sentenceOf(source: SourceDocument, issue: z.core.$ZodIssue, path: readonly PropertyKey[]): string {
  if (issue.code === 'invalid_value') {
    const got: unknown = path.length === 0 ? undefined : source.document.getIn(path);
    const words = issue.values.map(String);
    const nearest = typeof got === 'string' ? nearestWord(got, words) : undefined;
    return `expected one of ${words.join(', ')}, got ${JSON.stringify(got)}${nearest === undefined ? '' : `; did you mean ${nearest}?`}`;
  }
  if (path.length > 0 && !source.document.hasIn(path)) return `expected ${wantedOf(issue)}, but it is not there`;
  if (issue.code === 'invalid_union') {
    const inner = issue.errors.flat().find((candidate) => candidate.path.length > 0 || candidate.code === 'custom');
    const choices = issue.errors.flat().map((candidate) => candidate.message.replace(/^Invalid input: /, ''));
    return inner?.message ?? `expected one of these: ${[...new Set(choices)].join('; or ')}`;
  }
  const message = issue.message.replace(/^Invalid input: /, '');
  return message.charAt(0).toLowerCase() + message.slice(1).replace(/received/, 'got');
}

/** What a value must be: `a number or a string`. */
function wantedOf(issue: z.core.$ZodIssue): string {
  const issues = issue.code === 'invalid_union' ? issue.errors.flat() : [issue];
  const types = new Set(issues.flatMap((each) => (each.code === 'invalid_type' ? [each.expected] : [])));
  return types.size === 0
    ? 'a value'
    : [...types]
        .map((type) => `a ${type}`)
        .join(' or ')
        .replace(/\ba (?=[aeiou])/g, 'an ');
}

/** The keys that a schema knows at a path, for the nearest word. */
export function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  // zod's own type of a JSON schema is wider than what is walked here.
  let at: JsonSchema[] = [z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema];
  for (const part of path) at = at.flatMap(alternatives).flatMap((each) => child(each, part));
  return [...new Set(at.flatMap(alternatives).flatMap((each) => Object.keys(each.properties ?? {})))];
}

function alternatives(schema: JsonSchema): JsonSchema[] {
  return [schema, ...(schema.anyOf ?? []).flatMap(alternatives), ...(schema.allOf ?? []).flatMap(alternatives)];
}

function child(schema: JsonSchema, part: PropertyKey): JsonSchema[] {
  if (typeof part === 'number') return schema.items === undefined ? [] : [schema.items];
  const found = schema.properties?.[String(part)];
  return found === undefined ? [] : [found];
}
