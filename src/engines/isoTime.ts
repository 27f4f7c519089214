const dayMs = 86_400_000;

/** Wall time as ISO 8601 in UTC, with milliseconds: `2026-01-01T00:00:00.000Z`. For years 1 to 9999. */
export function isoTime(wallMs: number): string {
  const whole = Math.floor(wallMs);
  const days = Math.floor(whole / dayMs);
  const inDay = whole - days * dayMs;
  const { year, month, day } = civilFromDays(days);
  const hours = Math.floor(inDay / 3_600_000);
  const minutes = Math.floor(inDay / 60_000) % 60;
  const seconds = Math.floor(inDay / 1_000) % 60;
  const date = `${digits(year, 4)}-${digits(month, 2)}-${digits(day, 2)}`;
  return `${date}T${digits(hours, 2)}:${digits(minutes, 2)}:${digits(seconds, 2)}.${digits(inDay % 1_000, 3)}Z`;
}

/** As `isoTime`, without the milliseconds: `2026-01-01T00:00:00Z`. */
export function isoSeconds(wallMs: number): string {
  return `${isoTime(wallMs).slice(0, 19)}Z`;
}

function digits(value: number, width: number): string {
  return String(value).padStart(width, '0');
}

/** The date so many days after 1970-01-01: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days. */
function civilFromDays(days: number): { readonly year: number; readonly month: number; readonly day: number } {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1_460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  // Months count from March, so that the leap day is the year's last.
  const fromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * fromMarch + 2) / 5) + 1;
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day };
}
