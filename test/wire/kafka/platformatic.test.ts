import { existsSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ApiInfo, apiKeys, apis } from '../../../src/wire/kafka/apis.ts';
import { encodeResponse } from '../../../src/wire/kafka/codec.ts';
import { messages, type ResponseOf } from '../../../src/wire/kafka/messages.ts';
import { arbitraryOf } from './arbitraryMessage.ts';

/** The client's parsers, one file an API and version; its package exports none of them. */
const folder = new URL('../../../node_modules/@platformatic/kafka/dist/', import.meta.url);

type Parse = (correlationId: number, apiKey: number, version: number, reader: unknown) => unknown;
interface Parser {
  readonly parseResponse: Parse;
}
interface Readers {
  readonly Reader: { from(bytes: Buffer): { readonly position: number } };
}

function fileOf(name: string, version: number): string | undefined {
  const kebab = name.replace(/(?<!^)[A-Z]/g, (letter) => `-${letter}`).toLowerCase();
  return ['admin', 'consumer', 'metadata', 'producer', 'security']
    .map((part) => new URL(`apis/${part}/${kebab}-v${version}.js`, folder).pathname)
    .find(existsSync);
}

const cases = apis.flatMap((api) =>
  Array.from({ length: api.max - api.min + 1 }, (_, n) => api.min + n).flatMap(
    (version): [string, number, ApiInfo, string][] => {
      const file = fileOf(api.name, version);
      return file === undefined ? [] : [[api.name, version, api, file]];
    },
  ),
);

/** Theirs in our words: big integers are numbers, ids and bytes hexadecimal. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]));
  }
  if (typeof value === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value)) {
    return value.replaceAll('-', '');
  }
  return value;
}

/** Only what both sides know by the same name. */
function common(mine: unknown, theirs: unknown): [unknown, unknown] {
  if (Array.isArray(mine) && Array.isArray(theirs)) {
    expect(theirs).toHaveLength(mine.length);
    const pairs = mine.map((element, n) => common(element, theirs[n]));
    return [pairs.map((pair) => pair[0]), pairs.map((pair) => pair[1])];
  }
  if (typeof mine === 'object' && typeof theirs === 'object' && mine !== null && theirs !== null) {
    const names = Object.keys(mine).filter((name) => name in theirs);
    const pairs = names.map((name): [string, [unknown, unknown]] => [
      name,
      common(mine[name as keyof typeof mine], theirs[name as keyof typeof theirs]), // names of both
    ]);
    return [
      Object.fromEntries(pairs.map(([name, pair]) => [name, pair[0]])),
      Object.fromEntries(pairs.map(([name, pair]) => [name, pair[1]])),
    ];
  }
  return [mine, theirs];
}

/** A response with error numbers is parsed whole, then thrown with them. */
function parsed(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    if (error instanceof Error && 'response' in error) return error.response;
    throw error;
  }
}

describe('@platformatic/kafka', () => {
  it('should be installed with its parsers', () => {
    expect(cases.length).toBeGreaterThan(150);
  });

  it.each(cases)('should read our %s responses of version %i to the last byte', async (_, version, api, file) => {
    const { parseResponse } = (await import(file)) as Parser;
    const { Reader } = (await import(new URL('protocol/reader.js', folder).pathname)) as Readers;
    fc.assert(
      fc.property(arbitraryOf(messages[api.key].response, version), (arbitrary) => {
        const presented = presentable(arbitrary);
        // It expects the oldest shape with an error of ApiVersions, at whatever version: that is what brokers send.
        const body = api.key === apiKeys.ApiVersions ? { ...presented, errorCode: 0 } : presented;
        const pieces = encodeResponse(api.key, version, 1, body as ResponseOf<typeof api.key>); // by the same schema
        const whole = Buffer.concat(pieces);
        const headerBytes = version >= api.flexibleFrom && api.key !== apiKeys.ApiVersions ? 9 : 8;
        const reader = Reader.from(whole.subarray(headerBytes));
        const response = parsed(() => parseResponse(1, api.key, version, reader));
        expect(reader.position).toBe(whole.length - headerBytes);
        const [mine, theirs] = common(plain(body), plain(response));
        expect(theirs).toEqual(mine);
      }),
      { numRuns: 20 },
    );
  });
});

/** Their parsers open record batches, which random bytes are not, and know the error numbers that exist. */
function presentable(value: unknown): object {
  return Object.fromEntries(
    Object.entries(value ?? {}).map(([name, inner]): [string, unknown] => {
      if (name === 'records') return [name, null];
      if (/errorCode$/i.test(name) && typeof inner === 'number') return [name, inner & 63];
      return [name, presentableField(inner)];
    }),
  );
}

function presentableField(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(presentableField);
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array) ? presentable(value) : value;
}
