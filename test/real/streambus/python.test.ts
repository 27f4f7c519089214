import { execFile, execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LocalCluster, startCluster } from './support/cluster.ts';

/** Debian's own Python: the clients are its packages python3-confluent-kafka and python3-kafka. */
const python = '/usr/bin/python3';
const clients = [
  {
    module: 'confluent_kafka',
    script: 'confluent.py',
    checks: ['idempotent', 'codecs', 'group', 'transactions', 'administration'],
  },
  { module: 'kafka', script: 'kafkaPython.py', checks: ['produce', 'group', 'administration'] },
];

function has(module: string): boolean {
  try {
    execFileSync(python, ['-c', `import ${module}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const present = clients.filter(({ module }) => has(module));
let cluster: LocalCluster | undefined;

beforeAll(async () => {
  if (present.length > 0) cluster = await startCluster({ brokers: 3 });
});
afterAll(async () => {
  await cluster?.stop();
});

for (const client of clients) {
  describe.skipIf(!present.includes(client))(`${client.module} (of Python)`, () => {
    test.concurrent.for(client.checks)('%s', { timeout: 90_000 }, async (check) => {
      const script = join(import.meta.dirname, 'support/python', client.script);
      const bootstrap = cluster?.bootstrap.join(',') ?? '';
      const { stdout } = await promisify(execFile)(python, [script, bootstrap, check], { timeout: 80_000 });
      expect(stdout).toBe('good\n');
    });
  });
}
