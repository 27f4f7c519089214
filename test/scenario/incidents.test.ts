import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const files = globSync('scenarios/*/*.yaml', { cwd: root }).sort();
/** Scenarios that are also played twice, event by event: one without a crash, one with, one with chaos behind it. */
const playedTwice = new Set(['fsync-degrading.yaml', 'disk-full.yaml', 'last-ack-lost.yaml']);

const reportFiles = [
  'history.ndjson.gz',
  'index.html',
  'junit.xml',
  'postmortem.md',
  'report.json',
  'timeline.md',
  'trace.perfetto.json',
];

/** What `hotfire replay --json` says of a file, as far as it is looked at here. */
interface Outcome {
  readonly verdict: string;
  readonly reasons: readonly string[];
  readonly files: readonly string[];
  readonly command: string;
}

/** Every incident as a user plays it: by the command, many in one process, two processes at a time. */
describe('incidents', { timeout: 900_000 }, () => {
  let reports: string;
  /** What the processes end with. */
  let exits: Promise<readonly (number | null)[]>;
  const waiting = new Map(files.map((file) => [file, Promise.withResolvers<Outcome>()]));
  beforeAll(() => {
    reports = mkdtempSync(join(tmpdir(), 'hotfire-incidents-'));
    const twice = files.filter((file) => playedTwice.has(basename(file)));
    const once = files.filter((file) => !twice.includes(file));
    const half = (rest: number) => once.filter((_, n) => n % 2 === rest);
    for (const { promise } of waiting.values()) promise.catch(() => undefined);
    exits = Promise.all([
      play(half(0)).then(async (code) => [code, await play(twice, '--check-determinism')]),
      play(half(1)),
    ]).then((codes) => codes.flat());
  });
  afterAll(() => rmSync(reports, { recursive: true, force: true }));

  /** Plays files in one process, and tells those who wait for theirs as they come. */
  async function play(these: readonly string[], ...flags: readonly string[]): Promise<number | null> {
    const into = join(reports, `${flags.length}-${these[0]?.replaceAll('/', '-')}`);
    const words = ['src/cli/main.ts', 'replay', ...these, '--json', '--report', into, ...flags];
    const child = spawn(process.execPath, words, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    const errors = text(child.stderr);
    const ended = once(child, 'close');
    const outcomes: Outcome[] = [];
    for await (const line of createInterface(child.stdout)) {
      const outcome = JSON.parse(line) as Outcome;
      outcomes.push(outcome);
      const file = these.find((one) => outcome.command.includes(` ${one} `));
      // A run that is played twice has its verdict before its second play.
      if (file !== undefined && flags.length === 0) waiting.get(file)?.resolve(outcome);
    }
    const said = await errors;
    for (const file of these) {
      const outcome = outcomes.find(({ command }) => command.includes(` ${file} `));
      const alike = said.match(/^deterministic: two runs/gm)?.length ?? 0;
      if (outcome === undefined) waiting.get(file)?.reject(new Error(`no outcome: ${said}`));
      else if (flags.length > 0 && alike !== these.length) waiting.get(file)?.reject(new Error(said));
      else waiting.get(file)?.resolve(outcome);
    }
    const [code] = (await ended) as [number | null]; // as the event is told
    return code;
  }

  it('are there', () => {
    expect(files.length).toBeGreaterThan(20);
  });

  for (const file of files) {
    it(`${file} holds${playedTwice.has(basename(file)) ? ', twice in the same way' : ''}`, async () => {
      const { verdict, reasons, files: written } = await (waiting.get(file)?.promise ?? Promise.reject());
      expect(reasons).toEqual([]);
      expect(verdict).toBe('held');
      const [report = ''] = new Set(written.map(dirname));
      expect(readdirSync(report).sort()).toEqual(reportFiles);
      // Their histories together would fill a small disk.
      rmSync(report, { recursive: true });
    });
  }

  it('end with 0, all that were played in one process', async () => {
    expect(await exits).toEqual([0, 0, 0]);
  });
});
