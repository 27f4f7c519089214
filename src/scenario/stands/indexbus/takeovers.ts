import type { BusEvent } from '../../../checkers/indexbus/events.ts';
import { SeatState } from '../../../engines/indexbus/seat.ts';
import { seatPlace } from '../../../engines/indexbus/seatPlaces.ts';
import type { SimProcess } from '../../../sim/process.ts';
import type { World } from '../../../sim/world.ts';
import type { BusBook } from './witness/busBook.ts';
import { seatOf } from './witness/reader.ts';

/** How long a standby router may take until it has the segment. */
const standbyMs = 10;
/** Looks at the seat of one that is dead within the time that the router has. */
const looksInBound = 8;
/** Looks before it is said that the router never will see it. */
const looksMax = 6 * looksInBound;
/** States of a seat whose holder counts as one that may write. */
const heldStates: readonly number[] = [SeatState.live, SeatState.fenced];

export interface TakeoverOptions {
  /** Processes of routers that wait to take over, undisturbed. */
  readonly standbys: () => readonly SimProcess[];
  /** Whether a router is at work on this bus, undisturbed: nobody looks at the seats of a generation of which the roll is through. */
  readonly isRouted: () => boolean;
  /** Whether locks outlive processes. */
  readonly locksOutlive: () => boolean;
  /** Within how many milliseconds of a death its seat is no longer a living one's. */
  readonly deathBoundMs: () => number;
  /** How many looks at who is gone a fault point has left out so far. */
  readonly looksLeftOut: () => number;
}

/** Measures how long the others are held up by a death: the next router until it routes, the router until it has seen who is gone. */
export class Takeovers {
  readonly #world: World;
  readonly #book: BusBook;
  readonly #options: TakeoverOptions;
  /** Routers so far: the next one looks in its own time. */
  #routers = 0;
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
      this.#routers += 1;
      const over = this.#over;
      this.#over = undefined;
      // Where the standby has ended too it is another that comes, in its own time.
      if (over?.standbys.every(({ alive, paused }) => alive && !paused) !== true) return;
      this.#took(event.router, this.#world.now - over.atMs, standbyMs);
    } else if (event.event === 'lane-over' && event.proven) this.#died('consumer', event.lane);
    else if (event.event === 'producer-over' && event.proven === true) this.#died('producer', event.producer);
  }

  #took(who: number, took: number, bound: number): void {
    this.#book.put({ event: 'waited', what: 'others-after-kill', who, took, bound });
  }

  /** The router has to see that it is dead: a fence alone is the answer to a doubt, and keeps the seat. */
  #died(kind: 'consumer' | 'producer', number: number): void {
    const { segment } = this.#book;
    const place = seatPlace(segment.layout, kind, seatOf(number));
    const atMs = this.#world.now;
    const bound = this.#options.deathBoundMs();
    const routers = this.#routers;
    const leftOut = this.#options.looksLeftOut();
    // Whether a process is dead the kernel cannot tell while others have its locks.
    let wasRouted = this.#options.isRouted() && !this.#options.locksOutlive();
    const look = (looks: number): void => {
      this.#world.scheduler.after(bound / looksInBound, 'who is gone', undefined, () => {
        wasRouted &&= this.#options.isRouted() && this.#routers === routers;
        if (!wasRouted) return;
        const word = this.#book.reader.word(place.at);
        const isSeen = word >>> 4 !== number >>> 6 || !heldStates.includes(word & 15);
        if (!isSeen && looks < looksMax) {
          look(looks + 1);
          return;
        }
        // It came to be seen between this look and the one before.
        const took = this.#world.now - atMs - (isSeen ? bound / looksInBound : 0);
        this.#took(number, took, bound * (1 + this.#options.looksLeftOut() - leftOut));
      });
    };
    look(1);
  }
}
