/**
 * The vocabulary in which Kafka's messages are written down: a message is data (fields in the order of the wire, each with the
 * versions that have it), from which types are inferred here, and readers and writers of one version built in `compile.ts`.
 * The format is the one of KIP-482 and Kafka's protocol guide.
 */

/** What a shape is on the wire. Lengths are compact in flexible versions. */
export type Kind =
  | 'bool'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'float64'
  | 'uuid'
  | 'string'
  | 'bytes'
  | 'records'
  | 'array'
  | 'struct';

/** Shape of a value: `D` is what decoding gives, `E` what encoding takes (fields with a default may be left out there). */
export interface Shape<D = unknown, E = unknown> {
  readonly kind: Kind;
  /** Of an array. */
  readonly element?: Shape;
  /** Of a struct, in the order of the wire. */
  readonly fields?: Fields;
  /** First version in which null is allowed. */
  readonly nullableFrom?: number;
  /** Only for types: never present. */
  readonly decoded?: D;
  /** Only for types: never present. */
  readonly encodable?: E;
}

/** Which versions have a field, and its value where they do not. */
export interface FieldOptions {
  /** First version with the field. Default 0. */
  readonly since?: number;
  /** Last version with it. Default: all later ones. */
  readonly until?: number;
  /** The field is optional on the wire, under this number (flexible versions only). */
  readonly tag?: number;
}

/** A field that not every version has, or that has a default. `O`: it may be left out when encoding. */
export interface Field<D = unknown, E = unknown, O extends boolean = boolean> {
  readonly shape: Shape<D, E>;
  readonly since: number;
  readonly until: number;
  readonly tag: number | undefined;
  /** Value when the version lacks the field, or the encoder was given none; undefined: the shape's zero. */
  readonly fallback: unknown;
  /** Only for types: never present. */
  readonly optional?: O;
}

/** A bare shape is a field that every version has and every encoder must be given. */
export interface Fields {
  readonly [name: string]: Shape | Field;
}

/** What decoding gives for a shape. */
export type Decoded<S> = S extends Field<infer D, unknown, boolean> ? D : S extends Shape<infer D, unknown> ? D : never;

/** What encoding takes for a shape. */
export type Encodable<S> =
  S extends Field<unknown, infer E, boolean> ? E : S extends Shape<unknown, infer E> ? E : never;

type OptionalNames<F> = {
  [K in keyof F]: F[K] extends Field<unknown, unknown, infer O> ? (O extends true ? K : never) : never;
}[keyof F];

type DecodedStruct<F> = { readonly [K in keyof F]: Decoded<F[K]> };
type EncodableStruct<F> = { readonly [K in Exclude<keyof F, OptionalNames<F>>]: Encodable<F[K]> } & {
  readonly [K in OptionalNames<F>]?: Encodable<F[K]> | undefined;
};

function plain<T>(kind: Kind): Shape<T, T> {
  return { kind };
}

export const bool = plain<boolean>('bool');
export const int8 = plain<number>('int8');
export const int16 = plain<number>('int16');
export const int32 = plain<number>('int32');
/** A number: exact up to 2^53, rounded beyond. */
export const int64 = plain<number>('int64');
export const float64 = plain<number>('float64');
/** 16 bytes. */
export const uuid = plain<Uint8Array>('uuid');
export const string = plain<string>('string');
/** Decoded: a view of the frame. */
export const bytes = plain<Uint8Array>('bytes');
/** Record batches. Decoded: a view of the frame; encoded: one piece or several, handed on without a copy. Null is allowed. */
export const records: Shape<Uint8Array | null, Uint8Array | readonly Uint8Array[] | null> = {
  kind: 'records',
  nullableFrom: 0,
};

/** A list of values of one shape. */
export function array<D, E>(element: Shape<D, E>): Shape<readonly D[], readonly E[]> {
  return { kind: 'array', element };
}

/** Fields one after the other. */
export function struct<const F extends Fields>(fields: F): Shape<DecodedStruct<F>, EncodableStruct<F>> {
  return { kind: 'struct', fields };
}

/** The same shape, null allowed from a version on (default 0). */
export function nullable<D, E>(shape: Shape<D, E>, since = 0): Shape<D | null, E | null> {
  return { ...shape, nullableFrom: since } as Shape<D | null, E | null>; // the type parameters exist in types only
}

/** A field with versions; with a `default` an encoder need not be given it. */
export function field<D, E>(
  shape: Shape<D, E>,
  options: FieldOptions & { readonly default: NoInfer<D> },
): Field<D, E, true>;
export function field<D, E>(shape: Shape<D, E>, options: FieldOptions): Field<D, E, false>;
export function field<D, E>(shape: Shape<D, E>, options: FieldOptions & { readonly default?: D }): Field<D, E> {
  return {
    shape,
    since: options.since ?? 0,
    until: options.until ?? Number.POSITIVE_INFINITY,
    tag: options.tag,
    fallback: options.default,
  };
}

/** `throttle_time_ms` of most responses: how long the quota held the answer back. */
export function throttleTimeMs(since: number): Field<number, number, true> {
  return field(int32, { since, default: 0 });
}

/** The topic id of no topic. */
export const zeroUuid = new Uint8Array(16);
