import canonicalizeOracle from 'canonicalize';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalize, JcsError } from '../../src/wire/jcs.ts';

describe('JSON canonicalization (RFC 8785)', () => {
  test('sorts by UTF-16 code units, as the example of section 3.2.3', () => {
    const value = {
      '\u20ac': 'Euro Sign',
      '\r': 'Carriage Return',
      '\ufb33': 'Hebrew',
      '1': 'One',
      '\u{1f600}': 'Emoji',
      '\u0080': 'Control',
      '\u00f6': 'o',
    };
    const keys = Object.keys(JSON.parse(canonicalize(value)));
    expect(canonicalize(value).replaceAll(/"[^"]*":/g, (key) => key)).toContain('"\\r":"Carriage Return","1":"One"');
    // JSON.parse puts integer-like keys first; the rest keeps the order of the text.
    expect(keys).toEqual(['1', '\r', '\u0080', '\u00f6', '\u20ac', '\u{1f600}', '\ufb33']);
  });

  test.each([
    [JSON.parse('333333333.33333329'), '333333333.3333333'],
    [1e30, '1e+30'],
    [4.5, '4.5'],
    [2e-3, '0.002'],
    [1e-27, '1e-27'],
    [-0, '0'],
    [9007199254740992, '9007199254740992'],
  ])('prints %d as the RFC does', (value, expected) => expect(canonicalize(value)).toBe(expected));

  test.each([
    ['\ud800'],
    ['a\udc00b'],
    [{ '\ud83d': 1 }],
    [Number.NaN],
    [Number.POSITIVE_INFINITY],
    [1n],
    [undefined],
    [[undefined]],
  ])('refuses %s', (value) => expect(() => canonicalize(value)).toThrow(JcsError));

  test('agrees with the npm package canonicalize on 100,000 values', () => {
    const json = fc.jsonValue({ maxDepth: 3, stringUnit: 'grapheme' }) as fc.Arbitrary<unknown>;
    fc.assert(
      fc.property(json, (value) => {
        expect(canonicalize(value)).toBe(canonicalizeOracle(value));
      }),
      { numRuns: 100_000 },
    );
  }, 60_000);
});
