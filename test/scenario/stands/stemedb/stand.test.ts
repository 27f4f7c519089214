import { expect, test } from 'vitest';
import { stemeChecks } from '../../../../src/checkers/stemedb/index.ts';
import { faults } from '../../../../src/faults/registry.ts';
import { loadScenario } from '../../../../src/scenario/load.ts';
import { runScenario } from '../../../../src/scenario/runner.ts';
import { stands } from '../../../../src/scenario/stands/registry.ts';

const vocabulary = { stands, faults, rules: () => 'groups: []' };

function scenario(more: string): string {
  return `
title: A test of the stand
engine: stemedb
seed: 11
duration: 6s
cluster:
  config:
    server: { request_timeout_ms: 1000 }
    wal: { segment_bytes: 1048576, max_record_bytes: 65536 }
    drain: { lame_duck_ms: 50 }
  devices: { wal: { bytes: 64MiB }, store: { bytes: 64MiB } }
load: { writers: 4, think: 60ms, batches: 20, batch: 4, readers: 2, clients: 1 }
${more}`;
}

function play(more: string, mutants: readonly string[] = []) {
  return runScenario(loadScenario(scenario(more), vocabulary), { mutants });
}

function detailOf(record: Awaited<ReturnType<typeof play>>, name: string): string {
  return record.expectations.find((result) => result.text === name)?.detail ?? 'no such check';
}

test('should hold every check in calm weather, each having looked at something', async () => {
  const record = await play('timeline: []');
  expect(record.reasons).toEqual([]);
  expect(record.verdict).toBe('held');
  expect(record.operations.ok).toBeGreaterThan(200);
  for (const { name } of stemeChecks) expect(detailOf(record, name)).not.toBe('no such check');
  expect(detailOf(record, 'ack-after-sync')).toMatch(/^[1-9]\d* acknowledgements against [1-9]\d* disk calls$/);
  expect(detailOf(record, 'index-is-fold')).toMatch(/^[1-9]\d* answers of the index$/);
  expect(detailOf(record, 'read-your-writes')).toMatch(/^[1-9]\d* queries, [1-9]\d* writes and reads/);
});

test('should hold every check over a power loss, a kill and a restart, and play the same twice', async () => {
  const timeline = `
timeline:
  - { at: 1s, fault: process.power-loss, restart: 200ms, mode: corrupt }
  - { at: 2s, fault: process.kill, restart: 200ms }
  - { at: 3s, operator: systemctl restart stemedb-api }`;
  const record = await play(timeline);
  expect(record.reasons).toEqual([]);
  expect(detailOf(record, 'acked-is-durable')).toMatch(/[1-9]\d* comparisons with recovered logs/);
  expect(detailOf(record, 'tail-verdict')).toMatch(/^4 starts/);
  expect((await play(timeline)).fingerprint).toBe(record.fingerprint);
});

test('should see an engine that acknowledges before the sync has ended', async () => {
  const record = await play('timeline: []', ['ack-before-sync']);
  expect(record.violations.map((violation) => violation.check)).toContain('C6 ack-after-sync');
});

test('should refuse a log whose disk is not mounted, and serve it again when it is', async () => {
  const record = await play(`
timeline:
  - { at: 1s, operator: [systemctl stop stemedb-api, umount /var/lib/stemedb/wal] }
  - { at: 2s, operator: systemctl start stemedb-api, answer: { fails: true, contains: exit code 65 } }
  - { at: 3s, operator: [mount /var/lib/stemedb/wal, systemctl start stemedb-api] }
expect:
  exits: [{ code: 65 }]`);
  expect(record.reasons).toEqual([]);
});

