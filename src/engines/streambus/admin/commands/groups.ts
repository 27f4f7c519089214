import { type AdminClient, ask, CommandUsage, Exit, Refused, table } from './command.ts';
import { withJson } from './json.ts';

interface GroupRow {
  readonly group: string;
  readonly state: string;
  readonly protocol: string;
  readonly generation: number;
  readonly coordinator: number;
  readonly members: readonly { readonly member: string; readonly client_id: string; readonly host: string }[];
  /** Where one group was asked for; null: not known now. */
  readonly partitions?: readonly CommittedRow[] | null;
}

interface CommittedRow {
  readonly topic: string;
  readonly partition: number;
  readonly committed: number | null;
  readonly member: string | null;
}

/** With the end that consumers see; null: nobody knows it now. */
interface ProgressRow extends CommittedRow {
  readonly end: number | null;
  readonly lag: number | null;
}

export const groups = withJson({
  name: 'groups',
  summary: 'list and describe consumer groups',
  words: '[list|describe] [name]',
  options: [],
  async run(client, console, input) {
    const [action = 'list', name] = input.words;
    if (action !== 'list' && action !== 'describe') {
      throw new CommandUsage(`groups: expected list or describe, got ${action}`);
    }
    if (action === 'describe' && name === undefined) {
      throw new CommandUsage('groups describe: expected the name of a group');
    }
    const extra = input.words[action === 'list' ? 1 : 2];
    if (extra !== undefined) throw new CommandUsage(`groups ${action}: expected no more words, got ${extra}`);
    const answer = await listed(client, name);
    for (const shard of answer.unavailable) console.line(`! ${shard} has no leader: its groups are not shown`);
    const partial = answer.unavailable.length > 0 ? Exit.undecided : Exit.good;
    if (action === 'list') {
      console.data(answer);
      const rows = answer.groups.map((row) => [
        row.group,
        row.state,
        row.members.length,
        row.generation,
        row.coordinator,
      ]);
      for (const line of table(['GROUP', 'STATE', 'MEMBERS', 'GENERATION', 'COORDINATOR'], rows)) console.line(line);
      return partial;
    }
    const found = answer.groups.find(({ group }) => group === name);
    if (found === undefined) {
      console.data({ error: { code: 'UNKNOWN_GROUP', message: `${name}: there is no such group` } });
      console.line(`✗ ${name}: there is no such group`);
      return partial === Exit.good ? Exit.bad : partial;
    }
    const rows = await progress(client, found);
    console.data({
      ...found,
      ...(found.partitions === null ? {} : { partitions: rows }),
      unavailable: answer.unavailable,
    });
    console.line(
      `${found.group}  ${found.state}  generation ${found.generation}  ${found.protocol}  at broker-${found.coordinator}`,
    );
    const members = found.members.map((member) => [member.member, member.client_id, member.host]);
    for (const line of table(['MEMBER', 'CLIENT', 'HOST'], members)) console.line(line);
    if (found.partitions === null) console.line('! what it has committed is not known now');
    if (rows.length > 0) {
      const cells = rows.map((row) => [row.topic, row.partition, row.committed, row.end, row.lag, row.member]);
      for (const line of table(['TOPIC', 'PARTITION', 'COMMITTED', 'END', 'LAG', 'MEMBER'], cells)) console.line(line);
    }
    return partial;
  },
});

interface Listed {
  readonly groups: readonly GroupRow[];
  readonly unavailable: readonly string[];
}

/** Every group, or the one of this name: none where there is none. @throws Refused, NoAnswer */
async function listed(client: AdminClient, name: string | undefined): Promise<Listed> {
  if (name === undefined) return ask<Listed>(client, 'GET', '/admin/groups');
  try {
    return await ask<Listed>(client, 'GET', '/admin/groups', { query: { group: name } });
  } catch (error) {
    if (error instanceof Refused && error.code === 'UNKNOWN_GROUP') return { groups: [], unavailable: [] };
    throw error;
  }
}

/** How far the group is behind the end that consumers see. */
async function progress(client: AdminClient, { partitions }: GroupRow): Promise<readonly ProgressRow[]> {
  if (partitions === undefined || partitions === null || partitions.length === 0) return [];
  const { partitions: all } = await ask<{
    readonly partitions: readonly {
      readonly topic: string;
      readonly partition: number;
      readonly high_watermark: number | null;
    }[];
  }>(client, 'GET', '/admin/partitions');
  const ends = new Map(all.map(({ topic, partition, high_watermark }) => [`${topic}/${partition}`, high_watermark]));
  return partitions.map(({ topic, partition, committed, member }) => {
    const end = ends.get(`${topic}/${partition}`) ?? null;
    const lag = end === null || committed === null ? null : Math.max(0, end - committed);
    return { topic, partition, committed, end, lag, member };
  });
}
