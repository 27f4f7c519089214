import { hostname } from 'node:os';
import { Command } from 'commander';
import { loadConfig } from '../../daemon/config/load.ts';
import { formatDirectory } from '../../engines/streambus/broker/format.ts';
import { streambus } from '../../engines/streambus/engine.ts';
import { lockDataDirectory } from '../../engines/streambus/identity.ts';
import { createRealHost } from '../../real/host.ts';

interface FormatFlags {
  readonly config?: string;
  readonly clusterId?: string;
  readonly name?: string;
}

/** `hotfire streambus format`. */
export function formatCommand(): Command {
  return new Command('format')
    .summary('make a data directory the beginning of a cluster, by hand')
    .description(
      'Makes the data directory of this broker the beginning of a cluster. Run it on every broker of cluster.peers, with the same\npeers, shards and cluster id, before any of them starts. Not needed where cluster.auto_format is on.',
    )
    .option('--config <file>', "the broker's configuration")
    .option(
      '--cluster-id <id>',
      'name of the cluster, needed with peers; default cluster.id of the configuration, and drawn for a broker without peers',
    )
    .option('--name <name>', "identity of this machine (default: the machine's host name)")
    .action(async (flags: FormatFlags) => {
      const { config } = loadConfig(streambus, {
        ...(flags.config === undefined ? {} : { file: flags.config }),
        environment: process.env,
        overrides: flags.clusterId === undefined ? {} : { cluster: { id: flags.clusterId } },
      });
      const host = createRealHost({ name: flags.name ?? hostname() });
      const lock = await lockDataDirectory(host, config.storage.data_dir);
      try {
        const identity = await formatDirectory(host, config);
        process.stdout.write(
          `${config.storage.data_dir}: broker ${identity.broker} of cluster ${identity.clusterId}, storage ${identity.storage}\n`,
        );
      } finally {
        await lock.close();
      }
    });
}
