import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Violation } from '../checkers/history.ts';
import type { MetricRecord, RunRecord } from '../scenario/runRecord.ts';
import { guiltOf } from './guilt.ts';
import { writeHistory } from './historyFile.ts';
import { htmlPage } from './htmlPage.ts';
import { junitXml } from './junit.ts';
import { perfettoFileName, perfettoTrace } from './perfetto.ts';
import { postmortemMarkdown } from './postmortem.ts';
import type { Report } from './reportSchema.ts';
import { timelineMarkdown } from './timelineMarkdown.ts';

/**
 * Writes `report.json`, `timeline.md`, `postmortem.md`, `junit.xml`, `index.html` and `trace.perfetto.json` of a run into a
 * directory, which is made if it is not there, and of a run that was observed `history.ndjson.gz`. Gives the paths of the files,
 * in that order. Throws what the file system throws.
 */
export async function writeReport(record: RunRecord, directory: string): Promise<string[]> {
  await mkdir(directory, { recursive: true });
  const files = [
    ['report.json', `${JSON.stringify(reportOf(record))}\n`],
    ['timeline.md', timelineMarkdown(record)],
    ['postmortem.md', postmortemMarkdown(record)],
    ['junit.xml', junitXml(record)],
    ['index.html', htmlPage(record)],
    [perfettoFileName, perfettoTrace(record)],
  ] as const;
  const paths = await Promise.all(
    files.map(async ([name, text]) => {
      const path = join(directory, name);
      await writeFile(path, text);
      return path;
    }),
  );
  return record.history === undefined ? paths : [...paths, await writeHistory(record.history, directory)];
}

/** What `report.json` holds of a run. */
export function reportOf(record: RunRecord): Report {
  const { history: _, observations, ...rest } = record;
  const guilt = guiltOf(record);
  return {
    ...rest,
    metrics: rest.metrics.map(onlyNumbers),
    violations: rest.violations.map(onlyMoments),
    ...(guilt.length === 0 ? {} : { guilt }),
    ...(observations === undefined
      ? {}
      : { observations: { logs: observations.logs, states: observations.states, dropped: observations.dropped } }),
  };
}

/** JSON has no NaN and no infinity: such points are left out. */
function onlyNumbers(metric: MetricRecord): MetricRecord {
  return {
    ...metric,
    series: metric.series.map(({ labels, points }) => ({
      labels,
      points: points.filter(([, value]) => Number.isFinite(value)),
    })),
  };
}

/** A moment that never came, as that of an answer, is none. */
function onlyMoments({ atMs, fromMs, ...violation }: Violation): Violation {
  return {
    ...violation,
    ...(atMs !== undefined && Number.isFinite(atMs) ? { atMs } : {}),
    ...(fromMs !== undefined && Number.isFinite(fromMs) ? { fromMs } : {}),
  };
}
