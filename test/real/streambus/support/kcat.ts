import { type ChildProcess, spawn, spawnSync } from 'node:child_process';

/** True when kcat is installed: tests with it are skipped by name where it is not. */
export const hasKcat = spawnSync('kcat', ['-V']).status === 0;

export interface KcatResult {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/** A kcat that runs: its output so far, and its end. */
export interface RunningKcat {
  readonly process: ChildProcess;
  readonly out: () => string;
  readonly err: () => string;
  readonly done: Promise<KcatResult>;
}

/** Starts kcat; who starts one that does not end by itself kills it. */
export function startKcat(args: readonly string[], input?: string): RunningKcat {
  const child = spawn('kcat', [...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString();
  });
  const done = new Promise<KcatResult>((resolve) => {
    child.on('close', (status) => resolve({ status, out, err }));
  });
  // A kcat that has ended does not read any more.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input ?? '');
  return { process: child, out: () => out, err: () => err, done };
}

/** Runs kcat to its end, at most 60 s. */
export async function kcat(args: readonly string[], input?: string): Promise<KcatResult> {
  const running = startKcat(args, input);
  const late = setTimeout(() => running.process.kill('SIGKILL'), 60_000);
  const result = await running.done;
  clearTimeout(late);
  return result;
}

/** The lines of an output, without the empty one at its end. */
export function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
