import { expect, it } from 'vitest';
import { faults } from '../../../../src/faults/registry.ts';
import { loadScenario } from '../../../../src/scenario/load.ts';
import { runScenario } from '../../../../src/scenario/runner.ts';
import { stands } from '../../../../src/scenario/stands/registry.ts';

const vocabulary = { stands, faults, rules: () => 'groups: []' };

function play(timeline: string) {
  const text = `
title: A directory that cannot be synced
engine: stemedb
seed: 11
duration: 8s
cluster:
  config:
    server: { request_timeout_ms: 1000 }
    wal: { segment_bytes: 262144, max_record_bytes: 65536 }
    drain: { lame_duck_ms: 50 }
  devices: { wal: { bytes: 64MiB }, store: { bytes: 64MiB } }
load: { writers: 8, think: 10ms, text: 400, readers: 2, clients: 1 }
timeline: [${timeline}]`;
  return runScenario(loadScenario(text, vocabulary));
}

/** The directory of the log, and none of the files in it. */
const names = "disk.sync-error, with: { path: '/var/lib/stemedb/wa?', variant: keep }";
const restart = '{ at: 6s, operator: systemctl restart stemedb-api }';

it('should take a segment whose name cannot be made durable for a failed sync, and lose nothing over a restart', async () => {
  const record = await play(`{ id: sync, at: 1s, fault: ${names} }, ${restart}`);
  expect(record.reasons).toEqual([]);
  expect(record.operations.errors.WAL_FAILED).toBeGreaterThan(0);
  expect(record.coverage).toContain('disk.sync-error × failed');
  const failStop = record.expectations.find((result) => result.text === 'fail-stop');
  expect(failStop?.detail).toBe('1 failed writes or syncs of the log');
});

it('should let an operator delete a file whose directory cannot be synced', async () => {
  const witness = "{ directory: /var/lib/stemedb/db/witness, name: 'stemedb' }";
  const record = await play(
    `{ at: 1s, fault: disk.sync-error, with: { path: '/var/lib/stemedb/db/witnes?' } },
     { at: 2s, fault: operator.delete-file, with: ${witness} }`,
  );
  expect(record.violations).toEqual([]);
});
