import type { BatonHooks, RunOutcome, Scene } from '../../../src/sim/interleaver/scene.ts';

/** Memory of the scenes below: word 0 counts, word 1 is slept on, words from 8 on are marks of their participants. */
function scenes(): Record<string, Scene> {
  const reset = (memory: SharedArrayBuffer): void => void new Int32Array(memory).fill(0);
  const words = (memory: SharedArrayBuffer): Int32Array => new Int32Array(memory);
  return {
    /** Each adds one, by a load and a store: an update is lost where the other runs in between. */
    adders: {
      participants: ['a', 'b'],
      bytes: 256,
      reset,
      participant: (_who, memory, hooks) => () => {
        hooks.step(1);
        const before = Atomics.load(words(memory), 0);
        hooks.step(2);
        Atomics.store(words(memory), 0, before + 1);
      },
      violations: (memory) => (words(memory)[0] === 2 ? [] : [`two added, the sum is ${words(memory)[0]}`]),
    },
    /** Tells in which order the two did their three steps. */
    letters: {
      participants: ['a', 'b'],
      bytes: 256,
      reset,
      participant: (who, memory, hooks) => () => {
        const shared = words(memory);
        for (let step = 0; step < 3; step += 1) {
          hooks.step(step);
          shared[0] = (shared[0] ?? 0) * 2 + who;
        }
      },
      violations: (memory) => [`${words(memory)[0]}`],
    },
    /** A bug that needs two preemptions: b is between its steps while a is, twice. */
    twoPreemptions: {
      participants: ['a', 'b'],
      bytes: 256,
      reset,
      participant: (who, memory, hooks) => () => {
        const shared = words(memory);
        const order = who === 0 ? [1, 3] : [2, 4];
        for (const mark of order) {
          hooks.step(mark);
          if (shared[0] === mark - 1) shared[0] = mark;
        }
        hooks.step(9);
      },
      violations: (memory) => (words(memory)[0] === 4 ? ['a, b, a, b'] : []),
    },
    /** One sleeps without a look after it set its flag: the wake is lost if it came before. */
    sleepers: sleepers(false),
    sleepersThatLook: sleepers(true),
    /** Counts who came how far: to see kills. */
    walkers: {
      participants: ['a', 'b', 'c'],
      bytes: 256,
      reset,
      participant: (who, memory, hooks) => () => {
        for (let step = 0; step < 4; step += 1) {
          hooks.step(step);
          words(memory)[8 + who] = step + 1;
        }
      },
      violations: (memory) => [`${words(memory)[8]} ${words(memory)[9]} ${words(memory)[10]}`],
    },
    /** Throws, and turns in circles. */
    faulty: {
      participants: ['a', 'b'],
      bytes: 256,
      reset,
      participant: (who, _memory, hooks) => () => {
        if (who === 0) throw new Error('a is broken');
        for (;;) hooks.step(1);
      },
      violations: (_memory: SharedArrayBuffer, run: RunOutcome) =>
        run.errors.map((error) => error.split('\n')[0] ?? ''),
    },
  };
}

function sleepers(looks: boolean): Scene {
  const run = (who: number, memory: SharedArrayBuffer, hooks: BatonHooks): void => {
    const shared = new Int32Array(memory);
    if (who === 1) {
      hooks.step(1);
      Atomics.store(shared, 0, 1);
      hooks.step(2);
      if (Atomics.load(shared, 2) === 1) {
        Atomics.add(shared, 1, 1);
        hooks.wake(1, 1);
      }
      return;
    }
    while (Atomics.load(shared, 0) === 0) {
      hooks.step(3);
      Atomics.store(shared, 2, 1);
      hooks.step(4);
      const sequence = Atomics.load(shared, 1);
      if (looks && Atomics.load(shared, 0) === 1) return;
      hooks.step(5);
      if (hooks.wait(shared, 1, sequence) === 'timeout') return;
    }
  };
  return {
    participants: ['sleeper', 'waker'],
    bytes: 256,
    reset: (memory) => void new Int32Array(memory).fill(0),
    participant: (who, memory, hooks) => () => run(who, memory, hooks),
    violations: () => [],
  };
}

/** The scene of this name. */
export function scene(name: string): Scene {
  const found = scenes()[name];
  if (found === undefined) throw new Error(`there is no scene ${name}`);
  return found;
}
