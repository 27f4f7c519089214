import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { foreignDirectory } from './compiler.ts';

const program = join(foreignDirectory, 'peer.py');

/** Why the peer in Python cannot run here; empty if it can. */
export function pythonLack(): string {
  const needs = 'import ctypes, fcntl, mmap; ctypes.CDLL("libatomic.so.1").__atomic_load_4; fcntl.F_OFD_SETLK';
  const { error, status } = spawnSync('python3', ['-c', needs], { stdio: 'ignore' });
  if (error !== undefined) return 'no python3';
  return status === 0 ? '' : 'python3 without libatomic.so.1 or F_OFD_SETLK';
}

/** What the peer says, a line each. */
export interface Said {
  readonly said: 'live' | 'message' | 'fenced' | 'left';
  readonly pid?: number;
  readonly lane?: number;
  readonly producer?: number;
  readonly sequence?: number;
  readonly topic?: number;
  readonly flags?: number;
  readonly payload?: string;
  readonly received?: number;
  readonly sent?: number;
}

/** A participant in Python, in a process of its own. */
export class PythonPeer {
  readonly lines: Said[] = [];
  readonly ended: Promise<number | null>;
  readonly #process: ChildProcess;
  #errors = '';

  constructor(directory: string, segment: string, ...words: readonly string[]) {
    this.#process = spawn('python3', [program, directory, segment, ...words], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#process.stderr?.on('data', (text: Buffer) => {
      this.#errors += text.toString();
    });
    this.#process.stdin?.on('error', () => undefined);
    const { stdout } = this.#process;
    if (stdout === null) throw new Error('no standard output');
    // The shape is what peer.py says.
    createInterface({ input: stdout }).on('line', (line) => this.lines.push(JSON.parse(line) as Said));
    this.ended = new Promise((resolve) => {
      this.#process.on('close', resolve);
    });
  }

  /** What went wrong in it. */
  get errors(): string {
    return this.#errors;
  }

  get messages(): readonly Said[] {
    return this.lines.filter((it) => it.said === 'message');
  }

  /** The last line that is no message. */
  get last(): Said | undefined {
    return this.lines.findLast((it) => it.said !== 'message');
  }

  stop(): void {
    this.#process.stdin?.write('stop\n');
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }
}
