/**
 * The linearizability checker on the logs of Jepsen's etcd test that porcupine is tested with, beside Porcupine itself: checking
 * alone, from operations in memory, each log again and again, its median. `node bench/linearizability.ts [--rounds N] [--budget MS]`;
 * PORCUPINE_DIR names a folder with Porcupine's Go sources, LOGS_DIR one with the logs and `expected.txt`.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Operation } from '../src/checkers/history.ts';
import { checkLinearizability } from '../src/checkers/linearizability.ts';
import { casRegisterModel } from '../src/checkers/models/register.ts';
import { loadNote, median, spread, verdict } from './measure.ts';
import { parseEtcd } from './porcupine/logs.ts';

const { values: flags } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, budget: { type: 'string', default: '20' } },
});
const rounds = Math.max(1, Number(flags.rounds));
const budgetMs = Math.max(1, Number(flags.budget));
const logsDirectory = process.env.LOGS_DIR ?? join(import.meta.dirname, '../../shared/conformance/porcupine/jepsen');

/** One log, and what it came to in one round. */
interface Log {
  readonly file: string;
  readonly operations: readonly Operation[];
  readonly expected: 'linearizable' | 'illegal';
}

interface Timed {
  /** Median of the checks of one round. */
  readonly ms: number;
  readonly linearizable: boolean;
}

function readLogs(): Log[] {
  const expected = new Map(
    readFileSync(join(logsDirectory, 'expected.txt'), 'utf8')
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map((line): [string, string] => {
        const [number = '', what = ''] = line.split(' ');
        return [`etcd_${number.padStart(3, '0')}.log`, what];
      }),
  );
  return readdirSync(logsDirectory)
    .filter((name) => name.endsWith('.log'))
    .sort()
    .map((name) => ({
      file: join(logsDirectory, name),
      operations: parseEtcd(readFileSync(join(logsDirectory, name), 'utf8')),
      expected: expected.get(name) === 'linearizable' ? 'linearizable' : 'illegal',
    }));
}

function timeOwn({ operations }: Log): Timed {
  const model = casRegisterModel();
  const { verdict: said } = checkLinearizability(operations, model);
  const times: number[] = [];
  const began = performance.now();
  while (times.length < 3 || performance.now() - began < budgetMs) {
    const start = performance.now();
    checkLinearizability(operations, model);
    times.push(performance.now() - start);
  }
  return { ms: median(times), linearizable: said === 'linearizable' };
}

/** Builds the peer; a sentence instead when that cannot be. */
function buildPeer(directory: string): string | undefined {
  const sources = process.env.PORCUPINE_DIR;
  if (spawnSync('go', ['version']).status !== 0) return 'no Go on this machine';
  if (sources === undefined || !existsSync(join(sources, 'checker.go'))) {
    return 'no Porcupine sources: name a folder with them in PORCUPINE_DIR (github.com/anishathalye/porcupine)';
  }
  cpSync(join(import.meta.dirname, 'porcupine/main.go'), join(directory, 'main.go'));
  const module = 'github.com/anishathalye/porcupine';
  writeFileSync(
    join(directory, 'go.mod'),
    `module peer\n\ngo 1.16\n\nrequire ${module} v0.0.0\n\nreplace ${module} => ${resolve(sources)}\n`,
  );
  const built = spawnSync('go', ['build', '-o', 'peer', '.'], { cwd: directory, encoding: 'utf8' });
  return built.status === 0 ? undefined : `Porcupine does not build: ${built.stderr}`;
}

function timePeer(directory: string, logs: readonly Log[]): Timed[] {
  const words = [String(budgetMs), ...logs.map(({ file }) => resolve(file))];
  const { status, stdout, stderr } = spawnSync(join(directory, 'peer'), words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the peer ended with ${status}: ${stderr}`);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Timed); // printed by bench/porcupine/main.go
}

function assertVerdicts(logs: readonly Log[], timed: readonly Timed[], who: string): void {
  for (const [index, { file, expected }] of logs.entries()) {
    if (timed[index]?.linearizable === (expected === 'linearizable')) continue;
    throw new Error(`${who} says of ${file} linearizable: ${timed[index]?.linearizable}, expected ${expected}`);
  }
}

if (!existsSync(join(logsDirectory, 'expected.txt'))) {
  console.log(`skipped: no logs in ${logsDirectory}; name a folder with them in LOGS_DIR`);
  process.exit(0);
}
const logs = readLogs();
const directory = mkdtempSync(join(tmpdir(), 'hotfire-bench-porcupine-'));
try {
  const missing = buildPeer(directory);
  const own = { median: [] as number[], most: [] as number[], sum: [] as number[] };
  const peer = { median: [] as number[], most: [] as number[], sum: [] as number[] };
  const ratios = { median: [] as number[], each: [] as number[], sum: [] as number[] };
  const slowest = new Map<string, number>();
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  for (const log of logs) timeOwn(log); // warm up
  for (let round = 0; round < rounds; round++) {
    const mine = logs.map(timeOwn);
    assertVerdicts(logs, mine, 'hotfire');
    const times = mine.map(({ ms }) => ms);
    own.median.push(median(times));
    own.most.push(Math.max(...times));
    own.sum.push(sum(times));
    for (const [index, { file }] of logs.entries()) {
      slowest.set(file, Math.max(slowest.get(file) ?? 0, times[index] ?? 0));
    }
    if (missing !== undefined) continue;
    const theirs = timePeer(directory, logs);
    assertVerdicts(logs, theirs, 'porcupine');
    const others = theirs.map(({ ms }) => ms);
    peer.median.push(median(others));
    peer.most.push(Math.max(...others));
    peer.sum.push(sum(others));
    ratios.median.push(median(times) / median(others));
    ratios.each.push(median(times.map((ms, index) => ms / (others[index] ?? Number.NaN))));
    ratios.sum.push(sum(times) / sum(others));
  }
  console.log(`${logs.length} logs, ${rounds} rounds, at least 3 checks and ${budgetMs} ms for each; ${loadNote()}`);
  console.log(`  median log, ms     hotfire   ${spread(own.median, 3)}  ${verdict(median(own.median), '≤', 0.2)}`);
  if (missing === undefined) console.log(`                     porcupine ${spread(peer.median, 3)}`);
  console.log(`  slowest log, ms    hotfire   ${spread(own.most, 1)}  ${verdict(median(own.most), '≤', 2_000)}`);
  if (missing === undefined) console.log(`                     porcupine ${spread(peer.most, 1)}`);
  console.log(`  all logs, ms       hotfire   ${spread(own.sum, 1)}`);
  if (missing === undefined) {
    console.log(`                     porcupine ${spread(peer.sum, 1)}`);
    console.log(`  ratio to porcupine, median log   ${spread(ratios.median, 2)}`);
    console.log(`  ratio to porcupine, log by log   ${spread(ratios.each, 2)}`);
    console.log(`  ratio to porcupine, all logs     ${spread(ratios.sum, 3)}`);
  } else {
    console.log(`  porcupine skipped: ${missing}`);
    console.log(
      '  published: "generally 1,000x-10,000x faster" than Knossos on these logs (its README); no times of its own',
    );
  }
  const worst = [...slowest].sort((a, b) => b[1] - a[1]).slice(0, 3);
  console.log(`  slowest: ${worst.map(([file, ms]) => `${file.slice(-12)} ${ms.toFixed(1)} ms`).join(', ')}`);
} finally {
  rmSync(directory, { recursive: true });
}
