import { describe, expect, it } from 'vitest';
import { apiKeys, apiOf, apis } from '../../../src/wire/kafka/apis.ts';
import {
  decodeRequest,
  decodeRequestHeader,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from '../../../src/wire/kafka/codec.ts';
import { kafkaErrorName } from '../../../src/wire/kafka/errors.ts';
import { KafkaCodecError } from '../../../src/wire/kafka/schema/error.ts';

const hex = (pieces: readonly Uint8Array[]): string => Buffer.concat(pieces).toString('hex');
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));

describe('kafka codec', () => {
  it('should write the bytes of the protocol guide', () => {
    expect(hex(encodeRequest(apiKeys.ApiVersions, 0, 7, 'ab', {}))).toBe(
      `0000000c${'0012'}${'0000'}${'00000007'}${'0002'}6162`,
    );
    // Compact strings count one more than their bytes; two empty sets of tagged fields.
    expect(
      hex(encodeRequest(apiKeys.ApiVersions, 3, 7, null, { clientSoftwareName: 'n', clientSoftwareVersion: '1' })),
    ).toBe(`00000010${'0012'}${'0003'}${'00000007'}${'ffff'}${'00'}${'026e'}${'0231'}${'00'}`);
    expect(hex(encodeRequest(apiKeys.Metadata, 1, 1, 'c', { topics: null }))).toBe(
      `0000000f${'0003'}${'0001'}${'00000001'}${'000163'}${'ffffffff'}`,
    );
  });

  it('should understand how librdkafka asks for all topics: spare bytes of the count left in', () => {
    expect(decodeRequest(apiKeys.Metadata, 12, bytes('00000000 01 00 00'))).toMatchObject({ topics: null });
    expect(() => decodeRequest(apiKeys.Metadata, 12, bytes('00000000 01 00 00 00'))).toThrow(/4 bytes follow/);
  });

  it('should understand a request that librdkafka ends twice', () => {
    expect(decodeRequest(apiKeys.AlterUserScramCredentials, 0, bytes('01 01 00 00'))).toMatchObject({ deletions: [] });
    expect(() => decodeRequest(apiKeys.AlterUserScramCredentials, 0, bytes('01 01 00 01'))).toThrow(/1 bytes follow/);
    expect(() => decodeRequest(apiKeys.AlterUserScramCredentials, 0, bytes('01 01 00 00 00'))).toThrow(/2 bytes/);
  });

  it('should keep the oldest header for responses of ApiVersions, whatever their version', () => {
    const body = { errorCode: 0, apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 4 }] };
    expect(hex(encodeResponse(apiKeys.ApiVersions, 0, 9, body))).toBe(
      `00000010${'00000009'}${'0000'}${'00000001'}${'001200000004'}`,
    );
    expect(hex(encodeResponse(apiKeys.ApiVersions, 3, 9, body))).toBe(
      `00000013${'00000009'}${'0000'}${'02'}${'00120000000400'}${'00000000'}${'00'}`,
    );
    expect(hex(encodeResponse(apiKeys.Heartbeat, 4, 9, { errorCode: 27 }))).toBe(
      `0000000c${'00000009'}${'00'}${'00000000'}${'001b'}${'00'}`,
    );
  });

  it('should leave out tagged fields that have their default, and write the others in order', () => {
    const body = {
      errorCode: 0,
      apiKeys: [],
      supportedFeatures: [{ name: 'transaction.version', minVersion: 0, maxVersion: 2 }],
      finalizedFeaturesEpoch: 5,
    };
    const frame = Buffer.concat(encodeResponse(apiKeys.ApiVersions, 3, 9, body)).subarray(4);
    expect(decodeResponse(apiKeys.ApiVersions, 3, frame)).toMatchObject(body);
    // Two fields: number 0, then number 1 of eight bytes.
    expect(frame.toString('hex')).toMatch(/^00000009000001000000000200[0-9a-f]+01080000000000000005$/);
  });

  it('should hand on records without copying them', () => {
    const records = [new Uint8Array(4_096).fill(1), new Uint8Array(2_048).fill(2)];
    const pieces = encodeResponse(apiKeys.Fetch, 4, 1, {
      responses: [
        {
          topic: 't',
          partitions: [{ partitionIndex: 0, errorCode: 0, highWatermark: 9, records }],
        },
      ],
    });
    expect(pieces).toContain(records[0]);
    expect(pieces).toContain(records[1]);
    const frame = Buffer.concat(pieces).subarray(4);
    const read = decodeResponse(apiKeys.Fetch, 4, frame).responses[0]?.partitions[0]?.records;
    expect(read).toHaveLength(6_144);
    expect(read?.buffer).toBe(frame.buffer);
  });

  it('should read requests of versions that are answered with 35', () => {
    expect(apiOf(apiKeys.Fetch)).toMatchObject({ min: 4, max: 16, lowest: 0 });
    const frame = Buffer.concat(
      encodeRequest(apiKeys.Fetch, 0, 3, 'x', { maxWaitMs: 1, minBytes: 1, topics: [] }),
    ).subarray(4);
    const header = decodeRequestHeader(frame);
    if (header.body === undefined) throw new Error('expected the body of a version that is answered');
    expect(decodeRequest(apiKeys.Fetch, 0, header.body)).toMatchObject({ maxBytes: 0x7fffffff, topics: [] });
  });

  it('should tell the header of a version that it does not know, without its body', () => {
    expect(decodeRequestHeader(bytes('0012 7fff 00000005 0001 61 00 ff'))).toMatchObject({
      apiKey: 18,
      apiVersion: 32_767,
      correlationId: 5,
      body: undefined,
    });
    expect(decodeRequestHeader(bytes('03e8 0000 00000005'))).toMatchObject({ api: undefined, body: undefined });
    expect(() => decodeRequestHeader(bytes('0012 0000 000000'))).toThrow(KafkaCodecError);
  });

  it.each([
    ['a list longer than the frame', 'Metadata', 1, '7fffffff', /2147483647 elements cannot lie in the 0 bytes/],
    ['a negative length', 'Metadata', 1, '00000001 fffe 61', /expected a length, got -2/],
    ['null where there is none', 'Metadata', 1, '00000001 ffff', /null is not allowed/],
    ['text that is not UTF-8', 'Metadata', 1, '00000001 0002 c328', /UTF-8/],
    ['a byte too many', 'Metadata', 1, '00000000 00', /1 bytes follow/],
    ['a number of more than 32 bits', 'Metadata', 9, 'ffffffff7f', /32 bits/],
    ['tags that do not ascend', 'Heartbeat', 4, '02 61 00000000 02 61 00 02 05 00 05 00', /ascending/],
    ['a tagged field that is longer than the frame', 'Heartbeat', 4, '02 61 00000000 02 61 00 01 05 7f', /127 more/],
  ] as const)('should refuse %s', (_, name, version, text, message) => {
    const decode = (): unknown => decodeRequest(apiKeys[name], version, bytes(text));
    expect(decode).toThrow(KafkaCodecError);
    expect(decode).toThrow(message);
    expect(decode).toThrow(`${name}Request v${version}`);
  });

  it('should bound the elements of one request', () => {
    const count = 300_000;
    const body = Buffer.alloc(4 + 2 * count);
    body.writeInt32BE(count);
    expect(() => decodeRequest(apiKeys.Metadata, 1, body)).toThrow(/more list elements/);
  });

  it('should refuse to write what a field cannot carry', () => {
    expect(() => encodeResponse(apiKeys.Heartbeat, 0, 1, { errorCode: 40_000 })).toThrow(/field errorCode: .*16-bit/);
    expect(() => encodeResponse(apiKeys.Heartbeat, 5, 1, { errorCode: 0 })).toThrow(
      /HeartbeatResponse v5: .*not spoken/,
    );
  });

  it('should round a 64-bit number that no double holds, and carry the largest', () => {
    const commit = (offset: number): number | undefined => {
      const frame = Buffer.concat(
        encodeRequest(apiKeys.DeleteRecords, 0, 1, null, {
          topics: [{ name: 't', partitions: [{ partitionIndex: 0, offset }] }],
          timeoutMs: 1,
        }),
      ).subarray(4);
      const { body } = decodeRequestHeader(frame);
      return decodeRequest(apiKeys.DeleteRecords, 0, body ?? frame).topics[0]?.partitions[0]?.offset;
    };
    for (const offset of [0, -1, -2, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER, -(2 ** 53), 2 ** 63, -(2 ** 63)]) {
      expect(commit(offset)).toBe(offset);
    }
  });

  it('should list the APIs by ascending key, each once', () => {
    const keys = apis.map((api) => api.key);
    expect(keys).toEqual([...new Set(keys)].sort((a, b) => a - b));
    expect(apis).toHaveLength(47);
  });

  it('should name error numbers', () => {
    expect([kafkaErrorName(0), kafkaErrorName(87), kafkaErrorName(999)]).toEqual([
      'NONE',
      'INVALID_RECORD',
      'ERROR_999',
    ]);
  });
});
