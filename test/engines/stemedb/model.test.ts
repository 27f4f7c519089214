import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  prepareAgentWeight,
  prepareAssertion,
  prepareEpoch,
  prepareVote,
} from '../../../src/engines/stemedb/content.ts';
import { StemeError } from '../../../src/engines/stemedb/errors.ts';
import {
  type AssertionInput,
  agentWeightSchema,
  assertionSchema,
  parseInput,
  querySchema,
  voteSchema,
} from '../../../src/engines/stemedb/model.ts';
import {
  decodeContent,
  decodeSignatures,
  encodePayload,
  PayloadError,
  splitPayload,
} from '../../../src/engines/stemedb/records.ts';
import { verifyEd25519 } from '../../../src/engines/stemedb/signatures.ts';
import { canonicalize } from '../../../src/wire/jcs.ts';

const HEX64 = 'a1'.repeat(32);
const good: AssertionInput = {
  subject: 'aspirin',
  predicate: 'treats',
  object: { text: 'pain' },
  stage: 'approved',
  confidence: 0.9,
  timestamp: 1_700_000_000_000,
};

function refusal(schema: Parameters<typeof parseInput>[0], value: unknown): StemeError {
  try {
    parseInput(schema, value);
  } catch (error) {
    if (error instanceof StemeError) return error;
    throw error;
  }
  throw new Error(`expected a refusal of ${JSON.stringify(value)}`);
}

describe('an assertion', () => {
  test.each<[string, unknown, string]>([
    ['unknown key', { ...good, colour: 'red' }, ''],
    ['__proto__ key', JSON.parse(JSON.stringify(good).replace('{', '{"__proto__":{"x":1},')), ''],
    ['no object at all', { ...good, object: undefined }, 'object'],
    ['two values in the object', { ...good, object: { text: 'a', number: 1 } }, 'object'],
    ['none in the object', { ...good, object: {} }, 'object'],
    ['depth beyond the schema', { ...good, object: { text: [[[[[[[[['deep']]]]]]]]] } }, 'object.text'],
    ['lone surrogate', { ...good, subject: 'a\ud800' }, 'subject'],
    ['lone surrogate in the text', { ...good, object: { text: '\udc00' } }, 'object.text'],
    ['integer beyond 2^53 - 1', { ...good, object: { number: 2 ** 53 } }, 'object.number'],
    ['timestamp beyond 2^53 - 1', { ...good, timestamp: 2 ** 53 }, 'timestamp'],
    ['fraction of a millisecond', { ...good, timestamp: 1.5 }, 'timestamp'],
    ['negative timestamp', { ...good, timestamp: -1 }, 'timestamp'],
    ['empty subject', { ...good, subject: '' }, 'subject'],
    ['subject of 513 bytes', { ...good, subject: 'x'.repeat(513) }, 'subject'],
    ['subject of 257 two-byte letters', { ...good, subject: 'é'.repeat(257) }, 'subject'],
    ['predicate of 257 bytes', { ...good, predicate: 'x'.repeat(257) }, 'predicate'],
    ['text of 65,537 bytes', { ...good, object: { text: 'x'.repeat(65_537) } }, 'object.text'],
    ['vector of 4,097', { ...good, vector: new Array(4_097).fill(0) }, 'vector'],
    ['vector with a string', { ...good, vector: [1, '2'] }, 'vector.1'],
    ['confidence above 1', { ...good, confidence: 1.000001 }, 'confidence'],
    ['confidence below 0', { ...good, confidence: -0.1 }, 'confidence'],
    ['upper-case hex', { ...good, agent: 'A1'.repeat(32) }, 'agent'],
    ['short hex', { ...good, parent: 'a1' }, 'parent'],
    ['visual of 15 digits', { ...good, visual: 'a'.repeat(15) }, 'visual'],
    ['unknown stage', { ...good, stage: 'maybe' }, 'stage'],
    ['another kind', { ...good, kind: 'vote' }, 'kind'],
    ['another version', { ...good, v: 2 }, 'v'],
    [
      '17 signatures',
      { ...good, signatures: new Array(17).fill({ key: HEX64, signature: 'b'.repeat(128) }) },
      'signatures',
    ],
    ['null', null, ''],
    ['a list', [good], ''],
  ])('is refused for its %s, by path', (_, value, path) => {
    const error = refusal(assertionSchema, value);
    expect([error.code, error.status, error.outcome]).toEqual(['VALIDATION_FAILED', 400, 'not_applied']);
    expect(error.details.map((detail) => detail.path)).toContain(path);
    for (const detail of error.details) expect(detail.expected.length * detail.got.length).toBeGreaterThan(0);
  });

  test('passes at every limit', () => {
    const full = {
      ...good,
      v: 1,
      kind: 'assertion',
      subject: 'é'.repeat(256),
      predicate: 'x'.repeat(256),
      object: { text: 'x'.repeat(65_536) },
      source: HEX64,
      parent: HEX64,
      visual: '0123456789abcdef',
      confidence: 1,
      agent: HEX64,
      epoch: HEX64,
      vector: new Array(4_096).fill(-1.5e-300),
      signatures: new Array(16).fill({ key: HEX64, signature: 'b'.repeat(128) }),
    };
    expect(parseInput(assertionSchema, full)).toEqual(full);
  });
});

