import { z } from 'zod';
import { type ErrorDetail, StemeError } from './errors.ts';

/** Limits of what is stored, in bytes of UTF-8 or in items. */
export const LIMITS = {
  subjectBytes: 512,
  predicateBytes: 256,
  textBytes: 64 * 1024,
  referenceBytes: 512,
  epochNameBytes: 256,
  vectorItems: 4_096,
  signatures: 16,
  agentWeight: 1_000,
  batchItems: 10_000,
  batchBodyBytes: 16 * 1024 * 1024,
  queryLimit: 1_000,
  layers: 8,
  constraintItems: 1_000,
} as const;

/** Bytes of a text in UTF-8, which is what the limits count. */
function utf8Length(text: string): number {
  return Buffer.byteLength(text, 'utf8');
}

/** Whether a text has `low` to `high` bytes and no lone surrogates, which have no bytes in UTF-8. */
export function isText(value: string, low: number, high: number): boolean {
  if (value.length < low || value.length > high || !value.isWellFormed()) return false;
  return value.length * 3 <= high || utf8Length(value) <= high;
}

function text(low: number, high: number) {
  const expected = `expected a string of ${low} to ${high} bytes of well-formed Unicode`;
  return z.string(expected).refine((value) => isText(value, low, high), expected);
}

/** Lower-case hexadecimal digits of an id or a key, and of a visual hash. */
export const HEX_64 = /^[0-9a-f]{64}$/;
export const HEX_16 = /^[0-9a-f]{16}$/;
const HEX_128 = /^[0-9a-f]{128}$/;

function hex(digits: number, pattern: RegExp) {
  const expected = `expected ${digits} lower-case hexadecimal digits`;
  return z.string(expected).refine((value) => pattern.test(value), expected);
}

/** Whether JSON and a double carry a number alike: it is finite, and if whole at most 2^53 − 1 in size. */
export function isJsonNumber(value: number): boolean {
  return Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value));
}

const EXPECTED_NUMBER = 'expected a finite number, a whole one at most 2^53 − 1 in size';
const jsonNumber = z.number(EXPECTED_NUMBER).refine(isJsonNumber, EXPECTED_NUMBER);

function numberBetween(low: number, high: number) {
  const expected = `expected a number from ${low} to ${high}`;
  return z.number(expected).min(low, expected).max(high, expected);
}

const EXPECTED_TIME = 'expected milliseconds since 1970, a whole number of at least 0';
const timestamp = z.int(EXPECTED_TIME).min(0, EXPECTED_TIME);
const boolean = z.boolean('expected true or false');
const id = hex(64, HEX_64);

const signatures = z
  .array(z.strictObject({ key: id, signature: hex(128, HEX_128) }), 'expected a list of {key, signature}')
  .max(LIMITS.signatures, `expected at most ${LIMITS.signatures} signatures`);

const version = z.literal(1, 'expected 1').optional();

const EXPECTED_OBJECT = 'expected exactly one of text, number, boolean, reference';
const claimObject = z
  .strictObject({
    text: text(0, LIMITS.textBytes).optional(),
    number: jsonNumber.optional(),
    boolean: boolean.optional(),
    reference: text(1, LIMITS.referenceBytes).optional(),
  })
  .refine((value) => Object.keys(value).length === 1, EXPECTED_OBJECT);

export const assertionSchema = z.strictObject({
  v: version,
  kind: z.literal('assertion', 'expected "assertion"').optional(),
  subject: text(1, LIMITS.subjectBytes),
  predicate: text(1, LIMITS.predicateBytes),
  object: claimObject,
  source: id.optional(),
  parent: id.optional(),
  visual: hex(16, HEX_16).optional(),
  stage: z.enum(['proposed', 'approved', 'retired'], 'expected proposed, approved or retired'),
  confidence: numberBetween(0, 1),
  timestamp,
  agent: id.optional(),
  epoch: id.optional(),
  vector: z
    .array(jsonNumber, 'expected a list of numbers')
    .max(LIMITS.vectorItems, `expected at most ${LIMITS.vectorItems} numbers`)
    .optional(),
  signatures: signatures.optional(),
});

export const voteSchema = z.strictObject({
  v: version,
  kind: z.literal('vote', 'expected "vote"').optional(),
  assertion: id,
  agent: id,
  value: z.enum(['support', 'dispute'], 'expected support or dispute'),
  timestamp,
  signatures: signatures.optional(),
});

export const epochSchema = z.strictObject({
  v: version,
  kind: z.literal('epoch', 'expected "epoch"').optional(),
  name: text(1, LIMITS.epochNameBytes),
  supersedes: id.optional(),
  timestamp,
  signatures: signatures.optional(),
});

export const agentWeightSchema = z.strictObject({
  v: version,
  kind: z.literal('agent-weight', 'expected "agent-weight"').optional(),
  agent: id,
  weight: numberBetween(0, LIMITS.agentWeight),
  timestamp,
  signatures: signatures.optional(),
});

