import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { freePort } from '../../support/freePorts.ts';
import { type RedisServer, startRedisServer } from '../../support/redisServer.ts';
import { type Block, root } from './blocks.ts';
import { standIns } from './standIns.ts';

/** Where the pages say that the daemon and the queue are; others are put in their place. */
const pagesPort = '18180';
const pagesRedis = 'redis://queue:6379';

/** What a command came to. */
export interface Ended {
  readonly exitCode: number | null;
  /** Standard output and error, as they came. */
  readonly output: string;
}

/** The directory, the programs and the daemon that the blocks of one page see, as a reader would who follows it. */
export interface Session {
  readonly directory: string;
  /** True: the page's own files lie over a copy of the sources. */
  readonly isOverlay: boolean;
  /** Runs a script in bash; a daemon that it starts goes on behind it. */
  run(script: string): Promise<Ended>;
  save(file: string, text: string): void;
  close(): Promise<void>;
}

/** Follows one page: with a copy of the sources if it changes them, else in an empty directory beside what the package has. */
export async function openSession(blocks: readonly Block[]): Promise<Session> {
  const isOverlay = blocks.some(({ language, file }) => language === 'diff' || /^(src|test)\//.test(file ?? ''));
  const directory = isOverlay ? overlay() : emptyDirectory();
  const bin = join(directory, '.bin');
  mkdirSync(bin);
  const main = join(isOverlay ? directory : root, 'src/cli/main.ts');
  const program = (name: string, text: string) => {
    writeFileSync(join(bin, name), `#!/usr/bin/env bash\n${text}\n`);
    chmodSync(join(bin, name), 0o755);
  };
  // The last word wins: a disk is measured for a second, whatever the page says. What it says of a disk that others use too (1:
  // slow) is an answer.
  program(
    'hotfire',
    [
      `if [ "$1 $2" = "stemedb bench-fsync" ]; then ${process.execPath} ${main} "$@" --seconds 1 || [ $? = 1 ]; exit $?; fi`,
      `exec ${process.execPath} ${main} "$@"`,
    ].join('\n'),
  );
  program(
    'npx',
    '[ "$1" = hotfire ] || { echo "npx $1: not on these pages" >&2; exit 127; }\nshift\nexec hotfire "$@"',
  );
  program('npm', npmShim());
  // An answer of 400 or more is a failure: what a page shows must be answered well.
  program('curl', 'exec /usr/bin/curl --fail-with-body --silent --show-error "$@"');
  for (const [name, text] of Object.entries(standIns)) program(name, text);

  const port = await freePort();
  const broker = { http: await freePort(), kafka: await freePort(), rpc: await freePort() };
  const paths = (text: string) =>
    text
      .replaceAll('localhost:8080', `localhost:${broker.http}`)
      .replaceAll(pagesPort, String(port))
      .replaceAll(/(?<![\w.-])\/(var\/lib|etc)\/stemedb/g, (path) => join(directory, path))
      .replaceAll(/\/tmp\/stemedb/g, join(directory, 'tmp/stemedb'));
  const state = { wal: join(directory, 'var/lib/stemedb/wal'), db: join(directory, 'var/lib/stemedb/db') };
  for (const path of Object.values(state)) mkdirSync(path, { recursive: true });
  // Segments of shared memory are found by their name: a directory of its own keeps them apart from others on this machine.
  const memory = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'hotfire-docs-memory-'));
  const environment: NodeJS.ProcessEnv = {
    PATH: `${bin}:${dirname(process.execPath)}:${process.env.PATH}`,
    HOME: directory,
    HOTFIRE_COMMIT: 'of-the-docs',
    // Of a copy's files nothing is asked for again when it is gone.
    NODE_COMPILE_CACHE: isOverlay ? join(directory, '.compiled') : process.env.NODE_COMPILE_CACHE,
    NO_COLOR: '1',
    STEMEDB_SERVER_BIND: `127.0.0.1:${port}`,
    STEMEDB_WAL_DIR: state.wal,
    STEMEDB_STORE_DIR: state.db,
    STREAMBUS_SERVER_PORT: String(broker.kafka),
    STREAMBUS_SERVER_RPC_PORT: String(broker.rpc),
    STREAMBUS_SERVER_HTTP_PORT: String(broker.http),
    STREAMBUS_CLUSTER_PEERS: `1:127.0.0.1:${broker.rpc}`,
    STREAMBUS_STORAGE_DATA_DIR: join(directory, 'var/lib/streambus'),
    STREAMBUS_BROKERS: `localhost:${broker.http}`,
    INDEXBUS_ADMIN_LISTEN: `127.0.0.1:${await freePort()}`,
    XDG_RUNTIME_DIR: memory,
  };
  let daemon: ChildProcess | undefined;
  let redis: RedisServer | undefined;

  async function startDaemon(command: string): Promise<Ended> {
    if (daemon !== undefined) await stop(daemon);
    const child = spawn('bash', ['-c', `exec ${command}`], { cwd: directory, env: environment, stdio: 'pipe' });
    daemon = child;
    return serving(child);
  }

  return {
    directory,
    isOverlay,
    async run(script) {
      if (script.includes(pagesRedis)) redis ??= await startRedisServer();
      let rest = paths(script).replaceAll(pagesRedis, redis?.url ?? pagesRedis);
      let output = '';
      for (const [line, , command = ''] of rest.matchAll(
        /^((?:npm run hotfire -- |npx hotfire |hotfire )(serve .*))$/gm,
      )) {
        if (/--(validate-config|help)/.test(line)) continue;
        const started = await startDaemon(`hotfire ${command}`);
        output += started.output;
        if (started.exitCode !== null) return started;
        rest = rest.replace(line, '');
      }
      // A page that asks a daemon which it has not started presumes one.
      if (rest.includes(`:${port}`) && daemon === undefined) {
        const started = await startDaemon('hotfire serve stemedb');
        if (started.exitCode !== null) return started;
      }
      const { status, stdout } = await ended(
        spawn('bash', ['-o', 'pipefail', '-ec', `exec 2>&1\n${rest}`], {
          cwd: directory,
          env: environment,
          stdio: 'pipe',
        }),
      );
      return { exitCode: status, output: output + stdout };
    },
    save(file, text) {
      mkdirSync(dirname(join(directory, file)), { recursive: true });
      writeFileSync(join(directory, file), text);
    },
    async close() {
      if (daemon !== undefined) await stop(daemon);
      await redis?.close();
      for (const path of [directory, memory]) rmSync(path, { recursive: true, force: true });
    },
  };
}

