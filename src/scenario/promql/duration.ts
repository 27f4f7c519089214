const UNIT_MS: Readonly<Record<string, number>> = {
  y: 365 * 86_400_000,
  w: 7 * 86_400_000,
  d: 86_400_000,
  h: 3_600_000,
  m: 60_000,
  s: 1_000,
  ms: 1,
};

/** A Prometheus duration such as `1h30m` or `15s` in milliseconds (a day is 24 hours, a year 365 days); undefined if it is none. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  const match = /^(\d+y)?(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$/.exec(text);
  if (!match || text === '') return undefined;
  let total = 0;
  for (const part of match.slice(1)) {
    if (part === undefined) continue;
    const unit = part.replace(/^\d+/, '');
    total += Number.parseInt(part, 10) * (UNIT_MS[unit] ?? 0);
  }
  return total;
}

/** Milliseconds as Prometheus prints a duration: `1h30m`, `15s`, `0s`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s';
  let rest = Math.abs(ms);
  let text = ms < 0 ? '-' : '';
  for (const unit of ['d', 'h', 'm', 's', 'ms']) {
    const size = UNIT_MS[unit] ?? 1;
    const count = unit === 'ms' ? rest : Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) text += `${count}${unit}`;
  }
  return text;
}
