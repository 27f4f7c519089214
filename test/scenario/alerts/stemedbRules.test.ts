import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createAlertEvaluator } from '../../../src/scenario/alerts/alertEvaluator.ts';
import { formatDuration } from '../../../src/scenario/promql/duration.ts';

const FILE = 'alerts/stemedb.yaml';
const { rules } = createAlertEvaluator(readFileSync(FILE, 'utf8'), { file: FILE });
const data = { value: 0, labels: {} };

describe('the alert rules of stemedb', () => {
  it('should have the names, durations and severities of the runbook', () => {
    const shown = rules.map(
      ({ name, forMs, labels }) => `${name} ${formatDuration(forMs)} ${labels.severity?.expand(data)}`,
    );
    expect(shown).toEqual([
      'WALFsyncSlow 10m warning',
      'WALFsyncDegrading 15m warning',
      'WALFsyncEscalate 30m critical',
      'WALFsyncStuck 1m critical',
      'WALFsyncFailure 1m critical',
      'WALReadOnly 1m critical',
      'WALRotationSlow 10m warning',
      'HighStorageErrorRate 5m critical',
      'DiskErrors 0s critical',
      'Corruption 0s critical',
      'DiskQueueDepthHigh 10m warning',
      'DiskUtilizationHigh 10m warning',
      'DiskSpaceLow 1m critical',
      'DiskInodesLow 1m critical',
      'WriteLatencyHigh 10m warning',
      'IngestDegraded 10m info',
      'RateLimitForgotten 1d info',
    ]);
  });

  it.each(rules.map((rule) => [rule.name, rule] as const))(
    'should tell who is called and where to read: %s',
    (_, rule) => {
      expect(['storage-sre', 'infrastructure-engineer', 'cloud-vendor-tam']).toContain(
        rule.labels.escalation?.expand(data),
      );
      expect(rule.annotations.summary?.source).not.toBe('');
      expect(rule.annotations.description?.source).toContain('{{ $labels.instance }}');
      const [page = '', anchor] = (rule.annotations.runbook_url?.source ?? '').split('#');
      expect(existsSync(page), page).toBe(true);
      // A page that does not speak of its alert is the wrong one.
      expect(readFileSync(page, 'utf8'), page).toContain(rule.name);
      const headings = readFileSync(page, 'utf8').match(/^#+ .*$/gm) ?? [];
      const anchors = headings.map((heading) => heading.replace(/^#+ /, '').toLowerCase().replaceAll(' ', '-'));
      if (anchor !== undefined) expect(anchors).toContain(anchor);
    },
  );
});
