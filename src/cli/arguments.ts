import { InvalidArgumentError } from 'commander';
import { parseDuration } from '../faults/units.ts';

/** Parsers of option values; commander turns what they throw into a usage error (exit 64). */

/** A number above 0. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value <= 0) {
    throw new InvalidArgumentError(`expected a number above 0, got ${JSON.stringify(text)}.`);
  }
  return value;
}

/** Longest time of a timer of Node, in milliseconds: a longer one is over at once. */
const timerMsMax = 2 ** 31 - 1;

/** Seconds above 0, as whole milliseconds that a timer can wait: 1 or more. */
export function timerSeconds(text: string): number {
  const ms = Math.max(1, Math.round(positiveNumber(text) * 1_000));
  if (ms > timerMsMax) {
    const most = Math.floor(timerMsMax / 1_000);
    throw new InvalidArgumentError(`expected at most ${most} seconds, got ${JSON.stringify(text)}.`);
  }
  return ms;
}

/** A whole number from 1. */
export function positiveInteger(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError(`expected a whole number from 1, got ${JSON.stringify(text)}.`);
  }
  return value;
}

const UNIT_BYTES: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** `4096`, `64K`, `64MiB`, `1G`. */
export function byteCount(text: string): number {
  const parts = /^(\d+(?:\.\d+)?)\s*([KMG]?)(?:i?B)?$/i.exec(text);
  const unit = UNIT_BYTES[parts?.[2]?.toUpperCase() ?? ''];
  const bytes = Math.round(Number(parts?.[1]) * (unit ?? Number.NaN));
  if (!Number.isSafeInteger(bytes) || bytes < 1) {
    throw new InvalidArgumentError(`expected bytes such as 4096, 64K or 1GiB, got ${JSON.stringify(text)}.`);
  }
  return bytes;
}

/** `90s`, `10m`, `1h30m` in milliseconds. */
export function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined)
    throw new InvalidArgumentError(`expected a duration such as 90s or 10m, got ${JSON.stringify(text)}.`);
  return ms;
}
