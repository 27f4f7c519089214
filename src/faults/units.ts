import { z } from 'zod';

const durationUnits: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const byteUnits: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
};

const durationWord = /^(?:\d+(?:\.\d+)?(?:us|ms|s|m|h|d))+$/;
const durationPart = /(\d+(?:\.\d+)?)(us|ms|s|m|h|d)/g;
const bytesWord = /^(\d+(?:\.\d+)?) ?(B|[KMGT]i?B)$/;
const percentWord = /^(\d+(?:\.\d+)?) ?%$/;

/** `150ms`, `30s`, `10m`, `1h30m` in milliseconds; undefined when the text is no duration. */
export function parseDuration(text: string): number | undefined {
  if (!durationWord.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(durationPart)) {
    total += Number(amount) * (durationUnits[unit ?? ''] ?? Number.NaN);
  }
  return total;
}

/** `512B`, `4KiB`, `1.5GiB`, `10MB` (powers of ten) in bytes; undefined when the text is no size or not whole bytes. */
export function parseBytes(text: string): number | undefined {
  const match = bytesWord.exec(text);
  const unit = byteUnits[match?.[2] ?? ''];
  if (match === null || unit === undefined) return undefined;
  const total = Number(match[1]) * unit;
  return Number.isSafeInteger(total) ? total : undefined;
}

/** Milliseconds as people write them: `1.5s`, `150ms`, `10m`. */
export function formatDuration(ms: number): string {
  if (ms >= 3_600_000 && ms % 3_600_000 === 0) return `${ms / 3_600_000}h`;
  if (ms >= 60_000 && ms % 60_000 === 0) return `${ms / 60_000}m`;
  return ms >= 1000 ? `${ms / 1000}s` : `${ms}ms`;
}

/** Bytes as people write them, without loss: `4KiB`, `1000B`. */
export function formatBytes(bytes: number): string {
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB']) {
    const size = byteUnits[unit] ?? 1;
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return `${bytes}B`;
}

/** A duration: milliseconds as a number, or text such as `150ms`, `30s`, `10m`, `1h30m`. Parses to milliseconds. */
export const durationMs = z
  .union([z.number(), z.string()])
  .transform((value, context) => {
    const ms = typeof value === 'number' ? value : parseDuration(value);
    if (ms === undefined || !Number.isFinite(ms) || ms < 0) {
      context.addIssue(`expected milliseconds or a duration such as 150ms, 30s or 10m, got ${JSON.stringify(value)}`);
      return z.NEVER;
    }
    return ms;
  })
  .describe('duration: milliseconds, or text such as 150ms, 30s, 10m');

/** A size: bytes as a number, or text such as `512B`, `4KiB`, `1GB`. Parses to whole bytes. */
export const bytes = z
  .union([z.number(), z.string()])
  .transform((value, context) => {
    const size = typeof value === 'number' ? value : parseBytes(value);
    if (size === undefined || !Number.isSafeInteger(size) || size < 0) {
      context.addIssue(`expected bytes or a size such as 512B, 4KiB or 1GB, got ${JSON.stringify(value)}`);
      return z.NEVER;
    }
    return size;
  })
  .describe('size: bytes, or text such as 512B, 4KiB, 1GB');

/** A share in percent, 0..100: a number, or text such as `2.5%`. Parses to the number. */
export const percent = z
  .union([z.number(), z.string()])
  .transform((value, context) => {
    const share = typeof value === 'number' ? value : Number(percentWord.exec(value)?.[1] ?? Number.NaN);
    if (!(share >= 0 && share <= 100)) {
      context.addIssue(`expected a percentage from 0 to 100, got ${JSON.stringify(value)}`);
      return z.NEVER;
    }
    return share;
  })
  .describe('percent, 0..100');
