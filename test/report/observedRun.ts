import { faults } from '../../src/faults/registry.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import { runScenario } from '../../src/scenario/runner.ts';
import type { RunRecord } from '../../src/scenario/runRecord.ts';
import { stands } from '../../src/scenario/stands/registry.ts';

/** Weather for a short run: each line of the timeline as it stands in a scenario. */
export const weather = {
  calm: [],
  network: [
    '{ at: 1s, fault: network.loss, percent: 20, duration: 2s }',
    '{ at: 3s, fault: network.partition, groups: [[stemedb-1], [client-1]], duration: 1s }',
  ],
  process: [
    '{ at: 1s, fault: process.kill, restart: 300ms }',
    '{ at: 3s, fault: process.power-loss, restart: 200ms, mode: corrupt }',
    '{ at: 4s, operator: systemctl restart stemedb-api }',
  ],
} as const;

/** A short run of stemedb that was observed. */
export function observedRun(
  lines: readonly string[],
  options: { readonly mutants?: readonly string[]; readonly rules?: string } = {},
): Promise<RunRecord> {
  const text = `
title: A short run
engine: stemedb
seed: 21
duration: 6s
cluster:
  config:
    server: { request_timeout_ms: 1000 }
    wal: { segment_bytes: 1048576, max_record_bytes: 65536 }
    drain: { lame_duck_ms: 50 }
  devices: { wal: { bytes: 64MiB }, store: { bytes: 64MiB } }
load: { writers: 4, think: 60ms, batches: 20, batch: 4, readers: 2, clients: 1 }
timeline: [${lines.join(', ')}]`;
  const rules = options.rules ?? 'groups: []';
  return runScenario(loadScenario(text, { stands, faults, rules: () => rules }), {
    observe: true,
    ...(options.mutants === undefined ? {} : { mutants: options.mutants }),
  });
}
