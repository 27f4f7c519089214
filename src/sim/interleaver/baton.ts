import { Control, type ControlMemory, decisionsMax, Phase, packDecision, State, writeError } from './control.ts';
import { type BatonHooks, Killed, Runaway } from './scene.ts';

/** The point that stands in the trace for an end or a sleep. */
const noPoint = 0xffff;
/** Looks at the own flag before a thread sleeps: a switch between two busy cores is faster so. */
const spins = 200;

/**
 * The baton of one participant: of all threads of a scene only the one that has it runs, so a run is a sequence of steps and the schedule alone
 * decides which. Where a run departs from its default stands in the control memory: the running thread itself looks there at each step, so that a
 * step without a switch costs nanoseconds.
 */
export class Baton implements BatonHooks {
  readonly #memory: ControlMemory;
  readonly #words: Int32Array;
  readonly #me: number;

  constructor(memory: ControlMemory, me: number) {
    this.#memory = memory;
    this.#words = memory.words;
    this.#me = me;
  }

  step(point: number): void {
    const words = this.#words;
    if (words[Control.phase] !== Phase.run) return;
    const me = this.#me;
    const mine = words[Control.steps + me] ?? 0;
    words[Control.steps + me] = mine + 1;
    if (mine === words[Control.killAt + me]) throw new Killed(`killed at step ${mine}, point ${point}`);
    const to = this.#decide(point, me, false);
    if (to !== me) this.#pass(to);
  }

  /** Who runs next; notes the decision. `otherwise`: who does without a departure. */
  #decide(point: number, otherwise: number, free: boolean): number {
    const words = this.#words;
    const at = words[Control.decisions] ?? 0;
    if (at >= decisionsMax) throw new Runaway(`more than ${decisionsMax} decisions`);
    words[Control.decisions] = at + 1;
    words[Control.trace + at] = packDecision(this.#me, point, this.#runnable(), free);
    const next = words[Control.nextDeparture] ?? 0;
    const departs = next < (words[Control.departures] ?? 0) && words[Control.departureAt + next] === at;
    if (departs) words[Control.nextDeparture] = next + 1;
    if (words[Control.byPriority] === 1) {
      if (departs) {
        words[Control.lowest] = (words[Control.lowest] ?? 0) - 1;
        words[Control.priority + this.#me] = words[Control.lowest] ?? 0;
      }
      return this.#highest();
    }
    return departs ? (words[Control.departureTo + next] ?? otherwise) : otherwise;
  }

  #runnable(): number {
    let bits = 0;
    const count = this.#words[Control.participants] ?? 0;
    for (let who = 0; who < count; who += 1) if (this.#words[Control.state + who] === State.ready) bits |= 1 << who;
    return bits;
  }

  #highest(): number {
    const count = this.#words[Control.participants] ?? 0;
    let best = -1;
    for (let who = 0; who < count; who += 1) {
      if (this.#words[Control.state + who] !== State.ready) continue;
      if (best < 0 || (this.#words[Control.priority + who] ?? 0) > (this.#words[Control.priority + best] ?? 0))
        best = who;
    }
    return best;
  }

  /** Gives the baton to another and waits until it is back. */
  #pass(to: number): void {
    give(this.#words, to);
    await_(this.#words, this.#me);
  }

  wait(words: Int32Array, word: number, expected: number): 'woken' | 'changed' | 'timeout' {
    if (Atomics.load(words, word) !== expected) return 'changed';
    const control = this.#words;
    control[Control.state + this.#me] = State.sleeping;
    control[Control.sleepsOn + this.#me] = word;
    const runnable = this.#runnable();
    if (runnable === 0) {
      // Nobody is left who could wake this one: the time-out that every sleep has ends it, and the run is told as stuck.
      control[Control.stuck] = (control[Control.stuck] ?? 0) | (1 << this.#me);
      control[Control.state + this.#me] = State.ready;
      return 'timeout';
    }
    this.#pass(this.#decide(noPoint, lowestOf(runnable), true));
    return (control[Control.stuck] ?? 0) & (1 << this.#me) ? 'timeout' : 'woken';
  }

  wake(word: number, count: number): number {
    const control = this.#words;
    const all = control[Control.participants] ?? 0;
    let woken = 0;
    for (let who = 0; who < all && woken < count; who += 1) {
      if (control[Control.state + who] !== State.sleeping || control[Control.sleepsOn + who] !== word) continue;
      control[Control.state + who] = State.ready;
      woken += 1;
    }
    return woken;
  }

  /**
   * Runs what the participant does, to its end or its death, and hands the baton on; the driver gets it when all are over. False where nobody was left to hand it
   * to: the run is over. Only who has the baton may say so, since a thread that has told its own end still looks who is next.
   */
  play(run: () => void): boolean {
    const control = this.#words;
    let state: number = State.over;
    try {
      run();
    } catch (error) {
      if (error instanceof Killed) state = State.killed;
      else writeError(this.#memory, this.#me, error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    control[Control.state + this.#me] = state;
    const next = this.#afterEnd();
    if (next === this.#me) return false;
    give(control, next);
    return true;
  }

  /** Who runs after this one has ended: somebody who can, else a sleeper by its time-out, else the driver. */
  #afterEnd(): number {
    const control = this.#words;
    const runnable = this.#runnable();
    if (runnable !== 0) {
      return (control[Control.decisions] ?? 0) >= decisionsMax
        ? lowestOf(runnable)
        : this.#decide(noPoint, lowestOf(runnable), true);
    }
    const count = control[Control.participants] ?? 0;
    for (let who = 0; who < count; who += 1) {
      if (control[Control.state + who] !== State.sleeping) continue;
      control[Control.stuck] = (control[Control.stuck] ?? 0) | (1 << who);
      control[Control.state + who] = State.ready;
      return who;
    }
    return 0;
  }
}

function lowestOf(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}

/** Lets a thread go on. */
export function give(words: Int32Array, who: number): void {
  Atomics.store(words, Control.go + who, 1);
  Atomics.notify(words, Control.go + who, 1);
}

/** Waits until this thread may go on. */
export function await_(words: Int32Array, who: number): void {
  for (let spin = 0; spin < spins; spin += 1) {
    if (Atomics.compareExchange(words, Control.go + who, 1, 0) === 1) return;
  }
  while (Atomics.compareExchange(words, Control.go + who, 1, 0) !== 1) Atomics.wait(words, Control.go + who, 0);
}
