import { Command } from 'commander';
import { dumpLines, dumpSegment } from '../../engines/streambus/log/dump.ts';
import { createRealHost } from '../../real/host.ts';
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
      for await (const item of dumpSegment(host.disk, path, { records: flags.records === true })) {
        if (item.kind === 'broken' || !item.crcHolds) isSound = false;
        for (const line of dumpLines(item)) await printSlowly(`${line}\n`);
      }
      process.exitCode = isSound ? 0 : 1;
    });
}
