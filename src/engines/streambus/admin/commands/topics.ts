import { ask, CommandUsage, Exit, numberOption, pairsOption, table } from './command.ts';
import { withJson } from './json.ts';

interface TopicRow {
  readonly name: string;
  readonly id: string;
  readonly partitions: number;
  readonly replication: number;
  readonly configs: Readonly<Record<string, string>>;
}

interface TopicDetail extends TopicRow {
  readonly created: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly partition_list: readonly {
    readonly partition: number;
    readonly group: number;
    readonly leader: number | null;
    readonly replicas: readonly number[];
  }[];
}

export const topics = withJson({
  name: 'topics',
  summary: 'list, describe, create, alter and delete topics',
  words: '[list|describe|create|alter|delete] [name]',
  options: [
    { name: 'partitions', value: '<n>', help: 'how many, at create; how many in all, at alter' },
    { name: 'replication', value: '<n>', help: 'replicas of each partition, at create' },
    { name: 'config', value: '<key=value,…>', help: 'settings; an empty value means the default' },
  ],
  async run(client, console, input) {
    const [action = 'list', name, extra] = input.words;
    if (extra !== undefined) {
      const hint = extra.includes('=') ? `; settings are given with --config ${extra}` : '';
      throw new CommandUsage(`topics ${action}: expected one name at most, got ${extra} after it${hint}`);
    }
    const path = () => {
      if (name === undefined) throw new CommandUsage(`topics ${action}: expected the name of a topic`);
      return `/admin/topics/${encodeURIComponent(name)}`;
    };
    const partitions = numberOption(input, 'partitions');
    const replication = numberOption(input, 'replication');
    const configs = pairsOption(input, 'config');
    switch (action) {
      case 'list': {
        const { topics: rows } = await ask<{ readonly topics: readonly TopicRow[] }>(client, 'GET', '/admin/topics');
        const cells = rows.map((row) => [row.name, row.partitions, row.replication, row.id]);
        console.data({ topics: rows });
        for (const line of table(['TOPIC', 'PARTITIONS', 'REPLICATION', 'ID'], cells)) console.line(line);
        return Exit.good;
      }
      case 'describe': {
        const topic = await ask<TopicDetail>(client, 'GET', path());
        console.data(topic);
        console.line(`${topic.name}  id ${topic.id}  created ${topic.created}`);
        for (const [setting, value] of Object.entries(topic.settings)) {
          console.line(`  ${setting} = ${value}${Object.hasOwn(topic.configs, setting) ? '' : ' (default)'}`);
        }
        const rows = topic.partition_list.map((row) => [row.partition, row.leader, row.replicas.join(','), row.group]);
        for (const line of table(['PARTITION', 'LEADER', 'REPLICAS', 'GROUP'], rows)) console.line(line);
        return Exit.good;
      }
      case 'create': {
        path();
        const body = {
          name,
          configs,
          ...(partitions === undefined ? {} : { partitions }),
          ...(replication === undefined ? {} : { replication }),
        };
        const made = await ask<TopicRow>(client, 'POST', '/admin/topics', { body });
        console.data(made);
        console.line(`✓ ${made.name}: ${made.partitions} partitions, replication ${made.replication}`);
        return Exit.good;
      }
      case 'alter': {
        const settings = Object.fromEntries(
          Object.entries(configs).map(([key, value]) => [key, value === '' ? null : value]),
        );
        if (name !== undefined && partitions === undefined && Object.keys(settings).length === 0) {
          throw new CommandUsage(
            `topics alter ${name}: expected what to change, --partitions or --config key=value, got neither`,
          );
        }
        const body = { configs: settings, ...(partitions === undefined ? {} : { partitions }) };
        const changed = await ask<TopicRow>(client, 'POST', path(), { body });
        console.data(changed);
        console.line(`✓ ${changed.name}: ${changed.partitions} partitions, ${JSON.stringify(changed.configs)}`);
        return Exit.good;
      }
      case 'delete': {
        const target = path();
        if (!(await console.confirm(`Delete topic ${name} with everything in it?`))) return Exit.bad;
        await ask(client, 'DELETE', target);
        console.data({ deleted: name });
        console.line(`✓ ${name}: deleted`);
        return Exit.good;
      }
      default:
        throw new CommandUsage(`topics: expected list, describe, create, alter or delete, got ${action}`);
    }
  },
});
