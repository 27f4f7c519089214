import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createAlertEvaluator } from '../../../src/scenario/alerts/alertEvaluator.ts';
import { formatDuration } from '../../../src/scenario/promql/duration.ts';

const FILE = 'alerts/streambus.yaml';
const { rules } = createAlertEvaluator(readFileSync(FILE, 'utf8'), { file: FILE });
const data = { value: 0, labels: {} };

/** Response times and who is called, by the runbook's matrices. */
const response: Readonly<Record<string, readonly [within: string, escalation: string]>> = {
  sev1: ['immediately', 'L3'],
  sev2: ['15m', 'L2'],
  sev3: ['1h', 'L1'],
};

describe('the alert rules of streambus', () => {
  it('should have the names, durations and severities of the runbook and the contract', () => {
    const shown = rules.map(
      ({ name, forMs, labels }) => `${name} ${formatDuration(forMs)} ${labels.severity?.expand(data)}`,
    );
    expect(shown).toEqual([
      'BrokerDown 1m sev1',
      'NoQuorum 1m sev1',
      'ReplicationBehind 5m sev1',
      'LeaderFlapping 0s sev2',
      'OfflinePartitions 30s sev1',
      'UnderReplicated 5m sev2',
      'ReplicaLagging 5m sev2',
      'DataCorruption 0s sev1',
      'TransactionStuck 1m sev2',
      'HighLatency 5m sev2',
      'HighErrorRate 5m sev2',
      'MemoryHigh 10m sev3',
      'InsecureListener 1m sev3',
      'DiskSpaceLow 5m sev2',
      'DiskSpaceCritical 1m sev1',
      'ReadOnly 1m sev2',
      'JournalSyncSlow 10m sev2',
    ]);
  });

  it.each(rules.map((rule) => [rule.name, rule] as const))(
    'should tell how soon, who is called and where to read: %s',
    (_, rule) => {
      const severity = rule.labels.severity?.expand(data) ?? '';
      expect([rule.labels.respond_within?.expand(data), rule.labels.escalation?.expand(data)]).toEqual(
        response[severity],
      );
      expect(rule.annotations.summary?.source).not.toBe('');
      expect(rule.annotations.description?.source).toMatch(/\{\{ \$(labels\.instance|value) \}\}/);
      const [page = '', anchor] = (rule.annotations.runbook_url?.source ?? '').split('#');
      expect(existsSync(page), page).toBe(true);
      const headings = readFileSync(page, 'utf8').match(/^## .*$/gm) ?? [];
      expect(headings).toContain(`## ${rule.name}`);
      expect(anchor).toBe(rule.name.toLowerCase());
    },
  );

  it('should see that nobody leads, though then there is no series of a leader', () => {
    const noQuorum = rules.find((rule) => rule.name === 'NoQuorum');
    expect(readFileSync(FILE, 'utf8')).toContain('(sum(raft_state{state="leader"}) or vector(0)) != 1');
    expect(noQuorum?.forMs).toBe(60_000);
  });
});
