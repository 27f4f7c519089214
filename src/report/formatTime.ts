/** Virtual time of a timeline: `1:02:03.4`, `12:05.0`: minutes and seconds always, tenths always, hours when there are any. */
export function formatClock(ms: number): string {
  const tenths = Math.round(ms / 100);
  const hours = Math.floor(tenths / 36_000);
  const minutes = Math.floor(tenths / 600) % 60;
  const seconds = (tenths % 600) / 10;
  const tail = `${hours > 0 ? String(minutes).padStart(2, '0') : minutes}:${seconds.toFixed(1).padStart(4, '0')}`;
  return hours > 0 ? `${hours}:${tail}` : tail;
}

/** A span of time in words that fit its size: `150 ms`, `4.2 s`, `10 min`, `1 h 2 min`. */
export function formatSpan(ms: number): string {
  if (ms < 1_000) return `${Number(ms.toPrecision(3))} ms`;
  if (ms < 60_000) return `${Number((ms / 1_000).toFixed(1))} s`;
  const seconds = Math.round(ms / 1_000);
  const hours = Math.floor(seconds / 3_600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = seconds % 60;
  if (hours > 0) return minutes > 0 ? `${hours} h ${minutes} min` : `${hours} h`;
  return rest > 0 ? `${minutes} min ${rest} s` : `${minutes} min`;
}

/** A moment as exactly as one can be told apart: `3,215 ms`, `4.7 ms`. */
export function formatMoment(ms: number): string {
  const tenths = Math.round(ms * 10);
  const whole = String(Math.floor(tenths / 10)).replace(/\B(?=(\d{3})+$)/g, ',');
  return tenths % 10 === 0 ? `${whole} ms` : `${whole}.${tenths % 10} ms`;
}
