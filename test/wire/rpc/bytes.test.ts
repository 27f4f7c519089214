import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter, MalformedBytes } from '../../../src/wire/rpc/bytes.ts';

type Value =
  | { readonly kind: 'u8' | 'u16' | 'i16' | 'u32' | 'i32' | 'u48' | 'f64'; readonly value: number }
  | { readonly kind: 'bytes'; readonly value: Uint8Array }
  | { readonly kind: 'text'; readonly value: string };

const integer = (kind: 'u8' | 'u16' | 'i16' | 'u32' | 'i32' | 'u48', min: number, max: number) =>
  fc.integer({ min, max }).map((value): Value => ({ kind, value }));

const anyValue = fc.oneof(
  integer('u8', 0, 0xff),
  integer('u16', 0, 0xffff),
  integer('i16', -0x8000, 0x7fff),
  integer('u32', 0, 0xffff_ffff),
  integer('i32', -0x8000_0000, 0x7fff_ffff),
  integer('u48', 0, 2 ** 48 - 1),
  fc.double({ noNaN: true }).map((value): Value => ({ kind: 'f64', value })),
  fc.uint8Array({ maxLength: 40 }).map((value): Value => ({ kind: 'bytes', value })),
  fc.string({ maxLength: 20, unit: 'grapheme' }).map((value): Value => ({ kind: 'text', value })),
);

function write(writer: ByteWriter, one: Value): void {
  if (one.kind === 'bytes') writer.bytes(one.value);
  else if (one.kind === 'text') writer.text(one.value);
  else writer[one.kind](one.value);
}

describe('numbers and bytes one after the other', () => {
  it('should be read as they were written, however small the first memory is', () => {
    fc.assert(
      fc.property(fc.array(anyValue), fc.integer({ min: 0, max: 64 }), (values, firstBytes) => {
        const writer = new ByteWriter(firstBytes);
        for (const one of values) write(writer, one);
        const reader = new ByteReader(writer.take());
        for (const { kind, value } of values) expect(reader[kind]()).toEqual(value);
        reader.end();
      }),
    );
  });

  it('should be refused when any byte of the end is missing', () => {
    fc.assert(
      fc.property(fc.array(anyValue, { minLength: 1 }), fc.nat(), (values, cut) => {
        const writer = new ByteWriter();
        for (const one of values) write(writer, one);
        const whole = writer.take();
        const reader = new ByteReader(whole.subarray(0, cut % whole.length));
        expect(() => {
          for (const { kind } of values) reader[kind]();
        }).toThrow(MalformedBytes);
      }),
    );
  });

  it('should refuse a count that cannot fit before it takes memory for it', () => {
    const writer = new ByteWriter();
    writer.u32(0xffff_ffff);
    writer.f64(1);
    const reader = new ByteReader(writer.take());
    expect(() => reader.list(8, () => reader.f64())).toThrow('expected 4294967295 items, 8 bytes are left');
  });
});
