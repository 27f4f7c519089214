import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { LivenessEvidence } from '../../../src/host/sharedMemory.ts';
import { bootId, ownIdentity, processOf } from '../../../src/real/shm/identity.ts';

const identity = join(import.meta.dirname, '../../../src/real/shm/identity.ts');
const onLinux = process.platform === 'linux';

/** A process that has ended, and whose parent has looked. */
function endedPid(): number {
  return spawnSync('true').pid;
}

/** Runs a module under a command, with `processOf` and `ownIdentity`. */
function run(wrapper: readonly string[], code: string): SpawnSyncReturns<string> {
  const program = `import { ownIdentity, processOf } from ${JSON.stringify(identity)};\n${code}`;
  const [command = '', ...words] = [...wrapper, process.execPath, '--input-type=module', '-e', program];
  return spawnSync(command, words, { encoding: 'utf8', timeout: 20_000, cwd: '/' });
}

/** What a module prints of this process, of this one with another start, and of one that has ended. */
function judging(): string {
  const own = ownIdentity();
  const holders = [own, { ...own, startTicks: own.startTicks + 1 }, { ...own, pid: endedPid() }];
  return `console.log(JSON.stringify(${JSON.stringify(holders)}.map((it) => processOf(it))));`;
}

function told(ran: SpawnSyncReturns<string>): LivenessEvidence['process'][] {
  expect(ran.stderr).toBe('');
  return JSON.parse(ran.stdout);
}

describe.runIf(onLinux)('what has become of a process', () => {
  test('is told by its pid and the time of its start', () => {
    const own = ownIdentity();
    expect(processOf(own)).toBe('running');
    expect(processOf({ ...own, startTicks: own.startTicks + 1 })).toBe('other');
    expect(processOf({ ...own, pid: endedPid() })).toBe('gone');
    expect(processOf({ ...own, pidSpace: own.pidSpace + 1 })).toBe('unknown');
    expect(bootId().some((word) => word !== 0)).toBe(true);
  });

  test('is told of numbers that no process can have', () => {
    const own = ownIdentity();
    for (const pid of [0, 2 ** 31, 2 ** 32 - 1]) expect([pid, processOf({ ...own, pid })]).toEqual([pid, 'gone']);
  });

  test('is unknown where procfs hides it, and gone where nobody has the pid', (context) => {
    if (process.getuid?.() !== 0) return context.skip('only root can hide its processes from others');
    const hidden = 'mount -t proc -o hidepid=2 proc /proc && exec "$@"';
    const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
    const wrapper = ['unshare', '--mount', 'sh', '-c', hidden, 'sh', ...nobody];
    const [command = '', ...words] = wrapper;
    const able = spawnSync(command, [...words, 'cat', identity], { encoding: 'utf8' });
    if (able.status !== 0)
      return context.skip(
        `this user cannot hide processes, or not become one that reads this checkout: ${able.stderr}`,
      );
    // The start is not told, so it cannot be compared.
    expect(told(run(wrapper, judging()))).toEqual(['unknown', 'unknown', 'gone']);
  });

  test('is unknown where it cannot be read, as without a free descriptor', () => {
    const fill = `
      import { openSync } from 'node:fs';
      ownIdentity();
      try { for (;;) openSync('/dev/null', 'r'); } catch (error) { if (error.code !== 'EMFILE') throw error; }`;
    const ran = run(['sh', '-c', 'ulimit -n 64; exec "$@"', 'sh'], fill + judging());
    expect(told(ran)).toEqual(['unknown', 'unknown', 'gone']);
  });
});
