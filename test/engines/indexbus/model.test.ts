import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** Messages of the model: with three all of its states are seen in seconds. `npm run proof:indexbus` has more. */
const messages = Number(process.env.HOTFIRE_MODEL_MESSAGES ?? 3);
const model = join(import.meta.dirname, 'model/fence.pml');
const has = (program: string, ...words: string[]): boolean =>
  spawnSync(program, words, { stdio: 'ignore' }).status === 0;
const present = has('spin', '-V') && has('gcc', '--version');

interface Verdict {
  readonly errors: number;
  readonly states: number;
  /** What was violated first; empty if nothing was. */
  readonly violated: string;
}

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'hotfire-spin-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Has spin look at every interleaving of the model. */
function verdict(...defines: readonly string[]): Verdict {
  const words = [`MESSAGES=${messages}`, ...defines].map((it) => `-D${it}`);
  execFileSync('spin', ['-a', ...words, model], { cwd: directory, stdio: 'pipe' });
  // Errors are of safety: assertions, and somebody who sleeps for ever, which is an invalid end state.
  // A planted bug is found soon: there the compiler would take most of the time.
  const level = defines.some((it) => it !== 'BLOCKING') ? '-O0' : '-O2';
  execFileSync('gcc', [level, '-DSAFETY', '-w', '-o', 'pan', 'pan.c'], { cwd: directory });
  const said = execFileSync(join(directory, 'pan'), ['-m1000000'], { cwd: directory, encoding: 'utf8' });
  // A search that was cut short by its own limits proves nothing.
  expect(said).not.toMatch(/max search depth too small|out of memory|bit-state/i);
  return {
    errors: Number(/errors: (\d+)/.exec(said)?.[1]),
    states: Number(/(\d+) states, stored/.exec(said)?.[1]),
    violated: /^pan:1: (.*) \(at depth/m.exec(said)?.[1] ?? '',
  };
}

const double = /^assertion violated .*message|^assertion violated .*first/;
const asleep = /^invalid end state/;

describe.skipIf(!present)('the model of a lane, every interleaving of it (spin)', () => {
  it.each([
    ['that evicts', []],
    ['that blocks', ['BLOCKING']],
  ])('a lane %s: nothing twice, no write by a freed epoch, nobody asleep over work', (_, defines) => {
    const { errors, states, violated } = verdict(...defines);
    console.info(`${messages} messages ${defines.join()}: ${states} states`);
    expect(violated).toBe('');
    expect(errors).toBe(0);
    expect(states).toBeGreaterThan(100_000);
  });

  it.each([
    ['HEAD_BY_STORE', /^assertion/],
    ['FREEZE_SKIPPED', double],
    ['FENCE_READS_HEAD', double],
    ['EARLY_RETURN', double],
    ['SEAT_REUSE_UNACKED', /^assertion violated .*freed\[epoch\]/],
    ['SLEEP_WITHOUT_LOOK', asleep],
    ['WAKE_BEFORE_TAIL', asleep],
    ['SIGNED_COMPARE', asleep],
  ])('%s is found', (bug, expected) => {
    const { errors, violated } = verdict(bug);
    expect(errors).toBe(1);
    expect(violated).toMatch(expected);
  });
});
