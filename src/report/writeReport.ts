import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunRecord } from '../scenario/runRecord.ts';
import { htmlPage } from './htmlPage.ts';
import { junitXml } from './junit.ts';
import { postmortemMarkdown } from './postmortem.ts';
import { timelineMarkdown } from './timelineMarkdown.ts';

/**
 * Writes `report.json`, `timeline.md`, `postmortem.md`, `junit.xml` and `index.html` of a run into a directory, which is made if it
 * is not there. Gives the paths of the files, in that order. Throws what the file system throws.
 */
export async function writeReport(record: RunRecord, directory: string): Promise<string[]> {
  await mkdir(directory, { recursive: true });
  const files = [
    ['report.json', `${JSON.stringify(record)}\n`],
    ['timeline.md', timelineMarkdown(record)],
    ['postmortem.md', postmortemMarkdown(record)],
    ['junit.xml', junitXml(record)],
    ['index.html', htmlPage(record)],
  ] as const;
  return Promise.all(
    files.map(async ([name, text]) => {
      const path = join(directory, name);
      await writeFile(path, text);
      return path;
    }),
  );
}
