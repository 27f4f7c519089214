import { millisOf } from '../../quantities.ts';
import {
  type AdminClient,
  ask,
  type CommandInput,
  CommandUsage,
  type Console,
  Exit,
  NoAnswer,
  Refused,
} from './command.ts';
import { errorData, type ReportConsole, withJson } from './json.ts';
import type { Health, Members, PartitionsHealth, Quorum } from './shapes.ts';

type Mark = '✓' | '!' | '✗';

/** Share of a disk in use from which it is worth a word, and from which it is bad. */
const disk = { warn: 80, bad: 90 };

interface Finding {
  readonly mark: Mark;
  readonly text: string;
}

/** The cluster in one line a broker and one a concern, as the runbook's script prints it. */
export async function inspectCluster(client: AdminClient): Promise<readonly Finding[]> {
  const { members } = await ask<Members>(client, 'GET', '/admin/cluster/members');
  const brokers = await Promise.all(
    members.filter(({ state }) => state !== 'left').map((member) => inspectBroker(client, member)),
  );
  const quorum = await ask<Quorum>(client, 'GET', '/admin/raft/quorum');
  return [...brokers, inspectQuorum(quorum), await inspectHealth(client, members), inspectDisks(members)];
}

async function inspectBroker(client: AdminClient, member: Members['members'][number]): Promise<Finding> {
  const name = `broker-${member.broker_id}`;
  if (member.state === 'down') return { mark: '✗', text: `${name}: does not answer at ${member.address}` };
  const { body, status } = await client.request('GET', '/health', { to: member.broker_id });
  if (status !== 200 && status !== 503) return { mark: '✗', text: `${name}: does not answer at ${member.address}` };
  const health = body as Partial<Health>; // the route's own shape, or the refusal of the broker that forwarded
  if (health.checks === undefined) return { mark: '✗', text: `${name}: does not answer at ${member.address}` };
  const role = member.raft_state === 'leader' ? ' (leader)' : '';
  if (health.status === 'healthy') return { mark: '✓', text: `${name}: healthy${role}` };
  const why = Object.entries(health.checks)
    .filter(([, check]) => check.status !== 'healthy')
    .map(([check, { message }]) => `${check}: ${message}`)
    .join('; ');
  return { mark: health.status === 'unhealthy' ? '✗' : '!', text: `${name}: ${health.status}${role}: ${why}` };
}

function inspectQuorum({ groups }: Quorum): Finding {
  const meta = groups.find(({ group }) => group === 'metadata');
  if (meta === undefined) return { mark: '✗', text: 'Raft: the metadata is not known' };
  const count = `${meta.reachable.length}/${meta.voters.length}`;
  if (meta.leader === null) return { mark: '✗', text: `Raft: no quorum (${count}): nobody leads the metadata` };
  const leaderless = groups.filter(({ leader }) => leader === null).map(({ group }) => group);
  if (leaderless.length > 0) {
    return { mark: '✗', text: `Raft: quorum OK (${count}), without a leader: ${some(leaderless)}` };
  }
  return { mark: meta.reachable.length === meta.voters.length ? '✓' : '!', text: `Raft: quorum OK (${count})` };
}

/** Without a majority nobody knows how the partitions are; the rest is told all the same. */
async function inspectHealth(client: AdminClient, members: Members['members']): Promise<Finding> {
  try {
    return inspectPartitions(members, await ask<PartitionsHealth>(client, 'GET', '/admin/partitions/health'));
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== 503) throw error;
    return { mark: '✗', text: `Partitions: ${error.message}` };
  }
}

