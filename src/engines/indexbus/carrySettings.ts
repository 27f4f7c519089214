import type { Host } from '../../host/host.ts';
import type { RouterCommand } from './commands.ts';
import { BusError } from './errors.ts';
import { LaneMode, Seat, type SegmentSizes, seatNameBytes } from './layout.ts';
import type { Routed } from './rolling.ts';
import { epochOf, stateOf } from './seat.ts';
import { holderOf, type SeatKindName, type SeatPlace, seatPlaces } from './seatPlaces.ts';
import type { Segment } from './segment.ts';
import { readText } from './texts.ts';

/** Words in which a seat says how it is set; an operator may have changed them since it went live. */
const settings = [Seat.mode, Seat.capacityOrRate, Seat.creditLimit, Seat.detachAfterMs] as const;

/**
 * Sees that who moves to the next generation is set there as it was before: limits of producers, and what lanes were changed to while they lived. A seat
 * in both generations is known by its nonce, which its holder takes along; what it was set to stands in the former one also after its holder has left.
 */
export class SettingsCarrier {
  readonly #host: Host;
  readonly #old: Segment;
  readonly #next: Routed;
  /** Seats of the next generation that are set, by kind, number, epoch and nonce. */
  readonly #done = new Set<string>();

  constructor(host: Host, old: Segment, next: Routed) {
    this.#host = host;
    this.#old = old;
    this.#next = next;
  }

  /** Sets those that have come since the last look: what others set then is set after that, and stays. */
  async look(): Promise<void> {
    for (const kind of ['producer', 'consumer'] as const) {
      for (const place of seatPlaces(this.#next.segment.layout, kind)) await this.#set(kind, place);
    }
  }

  async #set(kind: SeatKindName, place: SeatPlace): Promise<void> {
    const { segment, runner } = this.#next;
    const { words } = segment;
    const seat = Atomics.load(words, place.at);
    if (stateOf(seat) !== 'live') return;
    // A holder may give its seat back and take it again: with each taking it is set anew by its subscription.
    const key = `${kind} ${place.number} ${epochOf(seat)} ${words[place.at + Seat.nonce]}`;
    if (this.#done.has(key)) return;
    this.#done.add(key);
    const former = seatPlaces(this.#old.layout, kind).find((it) =>
      isOneHolder(this.#old.words, it.at, words, place.at),
    );
    if (former === undefined) return;
    const value = (field: number): number => this.#old.words[former.at + field] ?? 0;
    if (settings.every((field) => value(field) === (words[place.at + field] ?? 0))) return;
    try {
      await runner.apply(commandOf(kind, place.number, value));
    } catch (error) {
      // It may have left in between.
      if (!(error instanceof BusError)) throw error;
      this.#host.telemetry.logger.warn('roll cannot carry settings', {
        segment: segment.name,
        kind,
        seat: place.number,
        reason: error.message,
      });
    }
  }
}

/** Whether seats of two generations are one participant's, which took its nonce along. */
export function isOneHolder(words: Int32Array, at: number, others: Int32Array, other: number): boolean {
  const nonce = words[at + Seat.nonce] ?? 0;
  return nonce !== 0 && nonce === others[other + Seat.nonce] && holderOf(words, at).pid === holderOf(others, other).pid;
}

function commandOf(kind: SeatKindName, seat: number, value: (field: number) => number): RouterCommand {
  const creditLimit = value(Seat.creditLimit);
  if (kind === 'producer') return { do: 'change-producer', seat, creditLimit, rateLimit: value(Seat.capacityOrRate) };
  const mode = value(Seat.mode);
  return {
    do: 'change-lane',
    lane: seat,
    change: {
      lane: (mode & LaneMode.blocking) !== 0 ? 'blocking' : 'nonblocking',
      drop: (mode & LaneMode.dropOldest) !== 0 ? 'oldest' : 'newest',
      capacity: value(Seat.capacityOrRate),
      creditLimit,
      detachAfterMs: value(Seat.detachAfterMs),
    },
  };
}

/** Lanes that live must fit into the next generation as they are set. Throws IB_NEEDS_ROLL. */
export function checkLanesFit({ words, bytes, layout }: Segment, { laneRing }: SegmentSizes): void {
  for (const { number, at } of seatPlaces(layout, 'consumer')) {
    const capacity = words[at + Seat.capacityOrRate] ?? 0;
    if (stateOf(Atomics.load(words, at)) !== 'live' || capacity <= laneRing / 2) continue;
    const name = readText(bytes, at + Seat.name, seatNameBytes);
    throw new BusError(
      'IB_NEEDS_ROLL',
      `lane ${number} (${name}) is set to capacity ${capacity}, above half of lane_ring ${laneRing}: lower it first, or ask for a greater ring`,
      { expected: `lane_ring of ${2 * capacity} or more`, got: String(laneRing) },
    );
  }
}
