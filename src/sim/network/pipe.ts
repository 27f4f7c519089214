import type { Millis } from '../../host/clock.ts';
import type { ScheduledEvent } from '../eventHeap.ts';
import type { Scheduler } from '../scheduler.ts';
import type { Link } from './links.ts';

/** Bytes of one direction that wait for the peer's kernel; a writer waits above it. The high mark of `Connection.write`. */
export const HIGH_MARK_BYTES = 64 * 1024;
/** Bytes that the receiving side holds for a slow reader, those under way included. */
const WINDOW_BYTES = 64 * 1024;
/** The longest segment that goes out at once. */
const SEGMENT_BYTES = 16 * 1024;

/**
 * Retransmission as Linux does it: 200 ms, doubling to 120 s, tcp_retries2 = 15 tries and a wait after the last one: given
 * up after 924.6 s.
 */
const RETRANSMIT_FIRST_MS: Millis = 200;
const RETRANSMIT_MOST_MS: Millis = 120_000;
const RETRANSMIT_WAITS = 16;

/** Copies of short writes share a slab: an ArrayBuffer each would cost more than all else that a message does. */
const SLAB_BYTES = 64 * 1024;
const SHORT_BYTES = 4 * 1024;
let slab = new Uint8Array(SLAB_BYTES);
let slabUsed = 0;

function copy(bytes: Uint8Array): Uint8Array {
  if (bytes.length > SHORT_BYTES) return bytes.slice();
  if (slabUsed + bytes.length > SLAB_BYTES) {
    slab = new Uint8Array(SLAB_BYTES);
    slabUsed = 0;
  }
  const out = slab.subarray(slabUsed, slabUsed + bytes.length);
  out.set(bytes);
  slabUsed += bytes.length;
  return out;
}

/** Bytes, or the end of the stream. */
interface Segment {
  readonly bytes: Uint8Array | 'end';
  arriveMs: Millis;
}

/** The endpoints' side of a pipe: what it tells them. */
export interface PipeEvents {
  /** Whether the far end takes packets: `silent` is a machine without power or a hole, `gone` answers with a reset. */
  readonly farEnd: () => 'open' | 'gone' | 'silent';
  /** Bytes or the end have come. */
  readonly arrived: () => void;
  /** Bytes were acknowledged: the writer may have room again. */
  readonly drained: () => void;
  /** The far end answered with a reset, or a rule reset the connection in mid-stream. */
  readonly reset: (both: boolean) => void;
  /** Retransmission was given up. */
  readonly timedOut: () => void;
  /** How the trace hears of bytes that came. */
  readonly trace: (bytes: number) => void;
}

/** One direction of a connection: bytes in order, with window, retransmission and end. */
export class Pipe {
  readonly #scheduler: Scheduler;
  readonly #link: Link;
  readonly #back: Link;
  readonly #events: PipeEvents;
  #queue: (Uint8Array | 'end')[] = [];
  #queuedBytes = 0;
  #flight: Segment[] = [];
  #flightBytes = 0;
  /** Came, but the acknowledgement was lost. */
  #unackedBytes = 0;
  #received: Uint8Array[] = [];
  #receivedBytes = 0;
  #lastArriveMs: Millis = 0;
  #timer: ScheduledEvent | undefined;
  #ackTimer: ScheduledEvent | undefined;
  #tries = 0;
  #abandoned = false;
  /** The end was queued; it went out; it came. */
  ending = false;
  endSent = false;
  endArrived = false;

  constructor(scheduler: Scheduler, link: Link, back: Link, events: PipeEvents) {
    this.#scheduler = scheduler;
    this.#link = link;
    this.#back = back;
    this.#events = events;
  }

  /** Bytes that the peer's kernel has not acknowledged. */
  get pendingBytes(): number {
    return this.#queuedBytes + this.#flightBytes + this.#unackedBytes;
  }

  get readable(): boolean {
    return this.#receivedBytes > 0;
  }

  send(bytes: Uint8Array): void {
    this.#queue.push(copy(bytes));
    this.#queuedBytes += bytes.length;
    this.#pump();
  }

  sendEnd(): void {
    this.ending = true;
    this.#queue.push('end');
    this.#pump();
  }

  /** When everything that is under way will have come, if nothing is lost. */
  get lastArriveMs(): Millis {
    return this.#lastArriveMs;
  }

