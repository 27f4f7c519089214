import type { BusEvent } from '../../../checkers/indexbus/events.ts';
import { SeatState } from '../../../engines/indexbus/seat.ts';
import { seatPlace } from '../../../engines/indexbus/seatPlaces.ts';
import type { SimProcess } from '../../../sim/process.ts';
import type { World } from '../../../sim/world.ts';
import type { BusBook } from './witness/busBook.ts';
import { seatOf } from './witness/reader.ts';

/** How long a standby router may take until it has the segment. */
const standbyMs = 10;
/** How often a router that does not look is waited for before it is said that it never will. */
const looksMax = 8;

export interface TakeoverOptions {
  /** Processes of routers that wait to take over, undisturbed. */
  readonly standbys: () => readonly SimProcess[];
  /** Whether a router is at work, undisturbed. */
  readonly isRouted: () => boolean;
  /** Whether locks outlive processes. */
  readonly locksOutlive: () => boolean;
  /** Within how many milliseconds of a death its seat is no longer a living one's. */
  readonly deathBoundMs: () => number;
}

/** Measures how long the others are held up by a death: the next router until it routes, the router until it has seen who is gone. */
export class Takeovers {
  readonly #world: World;
  readonly #book: BusBook;
  readonly #options: TakeoverOptions;
  #over: { readonly atMs: number; readonly standbys: readonly SimProcess[] } | undefined;

  constructor(world: World, book: BusBook, options: TakeoverOptions) {
    this.#world = world;
    this.#book = book;
    this.#options = options;
  }

  /** To be called with each event of the book. */
  saw(event: BusEvent): void {
    if (event.event === 'router-over') {
      const standbys = this.#options.standbys();
      this.#over = standbys.length === 0 ? undefined : { atMs: this.#world.now, standbys };
    } else if (event.event === 'router-began') {
      const over = this.#over;
      this.#over = undefined;
      // Where the standby has ended too it is another that comes, in its own time.
      if (over?.standbys.every(({ alive, paused }) => alive && !paused) !== true) return;
      this.#took(event.router, this.#world.now - over.atMs, standbyMs);
    } else if (event.event === 'lane-over' && event.proven) this.#died('consumer', event.lane);
  }

  #took(who: number, took: number, bound: number): void {
    this.#book.put({ event: 'waited', what: 'others-after-kill', who, took, bound });
  }

  #died(kind: 'consumer', number: number): void {
    const { segment } = this.#book;
    const place = seatPlace(segment.layout, kind, seatOf(number));
    const atMs = this.#world.now;
    const bound = this.#options.deathBoundMs();
    // Whether a process is dead the kernel cannot tell while others have its locks.
    let wasRouted = this.#options.isRouted() && !this.#options.locksOutlive();
    const look = (looks: number): void => {
      this.#world.scheduler.after(bound / looksMax, 'who is gone', undefined, () => {
        const word = this.#book.reader.word(place.at);
        const isSeen = word >>> 4 !== number >>> 6 || (word & 15) !== SeatState.live;
        wasRouted &&= this.#options.isRouted();
        if (!wasRouted) return;
        if (isSeen) this.#took(number, this.#world.now - atMs, bound);
        else if (looks < looksMax) look(looks + 1);
        else this.#took(number, this.#world.now - atMs, bound);
      });
    };
    look(1);
  }
}
