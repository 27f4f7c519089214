import { watched, watchOptions } from './clusterHealthCheck.ts';
import { type AdminClient, ask, Exit, NoAnswer, Refused } from './command.ts';
import { errorData, type ReportConsole, withJson } from './json.ts';
import type { Quorum } from './shapes.ts';

async function runOnce(client: AdminClient, console: ReportConsole): Promise<number> {
  let quorum: Quorum;
  try {
    quorum = await ask<Quorum>(client, 'GET', '/admin/raft/quorum');
  } catch (error) {
    if (!(error instanceof NoAnswer) && !(error instanceof Refused)) throw error;
    console.line(`✗ ${error.message}`);
    console.data({ quorum: false, groups: [], error: errorData(error) });
    return Exit.bad;
  }
  for (const { group, voters, reachable, leader, term } of quorum.groups) {
    const heard = `${reachable.length}/${voters.length} voters reachable`;
    const missing = voters.filter((broker) => !reachable.includes(broker)).map((broker) => `broker-${broker}`);
    const without = missing.length === 0 ? '' : ` (not ${missing.join(', ')})`;
    if (leader === null) console.line(`✗ ${group}: ${heard}${without}, no leader`);
    else console.line(`✓ ${group}: ${heard}${without}, leader broker-${leader}, term ${term}`);
  }
  // There is always one of the metadata: a broker that names none knows nothing.
  const isLed = quorum.groups.length > 0 && quorum.groups.every(({ leader }) => leader !== null);
  console.data({ quorum: isLed, groups: quorum.groups });
  return isLed ? Exit.good : Exit.bad;
}

export const checkQuorum = withJson({
  name: 'check-quorum',
  summary: 'voters, leader and term of every Raft group; 0 if each has one leader',
  words: '',
  options: watchOptions,
  run: (client, console, input) => watched(console, input, () => runOnce(client, console)),
});
