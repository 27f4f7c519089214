import type { MessageRecord } from '../../scenario/observations.ts';
import type { TraceBuilder, Track } from './traceEvents.ts';

/** An arrow needs a piece of a row at either end: so long, in nanoseconds, unless the next comes sooner. */
const pieceNs = 2_000;

/** One end of a message on the row of its machine. */
interface End {
  readonly atNs: number;
  readonly name: string;
  readonly track: Track;
  readonly args: Readonly<Record<string, unknown>>;
  /** Where its piece begins: at its moment, or behind the pieces of the others of that moment. */
  beginNs: number;
}

/**
 * Draws messages as arrows from the row "sent" of one machine to the row "received" of the other; those that never came have
 * only their beginning. Those of one moment lie one behind the other within two microseconds, since an arrow belongs to the
 * piece of the row in which it ends.
 */
export function drawMessages(builder: TraceBuilder, messages: readonly MessageRecord[]): void {
  const rows = new Map<Track, End[]>();
  const put = (track: Track, atMs: number, name: string, args: End['args']): End => {
    const atNs = Math.round(atMs * 1e6);
    const end = { atNs, name, track, args, beginNs: atNs };
    const row = rows.get(track);
    if (row === undefined) rows.set(track, [end]);
    else row.push(end);
    return end;
  };
  const arrows: (readonly [id: string, label: string, sent: End, received: End])[] = [];
  for (const [index, { from, to, sentMs, receivedMs, label, bytes }] of messages.entries()) {
    const isLost = receivedMs === undefined;
    const sentTrack = builder.track(from, 'sent');
    const receivedTrack = builder.track(to, 'received');
    const sent = put(sentTrack, sentMs, isLost ? `${label} (lost)` : label, { to, bytes, isLost });
    if (isLost) continue;
    arrows.push([String(index + 1), label, sent, put(receivedTrack, receivedMs, label, { from, bytes })]);
  }
  for (const row of rows.values()) drawRow(builder, row);
  for (const [id, label, sent, received] of arrows) {
    // What arrives at the moment at which it was sent has no earlier end than beginning.
    const arrivedNs = Math.max(sent.beginNs, received.beginNs);
    builder.flow(id, label, sent.track, sent.beginNs / 1e6, received.track, arrivedNs / 1e6);
  }
}

/** Draws the pieces of one row, apart from each other, and notes where each begins. */
function drawRow(builder: TraceBuilder, row: End[]): void {
  row.sort((a, b) => a.atNs - b.atNs);
  let freeNs = 0;
  for (let first = 0; first < row.length; ) {
    const atNs = row[first]?.atNs ?? 0;
    let next = first + 1;
    while (row[next]?.atNs === atNs) next++;
    const beginNs = Math.max(atNs, freeNs);
    const room = Math.min(beginNs + pieceNs, row[next]?.atNs ?? Number.POSITIVE_INFINITY) - beginNs;
    // A nanosecond is the finest that a trace tells: where there is less room, the next moment begins later.
    const lengthNs = Math.max(1, Math.floor(room / (next - first)));
    for (const [nth, end] of row.slice(first, next).entries()) {
      end.beginNs = beginNs + nth * lengthNs;
      builder.slice(end.track, end.name, end.beginNs / 1e6, (end.beginNs + lengthNs) / 1e6, end.args);
    }
    freeNs = beginNs + (next - first) * lengthNs;
    first = next;
  }
}