test('a vote and a weight keep to their ranges', () => {
  expect(refusal(voteSchema, { assertion: HEX64, agent: HEX64, value: 'perhaps', timestamp: 1 }).details[0]?.path).toBe(
    'value',
  );
  expect(refusal(agentWeightSchema, { agent: HEX64, weight: 1_000.1, timestamp: 1 }).details[0]?.path).toBe('weight');
  expect(refusal(agentWeightSchema, { agent: HEX64, weight: -1, timestamp: 1 }).details[0]?.path).toBe('weight');
});

test.each<[string, object, string]>([
  ['unknown lens', { subject: 's', lens: 'truth' }, 'lens'],
  ['limit of 1,001', { subject: 's', limit: 1_001 }, 'limit'],
  ['limit of 0', { subject: 's', limit: 0 }, 'limit'],
  ['layered without lenses', { subject: 's', lens: 'layered' }, 'lenses'],
  ['lenses without layered', { subject: 's', lenses: ['recency'] }, 'lenses'],
  ['a layer that has no scores', { subject: 's', lens: 'layered', lenses: ['skeptic'] }, 'lenses.0'],
  ['must_use with another lens', { subject: 's', must_use: [HEX64] }, 'must_use'],
  ['negative as_of_lsn', { subject: 's', as_of_lsn: -1 }, 'as_of_lsn'],
  ['no subject', {}, 'subject'],
])('a query is refused for its %s', (_, value, path) => {
  expect(refusal(querySchema, value).details.map((detail) => detail.path)).toContain(path);
});

describe('content', () => {
  const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 });
  const hex64 = fc.constantFrom('0'.repeat(64), HEX64, 'f'.repeat(64));
  const assertion = fc.record(
    {
      subject: text,
      predicate: text,
      object: fc.oneof(
        fc.record({ text }),
        fc.record({ number: fc.double({ noNaN: true, noDefaultInfinity: true }) }),
        fc.record({ boolean: fc.boolean() }),
        fc.record({ reference: text }),
      ),
      stage: fc.constantFrom('proposed' as const, 'approved' as const, 'retired' as const),
      confidence: fc.double({ min: 0, max: 1, noNaN: true }),
      timestamp: fc.maxSafeNat(),
      source: hex64,
      parent: hex64,
      agent: hex64,
      epoch: hex64,
      visual: fc.constant('0123456789abcdef'),
      vector: fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { maxLength: 5 }),
    },
    { requiredKeys: ['subject', 'predicate', 'object', 'stage', 'confidence', 'timestamp'] },
  );

  test('is canonical JSON, and its id the SHA-256 of it', () => {
    fc.assert(
      fc.property(assertion, (input) => {
        const record = prepareAssertion(input as AssertionInput);
        expect(record.canonical).toBe(canonicalize({ ...input, v: 1, kind: 'assertion' }));
        expect(record.id).toBe(createHash('sha256').update(record.canonical).digest('hex'));
      }),
    );
  });

  test('of the other kinds is canonical too', () => {
    for (const { canonical } of [
      prepareVote({ assertion: HEX64, agent: HEX64, value: 'dispute', timestamp: 3 }),
      prepareEpoch({ name: 'spring', supersedes: HEX64, timestamp: 4 }),
      prepareAgentWeight({ agent: HEX64, weight: 0.5, timestamp: 5 }),
    ]) {
      expect(canonical).toBe(canonicalize(JSON.parse(canonical)));
    }
  });

  test('does not depend on signatures, nor on whether v and kind were sent', () => {
    const signed = prepareAssertion({
      ...good,
      v: 1,
      kind: 'assertion',
      signatures: [{ key: HEX64, signature: 'b'.repeat(128) }],
    });
    expect(signed.id).toBe(prepareAssertion(good).id);
  });

  test('comes back from its payload, with its signatures', () => {
    fc.assert(
      fc.property(assertion, fc.integer({ min: 0, max: 3 }), (input, count) => {
        const signatures = new Array(count).fill({ key: HEX64, signature: 'b'.repeat(128) });
        const record = prepareAssertion({ ...(input as AssertionInput), signatures });
        const parts = splitPayload(encodePayload(record));
        expect(Buffer.from(parts.content).toString()).toBe(record.canonical);
        expect(canonicalize(decodeContent(1, parts.content))).toBe(record.canonical);
        expect(decodeSignatures(parts.signatures)).toEqual(signatures);
      }),
    );
  });

  test('a payload that is cut is refused', () => {
    const payload = encodePayload(prepareAssertion(good));
    expect(() => splitPayload(payload.subarray(0, 3))).toThrow(PayloadError);
    expect(() => splitPayload(payload.subarray(0, payload.length - 1))).toThrow(PayloadError);
    expect(() => decodeContent(9, payload)).toThrow(PayloadError);
  });
});

describe('signatures', () => {
  test('verify as test 2 of RFC 8032, section 7.1', () => {
    const key = '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c';
    const signature =
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da' +
      '085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00';
    expect(verifyEd25519(key, Uint8Array.of(0x72), signature)).toBe(true);
    expect(verifyEd25519(key, Uint8Array.of(0x73), signature)).toBe(false);
  });

  test('of the id verify, of another id do not', () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const key = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex');
    const record = prepareAssertion({ ...good, agent: key });
    const signature = sign(null, Buffer.from(record.id, 'hex'), privateKey).toString('hex');
    expect(verifyEd25519(key, Buffer.from(record.id, 'hex'), signature)).toBe(true);
    expect(verifyEd25519(key, Buffer.from(prepareAssertion(good).id, 'hex'), signature)).toBe(false);
  });
});
