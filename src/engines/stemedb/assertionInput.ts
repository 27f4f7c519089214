import {
  type AssertionInput,
  assertionSchema,
  type ClaimObject,
  HEX_16,
  HEX_64,
  isJsonNumber,
  isText,
  LIMITS,
  parseInput,
} from './model.ts';

/**
 * An assertion, as `parseInput(assertionSchema, value)` gives it. Nearly all that comes is well formed, and to see that
 * takes a fifth of the schema's time; whatever is out of the ordinary goes to the schema, which has the last word.
 *
 * @throws StemeError VALIDATION_FAILED with path, expectation and what came
 */
export function parseAssertion(value: unknown): AssertionInput {
  return ordinaryAssertion(value) ?? parseInput(assertionSchema, value);
}

/**
 * A copy of the value if it is a well-formed assertion without vector and signatures; undefined when the schema has to
 * decide. Never gives what the schema would refuse or change.
 */
export function ordinaryAssertion(value: unknown): AssertionInput | undefined {
  if (!isPlain(value)) return undefined;
  const { v, kind, subject, predicate, object, source, parent, visual, stage, confidence, timestamp, agent, epoch } =
    value;
  if (v !== undefined && v !== 1) return undefined;
  if (kind !== undefined && kind !== 'assertion') return undefined;
  if (typeof subject !== 'string' || !isText(subject, 1, LIMITS.subjectBytes)) return undefined;
  if (typeof predicate !== 'string' || !isText(predicate, 1, LIMITS.predicateBytes)) return undefined;
  if (stage !== 'approved' && stage !== 'proposed' && stage !== 'retired') return undefined;
  if (typeof confidence !== 'number' || !(confidence >= 0 && confidence <= 1)) return undefined;
  if (typeof timestamp !== 'number' || !Number.isSafeInteger(timestamp) || timestamp < 0) return undefined;
  if (!isHex(source, HEX_64) || !isHex(parent, HEX_64) || !isHex(agent, HEX_64) || !isHex(epoch, HEX_64)) {
    return undefined;
  }
  if (!isHex(visual, HEX_16)) return undefined;
  const claim = ordinaryObject(object);
  if (claim === undefined) return undefined;
  // A member that is counted and not one of these is unknown, or has no value.
  const optional = present(v) + present(kind) + present(source) + present(parent) + present(visual);
  if (memberCount(value) !== 6 + optional + present(agent) + present(epoch)) return undefined;
  return {
    subject,
    predicate,
    object: claim,
    source,
    parent,
    visual,
    stage,
    confidence,
    timestamp,
    agent,
    epoch,
  };
}

function ordinaryObject(value: unknown): ClaimObject | undefined {
  if (!isPlain(value) || memberCount(value) !== 1) return undefined;
  const { text, number, boolean, reference } = value;
  if (typeof text === 'string') return isText(text, 0, LIMITS.textBytes) ? { text } : undefined;
  if (typeof number === 'number') return isJsonNumber(number) ? { number } : undefined;
  if (typeof boolean === 'boolean') return { boolean };
  if (typeof reference === 'string') return isText(reference, 1, LIMITS.referenceBytes) ? { reference } : undefined;
  return undefined;
}

/** An object as JSON.parse and literals make them: its members are all that it has. */
function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function isHex(value: unknown, pattern: RegExp): value is string | undefined {
  return value === undefined || (typeof value === 'string' && pattern.test(value));
}

function present(value: unknown): number {
  return value === undefined ? 0 : 1;
}

function memberCount(value: object): number {
  let count = 0;
  for (const _ in value) count++;
  return count;
}
