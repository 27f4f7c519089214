import type { Millis } from '../../../host/clock.ts';

/** A ping goes out this long after the one before, or when that one's echo has come, whichever is later. */
const pingEveryMs: Millis = 2_000;
/** How long an echo may take on a connection with nothing before the ping. */
const silenceMs: Millis = 2_000;
/** What bytes before a ping may add to that. */
const backlogMostMs: Millis = 30_000;
/** A link is thought to carry at least this, in bytes per millisecond; the wait is for half of what it is thought to carry. */
const rateLeast = 64;

/**
 * Tells a connection that is dead from one that is full: TCP alone would try for a quarter of an hour, but a ping stands behind what
 * was written before it, and a full link needs its time for that. A connection is silent when for 2 s, and for as long as those bytes
 * may take at the rate of the last echoes, no echo has come and nothing else has either. Dropping a full one would put all that it
 * held on the link again, for ever.
 */
export class Echoes {
  #number = 0;
  #isOut = false;
  #nextPingMs: Millis;
  /** When the ping went out, or something was heard after it. */
  #waitsSinceMs: Millis;
  #echoedMs: Millis;
  /** Bytes written before the ping, and before the last one whose echo has come. */
  #bytesBefore = 0;
  #bytesEchoed = 0;
  /** Bytes per millisecond that have been seen to get through lately. */
  #rate = rateLeast;

  /** For a connection that stands since `now`. */
  constructor(now: Millis) {
    this.#nextPingMs = now + pingEveryMs;
    this.#waitsSinceMs = now;
    this.#echoedMs = now;
  }

  /** The number to send a ping with, when it is time for one; `writtenBytes` is all that was written before it. */
  pingAt(now: Millis, writtenBytes: number): number | undefined {
    if (this.#isOut || now < this.#nextPingMs) return undefined;
    this.#isOut = true;
    this.#number = (this.#number + 1) >>> 0;
    this.#nextPingMs = now + pingEveryMs;
    this.#waitsSinceMs = now;
    this.#bytesBefore = writtenBytes;
    return this.#number;
  }

  /** The echo of a ping has come. */
  echoed(now: Millis, number: number): void {
    if (!this.#isOut || number !== this.#number) return;
    const measured = (this.#bytesBefore - this.#bytesEchoed) / Math.max(1, now - this.#echoedMs);
    // A quiet time says little about what the link can carry.
    this.#rate = Math.max(rateLeast, measured, this.#rate / 2);
    this.#isOut = false;
    this.#echoedMs = now;
    this.#bytesEchoed = this.#bytesBefore;
  }

  /** Bytes of whatever kind have come. */
  heard(now: Millis): void {
    this.#waitsSinceMs = now;
  }

  /** How long the echo that is awaited may take, counted from the last sign of life. */
  get patienceMs(): Millis {
    const backlog = this.#bytesBefore - this.#bytesEchoed;
    return silenceMs + Math.min(backlogMostMs, (2 * backlog) / this.#rate);
  }

  /** Nothing has come for longer than a live connection would take. */
  isSilent(now: Millis): boolean {
    return this.#isOut && now - this.#waitsSinceMs >= this.patienceMs;
  }
}