test('should fill the disk by dd until writes are refused, and write again when the file is gone', async () => {
  const record = await play(`
timeline:
  - { at: 1s, operator: dd if=/dev/zero of=/var/lib/stemedb/wal/test.dat bs=4k count=100000, answer: { fails: true, contains: No space left on device } }
  - { at: 4s, operator: rm /var/lib/stemedb/wal/test.dat }
expect:
  operations: { errors: [READ_ONLY], only errors: [READ_ONLY] }`);
  expect(record.reasons).toEqual([]);
});

test('should take edits of the configuration at a restart, and show them', async () => {
  const record = await play(`
timeline:
  - { at: 1s, operator: sed -i wal.group_commit_max_wait_ms=3 /etc/stemedb/api.toml }
  - { at: 2s, operator: cat /etc/stemedb/api.toml, answer: { contains: '"group_commit_max_wait_ms": 3' } }
  - { at: 2500ms, operator: sed -i wal.nothing=1 /etc/stemedb/api.toml }
  - { at: 3s, operator: systemctl restart stemedb-api, answer: { fails: true, contains: exit code 78 } }
  - { at: 4s, operator: sed -i group_commit=1 /etc/stemedb/api.toml, answer: { fails: true } }
expect:
  exits: [{ code: 78 }]
finally: leave`);
  expect(record.reasons).toEqual([]);
});

test('should let an ordered volume replace a throttle, and end a competitor with its unit', async () => {
  const record = await runScenario(
    loadScenario(
      scenario(`
timeline:
  - { at: 1s, fault: disk.throttle, with: { device: sdb, iops: 50 } }
  - { at: 2s, operator: aws ec2 modify-volume --volume-id vol-1 --iops 3000 --volume-type gp3, answer: { contains: modifying } }
  - { at: 40s, operator: aws ec2 describe-volumes-modifications, answer: { contains: optimizing } }
  - { at: 170s, operator: aws ec2 describe-volumes-modifications, answer: { contains: completed } }
  - { at: 171s, fault: disk.compete, with: { device: sdb, share: 50 } }
  - { at: 173s, operator: systemctl stop backup.service }
  - { at: 174s, operator: systemctl stop nonsense.service, answer: { fails: true, contains: not found } }
expect:
  metrics:
    - 'rate(node_disk_io_time_weighted_seconds_total{device="sdb"}[1m]) > 1 at 100s'
    - 'rate(node_disk_io_time_weighted_seconds_total{device="sdb"}[20s]) < 0.2 at 199s'
    - 'node_disk_io_now{device="sdb"} < 5 at end'`)
        .replace('duration: 6s', 'duration: 200s')
        .replace('think: 60ms', 'think: 120ms'),
      vocabulary,
    ),
  );
  expect(record.reasons).toEqual([]);
});

test('should queue what other processes read when the disk cannot keep up, and forget it with the power', async () => {
  const record = await runScenario(
    loadScenario(
      scenario(`
timeline:
  - { id: throttle, at: 16s, fault: disk.throttle, with: { device: sdb, iops: 50 } }
  - { at: 50s, heal: throttle }
  - { at: 70s, fault: disk.throttle, with: { device: sdb, iops: 50 }, duration: 7s }
  - { at: 76s, fault: process.power-loss, restart: 200ms }
expect:
  metrics:
    - 'node_disk_io_now{device="sdb"} < 5 at 15s'
    - 'node_disk_io_now{device="sdb"} >= 64 at 46s'
    - 'node_disk_reads_completed_total{device="sdb"} > 1000 at 15s'
    - 'node_disk_io_now{device="sdb"} < 5 at 62s'
    - 'rate(node_disk_reads_completed_total{device="sdb"}[31s]) > 60 at 109s'
    - 'node_disk_io_now{device="sdb"} < 5 at end'`)
        .replace('duration: 6s', 'duration: 110s')
        .replace('think: 60ms', 'think: 500ms')
        .replace('wal: { bytes: 64MiB }', 'wal: { bytes: 64MiB, other reads: 75 }'),
      vocabulary,
    ),
  );
  expect(record.reasons).toEqual([]);
});
