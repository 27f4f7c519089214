/** Servers of other projects on loopback, each in a directory of its own, for as long as a benchmark runs. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, openSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';

/** A server that runs until `stop`. */
export interface Server {
  stop(): Promise<void>;
}

/** Whether a program is installed. */
export function hasProgram(name: string): boolean {
  return spawnSync('which', [name]).status === 0;
}

/** Starts a program; what it writes goes to `<directory>/log`. */
export function startProgram(
  directory: string,
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Server {
  mkdirSync(directory, { recursive: true });
  const log = openSync(join(directory, 'log'), 'a');
  const child = spawn(command, args, {
    cwd: directory,
    env: { ...process.env, ...environment },
    stdio: ['ignore', log, log],
  });
  child.once('error', (error) => console.error(`${command}: ${error.message}`));
  return { stop: () => stopChild(child) };
}

/** Ends a child with SIGTERM, after 10 s with SIGKILL. */
export async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await ended;
  clearTimeout(timer);
}

/** Waits until somebody accepts at a port of loopback; throws after `limitMs`. */
export async function waitForPort(port: number, limitMs = 30_000): Promise<void> {
  const until = performance.now() + limitMs;
  for (;;) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (isOpen) return;
    if (performance.now() > until) throw new Error(`nobody listens on port ${port} after ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Tries again until it does not throw; the last error after `limitMs`. */
export async function eventually<T>(work: () => Promise<T>, limitMs = 60_000): Promise<T> {
  const until = performance.now() + limitMs;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (performance.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}
