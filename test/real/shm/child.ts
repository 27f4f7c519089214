import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { ProcessIdentity, RegionBacking } from '../../../src/host/sharedMemory.ts';

/** A participant that runs in another process. */
export interface Child {
  readonly identity: ProcessIdentity;
  readonly backing: RegionBacking;
  /** Who makes its calls. */
  readonly by: By;
  /** Sends a command and gives its answer. */
  ask(command: string): Promise<unknown>;
  /** The next answer, to a command that was sent earlier. */
  answer(): Promise<unknown>;
  send(command: string): void;
  kill(signal: NodeJS.Signals): void;
  readonly exited: Promise<void>;
}

/** Who makes the calls of a process. */
export type By = 'addon' | 'FFI';

const program = join(import.meta.dirname, 'participant.ts');

/** Starts a participant; by the addon unless another is named. */
export type Start = (
  words: readonly string[],
  options?: { readonly by?: By; readonly wrapper?: readonly string[] },
) => Promise<Child>;

/** Runs `body` with a way to start participants; all of them are killed at its end. */
export async function withChildren(body: (start: Start) => Promise<void>): Promise<void> {
  const started: ChildProcess[] = [];
  const pids = new Set<number>();
  try {
    await body(async (words, { by = 'addon', wrapper = [] } = {}) => {
      const [command = '', ...rest] = [...wrapper, process.execPath, program, ...words];
      const env = { ...process.env, HOTFIRE_NATIVE: by === 'FFI' ? 'off' : '' };
      const process_ = spawn(command, rest, { stdio: ['pipe', 'pipe', 'inherit'], env });
      started.push(process_);
      const child = await talk(process_);
      if (child.by !== by) throw new Error(`the participant goes by ${child.by}, not by ${by}`);
      pids.add(child.identity.pid);
      return child;
    });
  } finally {
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended.
      }
    }
    for (const child of started) child.kill('SIGKILL');
  }
}

async function talk(child: ChildProcess): Promise<Child> {
  if (child.stdout === null || child.stdin === null) throw new Error('expected pipes');
  const { stdin } = child;
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async (): Promise<unknown> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error('the participant has ended');
    return JSON.parse(value);
  };
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
  });
  // The shape is what participant.ts says first.
  const { ready, backing, by } = (await answer()) as { ready: ProcessIdentity; backing: RegionBacking; by: By };
  const send = (command: string): void => {
    stdin.write(`${command}\n`);
  };
  return {
    identity: ready,
    backing,
    by,
    answer,
    send,
    exited,
    ask(command) {
      send(command);
      return answer();
    },
    kill: (signal) => {
      process.kill(ready.pid, signal);
    },
  };
}
