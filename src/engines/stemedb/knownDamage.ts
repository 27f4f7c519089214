/**
 * Damage of the log that reads and scrubs have come upon since the start, a note a segment: so long as there is any, the
 * node is degraded. It holds no more notes than there are segments.
 */
export class KnownDamage {
  readonly #notes = new Map<string, string>();

  /** One of its records had no intact bytes. The first note of a segment stays. */
  found(segment: string, note: string): void {
    if (!this.#notes.has(segment)) this.#notes.set(segment, note);
  }

  /** All of the segment was read again and is as it should be: what a read could not get was not lost. */
  isWhole(segment: string): void {
    this.#notes.delete(segment);
  }

  get isEmpty(): boolean {
    return this.#notes.size === 0;
  }

  /** What is known, in words; empty when nothing is. */
  get reasons(): string[] {
    return [...this.#notes].map(([segment, note]) => `${segment} is damaged ${note}`);
  }
}
