import { resolve } from 'node:path';
import { Command } from 'commander';
import { dumpLines, dumpSegment } from '../../engines/streambus/log/dump.ts';
import { DiskError } from '../../host/disk.ts';
import { createRealHost } from '../../real/host.ts';
import { UsageError } from '../exit.ts';
import { printSlowly } from '../output.ts';

interface DumpFlags {
  readonly records?: boolean;
}

/** `hotfire streambus dump-segment`: the batches of a segment file; exit code 1 when one is not sound, or the file ends within one. */
export function dumpSegmentCommand(): Command {
  return new Command('dump-segment')
    .summary('print the batches of a segment file, and whether they are sound')
    .description('Prints the batches of a segment file. Reads only, and may be run beside a broker.')
    .argument('<file>', 'data/<topic>/partition-<n>/<base>.seg')
    .option('--records', 'also the records of batches that are not compressed')
    .action(async (path: string, flags: DumpFlags) => {
      const host = createRealHost({ name: 'dump-segment' });
      let isSound = true;
      try {
        for await (const item of dumpSegment(host.disk, resolve(path), { records: flags.records === true })) {
          if (item.kind === 'broken' || !item.crcHolds) isSound = false;
          for (const line of dumpLines(item)) await printSlowly(`${line}\n`);
        }
      } catch (error) {
        if (!(error instanceof DiskError) || !isMisnamed(error)) throw error;
        throw new UsageError(`${path}: expected a segment file that this user may read, got ${error.code}`);
      }
      process.exitCode = isSound ? 0 : 1;
    });
}

/** It is the name that is wrong, not the disk. */
function isMisnamed({ code }: DiskError): boolean {
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR' || code === 'EACCES';
}