/** A claim: `subject predicate object`, by whom, on what evidence. `v` and `kind` may be left out. */
export type AssertionInput = z.input<typeof assertionSchema>;
/** An agent's support for an assertion, or its dispute. Per agent and assertion the latest counts. */
export type VoteInput = z.input<typeof voteSchema>;
/** A period of knowledge; `supersedes` names the one that it replaces. */
export type EpochInput = z.input<typeof epochSchema>;
/** How much an agent's voice counts under the lens `authority`; 1.0 for an agent without one. */
export type AgentWeightInput = z.input<typeof agentWeightSchema>;
/** One Ed25519 signature over the 32 bytes of a record's id. */
export type Signature = z.infer<typeof signatures>[number];
export type ClaimObject = z.infer<typeof claimObject>;

/** Lenses that give every candidate a score of its own, and so can be layers of another. */
export const SCORING_LENSES = ['recency', 'confidence', 'consensus', 'authority', 'epoch'] as const;
export type ScoringLens = (typeof SCORING_LENSES)[number];
export const LENSES = [...SCORING_LENSES, 'skeptic', 'layered', 'constraints'] as const;
export type LensName = (typeof LENSES)[number];

const EXPECTED_LENS = `expected one of ${LENSES.join(', ')}`;
const EXPECTED_LAYERS = `expected 1 to ${LIMITS.layers} of ${SCORING_LENSES.join(', ')}`;
const EXPECTED_LIMIT = `expected a whole number from 1 to ${LIMITS.queryLimit}`;
const EXPECTED_LSN = 'expected a whole number of at least 0';
const EXPECTED_IDS = `expected at most ${LIMITS.constraintItems} ids of assertions or agents, 64 hexadecimal digits each`;
const constraint = z.array(id, EXPECTED_IDS).max(LIMITS.constraintItems, EXPECTED_IDS).optional();

export const querySchema = z
  .strictObject({
    subject: text(1, LIMITS.subjectBytes),
    predicate: text(1, LIMITS.predicateBytes).optional(),
    lens: z.enum(LENSES, EXPECTED_LENS).default('recency'),
    stage: z.enum(['proposed', 'approved', 'retired'], 'expected proposed, approved or retired').default('approved'),
    limit: z.int(EXPECTED_LIMIT).min(1, EXPECTED_LIMIT).max(LIMITS.queryLimit, EXPECTED_LIMIT).default(100),
    as_of_lsn: z.int(EXPECTED_LSN).min(0, EXPECTED_LSN).optional(),
    as_of: timestamp.optional(),
    lenses: z
      .array(z.enum(SCORING_LENSES, EXPECTED_LAYERS), EXPECTED_LAYERS)
      .min(1, EXPECTED_LAYERS)
      .max(LIMITS.layers, EXPECTED_LAYERS)
      .optional(),
    must_use: constraint,
    forbidden: constraint,
  })
  .superRefine((query, context) => {
    if ((query.lenses === undefined) === (query.lens === 'layered')) {
      const message =
        query.lens === 'layered' ? EXPECTED_LAYERS : 'expected no lenses: only the lens layered takes them';
      context.addIssue({ code: 'custom', path: ['lenses'], message });
    }
    if (query.lens !== 'constraints' && (query.must_use !== undefined || query.forbidden !== undefined)) {
      const message = 'expected neither must_use nor forbidden: only the lens constraints takes them';
      context.addIssue({ code: 'custom', path: [query.must_use === undefined ? 'forbidden' : 'must_use'], message });
    }
  });

/** What is asked: candidates by subject, predicate, stage and time, and the lens that resolves them. */
export type Query = z.input<typeof querySchema>;
export type ParsedQuery = z.output<typeof querySchema>;

/**
 * The value as the schema has it.
 *
 * @throws StemeError VALIDATION_FAILED with path, expectation and what came, for every mistake (the first 20)
 */
export function parseInput<Output>(schema: z.ZodType<Output>, value: unknown): Output {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const details = parsed.error.issues.slice(0, 20).map((issue) => detailOf(issue, value));
  const first = details[0];
  const where = first === undefined || first.path === '' ? '' : `${first.path}: `;
  throw new StemeError(
    'VALIDATION_FAILED',
    `${where}expected ${first?.expected ?? 'valid input'}, got ${first?.got ?? 'none'}`,
    {
      details,
    },
  );
}

function detailOf(issue: z.core.$ZodIssue, root: unknown): ErrorDetail {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    return { path: path.join('.'), expected: 'no further keys', got: issue.keys.slice(0, 5).map(shown).join(', ') };
  }
  const message = issue.code === 'invalid_type' && issue.message.startsWith('Invalid') ? issue.expected : issue.message;
  return { path: path.join('.'), expected: message.replace(/^expected /, ''), got: shown(valueAt(root, path)) };
}

function valueAt(root: unknown, path: readonly string[]): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[key]; // own member of an object: looked at above
  }
  return value;
}

/** A value in few characters, for a message. */
function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return `an object with ${Object.keys(value).length} keys`;
  if (typeof value === 'string') {
    const excerpt = value.length > 40 ? `${value.slice(0, 40)}…` : value;
    return `${JSON.stringify(excerpt)}${value.length > 40 ? ` (${value.length} characters)` : ''}`;
  }
  return String(value);
}
