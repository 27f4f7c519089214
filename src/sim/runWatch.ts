import { leaveProcess, runningProcess } from './inside.ts';
import { installLeakGuards } from './leakGuards.ts';

type Listener = (...values: unknown[]) => void;

/**
 * What surrounds a run: the leak guards, and the errors that no event throws. An unhandled rejection, or an error
 * thrown in a microtask, fails the run and names the process whose code it was; one of the code outside goes to whom it
 * would have gone without the run.
 */
export class RunWatch {
  #end: (() => void) | undefined;

  begin(fail: (what: string, error: unknown) => void): void {
    const restoreGuards = installLeakGuards();
    const rejections = takeOver('unhandledRejection', (error) => {
      const owner = runningProcess();
      if (owner === undefined) return false;
      // What a dead process left behind is garbage.
      if (owner.alive) {
        fail(`unhandled rejection in ${owner.traceName}`, error);
        owner.crashed('unhandled rejection');
      }
      return true;
    });
    const exceptions = takeOver('uncaughtException', (error) => {
      const owner = runningProcess();
      if (owner === undefined) return false;
      leaveProcess();
      if (owner.alive) {
        fail(`uncaught error in ${owner.traceName}`, error);
        owner.crashed('uncaught error');
      }
      return true;
    });
    this.#end = () => {
      exceptions();
      rejections();
      restoreGuards();
    };
  }

  end(): void {
    this.#end?.();
    this.#end = undefined;
  }
}

/** Puts one listener of a process-wide event in front of all others; returns how to put them back. */
function takeOver(event: 'unhandledRejection' | 'uncaughtException', mine: (error: unknown) => boolean): () => void {
  const others = process.rawListeners(event) as Listener[];
  process.removeAllListeners(event);
  const listener: Listener = (error, ...rest) => {
    if (mine(error)) return;
    if (others.length === 0) {
      // Nobody else listens: end the way Node would have ended.
      process.off(event, listener);
      throw error;
    }
    for (const other of others) other.call(process, error, ...rest);
  };
  process.on(event, listener);
  return () => {
    process.off(event, listener);
    for (const other of others) process.on(event, other);
  };
}