function inspectPartitions(members: Members['members'], { unhealthy }: PartitionsHealth): Finding {
  if (unhealthy.length > 0) {
    const texts = unhealthy.map(
      ({ topic, partition, broker, reason }) =>
        `${topic}/${partition}${broker === null ? '' : ` on broker-${broker}`}: ${reason}`,
    );
    return { mark: '✗', text: `Partitions: ${unhealthy.length} findings: ${some(texts)}` };
  }
  const leaders = members.filter(({ state }) => state === 'active').map((member) => member.leaders);
  if (leaders.length === 0) return { mark: '✗', text: 'Partitions: no broker is active, so nobody leads any' };
  const spread = Math.max(...leaders) - Math.min(...leaders);
  const total = leaders.reduce((sum, count) => sum + count, 0);
  // A broker more or less is what counts that do not divide leave; a tenth is not worth moving for.
  const isBalanced = spread <= Math.max(1, Math.ceil(total / leaders.length / 10));
  if (isBalanced) return { mark: '✓', text: 'Partitions: balanced' };
  return { mark: '!', text: `Partitions: not balanced, leaders a broker: ${leaders.join(', ')}` };
}

function inspectDisks(members: Members['members']): Finding {
  const used = members.flatMap(({ broker_id: broker, disk: space }) =>
    space === null || space.total === 0 ? [] : [{ broker, percent: Math.round((1 - space.free / space.total) * 100) }],
  );
  const fullest = used.reduce<(typeof used)[number] | undefined>(
    (most, one) => (most === undefined || one.percent > most.percent ? one : most),
    undefined,
  );
  if (fullest === undefined) return { mark: '!', text: 'Disk: no broker has said' };
  const { percent, broker } = fullest;
  if (percent < disk.warn) return { mark: '✓', text: `Disk: ${percent}% used` };
  return { mark: percent < disk.bad ? '!' : '✗', text: `Disk: ${percent}% used on broker-${broker}` };
}

/** The first few, and how many there are more. */
function some(texts: readonly string[]): string {
  const shown = 3;
  const more = texts.length - shown;
  return `${texts.slice(0, shown).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** Marks as scripts read them. */
const levels: Readonly<Record<Mark, string>> = { '✓': 'good', '!': 'warning', '✗': 'bad' };

async function runOnce(client: AdminClient, console: ReportConsole): Promise<number> {
  try {
    const findings = await inspectCluster(client);
    for (const { mark, text } of findings) console.line(`${mark} ${text}`);
    const isHealthy = findings.every(({ mark }) => mark === '✓');
    console.data({ healthy: isHealthy, findings: findings.map(({ mark, text }) => ({ level: levels[mark], text })) });
    return isHealthy ? Exit.good : Exit.bad;
  } catch (error) {
    if (!(error instanceof NoAnswer) && !(error instanceof Refused)) throw error;
    console.line(`✗ ${error.message}`);
    console.data({ healthy: false, findings: [], error: errorData(error) });
    return Exit.bad;
  }
}

/** `--watch 10 --for 30m`: seconds, or a span with its unit. */
function spanOption(input: CommandInput, name: string): number | undefined {
  const text = input.options[name];
  if (typeof text !== 'string') return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : millisOf(text);
  if (ms === undefined || ms < 1) throw new CommandUsage(`--${name}: expected a span such as 10s or 30m, got ${text}`);
  return ms;
}

/** Runs a check once, or again and again for a while: then it is good if it was good each time. */
export async function watched(console: Console, input: CommandInput, once: () => Promise<number>): Promise<number> {
  const every = spanOption(input, 'watch');
  const lasting = spanOption(input, 'for');
  if (every === undefined) return once();
  const until = console.now() + (lasting ?? Number.POSITIVE_INFINITY);
  let worst: number = Exit.good;
  for (;;) {
    worst = Math.max(worst, await once());
    if (console.now() + every > until) return worst;
    await console.sleep(every);
  }
}

/** Options of commands that can be repeated. */
export const watchOptions = [
  { name: 'watch', value: '<span>', help: 'again and again, so far apart (10s)' },
  { name: 'for', value: '<span>', help: 'with --watch: for so long (30m)' },
] as const;

export const clusterHealthCheck = withJson({
  name: 'cluster-health-check',
  summary: 'brokers, quorum, partitions and disks in a few lines; 1 if anything is wrong',
  words: '',
  options: watchOptions,
  run: (client, console, input) => watched(console, input, () => runOnce(client, console)),
});
