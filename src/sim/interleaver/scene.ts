/** What a participant calls where it touches shared memory; the interleaver decides there who runs next. */
export interface BatonHooks {
  /** Precedes every shared access: here another may run, or the participant may be killed (`Killed` is thrown). */
  step(point: number): void;
  /** Sleeps until `wake(word)`, where `words[word]` is still what is expected. `timeout`: nobody is left who could wake it. */
  wait(words: Int32Array, word: number, expected: number): 'woken' | 'changed' | 'timeout';
  /** Wakes up to `count` sleepers of the word; returns how many. */
  wake(word: number, count: number): number;
}

/** Participants that share memory, and what must hold when they are through. */
export interface Scene {
  /** Their names; each runs on a thread of its own, the first on the driver's. */
  readonly participants: readonly string[];
  /** Bytes of the shared memory. */
  readonly bytes: number;
  /** Puts the memory into its first state. Runs on the driver's thread, before each run. */
  reset(memory: SharedArrayBuffer): void;
  /**
   * Prepares a participant (its objects, what it reads before it begins) and returns what it does. Runs on its thread: the preparation without
   * interruption, in the order of the participants; what is returned under the baton.
   */
  participant(who: number, memory: SharedArrayBuffer, hooks: BatonHooks): () => void;
  /** What does not hold after a run, in words. Runs on the driver's thread. */
  violations(memory: SharedArrayBuffer, run: RunOutcome): readonly string[];
}

/** A module of scenes exports `scene`: the driver and its threads each make their own from the same argument. */
export interface SceneModule {
  scene(argument: string): Scene | Promise<Scene>;
}

/** What came of one run. */
export interface RunOutcome {
  /** Decisions: steps, and switches since a participant ended or slept. */
  readonly decisions: number;
  /** Names of those who slept when nobody was left who could wake them. */
  readonly stuck: readonly string[];
  /** Participants that were killed. */
  readonly killed: readonly string[];
  /** What participants threw, but for being killed. */
  readonly errors: readonly string[];
}

/** Where the schedule departs from its default: at decision `at` participant `to` runs. */
export interface Departure {
  readonly at: number;
  readonly to: number;
}

/** Who is killed, and at which of its own steps, from 0. */
export interface Kill {
  readonly who: number;
  readonly atStep: number;
}

/** The participant ends here: its process is killed. */
export class Killed extends Error {
  override readonly name = 'Killed';
}

/** More decisions than a run may have: somebody turns in circles. */
export class Runaway extends Error {
  override readonly name = 'Runaway';
}
