import type { BusEvent } from '../../../checkers/indexbus/events.ts';
import type { World } from '../../../sim/world.ts';
import type { Participant } from './participant.ts';
import type { BusBook } from './witness/busBook.ts';

/** Bound of a sleep whose wake was lost, beside the usual one. */
const lostWakeMs = 50;
const slackMs = 1;

interface Waiting {
  readonly lane: number;
  readonly participant: Participant;
  /** When a commit gave it a message; undefined: it has none. */
  placedAt: number | undefined;
  disturbed: boolean;
  /** Whether a wake may have been lost: its sleep then lasts as long as it may. */
  lossy: boolean;
}

/** Measures how long a consumer that waits has to wait once there is a message for it. */
export class Waits {
  readonly #world: World;
  readonly #pollMs: () => number;
  readonly #waiting = new Map<BusBook, Set<Waiting>>();

  /** @param pollMs the longest poll interval of the routers */
  constructor(world: World, pollMs: () => number) {
    this.#world = world;
    this.#pollMs = pollMs;
  }

  /** To be called with each event of a book. */
  saw(book: BusBook, event: BusEvent): void {
    if (event.event !== 'placed') return;
    for (const waiting of this.#waiting.get(book) ?? []) {
      if (waiting.lane !== event.lane) continue;
      waiting.placedAt ??= this.#world.now;
      waiting.lossy ||= losesWakes(waiting.participant);
      if (!waiting.participant.isUndisturbed) waiting.disturbed = true;
    }
  }

  /** A consumer begins to wait; it says so when its wait has ended. */
  begin(book: BusBook, lane: number, participant: Participant): { received(): void } {
    const all = this.#waiting.get(book) ?? new Set();
    this.#waiting.set(book, all);
    const waiting: Waiting = {
      lane,
      participant,
      placedAt: undefined,
      disturbed: !participant.isUndisturbed,
      lossy: losesWakes(participant),
    };
    all.add(waiting);
    return {
      received: () => {
        all.delete(waiting);
        if (waiting.placedAt === undefined || waiting.disturbed || !participant.isUndisturbed) return;
        const isLossy = waiting.lossy || losesWakes(participant);
        const bound = 2 * this.#pollMs() + slackMs + (isLossy ? lostWakeMs : 0);
        book.put({ event: 'waited', what: 'receive', who: lane, took: this.#world.now - waiting.placedAt, bound });
      },
    };
  }

  /** Somebody was stopped, or lost a wake, or goes on: what waits over it is measured by nobody. */
  disturb(): void {
    for (const all of this.#waiting.values()) for (const waiting of all) waiting.disturbed = true;
  }
}

function losesWakes({ machine }: Participant): boolean {
  return machine.sharedMemory.troubles.wakesLost > 0;
}
