/**
 * Bytes that requests may hold at once, over all connections. Who finds too little left waits in line: first come, first
 * served. A request larger than the whole budget gets it all, once nothing else holds any.
 */
export class ByteBudget {
  readonly #total: number;
  #used = 0;
  readonly #line: { readonly bytes: number; readonly grant: () => void }[] = [];

  constructor(total: number) {
    this.#total = total;
  }

  get used(): number {
    return this.#used;
  }

  /** Requests that wait. */
  get waiting(): number {
    return this.#line.length;
  }

  /** Takes the bytes at once, or tells that there are too few, or others wait already. */
  tryTake(bytes: number): boolean {
    if (this.#line.length > 0 || !this.#fits(bytes)) return false;
    this.#used += bytes;
    return true;
  }

  /** Takes the bytes when they are there. Aborting gives the place in line up and resolves with false. */
  take(bytes: number, signal: AbortSignal): Promise<boolean> {
    if (this.tryTake(bytes)) return Promise.resolve(true);
    if (signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const place = {
        bytes,
        grant: (): void => {
          signal.removeEventListener('abort', leave);
          resolve(true);
        },
      };
      const leave = (): void => {
        this.#line.splice(this.#line.indexOf(place), 1);
        resolve(false);
        // Who stood behind may fit where this one did not.
        this.#serve();
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#line.push(place);
    });
  }

  /** Takes bytes that are held already, such as an answer's: the budget may be overdrawn, then nobody gets any until it is not. */
  charge(bytes: number): void {
    this.#used += bytes;
  }

  /** What is left; at least 0. */
  get left(): number {
    return Math.max(0, this.#total - this.#used);
  }

  give(bytes: number): void {
    this.#used -= bytes;
    if (this.#used < 0) throw new Error(`requests gave ${-this.#used} bytes more back than they had taken`);
    this.#serve();
  }

  #fits(bytes: number): boolean {
    return this.#used + bytes <= this.#total || this.#used === 0;
  }

  #serve(): void {
    for (let next = this.#line[0]; next !== undefined && this.#fits(next.bytes); next = this.#line[0]) {
      this.#line.shift();
      this.#used += next.bytes;
      next.grant();
    }
  }
}
