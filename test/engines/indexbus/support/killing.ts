import { Killed, type TestBus } from './bus.ts';

/**
 * Runs what a participant does until it is killed before one of its steps; false if it ended before.
 *
 * @param isLast told of each step, the point and how many came before: whether it is never taken
 */
export function killedWhen(bus: TestBus, isLast: (point: number, steps: number) => boolean, run: () => void): boolean {
  let steps = 0;
  bus.step = (point) => {
    if (isLast(point, steps)) throw new Killed(`step ${steps}, point ${point}`);
    steps += 1;
  };
  try {
    run();
    return false;
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
    return true;
  } finally {
    bus.step = () => {};
  }
}

/** The same before its step number `atStep`, from 0. */
export function killedAtStep(bus: TestBus, atStep: number, run: () => void): boolean {
  return killedWhen(bus, (_, steps) => steps === atStep, run);
}

/** The same before its first visit of a point. */
export function killedAt(bus: TestBus, point: number, run: () => void): boolean {
  return killedWhen(bus, (at) => at === point, run);
}
