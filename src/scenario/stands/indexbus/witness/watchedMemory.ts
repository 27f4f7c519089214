import { BusError } from '../../../../engines/indexbus/errors.ts';
import { Lock } from '../../../../engines/indexbus/layout.ts';
import { Point } from '../../../../engines/indexbus/points.ts';
import { segmentOver } from '../../../../engines/indexbus/segment.ts';
import type { Host } from '../../../../host/host.ts';
import type { Region } from '../../../../host/sharedMemory.ts';
import type { SimProcess } from '../../../../sim/process.ts';
import { BusBook } from './busBook.ts';
import { ParticipantWitness } from './participantWitness.ts';
import { RecoveryTwin } from './recoveryTwin.ts';
import { type RouterWatch, RouterWitness } from './routerWitness.ts';

/** The books of a stand, one for each memory that holds a bus. */
export class Books {
  readonly #books = new Map<ArrayBufferLike, BusBook>();
  readonly #twins = new Map<BusBook, RecoveryTwin>();
  /** Routers so far. */
  routers = 0;
  /** Told of each book that is begun. */
  onBook: ((book: BusBook) => void) | undefined;

  /** What a recovery of this bus is compared with. */
  twinOf(book: BusBook): RecoveryTwin {
    const twin = this.#twins.get(book) ?? new RecoveryTwin(book);
    this.#twins.set(book, twin);
    return twin;
  }

  get all(): readonly BusBook[] {
    return [...this.#books.values()];
  }

  /** The book of a region; undefined if no bus is in it. */
  of(region: Region): BusBook | undefined {
    const memory = region.words.buffer;
    const known = this.#books.get(memory);
    if (known !== undefined || region.name.endsWith('.locks')) return known;
    try {
      const book = new BusBook(segmentOver(region.name, { ...region, step: () => {} }));
      this.#books.set(memory, book);
      this.onBook?.(book);
      return book;
    } catch (error) {
      // Not built yet, or no bus at all.
      if (error instanceof BusError) return undefined;
      throw error;
    }
  }
}

type Witness = RouterWitness | ParticipantWitness;

/** A process whose shared memory is watched. */
export interface WatchedProcess {
  readonly host: Host;
  /** What it is seen to do on each bus. */
  readonly witnesses: ReadonlyMap<BusBook, Witness>;
  /** The call under way has returned: what it did last has happened. */
  settle(): void;
}

export interface WatchOptions {
  readonly books: Books;
  readonly process: SimProcess;
  readonly host: Host;
  /** Of a router; undefined: a participant. */
  readonly routing?: RouterWatch & { /** Messages of a poll. */ readonly batch: () => number };
  /** Called before each of its steps, after that was written down: where the stand lets others run. */
  readonly atStep?: (point: number) => void;
}

/** Puts a witness between a process and its shared memory. */
export function watchMemory({ books, process, host, routing, atStep }: WatchOptions): WatchedProcess {
  const witnesses = new Map<BusBook, Witness>();
  const router = routing === undefined ? undefined : books.routers++;
  let isRouting = false;

  function witnessOf(region: Region): Witness | undefined {
    const book = books.of(region);
    if (book === undefined) return undefined;
    let witness = witnesses.get(book);
    if (witness === undefined) {
      witness =
        router === undefined || routing === undefined
          ? new ParticipantWitness(book, process.pid)
          : new RouterWitness(book, router, routing.batch, routing, books.twinOf(book));
      witnesses.set(book, witness);
    }
    return witness;
  }

  /** Before which access it is: what dies there has not made it. */
  let isAtStep = false;

  function settle(): void {
    if (!process.alive && isAtStep) return;
    for (const witness of witnesses.values()) witness.settle();
  }

  /** A generation is about to route: whoever rolls has the one before it, too. */
  function opens(next: BusBook | undefined): void {
    if (next === undefined) return;
    for (const former of witnesses.keys()) if (former.isReplacedBy(next)) former.tellLanesLeft();
  }

  function routerEnds(): void {
    if (router === undefined || !isRouting) return;
    isRouting = false;
    for (const book of witnesses.keys()) book.put({ event: 'router-over', router });
  }

  function watched(region: Region): Region {
    const isLocks = region.name.endsWith('.locks');
    return {
      ...region,
      step(point) {
        // Throws where it is dead already.
        if (!process.alive) region.step(point);
        const witness = isLocks ? undefined : witnessOf(region);
        if (witness instanceof RouterWitness) isRouting = true;
        if (point === Point.openSegment) opens(books.of(region));
        witness?.step(point);
        atStep?.(point);
        isAtStep = true;
        region.step(point);
        isAtStep = false;
      },
      waitAsync(word, expected, timeoutMs) {
        settle();
        return region.waitAsync(word, expected, timeoutMs);
      },
      unlock(index) {
        settle();
        if (isLocks && index === Lock.router) routerEnds();
        region.unlock(index);
      },
      close() {
        settle();
        if (isLocks) routerEnds();
        region.close();
      },
    };
  }

  process.onDeath(() => {
    settle();
    isAtStep = true;
    routerEnds();
    // Of the buses that it was on: on another machine somebody else has the same number.
    const own = [...witnesses.keys()];
    for (const book of own) book.processDied(process.pid);
    process.machine.sharedMemory.afterLocks(process, () => {
      for (const book of own) book.processOver(process.pid);
    });
  });
  const { shm } = host;
  return {
    host: {
      ...host,
      shm: { ...shm, open: async (name, bytes, options) => watched(await shm.open(name, bytes, options)) },
    },
    witnesses,
    settle,
  };
}