/** A copy of what a reader changes when he follows a page for developers; inside the package, so that libraries are found. */
function overlay(): string {
  mkdirSync(join(root, 'reports'), { recursive: true });
  const directory = mkdtempSync(join(root, 'reports/docs-'));
  for (const name of ['src', 'alerts', 'scenarios', 'package.json', 'tsconfig.json'])
    cpSync(join(root, name), join(directory, name), { recursive: true });
  // Helpers of tests, and not the tests.
  cpSync(join(root, 'test'), join(directory, 'test'), {
    recursive: true,
    filter: (source) => !source.endsWith('.test.ts'),
  });
  return directory;
}

function emptyDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'hotfire-docs-'));
  for (const name of ['alerts', 'deploy', 'docs', 'scenarios']) symlinkSync(join(root, name), join(directory, name));
  installPackage(directory);
  return directory;
}

/** What `npm install hotfire` would put there: its doors lead to the sources instead of what a build makes of them. */
function installPackage(directory: string): void {
  const installed = join(directory, 'node_modules/hotfire');
  mkdirSync(installed, { recursive: true });
  symlinkSync(join(root, 'src'), join(installed, 'src'));
  const { type, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    type: string;
    exports: Record<string, string | { default: string }>;
  };
  const doors = Object.entries(exports).map(([door, to]) => {
    const file = typeof to === 'string' ? to : to.default;
    return [door, file.replace(/^\.\/dist\/(.*)\.js$/, './src/$1.ts')];
  });
  writeFileSync(
    join(installed, 'package.json'),
    JSON.stringify({ name: 'hotfire', type, exports: Object.fromEntries(doors) }),
  );
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ type: 'module' }));
  const compilerOptions = { typeRoots: [join(root, 'node_modules/@types')] };
  writeFileSync(
    join(directory, 'tsconfig.json'),
    JSON.stringify({ extends: join(root, 'tsconfig.json'), compilerOptions }),
  );
}

/** `npm run hotfire --` is the bin; other scripts must be there (`npm test` would run this test again). */
function npmShim(): string {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object };
  const known = ['ci', 'install', 'start', 'test', ...Object.keys(scripts).map((name) => `run ${name}`)];
  return [
    'if [ "$1 $2 $3" = "run hotfire --" ]; then shift 3; exec hotfire "$@"; fi',
    'case "$*" in',
    ...known.map((words) => `  ${JSON.stringify(words)}) exit 0 ;;`),
    'esac',
    'echo "npm $*: package.json has no such script" >&2; exit 1',
  ].join('\n');
}

async function serving(child: ChildProcess): Promise<Ended> {
  let output = '';
  return new Promise((resolve) => {
    const take = (data: Buffer) => {
      output += data.toString();
      if (/"msg":"serving"/.test(output)) resolve({ exitCode: null, output });
    };
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
    child.once('close', (exitCode) => resolve({ exitCode, output }));
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGKILL');
  await exit;
}

function ended(child: ChildProcess): Promise<{ status: number | null; stdout: string }> {
  let stdout = '';
  child.stdout?.on('data', (data) => {
    stdout += String(data);
  });
  child.stderr?.on('data', (data) => {
    stdout += String(data);
  });
  return new Promise((resolve) => child.once('close', (status) => resolve({ status, stdout })));
}

/** Applies a patch to the session's copy, as `git apply` does. */
export function applyDiff(session: Session, patch: string): void {
  const { status, stdout, stderr } = spawnSync('patch', ['-p1', '--no-backup-if-mismatch', '--force'], {
    cwd: session.directory,
    input: patch,
    encoding: 'utf8',
  });
  if (status !== 0 || !existsSync(session.directory)) throw new Error(`the patch does not apply: ${stdout}${stderr}`);
}
