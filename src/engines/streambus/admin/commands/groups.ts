import { type AdminCommand, ask, CommandUsage, Exit, table } from './command.ts';

interface GroupRow {
  readonly group: string;
  readonly state: string;
  readonly protocol: string;
  readonly generation: number;
  readonly coordinator: number;
  readonly members: readonly { readonly member: string; readonly client_id: string; readonly host: string }[];
}

export const groups: AdminCommand = {
  name: 'groups',
  summary: 'list and describe consumer groups',
  words: '[list|describe] [name]',
  options: [],
  async run(client, console, input) {
    const [action = 'list', name] = input.words;
    if (action !== 'list' && action !== 'describe') {
      throw new CommandUsage(`groups: expected list or describe, got ${action}`);
    }
    const answer = await ask<{ readonly groups: readonly GroupRow[]; readonly unavailable: readonly string[] }>(
      client,
      'GET',
      '/admin/groups',
    );
    for (const shard of answer.unavailable) console.line(`! ${shard} has no leader: its groups are not shown`);
    const partial = answer.unavailable.length > 0 ? Exit.undecided : Exit.good;
    if (action === 'list') {
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
    if (name === undefined) throw new CommandUsage('groups describe: expected the name of a group');
    const found = answer.groups.find(({ group }) => group === name);
    if (found === undefined) {
      console.line(`✗ ${name}: there is no such group`);
      return partial === Exit.good ? Exit.bad : partial;
    }
    console.line(
      `${found.group}  ${found.state}  generation ${found.generation}  ${found.protocol}  at broker-${found.coordinator}`,
    );
    const rows = found.members.map((member) => [member.member, member.client_id, member.host]);
    for (const line of table(['MEMBER', 'CLIENT', 'HOST'], rows)) console.line(line);
    return partial;
  },
};
