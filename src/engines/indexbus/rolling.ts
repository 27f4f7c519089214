import type { Millis } from '../../host/clock.ts';
import type { Host } from '../../host/host.ts';
import { abandonedLanes } from './abandoned.ts';
import { wakeRouter } from './bells.ts';
import { distance } from './cursor.ts';
import { LaneMoves } from './laneMoves.ts';
import { DetachReason, ProducerCursor, Seat } from './layout.ts';
import type { RouterRunner } from './routerRunner.ts';
import { stateOf } from './seat.ts';
import { type SeatKindName, seatPlaces } from './seatPlaces.ts';
import type { Segment } from './segment.ts';
import { readSubscription } from './subscriptions.ts';
import { openForAll, retireFor } from './successor.ts';

/** How often it is looked whether participants have moved. */
const lookMs: Millis = 20;
/**
 * Participants that have not moved by then are fenced, and what ended lanes have then is lost: one that is stopped must not hold up the others. The
 * consumer of a lane that blocks, which loses nothing to be faster, has this from each time on that it took or ended something.
 */
const patienceMs: Millis = 5_000;

/** A segment with its router. */
export interface Routed {
  readonly segment: Segment;
  readonly runner: RouterRunner;
}

/**
 * Sees a roll through: producers leave the old generation while it drains; when its sources are empty it is retired, and its consumers leave once
 * they have taken everything; then the next generation begins to route. So nothing is lost but what consumers that were fenced, or died meanwhile without another
 * of their group, have not read (counted, and logged), and no message overtakes an older one. A router that finds
 * a roll half done goes on with it from the beginning: what is done already takes no time.
 */
export async function seeThrough(host: Host, old: Routed, next: Routed, signal: AbortSignal): Promise<void> {
  await old.runner.apply({ do: 'roll', sizes: next.segment.layout.sizes });
  await until(host, signal, old, 'producer', () => !hasSeats(old.segment, 'producer') && sourcesEmpty(old.segment));
  if (signal.aborted) return;
  retireFor(old.segment, next.segment);
  await until(
    host,
    signal,
    old,
    'consumer',
    () => !hasSeats(old.segment, 'consumer') && abandonedLanes(old.segment).length === 0,
  );
  if (signal.aborted) return;
  openForAll(next.segment);
  wakeRouter(next.segment.region);
}

/** Waits until it is so, and fences after a while who is still there: of consumers of lanes that block only those who do not move. */
async function until(
  host: Host,
  signal: AbortSignal,
  { segment, runner }: Routed,
  kind: SeatKindName,
  isSo: () => boolean,
): Promise<void> {
  const fenceAt = host.clock.now() + patienceMs;
  const moves = new LaneMoves(segment, host.clock.now());
  const fenced = new Set<number>();
  const givenUp = new Set<number>();
  while (!signal.aborted && !isSo()) {
    await host.clock.sleep(lookMs, signal).catch(() => undefined);
    const now = host.clock.now();
    if (kind === 'consumer') moves.look(now);
    if (now < fenceAt) continue;
    if (kind === 'consumer') await giveUp(host, { segment, runner }, givenUp);
    for (const { number, at } of seatPlaces(segment.layout, kind)) {
      if (fenced.has(number) || stateOf(Atomics.load(segment.words, at)) !== 'live') continue;
      if (kind === 'consumer' && now < moves.last(number) + patienceMs) continue;
      fenced.add(number);
      host.telemetry.sometimes('roll with a stopped consumer', kind === 'consumer');
      host.telemetry.logger.warn('roll fences', { segment: segment.name, kind, seat: number });
      const command =
        kind === 'producer'
          ? ({ do: 'fence-producer', seat: number } as const)
          : ({ do: 'detach-lane', lane: number, reason: 'stalled' } as const);
      // It may have left in between.
      await runner.apply(command).catch(() => undefined);
    }
  }
}

/** What ended lanes still have, and nobody of their group is there for, is lost and counted, each once: whoever comes now comes to the next generation. */
async function giveUp(host: Host, { segment, runner }: Routed, givenUp: Set<number>): Promise<void> {
  const { words, layout } = segment;
  const isServed = (record: number): boolean =>
    seatPlaces(layout, 'consumer').some(
      ({ at }) => stateOf(Atomics.load(words, at)) === 'live' && words[at + Seat.subscription] === record,
    );
  for (const { lane, record, unread, unended } of abandonedLanes(segment)) {
    if (givenUp.has(lane) || isServed(record)) continue;
    givenUp.add(lane);
    const subscription = readSubscription(segment.region, segment.layout, record)?.subscription.name ?? '';
    host.telemetry.sometimes('roll gave up what a lane had', true);
    host.telemetry.logger.warn('roll gives up', { segment: segment.name, lane, subscription, unread, unended });
    await runner.apply({ do: 'give-up-lane', lane });
  }
}

/**
 * Whether somebody has a seat who may still do something there: one that was fenced waits for its holder alone, and a producer that is gone for its
 * slots, which are where they are until consumers have read them or are fenced. Who has only claimed a seat is refused when it is ready: a producer
 * since the roll has begun, a consumer since the segment is retired; but one that was ready before may be live in the next moment.
 */
function hasSeats({ words, layout }: Segment, kind: SeatKindName): boolean {
  return seatPlaces(layout, kind).some(({ at }) => {
    const state = stateOf(Atomics.load(words, at));
    if (kind === 'producer' && (state === 'draining' || state === 'ready')) return false;
    return state !== 'free' && state !== 'fenced' && state !== 'claimed';
  });
}

function sourcesEmpty({ words, layout }: Segment): boolean {
  return seatPlaces(layout, 'producer').every(({ cursors, at }) => {
    const state = stateOf(Atomics.load(words, at));
    if (state === 'fenced') return true;
    // What was flushed after a fence never was.
    const ended = state === 'draining' && words[at + Seat.reason] !== DetachReason.none;
    const tail = ended ? (words[at + Seat.fenceTail] ?? 0) : Atomics.load(words, cursors + ProducerCursor.sourceTail);
    return distance(tail, Atomics.load(words, cursors + ProducerCursor.sourceHead)) <= 0;
  });
}
