import type { Reader } from './reader.ts';
import { type Field, type Fields, type Shape, zeroUuid } from './types.ts';
import type { Writer } from './writer.ts';

/** Reads one value. */
export type Read = (reader: Reader) => unknown;
/** Writes one value; it has the shape's type by the doors' signatures. */
export type Write = (writer: Writer, value: unknown) => void;

type Body = Readonly<Record<string, unknown>>;

/** One field in one version. */
interface Part {
  readonly name: string;
  readonly field: Field;
}

const zeros: Readonly<Record<Shape['kind'], unknown>> = {
  bool: false,
  int8: 0,
  int16: 0,
  int32: 0,
  int64: 0,
  float64: 0,
  uuid: zeroUuid,
  string: '',
  bytes: new Uint8Array(0),
  records: null,
  array: Object.freeze([]),
  struct: undefined,
};

function asField(entry: Shape | Field): Field {
  if ('shape' in entry) return entry;
  return { shape: entry, since: 0, until: Number.POSITIVE_INFINITY, tag: undefined, fallback: undefined };
}

function parts(fields: Fields): Part[] {
  return Object.entries(fields).map(([name, entry]) => ({ name, field: asField(entry) }));
}

function isIn(field: Field, version: number): boolean {
  return version >= field.since && version <= field.until;
}

/** Value of a field that a version lacks. */
function fallbackOf(field: Field): unknown {
  const { fallback } = field;
  if (fallback === undefined) return zeroOf(field.shape);
  return typeof fallback === 'object' && fallback !== null && !ArrayBuffer.isView(fallback)
    ? Object.freeze(fallback)
    : fallback;
}

function zeroOf(shape: Shape): unknown {
  if (shape.kind !== 'struct') return zeros[shape.kind];
  const zero: Record<string, unknown> = {};
  for (const { name, field } of parts(shape.fields ?? {})) zero[name] = fallbackOf(field);
  return Object.freeze(zero);
}

function isNullable(shape: Shape, version: number): boolean {
  return shape.nullableFrom !== undefined && version >= shape.nullableFrom;
}

/** The fewest bytes that a value can have: bounds how many can lie in what is left. At least 1. */
function bytesMin(shape: Shape, version: number, flexible: boolean): number {
  switch (shape.kind) {
    case 'bool':
    case 'int8':
      return 1;
    case 'int16':
      return 2;
    case 'int32':
      return 4;
    case 'int64':
    case 'float64':
      return 8;
    case 'uuid':
      return 16;
    case 'string':
      return flexible ? 1 : 2;
    case 'bytes':
    case 'records':
    case 'array':
      return flexible ? 1 : 4;
    case 'struct': {
      if (isNullable(shape, version)) return 1;
      let sum = flexible ? 1 : 0;
      for (const { field } of parts(shape.fields ?? {})) {
        if (field.tag === undefined && isIn(field, version)) sum += bytesMin(field.shape, version, flexible);
      }
      return Math.max(1, sum);
    }
  }
}

function elementOf(shape: Shape): Shape {
  if (shape.element === undefined) throw new Error('an array without an element shape');
  return shape.element;
}

/** Builds the reader of a shape in one version. */
export function compileRead(shape: Shape, version: number, flexible: boolean): Read {
  const mayBeNull = isNullable(shape, version);
  switch (shape.kind) {
    case 'bool':
      return (r) => r.bool();
    case 'int8':
      return (r) => r.int8();
    case 'int16':
      return (r) => r.int16();
    case 'int32':
      return (r) => r.int32();
    case 'int64':
      return (r) => r.int64();
    case 'float64':
      return (r) => r.float64();
    case 'uuid':
      return (r) => r.uuid();
    case 'string':
      return sized(flexible ? readCompactLength : readInt16Length, mayBeNull, (r, length) => r.text(length));
    case 'bytes':
    case 'records':
      return sized(flexible ? readCompactLength : readInt32Length, mayBeNull, (r, length) => r.view(length));
    case 'array': {
      const element = elementOf(shape);
      const each = bytesMin(element, version, flexible);
      const readElement = compileRead(element, version, flexible);
      return sized(flexible ? readCompactLength : readInt32Length, mayBeNull, (r, count) => {
        r.elements(count, each);
        const list = new Array<unknown>(count);
        for (let i = 0; i < count; i++) list[i] = readElement(r);
        return list;
      });
    }
    case 'struct': {
      const read = compileStructRead(shape.fields ?? {}, version, flexible);
      return mayBeNull ? (r) => (r.int8() < 0 ? null : read(r)) : read;
    }
  }
}

