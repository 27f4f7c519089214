import { type AdminCommand, ask, Exit, numberOption, Refused } from './command.ts';

interface GroupStatus {
  readonly group: string;
  readonly term: number;
  readonly state: string;
  readonly leader: number | null;
}

const patienceMs = 15_000;
const lookEveryMs = 500;

export const forceElection: AdminCommand = {
  name: 'force-election',
  summary: 'have a broker call an election: the harmless form of deleting raft-state',
  words: '',
  options: [
    { name: 'broker', value: '<n>', help: 'which calls it; default the one that answers' },
    { name: 'group', value: '<name>', help: 'metadata (default), a number, or topic/partition' },
  ],
  async run(client, console, input) {
    const broker = numberOption(input, 'broker');
    const { group } = input.options;
    const body = typeof group === 'string' ? { group } : {};
    const query = typeof group === 'string' ? { group } : {};
    const to = broker === undefined ? {} : { to: broker };
    const before = await ask<GroupStatus>(client, 'GET', '/admin/raft/status', { ...to, query });
    try {
      const begun = await ask<GroupStatus>(client, 'POST', '/admin/raft/campaign', { ...to, body });
      console.line(`election of ${begun.group} called in term ${begun.term}`);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      console.line(`✗ ${error.code}: ${error.message}`);
      return Exit.bad;
    }
    const until = console.now() + patienceMs;
    while (console.now() < until) {
      await console.sleep(lookEveryMs);
      const status = await ask<GroupStatus>(client, 'GET', '/admin/raft/status', { ...to, query });
      if (status.leader === null) continue;
      // Voters that hear a leader keep it: an election that nobody needs does not disturb.
      const kept = status.term === before.term && before.leader !== null ? ', as before: a healthy leader is kept' : '';
      console.line(`✓ ${status.group}: broker-${status.leader} leads in term ${status.term}${kept}`);
      return Exit.good;
    }
    console.line('✗ nobody was elected: no majority of the voters is reachable; see check-quorum');
    return Exit.bad;
  },
};
