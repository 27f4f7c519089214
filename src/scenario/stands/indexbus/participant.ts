import type { History } from '../../../checkers/recorder.ts';
import { BusError } from '../../../engines/indexbus/errors.ts';
import { Point } from '../../../engines/indexbus/points.ts';
import type { Host } from '../../../host/host.ts';
import { asStand } from '../../../sim/inside.ts';
import type { Machine } from '../../../sim/machine.ts';
import type { SimProcess } from '../../../sim/process.ts';
import { surviving } from './preemption.ts';
import type { BusBook } from './witness/busBook.ts';
import { type Books, type WatchedProcess, watchMemory } from './witness/watchedMemory.ts';

/** What a participant's program is given. */
export interface ProgramContext {
  readonly host: Host;
  readonly watched: WatchedProcess;
  readonly participant: Participant;
}

export interface ParticipantOptions {
  readonly name: string;
  readonly machine: Machine;
  readonly books: Books;
  readonly history: History;
  /** Number of the next client process in the history. */
  readonly nextProcess: () => number;
  readonly note: (text: string, node: string) => void;
  /** Attaches, works until it is told to stop, and detaches. Throws `BusError`, of which it is begun anew. */
  readonly session: (context: ProgramContext, attached: () => void) => Promise<void>;
  /** Lets the router of its machine go on in the middle of what a participant does. */
  readonly goOn: () => void;
  /** Told before each access of shared memory: where it may lose its core. */
  readonly beforeAccess: () => void;
}

/** What a producer has on a bus that the router does not know of. */
export interface Unflushed {
  /** Messages that it has published and not flushed, or flushed too late. */
  readonly unflushed: number;
  /** Those of them that it has still to flush. */
  readonly unsent: number;
}

/** Time after which a program that was refused tries again. */
const againMs = 100;
/** How long an orderly end may take before the process is killed: a pod's grace. */
const graceMs = 10_000;

/** A producer or a consumer of the stand: a container with a process whose program begins anew when the bus refuses it. */
export class Participant {
  readonly name: string;
  readonly machine: Machine;
  readonly #options: ParticipantOptions;
  /** Ended on purpose: nobody starts it again. */
  isStopped = false;
  /** Probability with which the router goes on while it copies. */
  interrupted = 0;
  /** NUMA node that it was bound to; undefined: it runs where the scheduler puts it. */
  boundTo: number | undefined;
  /** Sends one message at once, in the middle of what another does; undefined: it does not send. */
  send: (() => void) | undefined;
  /** Slots that it has reserved and not committed. */
  reserved = 0;
  /** What is watched of what it publishes on a bus; undefined: it publishes nothing. */
  lineOn: ((book: BusBook) => Unflushed | undefined) | undefined;

  #isTold = false;
  #stalls = 0;
  /** The process that hangs. */
  #hung: SimProcess | undefined;

  constructor(options: ParticipantOptions) {
    this.name = options.name;
    this.machine = options.machine;
    this.#options = options;
  }

  /** Told to detach and end; one that hangs does not hear it. */
  get isLeaving(): boolean {
    return this.#isTold && !this.#hangs;
  }

  get isStalled(): boolean {
    return this.#stalls > 0 || this.#hangs;
  }

  get #hangs(): boolean {
    return this.#hung !== undefined && this.#hung === this.process;
  }

  /** Does nothing from now on, whatever process it has, or this process of it; returns how to undo that. */
  stall(hangs: boolean): () => void {
    if (hangs) {
      const { process } = this;
      this.#hung = process;
      return () => {
        if (this.#hung === process) this.#hung = undefined;
      };
    }
    this.#stalls += 1;
    return () => {
      this.#stalls -= 1;
    };
  }

  get process(): SimProcess | undefined {
    return this.machine.process;
  }

  /** Whether nothing but the load decides how fast it is. */
  get isUndisturbed(): boolean {
    return !this.isStalled && this.machine.slowFactor === 1 && this.process?.paused === false;
  }

  start(): void {
    if (this.machine.process !== undefined) return;
    this.isStopped = false;
    this.#isTold = false;
    // What a process that died had reserved is nobody's.
    this.reserved = 0;
    this.lineOn = undefined;
    this.machine.supervisor = () => this.start();
    const process = this.machine.start(this.name, (host) => this.#main(process, host));
  }

  /** SIGTERM: it detaches and ends; killed after its grace. */
  async stop(sleep: (ms: number) => Promise<void>): Promise<void> {
    const { process } = this;
    if (process === undefined) return;
    this.isStopped = true;
    this.#isTold = true;
    await Promise.race([process.exited, sleep(graceMs)]);
    if (process.alive) this.machine.kill('did not stop in time');
  }

  async #main(process: SimProcess, host: Host): Promise<void> {
    const { books, history, nextProcess, session, goOn, beforeAccess } = this.#options;
    const random = host.random.stream('interrupted');
    const watched = watchMemory({
      books,
      process,
      host,
      atStep: (point) => {
        if (point === Point.claimHead && this.interrupted > 0 && random.chance(this.interrupted)) surviving(goOn);
        beforeAccess();
      },
    });
    const context: ProgramContext = { host: watched.host, watched, participant: this };
    while (!this.isLeaving) {
      const operation = asStand(() =>
        history.invoke({ process: nextProcess(), f: 'attach', input: {}, node: this.name }),
      );
      let isAttached = false;
      try {
        await session(context, () => {
          isAttached = true;
          asStand(() => operation.ok({}));
        });
      } catch (error) {
        // What the bus refuses is the program's to bear; anything else is a defect of it, and ends the run.
        if (!(error instanceof BusError) || !process.alive) throw error;
        asStand(() => this.#refused(error, isAttached, operation));
        await host.clock.sleep(againMs);
        continue;
      }
      if (!isAttached) asStand(() => operation.fail({ code: 'LEFT', message: 'it was told to end' }));
    }
    process.exit(0, 'SIGTERM');
  }

  #refused({ code, message }: BusError, isAttached: boolean, operation: ReturnType<History['invoke']>): void {
    if (!isAttached) {
      operation.fail({ code, message });
      return;
    }
    const { history, nextProcess, note } = this.#options;
    history.invoke({ process: nextProcess(), f: 'work', input: {}, node: this.name }).fail({ code, message });
    note(`${this.name}: ${code}: ${message}`, this.name);
  }
}