const readInt16Length = (r: Reader): number => r.int16();
const readInt32Length = (r: Reader): number => r.int32();
const readCompactLength = (r: Reader): number => r.uvarint() - 1;

/** A value behind its length; -1 means null. */
function sized(
  readLength: (r: Reader) => number,
  mayBeNull: boolean,
  read: (r: Reader, length: number) => unknown,
): Read {
  return (r) => {
    const length = readLength(r);
    if (length >= 0) return read(r, length);
    if (length === -1 && mayBeNull) return null;
    throw r.error(length === -1 ? 'null is not allowed here' : `expected a length, got ${length}`);
  };
}

function compileStructRead(fields: Fields, version: number, flexible: boolean): Read {
  const template: Record<string, unknown> = {};
  const names: string[] = [];
  const reads: Read[] = [];
  const tagged = new Map<number, { readonly name: string; readonly read: Read }>();
  for (const { name, field } of parts(fields)) {
    template[name] = fallbackOf(field);
    if (!isIn(field, version)) continue;
    const read = compileRead(field.shape, version, flexible);
    if (field.tag !== undefined) tagged.set(field.tag, { name, read });
    else {
      names.push(name);
      reads.push(read);
    }
  }
  return (r) => {
    // A copy of the template has all keys in their order, so that all values of a struct share one hidden class.
    const value = { ...template };
    for (let i = 0; i < reads.length; i++) {
      const name = names[i] as string; // the lists are filled together
      r.field = name;
      value[name] = (reads[i] as Read)(r); // as above
    }
    if (flexible) readTags(r, tagged, value);
    return value;
  };
}

function readTags(
  r: Reader,
  tagged: ReadonlyMap<number, { readonly name: string; readonly read: Read }>,
  into: Record<string, unknown>,
): void {
  r.field = 'tagged fields';
  let before = -1;
  for (let left = r.uvarint(); left > 0; left--) {
    const tag = r.uvarint();
    if (tag <= before) throw r.error(`expected tags in ascending order, got ${tag} after ${before}`);
    before = tag;
    const size = r.uvarint();
    if (size > r.end - r.at) throw r.error(`expected ${size} more bytes, ${r.end - r.at} are left`);
    const known = tagged.get(tag);
    if (known === undefined) {
      r.at += size;
      continue;
    }
    const endOfAll = r.end;
    r.end = r.at + size;
    r.field = known.name;
    into[known.name] = known.read(r);
    if (r.at !== r.end) throw r.error(`the tagged field has ${r.end - r.at} bytes too many`);
    r.end = endOfAll;
    r.field = 'tagged fields';
  }
}

