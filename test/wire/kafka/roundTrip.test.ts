import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ApiInfo, type ApiKey, apis } from '../../../src/wire/kafka/apis.ts';
import {
  correlationIdOf,
  decodeRequest,
  decodeRequestHeader,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from '../../../src/wire/kafka/codec.ts';
import { messages, type RequestInput, type ResponseOf } from '../../../src/wire/kafka/messages.ts';
import { KafkaCodecError } from '../../../src/wire/kafka/schema/error.ts';
import { arbitraryOf } from './arbitraryMessage.ts';

const versions = apis.flatMap((api) =>
  Array.from({ length: api.max - api.lowest + 1 }, (_, n): [string, number, ApiInfo] => [
    api.name,
    api.lowest + n,
    api,
  ]),
);

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = Buffer.concat(pieces);
  expect(whole.readInt32BE(0)).toBe(whole.length - 4);
  return new Uint8Array(whole.subarray(4));
}

function bodyOf(frame: Uint8Array): Uint8Array {
  const { body } = decodeRequestHeader(frame);
  if (body === undefined) throw new Error('the version is spoken: its header must be read');
  return body;
}

describe.each(versions)('%s v%i', (_, version, api) => {
  const key: ApiKey = api.key;

  it('should give back each request that it wrote', () => {
    fc.assert(
      fc.property(
        arbitraryOf(messages[key].request, version),
        fc.integer(),
        fc.option(fc.string({ maxLength: 8 })),
        (body, correlationId, clientId) => {
          // The arbitrary follows the same schema as the type.
          const frame = joined(encodeRequest(key, version, correlationId, clientId, body as RequestInput<ApiKey>));
          const header = decodeRequestHeader(frame);
          expect(header).toMatchObject({ apiKey: key, apiVersion: version, correlationId, clientId });
          expect(decodeRequest(key, version, bodyOf(frame))).toMatchObject(body as object); // a struct
        },
      ),
      { numRuns: 25 },
    );
  });

  it('should give back each response that it wrote', () => {
    fc.assert(
      fc.property(arbitraryOf(messages[key].response, version), fc.integer(), (body, correlationId) => {
        // The arbitrary follows the same schema as the type.
        const frame = joined(encodeResponse(key, version, correlationId, body as ResponseOf<ApiKey>));
        expect(correlationIdOf(frame)).toBe(correlationId);
        expect(decodeResponse(key, version, frame)).toMatchObject(body as object); // a struct
      }),
      { numRuns: 25 },
    );
  });

  it('should refuse a request with its end cut off, or with bytes behind it', () => {
    fc.assert(
      fc.property(arbitraryOf(messages[key].request, version), fc.nat(), (request, at) => {
        const whole = bodyOf(joined(encodeRequest(key, version, 1, null, request as RequestInput<ApiKey>))); // as above
        if (whole.length > 0) {
          const cut = whole.subarray(0, at % whole.length);
          expect(() => decodeRequest(key, version, cut)).toThrow(KafkaCodecError);
        }
        expect(() => decodeRequest(key, version, Buffer.concat([whole, Uint8Array.of(1)]))).toThrow(KafkaCodecError);
      }),
      { numRuns: 25 },
    );
  });

  it('should meet random bytes with a value or a codec error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const decode of [() => decodeRequest(key, version, bytes), () => decodeResponse(key, version, bytes)]) {
          try {
            expect(typeof decode()).toBe('object');
          } catch (error) {
            expect(error).toBeInstanceOf(KafkaCodecError);
          }
        }
      }),
      { numRuns: 50 },
    );
  });
});
