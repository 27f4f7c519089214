/**
 * Builds the addon with AddressSanitizer and runs its tests under it: `npm run native:asan`. Ends with exit code 1 if a test fails or any
 * process of them had something to report. Leaks are left out: Node frees little of its own at exit.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..');
const tests = process.argv.length > 2 ? process.argv.slice(2) : ['test/real/shm', 'test/real/uring'];

const built = spawnSync(process.execPath, [join(here, 'install.mjs'), '--asan', '--strict'], { stdio: 'inherit' });
if (built.status !== 0) process.exit(1);
const compiler = process.env.CXX || 'g++';
const library = spawnSync(compiler, ['-print-file-name=libasan.so'], { encoding: 'utf8' }).stdout.trim();

const scratch = mkdtempSync(join(tmpdir(), 'hotfire-asan-'));
try {
  const { status } = spawnSync(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...tests], {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      LD_PRELOAD: library,
      // Each process writes what it finds to a file of its own: a child's report must not end in somebody's pipe.
      ASAN_OPTIONS: `detect_leaks=0:log_path=${join(scratch, 'report')}`,
      HOTFIRE_NATIVE_DIR: join(here, 'build-asan'),
    },
  });
  const reports = readdirSync(scratch).filter((name) => name.startsWith('report'));
  for (const name of reports) console.log(readFileSync(join(scratch, name), 'utf8'));
  console.log(`AddressSanitizer: ${reports.length} reports`);
  process.exitCode = status === 0 && reports.length === 0 ? 0 : 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
