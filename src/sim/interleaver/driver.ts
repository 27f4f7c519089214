import { Worker } from 'node:worker_threads';
import { await_, Baton, give } from './baton.ts';
import {
  Control,
  type ControlMemory,
  controlOver,
  type Decision,
  Phase,
  participantsMax,
  readError,
  State,
  unpackDecision,
} from './control.ts';
import type { Departure, Kill, RunOutcome, Scene, SceneModule } from './scene.ts';
import type { ThreadData } from './worker.ts';

/** How one run goes. */
export interface Schedule {
  readonly departures: readonly Departure[];
  /** Undefined: participants run by the default and the departures. Else by these priorities, which fall at the departures. */
  readonly priorities?: readonly number[];
  readonly kills?: readonly Kill[];
}

/** One run and what does not hold after it. */
export interface PlayedRun extends RunOutcome {
  readonly schedule: Schedule;
  readonly violations: readonly string[];
}

/**
 * Plays runs of one scene: its first participant on this thread, the others on threads of their own, one at a time. The same schedule gives the same
 * run. This thread blocks while a run is played.
 */
export class SceneDriver {
  readonly scene: Scene;
  readonly #memory: SharedArrayBuffer;
  readonly #control: ControlMemory = controlOver();
  readonly #baton: Baton;
  readonly #workers: readonly Worker[];

  /**
   * @param module URL of a module that exports `scene`
   * @param argument handed to it, on every thread
   */
  static async open(module: string, argument: string): Promise<SceneDriver> {
    // What the module's contract says.
    const { scene } = (await import(module)) as SceneModule;
    return new SceneDriver(await scene(argument), module, argument);
  }

  private constructor(scene: Scene, module: string, argument: string) {
    const count = scene.participants.length;
    if (count < 1 || count > participantsMax)
      throw new Error(`a scene has 1 to ${participantsMax} participants, not ${count}`);
    this.scene = scene;
    this.#memory = new SharedArrayBuffer(scene.bytes);
    this.#baton = new Baton(this.#control, 0);
    this.#control.words[Control.participants] = count;
    this.#workers = scene.participants.slice(1).map((_, index) => {
      const data: ThreadData = {
        module,
        argument,
        who: index + 1,
        control: this.#control.buffer,
        memory: this.#memory,
      };
      const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: data });
      worker.on('error', (error) => {
        throw error;
      });
      return worker;
    });
  }

  play(schedule: Schedule): PlayedRun {
    const { words } = this.#control;
    const count = this.scene.participants.length;
    this.#reset(schedule);
    this.scene.reset(this.#memory);
    words[Control.phase] = Phase.prepare;
    const mine = this.scene.participant(0, this.#memory, this.#baton);
    for (let who = 1; who < count; who += 1) {
      give(words, who);
      await_(words, 0);
    }
    words[Control.phase] = Phase.run;
    const first = schedule.priorities === undefined ? 0 : highest(schedule.priorities);
    if (first !== 0) {
      give(words, first);
      await_(words, 0);
    }
    if (this.#baton.play(mine)) await_(words, 0);
    return this.#outcome(schedule);
  }

  #reset({ departures, priorities, kills = [] }: Schedule): void {
    const { words } = this.#control;
    words.fill(0, 0, Control.participants);
    words.fill(-1, Control.killAt, Control.killAt + participantsMax);
    words[Control.decisions] = 0;
    words[Control.nextDeparture] = 0;
    words[Control.departures] = departures.length;
    words[Control.stuck] = 0;
    words[Control.lowest] = 0;
    words[Control.byPriority] = priorities === undefined ? 0 : 1;
    departures.forEach(({ at, to }, index) => {
      words[Control.departureAt + index] = at;
      words[Control.departureTo + index] = to;
    });
    priorities?.forEach((priority, who) => {
      words[Control.priority + who] = priority;
    });
    for (const { who, atStep } of kills) words[Control.killAt + who] = atStep;
  }

  #outcome(schedule: Schedule): PlayedRun {
    const { words } = this.#control;
    const names = this.scene.participants;
    const outcome: RunOutcome = {
      decisions: words[Control.decisions] ?? 0,
      stuck: names.filter((_, who) => ((words[Control.stuck] ?? 0) >>> who) & 1),
      killed: names.filter((_, who) => words[Control.state + who] === State.killed),
      errors: names.flatMap((name, who) => {
        const error = readError(this.#control, who);
        return error === undefined ? [] : [`${name}: ${error}`];
      }),
    };
    return { ...outcome, schedule, violations: this.scene.violations(this.#memory, outcome) };
  }

  /** The decision of the last run. */
  decision(at: number): Decision {
    return unpackDecision(this.#control.words[Control.trace + at] ?? 0);
  }

  /** Steps of each participant in the last run. */
  steps(): readonly number[] {
    return this.scene.participants.map((_, who) => this.#control.words[Control.steps + who] ?? 0);
  }

  async close(): Promise<void> {
    this.#control.words[Control.phase] = Phase.end;
    this.#workers.forEach((_, index) => {
      give(this.#control.words, index + 1);
    });
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

function highest(priorities: readonly number[]): number {
  return priorities.indexOf(Math.max(...priorities));
}
