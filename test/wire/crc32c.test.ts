import { crc32c as oracle } from '@node-rs/crc32';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c, crc32cAt } from '../../src/wire/crc32c.ts';

describe('crc32c', () => {
  it('should give the values of RFC 3720 B.4', () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => 31 - i))).toBe(0x113fdb5c);
    const iscsiRead = new Uint8Array(48);
    iscsiRead.set([0x01, 0xc0], 0);
    iscsiRead[16] = 0x14;
    iscsiRead[22] = 0x04;
    iscsiRead[27] = 0x14;
    iscsiRead[31] = 0x18;
    iscsiRead[32] = 0x28;
    iscsiRead[40] = 0x02;
    expect(crc32c(iscsiRead)).toBe(0xd9963a56);
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
  });

  it('should agree with an independent implementation at every length, alignment and split', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 700 }),
        fc.nat({ max: 7 }),
        fc.nat({ max: 700 }),
        (content, shift, cut) => {
          const space = new Uint8Array(content.length + 8);
          const bytes = space.subarray(shift, shift + content.length);
          bytes.set(content);
          const at = Math.min(cut, content.length);
          const expected = oracle(Buffer.from(content));
          expect(crc32c(bytes)).toBe(expected);
          expect(crc32c(bytes.subarray(at), crc32c(bytes.subarray(0, at)))).toBe(expected);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('should agree in place, at any word of a larger buffer', () => {
    const buffer = new ArrayBuffer(4096);
    const bytes = new Uint8Array(buffer).map((_, i) => (i * 131 + (i >> 3)) & 255);
    const words = new Int32Array(bytes.buffer);
    for (let offset = 0; offset < 64; offset += 4) {
      for (let length = 0; length < 300; length++) {
        const expected = oracle(Buffer.from(bytes.slice(offset, offset + length)), 77);
        expect(crc32cAt(words, bytes, offset, length, 77)).toBe(expected);
      }
    }
  });
});
