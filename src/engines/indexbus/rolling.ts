import type { Host } from '../../host/host.ts';
import { abandonedLanes } from './abandoned.ts';
import { wakeRouter } from './bells.ts';
import { SettingsCarrier } from './carrySettings.ts';
import { Emptying, type EmptyingOptions } from './emptying.ts';
import type { RouterRunner } from './routerRunner.ts';
import { stateOf } from './seat.ts';
import { type SeatKindName, seatPlaces } from './seatPlaces.ts';
import type { Segment } from './segment.ts';
import { sourceLeft } from './sourceLeft.ts';
import { openForAll, retireFor } from './successor.ts';

/** A segment with its router. */
export interface Routed {
  readonly segment: Segment;
  readonly runner: RouterRunner;
}

export interface RollOptions extends EmptyingOptions {
  /** Sets who moves as it was. Default: one of its own. */
  readonly carrier?: SettingsCarrier;
  /** Told what is emptied from then on: who is asked what a roll waits for asks that. */
  readonly began?: (emptying: Emptying) => void;
  /** Runs when nothing is left in the former generation, before the next one routes. */
  readonly emptied?: () => Promise<void>;
}

/**
 * Sees a roll through: producers leave the old generation while it drains; when its sources are empty it is retired, and its consumers leave once
 * they have taken everything; then the next generation begins to route. So nothing is lost but what consumers that were fenced, or died meanwhile without another
 * of their group, have not read (counted, and logged), and no message overtakes an older one. Who moves is set there as it was. A router that finds
 * a roll half done goes on with it from the beginning: what is done already takes no time.
 */
export async function seeThrough(
  host: Host,
  old: Routed,
  next: Routed,
  signal: AbortSignal,
  options: RollOptions = {},
): Promise<void> {
  const { carrier = new SettingsCarrier(host, old.segment, next) } = options;
  const looked = (): Promise<void> => carrier.look();
  const empty = async (kind: SeatKindName, isSo: () => boolean): Promise<void> => {
    const emptying = new Emptying(host, old, kind, { ...options, looked });
    options.began?.(emptying);
    await emptying.until(isSo, signal);
  };
  await old.runner.apply({ do: 'roll', sizes: next.segment.layout.sizes });
  await empty('producer', () => !hasSeats(old.segment, 'producer') && sourcesEmpty(old.segment));
  if (signal.aborted) return;
  retireFor(old.segment, next.segment);
  await empty('consumer', () => !hasSeats(old.segment, 'consumer') && abandonedLanes(old.segment).length === 0);
  if (signal.aborted) return;
  await carrier.look();
  await options.emptied?.();
  openForAll(next.segment);
  wakeRouter(next.segment.region);
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

/** Whether all that was flushed is taken, also of those who were fenced or are gone. */
function sourcesEmpty({ words, layout }: Segment): boolean {
  return seatPlaces(layout, 'producer').every((place) => sourceLeft(words, place) === 0);
}
