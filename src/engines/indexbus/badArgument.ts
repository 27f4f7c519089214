import { BusError } from './errors.ts';

/** What a program handed over and no call can take. `expected` and `got` are in the message too, for who prints no more. */
export function badArgument(what: string, expected: string, got: string, hint = ''): BusError {
  return new BusError('IB_BAD_CONFIG', `${what}: expected ${expected}, got ${got}${hint}`, { expected, got });
}

/** Longest text of a wrong value that a message quotes. */
const quotedMost = 64;

/** A value as it is told to who handed it over. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return `[${value.slice(0, 8).map(plain).join(',')}]`;
  return plain(value);
}

/** No list is looked into: it may have itself in it. */
function plain(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, quotedMost));
  if (typeof value === 'bigint') return `${value}n`;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : kindOf(value);
}

/** The kind of a value, where the value itself is too much to tell. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value !== 'object') return `a ${typeof value}`;
  return Object.prototype.toString.call(value).slice('[object '.length, -1);
}

/** A whole number of 31 bits. Throws IB_BAD_CONFIG for anything else. */
export function whole(what: string, value: unknown, least: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value < 2 ** 31) return value;
  throw badArgument(what, `a whole number from ${least} to ${2 ** 31 - 1}`, shown(value));
}
