import fc, { type Arbitrary } from 'fast-check';
import type { Field, Shape } from '../../../src/wire/kafka/schema/types.ts';

/** Whether an arbitrary text survives the trip: half a surrogate pair is no text. */
const text = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((value) => value.isWellFormed());
const int64 = fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.constant(-1));
const bytes = fc.uint8Array({ maxLength: 40 });

/** Values of a shape as encoding takes and decoding gives them in one version: what the version lacks has its default. */
export function arbitraryOf(shape: Shape, version: number): Arbitrary<unknown> {
  const value = plain(shape, version);
  const mayBeNull = shape.nullableFrom !== undefined && version >= shape.nullableFrom;
  return mayBeNull ? fc.option(value, { nil: null }) : value;
}

function plain(shape: Shape, version: number): Arbitrary<unknown> {
  switch (shape.kind) {
    case 'bool':
      return fc.boolean();
    case 'int8':
      return fc.integer({ min: -128, max: 127 });
    case 'int16':
      return fc.integer({ min: -32_768, max: 32_767 });
    case 'int32':
      return fc.integer();
    case 'int64':
      return int64;
    case 'float64':
      return fc.double({ noNaN: true });
    case 'uuid':
      return fc.uint8Array({ minLength: 16, maxLength: 16 });
    case 'string':
      return text;
    case 'bytes':
    case 'records':
      return bytes;
    case 'array':
      if (shape.element === undefined) throw new Error('an array has an element');
      return fc.array(arbitraryOf(shape.element, version), { maxLength: 3 });
    case 'struct':
      return fc.record(
        Object.fromEntries(
          Object.entries(shape.fields ?? {})
            .filter(([, entry]) => isIn(entry, version))
            .map(([name, entry]) => [name, arbitraryOf('shape' in entry ? entry.shape : entry, version)]),
        ),
      );
  }
}

/** Whether a version has a field. */
export function isIn(entry: Shape | Field, version: number): boolean {
  return !('shape' in entry) || (version >= entry.since && version <= entry.until);
}
