import type { Millis } from '../host/clock.ts';

/**
 * The process that an event belongs to, as the scheduler sees it. Events of a dead owner are dropped; those of a paused
 * one are held in `held` until it resumes; each turn of its event loop keeps it busy until `nextFreeMs`.
 */
export interface EventOwner {
  /** `machine#incarnation`: how the trace names it. */
  readonly traceName: string;
  readonly alive: boolean;
  readonly paused: boolean;
  /** Virtual time that one turn of the event loop takes, in milliseconds. */
  readonly turnMs: Millis;
  /** When the event loop is free for a turn that is not scheduled yet. */
  nextFreeMs: Millis;
  /** Events that came due during a pause, in the order in which they did. */
  readonly held: ScheduledEvent[];
  /** Runs the function as code of this process: leaks and unhandled rejections under it are this process's. */
  enter(fn: () => void): void;
  /** An error that nothing caught ended the process. */
  crashed(reason: string): void;
}

/** Something that will happen at a point of virtual time. */
export interface ScheduledEvent {
  timeMs: Millis;
  readonly label: string;
  readonly owner: EventOwner | undefined;
  /** Undefined once it ran or was cancelled. */
  fn: (() => void) | undefined;
  readonly tie: number;
  readonly sequence: number;
  /** Its turn of the owner's event loop has been set aside: it no longer waits for one. */
  turnReserved: boolean;
}

function before(a: ScheduledEvent, b: ScheduledEvent): boolean {
  if (a.timeMs !== b.timeMs) return a.timeMs < b.timeMs;
  if (a.tie !== b.tie) return a.tie < b.tie;
  return a.sequence < b.sequence;
}

/** A binary heap of events: earliest time first, then the seeded tie-break, then the order of scheduling. */
export class EventHeap {
  #items: ScheduledEvent[] = [];

  get size(): number {
    return this.#items.length;
  }

  peek(): ScheduledEvent | undefined {
    return this.#items[0];
  }

  push(event: ScheduledEvent): void {
    const items = this.#items;
    let at = items.length;
    items.push(event);
    while (at > 0) {
      const parentAt = (at - 1) >>> 1;
      const parent = items[parentAt];
      if (parent === undefined || !before(event, parent)) break;
      items[at] = parent;
      at = parentAt;
    }
    items[at] = event;
  }

  pop(): ScheduledEvent | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (last === undefined || items.length === 0) return first;
    this.#sink(last, 0);
    return first;
  }

  /** Forgets the events that were cancelled, when there are enough of them to be worth the walk. */
  dropCancelled(): void {
    this.#items = this.#items.filter((event) => event.fn !== undefined);
    for (let at = (this.#items.length >>> 1) - 1; at >= 0; at--) {
      const event = this.#items[at];
      if (event !== undefined) this.#sink(event, at);
    }
  }

  #sink(event: ScheduledEvent, from: number): void {
    const items = this.#items;
    const size = items.length;
    let at = from;
    for (;;) {
      let childAt = 2 * at + 1;
      let child = items[childAt];
      if (childAt >= size || child === undefined) break;
      const right = items[childAt + 1];
      if (childAt + 1 < size && right !== undefined && before(right, child)) {
        childAt++;
        child = right;
      }
      if (!before(child, event)) break;
      items[at] = child;
      at = childAt;
    }
    items[at] = event;
  }
}
