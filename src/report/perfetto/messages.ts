import type { MessageRecord } from '../../scenario/observations.ts';
import type { TraceBuilder, Track } from './traceEvents.ts';

/** An arrow needs a piece of a row at either end: so long, in milliseconds, unless the next comes sooner. */
const endMs = 0.002;

/** One end of a message on the row of its machine. */
interface End {
  readonly atMs: number;
  readonly name: string;
  readonly track: Track;
  readonly args: Readonly<Record<string, unknown>>;
}

/**
 * Draws messages as arrows from the row "sent" of one machine to the row "received" of the other; those that never came have
 * only their beginning.
 */
export function drawMessages(builder: TraceBuilder, messages: readonly MessageRecord[]): void {
  const rows = new Map<Track, End[]>();
  const put = (end: End) => {
    const row = rows.get(end.track);
    if (row === undefined) rows.set(end.track, [end]);
    else row.push(end);
  };
  for (const [index, { from, to, sentMs, receivedMs, label, bytes }] of messages.entries()) {
    const sent = builder.track(from, 'sent');
    const received = builder.track(to, 'received');
    const isLost = receivedMs === undefined;
    put({ atMs: sentMs, track: sent, name: isLost ? `${label} (lost)` : label, args: { to, bytes, isLost } });
    if (isLost) continue;
    put({ atMs: receivedMs, track: received, name: label, args: { from, bytes } });
    builder.flow(String(index + 1), label, sent, sentMs, received, receivedMs);
  }
  for (const row of rows.values()) drawRow(builder, row);
}

function drawRow(builder: TraceBuilder, row: End[]): void {
  row.sort((a, b) => a.atMs - b.atMs);
  let next = row.length - 1;
  let untilMs = Number.POSITIVE_INFINITY;
  const slices: (() => void)[] = [];
  for (let index = row.length - 1; index >= 0; index--) {
    const end = row[index] as End; // the index is within
    // Ends of one moment lie in each other; a later moment cuts them off.
    while ((row[next]?.atMs ?? 0) > end.atMs) {
      untilMs = row[next]?.atMs ?? untilMs;
      next--;
    }
    const toMs = Math.min(end.atMs + endMs, untilMs);
    slices.push(() => builder.slice(end.track, end.name, end.atMs, toMs, end.args));
  }
  for (const draw of slices.reverse()) draw();
}
