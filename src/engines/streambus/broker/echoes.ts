import type { Millis } from '../../../host/clock.ts';

/** A ping goes out this long after the one before, or when that one's echo has come, whichever is later. */
const pingEveryMs: Millis = 2_000;
/** How long a sign of life may take on a connection with nothing before the ping. */
const silenceMs: Millis = 2_000;
/** What bytes that are under way may add to that: twice their time on the slowest link that is thought of, of 64 KB/s; at most 128 KB of them. */
const slowestBytesPerMs = 64;
const underWayMostMs: Millis = 4_000;

/** Who reads says that it does after so many bytes, but no more often than so: on the slowest link twice a second. */
const progressBytes = 32 * 1024;
const progressEveryMs: Millis = 500;

/**
 * Tells a connection that is dead from one that is full: TCP alone would try for a quarter of an hour, and that it takes what is written
 * says only that there was room on this side. What counts as a sign of life comes from the other side: echoes of pings, answers, and what
 * `Progress` says while it reads. A ping goes before all that waits on this side, so it stands behind what the kernel and the link hold;
 * however long that, or one frame, takes, the other side is heard of while it comes. A connection is silent when a ping is out and nothing
 * at all has come for 2 to 6 s. Dropping a full one would put all that it held on the link again, for ever.
 */
export class Echoes {
  #number = 0;
  #isOut = false;
  #nextPingMs: Millis;
  /** When the ping went out, or something was heard after it. */
  #waitsSinceMs: Millis;
  /** Bytes written before the ping, and before the last one whose echo has come. */
  #bytesBefore = 0;
  #bytesEchoed = 0;

  /** For a connection that stands since `now`. */
  constructor(now: Millis) {
    this.#nextPingMs = now + pingEveryMs;
    this.#waitsSinceMs = now;
  }

  /** The number to send a ping with, when it is time for one: it must go out now. `writtenBytes` is all that was written before it. */
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
  echoed(number: number): void {
    if (!this.#isOut || number !== this.#number) return;
    this.#isOut = false;
    this.#bytesEchoed = this.#bytesBefore;
  }

  /** Bytes of whatever kind have come. */
  heard(now: Millis): void {
    this.#waitsSinceMs = now;
  }

  /** How long the next sign of life may take, counted from the last one. */
  get patienceMs(): Millis {
    const underWay = this.#bytesBefore - this.#bytesEchoed;
    return silenceMs + Math.min(underWayMostMs, (2 * underWay) / slowestBytesPerMs);
  }

  /** Nothing has come for longer than a live connection would take. */
  isSilent(now: Millis): boolean {
    return this.#isOut && now - this.#waitsSinceMs >= this.patienceMs;
  }
}

/** The other side's part: when to say that bytes come, though no ping is among them yet. */
export class Progress {
  #saidMs: Millis;
  #unsaidBytes = 0;
  #lastPing = 0;

  constructor(now: Millis) {
    this.#saidMs = now;
  }

  /** A ping has come: its number is what is to be said at once. */
  pinged(now: Millis, number: number): number {
    this.#lastPing = number;
    return this.#say(now);
  }

  /** Bytes have come. The number to say, if it is time: the last ping's, which its sender does not take for the echo of a later one. */
  read(bytes: number, now: () => Millis): number | undefined {
    this.#unsaidBytes += bytes;
    if (this.#unsaidBytes < progressBytes || now() - this.#saidMs < progressEveryMs) return undefined;
    return this.#say(now());
  }

  #say(now: Millis): number {
    this.#saidMs = now;
    this.#unsaidBytes = 0;
    return this.#lastPing;
  }
}
