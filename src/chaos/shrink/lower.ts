import { formatBytes, formatDuration, parseBytes, parseDuration } from '../../faults/units.ts';

/** Halvings of one search, at most; it ends before when what was refused is two thirds of what was accepted. */
const halvingsMax = 6;

/**
 * Brings a number towards 0, keeping its sign: 0 and 1 first, then a bisection over round numbers between what was refused
 * and what was accepted. Returns the last one that was accepted.
 *
 * @param attempt whether the run with this number fails alike
 */
export async function lower(value: number, attempt: (candidate: number) => Promise<boolean>): Promise<number> {
  const sign = value < 0 ? -1 : 1;
  let high = Math.abs(value);
  let refused = 0;
  for (const simplest of [0, 1]) {
    if (high <= simplest) return sign * high;
    if (await attempt(sign * simplest)) return sign * simplest;
    refused = simplest;
  }
  for (let halving = 0; halving < halvingsMax; halving++) {
    const middle = roundBetween(refused, high);
    const isNear = high > 10 && high <= refused * 1.5;
    if (middle === undefined || isNear) break;
    if (await attempt(sign * middle)) high = middle;
    else refused = middle;
  }
  return sign * high;
}

/** The roundest whole number near the geometric mean, strictly between; undefined when there is none. */
function roundBetween(low: number, high: number): number | undefined {
  const mean = Math.sqrt(low * high);
  for (const digits of [1, 2]) {
    const rounded = Number(mean.toPrecision(digits));
    // A round number is one that may be above: then a little further off is as good.
    if (rounded > low && rounded < high && Number.isInteger(rounded)) return rounded;
  }
  const middle = Math.round((low + high) / 2);
  return middle > low && middle < high ? middle : undefined;
}

/** A number as a document has it, with how to write another one in its place. */
export interface Quantity {
  readonly value: number;
  readonly kind: 'number' | 'duration' | 'bytes' | 'rate';
  readonly write: (value: number) => unknown;
}

/** Reads `7`, `250ms`, `4KiB`, `20/s`, `30%`; undefined when it is no number. */
export function quantityOf(value: unknown): Quantity | undefined {
  if (typeof value === 'number') return { value, kind: 'number', write: (next) => next };
  if (typeof value !== 'string') return undefined;
  const durationMs = parseDuration(value);
  if (durationMs !== undefined) return { value: durationMs, kind: 'duration', write: formatDuration };
  const size = parseBytes(value);
  if (size !== undefined) return { value: size, kind: 'bytes', write: formatBytes };
  const rate = /^(\d+(?:\.\d+)?) ?\/ ?s$/.exec(value)?.[1];
  if (rate !== undefined) return { value: Number(rate), kind: 'rate', write: (next) => `${next}/s` };
  const share = /^(\d+(?:\.\d+)?) ?%$/.exec(value)?.[1];
  if (share !== undefined) return { value: Number(share), kind: 'number', write: (next) => `${next}%` };
  return undefined;
}
