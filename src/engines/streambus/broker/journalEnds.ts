import type { Lsn } from '../../../storage/journal/index.ts';
import type { BrokerId, Incarnation } from '../ids.ts';

/** How far a broker's journal was durable, by its own word. */
export interface ToldEnd {
  readonly incarnation: Incarnation;
  readonly end: Lsn;
}

/**
 * How far the journals of the other brokers were durable when they spoke last. Each tells it before whatever rests on it, votes and
 * acknowledgements: one that comes back with a shorter journal has forgotten some of what it had promised to this broker.
 */
export class JournalEnds {
  readonly #told = new Map<BrokerId, ToldEnd>();

  /** What a broker has told, in whatever order it came. */
  heard(broker: BrokerId, incarnation: Incarnation, end: Lsn): void {
    const known = this.#told.get(broker);
    if (known !== undefined) {
      if (incarnation < known.incarnation) return;
      if (incarnation === known.incarnation && end <= known.end) return;
    }
    this.#told.set(broker, { incarnation, end });
  }

  of(broker: BrokerId): ToldEnd | undefined {
    return this.#told.get(broker);
  }
}
