import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** The command line of this checkout, run by the Node that runs the tests. */
export const HOTFIRE = [process.execPath, resolve(import.meta.dirname, '../../src/cli/main.ts')] as const;

/** One line of the daemon's log. */
export interface LogLine {
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** A real daemon on a directory of its own. */
export interface DaemonProcess {
  readonly url: string;
  readonly pid: number;
  readonly logs: readonly LogLine[];
  /** Sends a signal to the daemon itself, also where it runs under a tracer. */
  signal(name: NodeJS.Signals): void;
  /** Resolves to the first log line with this message, also one that came before. */
  logged(message: string): Promise<LogLine>;
  /** How the process ended. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
}

export interface DaemonOptions {
  /** Holds the configuration, `wal/` and `db/`; made if missing. */
  readonly directory: string;
  /** Sections of the configuration beyond the directories and the address. */
  readonly config?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Command to run the daemon under: strace and its options. */
  readonly under?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Further words of the command line: `--init`. */
  readonly words?: readonly string[];
}

/** Paths of a daemon's directory. */
export function layoutOf(directory: string): { readonly config: string; readonly wal: string; readonly store: string } {
  return { config: join(directory, 'api.json'), wal: join(directory, 'wal'), store: join(directory, 'db') };
}

/** Writes the configuration of a daemon that listens on any free port of loopback and drains at once. */
export function writeConfig({ directory, config = {} }: Pick<DaemonOptions, 'directory' | 'config'>): string {
  const layout = layoutOf(directory);
  mkdirSync(directory, { recursive: true });
  const all = {
    ...config,
    server: { bind: '127.0.0.1:0', ...config.server },
    wal: { dir: layout.wal, segment_bytes: 2 ** 20, max_record_bytes: 2 ** 18, max_bytes: 2 ** 30, ...config.wal },
    store: { dir: layout.store, ...config.store },
    drain: { lame_duck_ms: 0, ...config.drain },
  };
  writeFileSync(layout.config, JSON.stringify(all));
  return layout.config;
}

/** Starts a stemedb daemon and waits until it serves; rejects with its output if it ends before. */
export async function startDaemon(options: DaemonOptions): Promise<DaemonProcess> {
  return serveProcess('stemedb', writeConfig(options), options);
}

/** Starts `hotfire serve` of an engine and waits until it serves; rejects with its output if it ends before. */
export async function serveProcess(
  engine: string,
  configFile: string,
  options: Pick<DaemonOptions, 'under' | 'environment' | 'words'> = {},
): Promise<DaemonProcess> {
  const [command = '', ...words] = [
    ...(options.under ?? []),
    ...HOTFIRE,
    'serve',
    engine,
    '--config',
    configFile,
    ...(options.words ?? []),
  ];
  const child = spawn(command, words, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.environment },
  });
  running.add(child);
  const logs: LogLine[] = [];
  const waiting: { readonly message: string; readonly resolve: (line: LogLine) => void }[] = [];
  let output = '';
  let partial = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    const lines = (partial + text).split('\n');
    partial = lines.pop() ?? '';
    for (const text of lines.filter((part) => part.startsWith('{'))) {
      const line = JSON.parse(text) as LogLine; // pino writes nothing else
      logs.push(line);
      for (const waiter of waiting) if (waiter.message === line.msg) waiter.resolve(line);
    }
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((done) => {
    child.once('close', (code, signal) => {
      running.delete(child);
      done({ code, signal });
    });
  });
  const logged = (message: string): Promise<LogLine> => {
    const seen = logs.find((line) => line.msg === message);
    return seen === undefined
      ? new Promise((found) => waiting.push({ message, resolve: found }))
      : Promise.resolve(seen);
  };
  const serving = await Promise.race([logged('serving'), exited]);
  if (!('msg' in serving))
    throw new Error(`the daemon ended with ${serving.code ?? serving.signal} before it served:\n${output}`);
  const pid = Number(serving.pid);
  return { url: String(serving.url), pid, logs, exited, logged, signal: (name) => void process.kill(pid, name) };
}

/** Children that still run, so that a failed test leaves none behind. */
const running = new Set<ChildProcess>();

/** Kills every daemon that a test left. */
export function killLeftovers(): void {
  for (const child of running) child.kill('SIGKILL');
}

/** Runs the command line to its end. */
export function runHotfire(...words: readonly string[]): {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
} {
  const [command, script] = HOTFIRE;
  try {
    const stdout = execFileSync(command, [script, ...words], { encoding: 'utf8', stdio: 'pipe', maxBuffer: 2 ** 30 });
    return { code: 0, stdout, stderr: '' };
  } catch (error) {
    const failed = error as { status: number | null; stdout: string; stderr: string }; // what execFileSync throws
    return { code: failed.status ?? -1, stdout: failed.stdout, stderr: failed.stderr };
  }
}

/** True if a program is installed. */
export function isInstalled(program: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
