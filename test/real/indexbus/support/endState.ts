import { distance, frozen, isFrozen } from '../../../../src/engines/indexbus/cursor.ts';
import { Router, type Segment } from '../../../../src/engines/indexbus/index.ts';
import {
  Header,
  LaneCursor,
  ProducerCursor,
  Seat,
  SubscriptionRecord,
  seatNameBytes,
  subscriptionsMax,
  subscriptionWords,
} from '../../../../src/engines/indexbus/layout.ts';
import { stateOf } from '../../../../src/engines/indexbus/seat.ts';
import { holderOf, type SeatPlace, seatPlaces } from '../../../../src/engines/indexbus/seatPlaces.ts';
import { readText } from '../../../../src/engines/indexbus/texts.ts';
import type { Host } from '../../../../src/host/host.ts';

/** What a segment tells of a lane over all who had its seat. */
export interface LaneEndState {
  readonly placed: number;
  readonly depth: number;
  readonly evicted: number;
  readonly requeuedIn: number;
  readonly requeuedOut: number;
  readonly redelivered: number;
  /** Refused, with whatever cause. */
  readonly refused: number;
  readonly detached: number;
}

/** What a bus at rest tells, and what its next router finds. */
export interface EndState {
  readonly routerEpoch: number;
  /** Per producer's seat: messages that were flushed, taken, unwanted; slots that its next holder would not have. */
  readonly sources: readonly {
    readonly sent: number;
    readonly taken: number;
    readonly noRoute: number;
    readonly away: number;
  }[];
  readonly lanes: readonly LaneEndState[];
  /** Of subscriptions, where no lane stood for it. */
  readonly lostByGroups: number;
}

/** What was flushed and not taken, what stands in lanes unread or not ended, and seats on their way: nothing of it in a bus at rest. */
export function unrest({ words, layout }: Segment): readonly string[] {
  const differ = (place: SeatPlace, one: number, other: number): boolean =>
    Atomics.load(words, place.cursors + one) !== Atomics.load(words, place.cursors + other);
  const found: string[] = [];
  for (const it of seatPlaces(layout, 'producer')) {
    if (differ(it, ProducerCursor.sourceTail, ProducerCursor.sourceHead))
      found.push(`source ${it.number} is not empty`);
  }
  for (const it of seatPlaces(layout, 'consumer')) {
    const state = stateOf(Atomics.load(words, it.at));
    if (differ(it, LaneCursor.tail, LaneCursor.reclaimed)) found.push(`lane ${it.number} (${state}) is not empty`);
    // A lane's end moves its head; where its last consumer stood stays in `done`.
    if (state === 'live' && differ(it, LaneCursor.tail, LaneCursor.done)) found.push(`lane ${it.number} is not done`);
    if (state !== 'live' && state !== 'free') found.push(`lane ${it.number} is ${state}`);
  }
  return found;
}

/** Seats that are not free, with their holders. */
export function seatsInUse({ words, bytes, layout }: Segment): readonly string[] {
  return [...seatPlaces(layout, 'producer'), ...seatPlaces(layout, 'consumer')].flatMap((it) => {
    const state = stateOf(Atomics.load(words, it.at));
    if (state === 'free') return [];
    const name = readText(bytes, it.at + Seat.name, seatNameBytes);
    return [`${it.kind} ${it.number} ${name} pid ${holderOf(words, it.at).pid} ${state}`];
  });
}

/** Slots of a producer of this process that it has, or that are on their way home. */
export function slotsOf({ words, layout }: Segment, pid: number, credit: number): number {
  const mine = seatPlaces(layout, 'producer').find((it) => {
    return stateOf(Atomics.load(words, it.at)) === 'live' && holderOf(words, it.at).pid === pid;
  });
  if (mine === undefined) throw new Error('this process has no producer');
  const back = Atomics.load(words, mine.cursors + ProducerCursor.returnTail);
  return credit + distance(back, Atomics.load(words, mine.cursors + ProducerCursor.returnHead));
}

/** Takes the segment over as the next router would, and tells what there is. The caller holds the router's lock. */
export function endStateOf(segment: Segment, host: Host): EndState {
  const { words, layout } = segment;
  const routerEpoch = Atomics.load(words, Header.routerEpoch);
  const router = new Router(segment, { clock: host.clock, telemetry: host.telemetry, options: { batchSize: 64 } });
  const at = (place: SeatPlace, word: number): number => (words[place.cursors + word] ?? 0) >>> 0;
  const sources = seatPlaces(layout, 'producer').map((it) => ({
    sent: at(it, ProducerCursor.sourceTail),
    taken: at(it, ProducerCursor.sourceHead),
    noRoute: at(it, ProducerCursor.noRoute),
    away: router.counts.away(it.number),
  }));
  const lanes = seatPlaces(layout, 'consumer').map((it) => ({
    placed: at(it, LaneCursor.tail),
    depth: distance(at(it, LaneCursor.tail), headOf(at(it, LaneCursor.head), at(it, LaneCursor.tail))),
    evicted: at(it, LaneCursor.droppedOldest),
    requeuedIn: at(it, LaneCursor.requeuedIn),
    requeuedOut: at(it, LaneCursor.requeuedOut),
    redelivered: at(it, LaneCursor.redelivered),
    refused: [
      LaneCursor.droppedNewest,
      LaneCursor.droppedPool,
      LaneCursor.droppedNoCredit,
      LaneCursor.droppedAllFull,
    ].reduce<number>((sum, word) => sum + at(it, word), 0),
    detached: at(it, LaneCursor.droppedDetached),
  }));
  let lostByGroups = 0;
  for (let record = 0; record < subscriptionsMax; record += 1) {
    const from = layout.subscriptions + record * subscriptionWords;
    for (const word of [
      SubscriptionRecord.droppedNoCredit,
      SubscriptionRecord.droppedAllFull,
      SubscriptionRecord.droppedDetached,
    ]) {
      lostByGroups += words[from + word] ?? 0;
    }
  }
  router.close();
  return { routerEpoch, sources, lanes, lostByGroups };
}

/** The head of a lane that ended stays frozen. */
function headOf(head: number, tail: number): number {
  return isFrozen(head, tail) ? frozen(head) : head;
}
