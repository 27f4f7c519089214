/** What operations of a model look like: a model that is handed something else would give a verdict on what it never understood. */
import { z } from 'zod';
import type { Operation } from '../checkers/history.ts';

/** What one word of a model takes and answers. */
interface Word {
  readonly input: z.ZodType;
  /** Looked at where the outcome is `ok`. */
  readonly output: z.ZodType;
}

const anything = z.unknown();
const scalar = z.union([z.number(), z.string()]);
/** JSON has no undefined: null, or nothing, is an empty register. */
const registerValue = scalar.nullish().transform((value) => value ?? undefined);
/** Or nothing at all: it was empty. */
const taken = scalar.nullish().transform((value) => value ?? null);
const text = z.string();
const key = z.string();
const token = z.looseObject({ token: z.number(), key: key.optional() });
const ofKey = z.looseObject({ key: key.optional() }).nullish();

const register: Readonly<Record<string, Word>> = {
  read: { input: anything, output: registerValue },
  write: { input: registerValue, output: anything },
};

const lease: Readonly<Record<string, Word>> = {
  acquire: {
    input: ofKey,
    output: z.union([z.number(), z.looseObject({ token: z.number(), untilMs: z.number().optional() }), z.null()]),
  },
  renew: { input: token, output: z.union([z.looseObject({ untilMs: z.number() }), z.null()]) },
  release: { input: token, output: anything },
  use: { input: token, output: z.boolean() },
  expire: { input: ofKey, output: anything },
};

/** The other models say themselves what they do not know. */
const words: ReadonlyMap<string, Readonly<Record<string, Word>>> = new Map([
  ['register', register],
  [
    'cas-register',
    {
      ...register,
      cas: { input: z.looseObject({ expected: registerValue, value: registerValue }), output: z.boolean() },
    },
  ],
  [
    'key-value',
    {
      get: { input: z.looseObject({ key }), output: text },
      put: { input: z.looseObject({ key, value: text }), output: anything },
      append: { input: z.looseObject({ key, value: text }), output: anything },
    },
  ],
  [
    'queue',
    {
      enqueue: { input: scalar, output: anything },
      dequeue: { input: anything, output: taken },
    },
  ],
  [
    'lock',
    {
      acquire: { input: ofKey, output: z.number().nullable() },
      release: { input: token, output: z.boolean() },
      use: { input: token, output: z.boolean() },
      expire: { input: ofKey, output: anything },
    },
  ],
  ['lease', lease],
]);

/** The operations in the words of a model. Throws, with the operation, for a word or a shape that it does not know. */
export function inWordsOf(model: string, operations: readonly Operation[]): readonly Operation[] {
  const known = words.get(model);
  if (known === undefined) return operations;
  return operations.map((operation) => {
    const { id, f, outcome } = operation;
    const word = Object.hasOwn(known, f) ? known[f] : undefined;
    if (word === undefined) {
      const names = Object.keys(known);
      throw new Error(
        `operation ${id}: a ${model} knows ${names.slice(0, -1).join(', ')} and ${names.at(-1)}, not ${f}`,
      );
    }
    const input = parsed(word.input, operation.input, `operation ${id}: the input of ${f}`);
    if (outcome !== 'ok') return { ...operation, input };
    return {
      ...operation,
      input,
      output: parsed(word.output, operation.output, `operation ${id}: the output of ${f}`),
    };
  });
}

function parsed(schema: z.ZodType, value: unknown, what: string): unknown {
  const { success, data, error } = schema.safeParse(value);
  if (success) return data;
  const why = z.prettifyError(error).replaceAll(/\s+/g, ' ');
  throw new Error(`${what} is ${JSON.stringify(value) ?? 'missing'}: ${why}`);
}
