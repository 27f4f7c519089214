/** A place in the order. */
interface Place {
  readonly bytes: number;
  /** Wakes who waits there; undefined while nobody does. */
  wake: (() => void) | undefined;
  /** It stays until its holder gives it up; any other goes as soon as it was told. */
  readonly isHeld: boolean;
  /** Its holder has asked and had no reason to wait here. Who is here still, though he could have proposed, waits for another group. */
  isElsewhere: boolean;
}

/**
 * Who waits until a group takes a proposal of some size, in the order of coming: nobody is let go for whom there is room only while one
 * before him has none, so a large batch waits until as much as was there when it came is committed, and no longer. Who gives up, or has
 * proposed, is forgotten, and at most one request of each of the clients' connections waits, so their number is the bound.
 *
 * Of those who wait for other groups only, room is kept for the one that came first, and the others are passed by: however many they are,
 * they keep no more of this group from those who want nothing else than one of them needs. None of them waits for ever: who asks for
 * several groups takes his place in all of them at once, so the one that came first of all did so everywhere. Where it has room, that is
 * kept; where it has none, it is let go before all that come later. So it goes, and another one is the first.
 */
export class RoomWaiters {
  readonly #mustWait: (bytes: number, ahead: number) => boolean;
  readonly #onLeft: () => void;
  /** By whose signal ends the wait, or by a key of its own. */
  readonly #places = new Map<AbortSignal | symbol, Place>();

  /**
   * `mustWait` says whether so many bytes would still be refused for a passing reason, when `ahead` bytes of others were taken before;
   * `onLeft` hears that somebody has given his place up, or waits elsewhere: `look` is due, but not at once, for he may be about to propose.
   */
  constructor(mustWait: (bytes: number, ahead: number) => boolean, onLeft: () => void) {
    this.#mustWait = mustWait;
    this.#onLeft = onLeft;
  }

  get size(): number {
    return this.#places.size;
  }

  /**
   * Undefined when there is room for so many bytes, behind those who wait. Else resolves when it is worth asking again, or when `signal`
   * ends the wait. With a signal that is not over the place in the order is kept, also while there is room, until the signal ends: who
   * asks for several groups at once stands in the same order everywhere, and nobody waits for one who waits for him.
   */
  ask(bytes: number, signal?: AbortSignal): Promise<void> | undefined {
    const isQuestion = signal?.aborted === true;
    const key = signal ?? Symbol();
    const known = isQuestion ? undefined : this.#places.get(key);
    const mustWait = this.#mustWait(bytes, this.#ahead(known));
    if (isQuestion) return mustWait ? Promise.resolve() : undefined;
    if (!mustWait && signal === undefined) return undefined;
    const place = known ?? this.#take(key, bytes, signal);
    const isNews = !mustWait && !place.isElsewhere;
    place.isElsewhere = !mustWait;
    // Some of those behind may go now.
    if (isNews && this.#places.size > 1) this.#onLeft();
    if (!mustWait) return undefined;
    return new Promise((resolve) => {
      const others = place.wake;
      place.wake = () => {
        others?.();
        resolve();
      };
    });
  }

  /** Something has changed: lets those go for whom there is no reason to wait any more, in the order in which they came. */
  look(): void {
    // Nearly always, and at each tick of each group.
    if (this.#places.size === 0) return;
    let ahead = 0;
    let isKept = false;
    for (const [key, place] of this.#places) {
      if (place.isElsewhere) {
        if (!isKept) ahead += place.bytes;
        isKept = true;
        continue;
      }
      if (this.#mustWait(place.bytes, ahead)) return;
      ahead += place.bytes;
      if (!place.isHeld) this.#places.delete(key);
      wake(place);
    }
  }

  #take(key: AbortSignal | symbol, bytes: number, signal: AbortSignal | undefined): Place {
    const place: Place = { bytes, wake: undefined, isHeld: signal !== undefined, isElsewhere: false };
    this.#places.set(key, place);
    const leave = (): void => {
      this.#places.delete(key);
      wake(place);
      this.#onLeft();
    };
    signal?.addEventListener('abort', leave, { once: true });
    return place;
  }

  /** Bytes of those before a place, or of all who are here. */
  #ahead(place: Place | undefined): number {
    let ahead = 0;
    let isKept = false;
    for (const other of this.#places.values()) {
      if (other === place) break;
      if (!other.isElsewhere || !isKept) ahead += other.bytes;
      isKept ||= other.isElsewhere;
    }
    return ahead;
  }
}

function wake(place: Place): void {
  const told = place.wake;
  place.wake = undefined;
  told?.();
}
