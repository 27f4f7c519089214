import {
  type AdminClient,
  type AdminCommand,
  ask,
  type Console,
  Exit,
  NoAnswer,
  numberOption,
  Refused,
} from './command.ts';
import type { Health, Members, PartitionsHealth } from './shapes.ts';

const lookEveryMs = 1_000;
const defaultPatienceS = 300;

/**
 * Why a broker does not serve; undefined when it does. One that has only just been started knows of no partitions, and so of nothing that
 * is wrong with them: what it says of the cluster counts from when it takes clients.
 */
async function notServing(client: AdminClient, broker: number): Promise<string | undefined> {
  const { body } = await client.request('GET', '/health', { to: broker });
  const { checks } = (body ?? {}) as Partial<Health>; // the route's own shape, or the refusal of the broker that forwarded
  if (checks === undefined) return `broker-${broker} does not answer`;
  for (const name of ['raft', 'listener']) {
    const check = checks[name];
    if (check?.status !== 'healthy') return `broker-${broker}: ${check?.message ?? `it says nothing of ${name}`}`;
  }
  return undefined;
}

/** Why the cluster of these brokers cannot do without one of them now; undefined when it can. */
async function notReady(client: AdminClient, brokers: readonly number[]): Promise<string | undefined> {
  try {
    const { members } = await ask<Members>(client, 'GET', '/admin/cluster/members');
    const absent = members.filter(({ state }) => state === 'down' || state === 'draining');
    if (absent.length > 0) return absent.map(({ broker_id: id, state }) => `broker-${id} is ${state}`).join(', ');
    for (const broker of brokers) {
      const why = await notServing(client, broker);
      if (why !== undefined) return why;
    }
    const { unhealthy } = await ask<PartitionsHealth>(client, 'GET', '/admin/partitions/health');
    const [first] = unhealthy;
    if (first === undefined) return undefined;
    return `${unhealthy.length} replicas are not in sync, such as ${first.topic}/${first.partition}: ${first.reason}`;
  } catch (error) {
    if (error instanceof NoAnswer || error instanceof Refused) return error.message;
    throw error;
  }
}

/** Waits until every broker answers and every replica is in sync; resolves to what is still missing at the end. */
async function settled(
  client: AdminClient,
  brokers: readonly number[],
  console: Console,
  patienceMs: number,
): Promise<string | undefined> {
  const until = console.now() + patienceMs;
  for (;;) {
    const why = await notReady(client, brokers);
    if (why === undefined || console.now() >= until) return why;
    await console.sleep(lookEveryMs);
  }
}

/** Whether this very process of a broker has been replaced: it answers, and has run for less time than has passed. */
async function isRestarted(client: AdminClient, broker: number, sinceMs: number, console: Console): Promise<boolean> {
  try {
    const { uptime_s: uptime } = await ask<{ readonly uptime_s: number }>(client, 'GET', '/admin/host', { to: broker });
    return uptime * 1_000 <= console.now() - sinceMs;
  } catch (error) {
    if (error instanceof NoAnswer || error instanceof Refused) return false;
    throw error;
  }
}

export const rollingRestart: AdminCommand = {
  name: 'rolling-restart',
  summary: 'restart the brokers one after the other, each only when all the others are in sync',
  words: '',
  options: [
    { name: 'broker', value: '<n>', help: 'only this one' },
    { name: 'timeout', value: '<seconds>', help: `how long to wait for each (default ${defaultPatienceS})` },
  ],
  async run(client, console, input) {
    const only = numberOption(input, 'broker');
    const patienceMs = (numberOption(input, 'timeout') ?? defaultPatienceS) * 1_000;
    const { members } = await ask<Members>(client, 'GET', '/admin/cluster/members');
    const standing = members.filter(({ state }) => state !== 'left');
    const brokers = standing.map(({ broker_id: id }) => id);
    // The leader of the metadata last: then it moves once.
    const order = standing
      .filter(({ broker_id: id }) => only === undefined || id === only)
      .sort((left, right) => Number(left.raft_state === 'leader') - Number(right.raft_state === 'leader'));
    if (order.length === 0) {
      console.line(`✗ there is no broker ${only}`);
      return Exit.bad;
    }
    const names = order.map(({ broker_id: id }) => `broker-${id}`);
    if (!(await console.confirm(`Restart ${names.join(', then ')}?`))) return Exit.bad;
    for (const { broker_id: broker, http } of order) {
      const before = await settled(client, brokers, console, patienceMs);
      if (before !== undefined) {
        console.line(`✗ stopped before broker-${broker}: ${before}`);
        return Exit.bad;
      }
      const began = console.now();
      const [host = http] = http.split(/:\d+$/);
      await console.restart(broker, host);
      const until = console.now() + patienceMs;
      while (!(await isRestarted(client, broker, began, console))) {
        if (console.now() >= until) {
          console.line(`✗ broker-${broker} has not come back within ${patienceMs / 1_000} s`);
          return Exit.bad;
        }
        await console.sleep(lookEveryMs);
      }
      const after = await settled(client, brokers, console, Math.max(0, until - console.now()));
      if (after !== undefined) {
        console.line(`✗ after broker-${broker}: ${after}`);
        return Exit.bad;
      }
      console.line(`✓ broker-${broker}: restarted and in sync after ${Math.round((console.now() - began) / 1_000)} s`);
    }
    return Exit.good;
  },
};