  /** The bytes that came, up to what one read gives; the caller's own. Only when `readable`. */
  take(): Uint8Array {
    const limit = Math.max(1, Math.min(this.#link.sliceBytes, WINDOW_BYTES));
    const first = this.#received[0];
    if (first === undefined) throw new Error('take from a pipe: expected bytes, there are none');
    let taken: Uint8Array;
    if (first.length > limit) {
      taken = first.slice(0, limit);
      this.#received[0] = first.subarray(limit);
    } else if (this.#received.length === 1 || first.length === limit) {
      taken = first;
      this.#received.shift();
    } else {
      taken = this.#coalesce(limit);
    }
    this.#receivedBytes -= taken.length;
    this.#pump();
    return taken;
  }

  /** The sending end is gone: what has not left is lost, what is under way arrives if it can, nothing is repeated. */
  abandon(): void {
    this.#abandoned = true;
    if (this.#ackTimer !== undefined) this.#scheduler.cancel(this.#ackTimer);
    this.#ackTimer = undefined;
    this.#queue = [];
    this.#queuedBytes = 0;
  }

  /** The receiving end is gone: what it has not read is lost, and what comes now learns of it. */
  discard(): void {
    this.#received = [];
    this.#receivedBytes = 0;
    this.#pump();
  }

  #coalesce(limit: number): Uint8Array {
    let bytes = 0;
    let chunks = 0;
    for (const chunk of this.#received) {
      if (bytes + chunk.length > limit) break;
      bytes += chunk.length;
      chunks++;
    }
    const out = new Uint8Array(bytes);
    let at = 0;
    for (const chunk of this.#received.splice(0, chunks)) {
      out.set(chunk, at);
      at += chunk.length;
    }
    return out;
  }

  /** Sends what the window allows. */
  #pump(): void {
    while (!this.#abandoned) {
      const next = this.#queue[0];
      if (next === undefined) return;
      const room = WINDOW_BYTES - this.#flightBytes - this.#receivedBytes - this.#unackedBytes;
      if (next !== 'end' && room <= 0) return;
      this.#queue.shift();
      if (next === 'end') {
        this.endSent = true;
        this.#transmit('end', 0);
        this.#events.drained();
        continue;
      }
      const size = Math.min(next.length, room, SEGMENT_BYTES);
      if (size < next.length) this.#queue.unshift(next.subarray(size));
      this.#queuedBytes -= size;
      this.#flightBytes += size;
      this.#transmit(size < next.length ? next.subarray(0, size) : next, size);
    }
  }

  #transmit(bytes: Uint8Array | 'end', size: number): void {
    const link = this.#link;
    let departMs = this.#scheduler.now;
    if (link.bytesPerMs !== Number.POSITIVE_INFINITY) {
      departMs = Math.max(departMs, link.busyUntilMs) + size / link.bytesPerMs;
      link.busyUntilMs = departMs;
    }
    const arriveMs = Math.max(departMs + link.latencyMs(), this.#lastArriveMs);
    this.#lastArriveMs = arriveMs;
    this.#flight.push({ bytes, arriveMs });
    this.#arm();
  }

  /** One timer a pipe: the arrival of its oldest segment, or the next try to get it through. */
  #arm(): void {
    const head = this.#flight[0];
    if (head === undefined || this.#timer !== undefined) return;
    this.#timer = this.#scheduler.at(head.arriveMs, 'net arrive', undefined, () => {
      this.#timer = undefined;
      this.#arrive();
    });
  }

  #arrive(): void {
    let came = false;
    for (;;) {
      const head = this.#flight[0];
      if (head === undefined || head.arriveMs > this.#scheduler.now) break;
      const far = this.#events.farEnd();
      if (this.#link.blocked || far === 'silent' || this.#link.random.chance(this.#link.loss)) {
        if (came) this.#events.arrived();
        this.#retransmit(head);
        return;
      }
      if (far === 'gone' && this.#back.blocked) {
        this.#retransmit(head);
        return;
      }
      if (far === 'gone' || this.#link.random.chance(this.#link.reset)) {
        this.#flight = [];
        this.#events.reset(far !== 'gone');
        return;
      }
      this.#tries = 0;
      this.#flight.shift();
      this.#accept(head.bytes);
      came = true;
    }
    if (came) this.#events.arrived();
    this.#arm();
  }

  #accept(bytes: Uint8Array | 'end'): void {
    if (bytes === 'end') {
      this.endArrived = true;
      this.#events.trace(0);
      return;
    }
    this.#events.trace(bytes.length);
    this.#flightBytes -= bytes.length;
    this.#received.push(bytes);
    this.#receivedBytes += bytes.length;
    if (this.#back.blocked) {
      this.#unackedBytes += bytes.length;
      this.#awaitAck();
    } else {
      this.#events.drained();
    }
  }

  #retransmit(head: Segment): void {
    if (this.#abandoned) {
      this.#flight = [];
      return;
    }
    const delayMs = this.#nextTry();
    if (delayMs === undefined) return;
    this.#timer = this.#scheduler.after(delayMs, 'net retransmit', undefined, () => {
      this.#timer = undefined;
      head.arriveMs = this.#scheduler.now;
      // What was sent after the lost segment waits at the receiver and is there with it.
      for (const segment of this.#flight) segment.arriveMs = Math.min(segment.arriveMs, head.arriveMs);
      this.#arrive();
    });
  }

  /** The bytes came and the answer did not: the sender repeats them until one is answered. */
  #awaitAck(): void {
    if (this.#ackTimer !== undefined || this.#abandoned) return;
    const delayMs = this.#nextTry();
    if (delayMs === undefined) return;
    this.#ackTimer = this.#scheduler.after(delayMs, 'net retransmit', undefined, () => {
      this.#ackTimer = undefined;
      if (this.#back.blocked || this.#link.blocked) {
        this.#awaitAck();
        return;
      }
      this.#tries = 0;
      this.#unackedBytes = 0;
      this.#events.drained();
      this.#pump();
    });
  }

  #nextTry(): Millis | undefined {
    if (this.#tries >= RETRANSMIT_WAITS) {
      this.#events.timedOut();
      return undefined;
    }
    return Math.min(RETRANSMIT_FIRST_MS * 2 ** this.#tries++, RETRANSMIT_MOST_MS);
  }
}
