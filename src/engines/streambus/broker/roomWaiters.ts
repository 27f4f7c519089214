/** A place in the order. */
interface Place {
  readonly bytes: number;
  /** Wakes who waits there; undefined while nobody does: it has been told, and has not proposed yet. */
  wake: (() => void) | undefined;
  /** It stays until its holder gives it up; any other goes as soon as it was told. */
  readonly isHeld: boolean;
}

/**
 * Who waits until a group takes a proposal of some size, in the order of coming: nobody is let go for whom there is room only while one
 * before him has none, so a large batch waits until as much as was there when it came is committed, and no longer. Who gives up, or has
 * proposed, is forgotten, and at most one request of each of the clients' connections waits, so their number is the bound.
 */
export class RoomWaiters {
  readonly #mustWait: (bytes: number, ahead: number) => boolean;
  readonly #onLeft: () => void;
  /** By whose signal ends the wait, or by a key of its own. */
  readonly #places = new Map<AbortSignal | symbol, Place>();
  #bytes = 0;

  /**
   * `mustWait` says whether so many bytes would still be refused for a passing reason, when `ahead` bytes of others were taken before;
   * `onLeft` hears that somebody has given his place up: `look` is due, but not at once, for he may be about to propose.
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
    const mustWait = this.#mustWait(bytes, known === undefined ? this.#bytes : this.#ahead(known));
    if (isQuestion) return mustWait ? Promise.resolve() : undefined;
    if (!mustWait && signal === undefined) return undefined;
    const place = known ?? this.#take(key, bytes, signal);
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
    for (const [key, place] of this.#places) {
      if (this.#mustWait(place.bytes, ahead)) return;
      ahead += place.bytes;
      if (!place.isHeld) this.#remove(key, place);
      wake(place);
    }
  }

  #take(key: AbortSignal | symbol, bytes: number, signal: AbortSignal | undefined): Place {
    const place: Place = { bytes, wake: undefined, isHeld: signal !== undefined };
    this.#places.set(key, place);
    this.#bytes += bytes;
    const leave = (): void => {
      this.#remove(key, place);
      wake(place);
      this.#onLeft();
    };
    signal?.addEventListener('abort', leave, { once: true });
    return place;
  }

  #remove(key: AbortSignal | symbol, place: Place): void {
    if (this.#places.delete(key)) this.#bytes -= place.bytes;
  }

  #ahead(place: Place): number {
    let ahead = 0;
    for (const other of this.#places.values()) {
      if (other === place) break;
      ahead += other.bytes;
    }
    return ahead;
  }
}

function wake(place: Place): void {
  const told = place.wake;
  place.wake = undefined;
  told?.();
}