/** Builds the writer of a shape in one version. Null in a version that does not know it is written as the shape's zero. */
export function compileWrite(shape: Shape, version: number, flexible: boolean): Write {
  const mayBeNull = isNullable(shape, version);
  // What is written has passed the type checker at the doors of the codec; the primitive writers check the ranges.
  switch (shape.kind) {
    case 'bool':
      return (w, value) => w.bool(value as boolean); // typed at the door
    case 'int8':
      return (w, value) => w.int8(value as number); // typed at the door
    case 'int16':
      return (w, value) => w.int16(value as number); // typed at the door
    case 'int32':
      return (w, value) => w.int32(value as number); // typed at the door
    case 'int64':
      return (w, value) => w.int64(value as number); // typed at the door
    case 'float64':
      return (w, value) => w.float64(value as number); // typed at the door
    case 'uuid':
      return (w, value) => w.uuid(value as Uint8Array); // typed at the door
    case 'string':
      return (w, value) => {
        if (value !== null || !mayBeNull)
          w.string((value ?? '') as string, flexible); // typed at the door
        else if (flexible) w.uvarint(0);
        else w.int16(-1);
      };
    case 'bytes':
    case 'records':
      return (w, value) => {
        // Typed at the door.
        const pieces = value as Uint8Array | readonly Uint8Array[] | null;
        if (pieces === null && mayBeNull) writeLength(w, -1, flexible);
        else if (pieces === null) writeLength(w, 0, flexible);
        else if (pieces instanceof Uint8Array) writePieces(w, [pieces], flexible);
        else writePieces(w, pieces, flexible);
      };
    case 'array': {
      const write = compileWrite(elementOf(shape), version, flexible);
      return (w, value) => {
        const list = value as readonly unknown[] | null; // typed at the door
        if (list === null) {
          writeLength(w, mayBeNull ? -1 : 0, flexible);
          return;
        }
        writeLength(w, list.length, flexible);
        for (const element of list) write(w, element);
      };
    }
    case 'struct': {
      const write = compileStructWrite(shape, version, flexible);
      if (!mayBeNull) return write;
      return (w, value) => {
        w.int8(value === null ? -1 : 1);
        if (value !== null) write(w, value);
      };
    }
  }
}

function writeLength(w: Writer, length: number, compact: boolean): void {
  if (compact) w.uvarint(length + 1);
  else w.int32(length);
}

function writePieces(w: Writer, pieces: readonly Uint8Array[], compact: boolean): void {
  let total = 0;
  for (const piece of pieces) total += piece.length;
  writeLength(w, total, compact);
  for (const piece of pieces) w.raw(piece);
}

function compileStructWrite(shape: Shape, version: number, flexible: boolean): Write {
  const plain: { readonly name: string; readonly write: Write; readonly fallback: unknown }[] = [];
  const tagged: { readonly name: string; readonly tag: number; readonly write: Write; readonly fallback: unknown }[] =
    [];
  for (const { name, field } of parts(shape.fields ?? {})) {
    if (!isIn(field, version)) continue;
    const write = compileWrite(field.shape, version, flexible);
    if (field.tag !== undefined) tagged.push({ name, tag: field.tag, write, fallback: fallbackOf(field) });
    else plain.push({ name, write, fallback: field.fallback === undefined ? undefined : fallbackOf(field) });
  }
  tagged.sort((a, b) => a.tag - b.tag);
  return (w, value) => {
    const body = (value ?? zeroOf(shape)) as Body; // typed at the door
    for (const { name, write, fallback } of plain) {
      w.field = name;
      const given = body[name];
      if (given === undefined && fallback === undefined) throw w.error('the field is missing');
      write(w, given === undefined ? fallback : given);
    }
    if (!flexible) return;
    const present = tagged.filter(({ name, fallback }) => body[name] !== undefined && !isSame(body[name], fallback));
    w.uvarint(present.length);
    for (const { name, tag, write } of present) {
      w.field = name;
      w.uvarint(tag);
      const inner = w.nested();
      write(inner, body[name]);
      w.uvarint(inner.length);
      for (const piece of inner.finish()) w.raw(piece);
    }
  };
}

/** Whether a tagged field has its default, and so stays away. */
function isSame(value: unknown, fallback: unknown): boolean {
  if (value === fallback) return true;
  if (typeof value !== 'object' || typeof fallback !== 'object' || value === null || fallback === null) return false;
  if (Array.isArray(value) || Array.isArray(fallback)) {
    return Array.isArray(value) && Array.isArray(fallback) && value.length === 0 && fallback.length === 0;
  }
  return Object.entries(fallback).every(([name, expected]) => {
    const given = (value as Body)[name]; // an object, neither null nor a list
    return given === undefined || isSame(given, expected);
  });
}
