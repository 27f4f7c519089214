import { Command } from 'commander';
import { benchFsyncCommand } from './benchFsync.ts';
import { sizeCommand } from './size.ts';
import { walCommand } from './wal.ts';

/** `hotfire stemedb`: the engine's tools. */
export function stemedbCommand(): Command {
  return new Command('stemedb')
    .summary('tools of the stemedb engine: its log, its disk, its size')
    .description('Tools of the stemedb engine.')
    .addCommand(walCommand())
    .addCommand(benchFsyncCommand())
    .addCommand(sizeCommand())
    .addHelpText(
      'after',
      `
Examples:
  $ hotfire stemedb wal verify /var/lib/stemedb/wal
  $ hotfire stemedb bench-fsync --dir /var/lib/stemedb
  $ hotfire stemedb size --writes-per-sec 1000`,
    );
}
