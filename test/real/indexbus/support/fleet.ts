import { type ChildProcess, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export type Role = 'router' | 'producer' | 'consumer';

/** A participant in a process of its own. */
export interface Member {
  readonly role: Role;
  readonly id: number;
  readonly file: string;
  readonly pid: number;
  /** How it ended: undefined while it lives, `killed`, `stopped` after a `stop`. */
  end: 'killed' | 'stopped' | undefined;
  isPaused: boolean;
  isServing: boolean;
}

interface Running extends Member {
  readonly process: ChildProcess;
  readonly said: Set<string>;
  pid: number;
}

const program = join(import.meta.dirname, 'participant.ts');
/** What Node has compiled of the participants' code: two thirds of the time until one is ready would go there. */
const compiled = join(tmpdir(), 'hotfire-compiled');

/** A shell that starts a program with its standard input and becomes one that never waits for it: what is killed stays a zombie. */
const neverReaps = 'exec 3<&0; "$@" <&3 3<&- & exec sleep 600 >/dev/null 3<&-';

/** Participants of one bus. Each is there some time before it is needed, since a process takes long to begin. */
export class Fleet {
  readonly members: Member[] = [];
  readonly #running = new Map<number, Running>();
  readonly #directory: string;
  readonly #segment: string;
  readonly #seed: number;
  readonly #byFfi: readonly Role[];
  readonly #failures: string[] = [];
  #ids = 0;

  /** @param byFfi roles whose participants go without the native addon */
  constructor(directory: string, segment: string, seed: number, byFfi: readonly Role[] = []) {
    this.#directory = directory;
    this.#segment = segment;
    this.#seed = seed;
    this.#byFfi = byFfi;
  }

  /** What participants said on standard error. */
  get failures(): readonly string[] {
    return this.#failures;
  }

  /** Starts a process that waits for `go`. */
  prepare(role: Role, staysZombie: boolean): Member {
    this.#ids += 1;
    const id = this.#ids;
    const file = join(this.#directory, `notes-${id}`);
    const own = [program, role, this.#directory, this.#segment, file, String(id), String(this.#seed * 1000 + id)];
    const [command, words] = staysZombie
      ? ['sh', ['-c', neverReaps, 'sh', process.execPath, ...own]]
      : [process.execPath, own];
    const by = this.#byFfi.includes(role) ? 'FFI' : 'addon';
    const child = spawn(command as string, words as string[], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, NODE_COMPILE_CACHE: compiled, HOTFIRE_NATIVE: by === 'FFI' ? 'off' : '' },
    });
    const member: Running = {
      role,
      id,
      file,
      pid: 0,
      end: undefined,
      isPaused: false,
      isServing: false,
      process: child,
      said: new Set(),
    };
    child.stderr?.on('data', (text: Buffer) => this.#failures.push(`${role} ${id}: ${text.toString()}`));
    child.stdin?.on('error', () => undefined);
    if (child.stdout !== null) {
      createInterface({ input: child.stdout }).on('line', (line) => {
        // The shape is what participant.ts says.
        const { said, pid, ...ready } = JSON.parse(line) as { said: string; pid?: number; by?: string };
        if (pid !== undefined) member.pid = pid;
        if (said === 'ready' && ready.by !== by) this.#failures.push(`${role} ${id} goes by ${ready.by}, not by ${by}`);
        if (said === 'serving') member.isServing = true;
        if (said === 'stopped') member.end ??= 'stopped';
        member.said.add(said);
      });
    }
    this.members.push(member);
    this.#running.set(id, member);
    return member;
  }

  isReady(member: Member): boolean {
    return this.#of(member).said.has('ready');
  }

  #of(member: Member): Running {
    const running = this.#running.get(member.id);
    if (running === undefined) throw new Error(`no participant ${member.id}`);
    return running;
  }

  go(member: Member): void {
    this.#of(member).process.stdin?.write('go\n');
  }

  stop(member: Member): void {
    this.#of(member).process.stdin?.write('stop\n');
  }

  kill(member: Member): void {
    member.end = 'killed';
    process.kill(member.pid, 'SIGKILL');
  }

  pause(member: Member): void {
    member.isPaused = true;
    process.kill(member.pid, 'SIGSTOP');
  }

  resume(member: Member): void {
    member.isPaused = false;
    process.kill(member.pid, 'SIGCONT');
  }

  /** Ends every process of the fleet. */
  end(): void {
    for (const member of this.#running.values()) {
      if (member.pid !== 0 && member.end !== 'killed') {
        try {
          process.kill(member.pid, 'SIGKILL');
        } catch {
          // It has ended.
        }
      }
      member.process.kill('SIGKILL');
      member.process.stdin?.destroy();
    }
  }
}
