import { z } from 'zod';

const KIB = 1024;
const SIZE_UNITS: Readonly<Record<string, number>> = {
  b: 1,
  kb: KIB,
  mb: 2 ** 20,
  gb: 2 ** 30,
  tb: 2 ** 40,
  kib: KIB,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};
const TIME_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** A number with a unit: `64MB`, `7d`, `1.5 h`; undefined when it is none. */
function quantity(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const [, digits, name] = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/.exec(text.trim().toLowerCase()) ?? [];
  if (digits === undefined || name === undefined || !Object.hasOwn(units, name)) return undefined;
  const value = Number(digits) * (units[name] ?? Number.NaN);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Bytes of a size as configurations write it: `256MB`, `1GiB`, `512`. A unit is a power of 1,024 in both spellings. */
export function bytesOf(text: string): number | undefined {
  return /^\d+$/.test(text.trim()) ? Number(text) : quantity(text, SIZE_UNITS);
}

/** Milliseconds of a span as configurations write it: `100ms`, `5s`, `7d`. A bare number is not one: its unit would be a guess. */
export function millisOf(text: string): number | undefined {
  return quantity(text, TIME_UNITS);
}

function shown(value: number, units: readonly (readonly [string, number])[]): string {
  const unit = units.find(([, factor]) => value >= factor && value % factor === 0);
  return unit === undefined ? `${value}` : `${value / unit[1]}${unit[0]}`;
}

/** The size in the largest unit that keeps it whole: `256MB`. */
export function sizeText(bytes: number): string {
  return shown(bytes, [
    ['TB', 2 ** 40],
    ['GB', 2 ** 30],
    ['MB', 2 ** 20],
    ['KB', KIB],
  ]);
}

/** The span in the largest unit that keeps it whole: `5s`. */
export function spanText(millis: number): string {
  return shown(millis, [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1_000],
    ['ms', 1],
  ]);
}

/** A key that holds bytes: a whole number, or a text with a unit. Parsed to bytes. */
export function size(low: number, high: number) {
  return amount(low, high, bytesOf, sizeText, 'a size such as 64MB');
}

/** A key that holds a span of time: a text with a unit, or a whole number of milliseconds. Parsed to milliseconds. */
export function span(low: number, high: number) {
  return amount(low, high, millisOf, spanText, 'a span of time such as 5s');
}

function amount(
  low: number,
  high: number,
  read: (text: string) => number | undefined,
  show: (value: number) => string,
  what: string,
) {
  return z.union([z.number(), z.string()]).transform((given, context): number => {
    const value = typeof given === 'number' ? given : read(given);
    if (value !== undefined && Number.isSafeInteger(value) && value >= low && value <= high) return value;
    const range = `${show(low)} to ${show(high)}`;
    context.addIssue({ code: 'custom', message: `expected ${what}, ${range}, got ${JSON.stringify(given)}` });
    return z.NEVER;
  });
}
