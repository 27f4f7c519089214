/**
 * The whole test run: types, lint, vitest (unit, conformance, scenarios, real processes and clients), the adapters again without the
 * native addon, then a chaos campaign.
 * Ends with the names of what was skipped, and a plain line `N passed, N failed[, N skipped]`. Arguments are handed to vitest;
 * with any the rest is left out.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message?: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

/** Seeds of each engine's chaos campaign in every test run; more on demand with `hotfire chaos`. */
const chaosSeeds = { stemedb: 200, streambus: 60, indexbus: 100 } as const;

/** What is run again without the native addon and FFI: the adapters that then stand in for it, and those who tell which are in force. */
const portable = ['test/host', 'test/real', 'test/cli/doctor.test.ts', '--exclude=test/real/{shm,streambus,uring}/**'];

const root = resolve(import.meta.dirname, '..');
const scratch = mkdtempSync(join(tmpdir(), 'hotfire-test-'));
const chosen = process.argv.slice(2);
const counts = { passed: 0, failed: 0, skipped: 0 };

try {
  if (chosen.length === 0) {
    runTool('types', 'typescript/bin/tsc', '--noEmit');
    runTool('lint', '@biomejs/biome/bin/biome', 'ci', '--error-on-warnings', '.');
  }
  runVitest(chosen);
  if (chosen.length === 0) {
    console.log('\n== without the native addon');
    runVitest(portable, { HOTFIRE_NATIVE: 'off', HOTFIRE_FFI: 'off' });
    for (const [engine, seeds] of Object.entries(chaosSeeds)) {
      runTool(`chaos ${engine}`, join(root, 'src/cli/main.ts'), 'chaos', engine, '--seeds', `${seeds}`, '--jobs', '2');
    }
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

const skipped = counts.skipped === 0 ? '' : `, ${counts.skipped} skipped`;
console.log(`${counts.passed} passed, ${counts.failed} failed${skipped}`);
process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1;

function runVitest(words: readonly string[], environment: NodeJS.ProcessEnv = {}): void {
  const outputFile = join(scratch, 'vitest.json');
  const { status } = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules/vitest/vitest.mjs'),
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${outputFile}`,
      ...words,
    ],
    { cwd: root, stdio: 'inherit', env: { ...process.env, ...environment } },
  );
  // The shape is vitest's own JSON reporter's (Jest's format).
  const report = JSON.parse(readFileSync(outputFile, 'utf8')) as VitestReport;
  counts.passed += report.numPassedTests;
  counts.failed += report.numFailedTests;
  counts.skipped += report.numPendingTests + report.numTodoTests;
  for (const file of report.testResults) {
    for (const { fullName, status: outcome } of file.assertionResults) {
      if (outcome !== 'passed' && outcome !== 'failed') console.log(`skipped: ${fullName}`);
    }
    // A file that could not be loaded has no tests of its own to fail.
    if (file.status === 'failed' && file.assertionResults.length === 0) {
      counts.failed += 1;
      console.log(`failed to load: ${file.name}\n${file.message ?? ''}`);
    }
  }
  // Errors outside any test (an unhandled rejection) fail the run without failing a test.
  if (status !== 0 && counts.failed === 0) counts.failed += 1;
}

/** Runs a program of the package as one test: it passes if it exits with 0. */
function runTool(name: string, program: string, ...words: string[]): void {
  console.log(`\n== ${name}`);
  const path = resolve(root, 'node_modules', program);
  const { status } = spawnSync(process.execPath, [path, ...words], { cwd: root, stdio: 'inherit' });
  if (status === 0) {
    counts.passed += 1;
    return;
  }
  counts.failed += 1;
  console.log(`failed: ${name} (exit code ${status})`);
}
