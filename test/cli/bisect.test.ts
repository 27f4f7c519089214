import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const isCheckout = existsSync(join(root, '.git'));

let folder: string;
let repository: string;
let scenario: string;
const commits: string[] = [];

function git(...words: string[]): string {
  const identity = ['-c', 'user.name=Test', '-c', 'user.email=test@localhost'];
  return execFileSync('git', [...identity, ...words], { cwd: repository, encoding: 'utf8' }).trim();
}

function commit(message: string): void {
  git('commit', '--quiet', '--allow-empty', '-am', message);
  commits.push(git('rev-parse', 'HEAD'));
}

/** A repository of four commits of which one, the third, lets Prometheus scrape half as often. */
beforeAll(() => {
  if (!isCheckout) return;
  folder = mkdtempSync(join(tmpdir(), 'hotfire-bisect-test-'));
  repository = join(folder, 'repository');
  execFileSync('git', ['clone', '--quiet', '--shared', root, repository]);
  symlinkSync(join(root, 'node_modules'), join(repository, 'node_modules'));
  const scraper = join(repository, 'src/scenario/scraper.ts');
  for (const number of [1, 2, 3, 4]) {
    if (number === 3) {
      const source = readFileSync(scraper, 'utf8');
      expect(source).toContain('scrapeIntervalMs = 15_000');
      writeFileSync(scraper, source.replace('scrapeIntervalMs = 15_000', 'scrapeIntervalMs = 30_000'));
    }
    commit(`change ${number}`);
  }
  scenario = join(folder, 'often.yaml');
  writeFileSync(
    scenario,
    `
title: Scraped often
engine: stemedb
seed: 3
duration: 70s
expect: { metrics: ['count_over_time(up{job="stemedb"}[1m]) >= 4 at 65s'], checks: [] }
`,
  );
});
afterAll(() => {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

function bisect(good: string, bad: string) {
  const words = ['bisect', scenario, '--good', good, '--bad', bad, '--repository', repository];
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'src/cli/main.ts'), ...words], {
    encoding: 'utf8',
  });
  return { status, output: stdout + stderr };
}

test.skipIf(!isCheckout)(
  'should name the commit that broke a scenario, and leave the checkout as it was (in a checkout of git)',
  () => {
    const head = git('rev-parse', 'HEAD');
    const { status, output } = bisect(commits[0] ?? '', 'HEAD');
    expect(status, output).toBe(0);
    expect(output).toMatch(/first bad commit: .*\n[\s\S]*change 3/);
    expect(git('rev-parse', 'HEAD')).toBe(head);
    expect(git('worktree', 'list').split('\n')).toHaveLength(1);
  },
);

test.skipIf(!isCheckout)(
  'should say when the ends are not as told, and when a commit is not there (in a checkout of git)',
  () => {
    expect(bisect(commits[2] ?? '', 'HEAD')).toMatchObject({
      status: 2,
      output: expect.stringContaining('was said to be good, but is bad'),
    });
    expect(bisect('HEAD', commits[0] ?? '')).toMatchObject({
      status: 64,
      output: expect.stringMatching(/^error: expected --good to be older than --bad, .*good is not an ancestor of bad/),
    });
    expect(bisect('HEAD', 'HEAD')).toMatchObject({ status: 64, output: expect.stringContaining('the same commit') });
    expect(bisect('no-such-tag', 'HEAD')).toMatchObject({ status: 64, output: expect.stringContaining('no-such-tag') });
  },
);
