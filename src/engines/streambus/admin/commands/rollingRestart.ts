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
import type { Members, PartitionsHealth } from './shapes.ts';

const lookEveryMs = 1_000;
const defaultPatienceS = 300;

/** Why the cluster cannot do without a broker now; undefined when it can. */
async function notReady(client: AdminClient): Promise<string | undefined> {
  try {
    const { members } = await ask<Members>(client, 'GET', '/admin/cluster/members');
    const absent = members.filter(({ state }) => state === 'down' || state === 'draining');
    if (absent.length > 0) return absent.map(({ broker_id: id, state }) => `broker-${id} is ${state}`).join(', ');
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
async function settled(client: AdminClient, console: Console, patienceMs: number): Promise<string | undefined> {
  const until = console.now() + patienceMs;
  for (;;) {
    const why = await notReady(client);
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
    // The leader of the metadata last: then it moves once.
    const order = members
      .filter(({ broker_id: id, state }) => state !== 'left' && (only === undefined || id === only))
      .sort((left, right) => Number(left.raft_state === 'leader') - Number(right.raft_state === 'leader'));
    if (order.length === 0) {
      console.line(`✗ there is no broker ${only}`);
      return Exit.bad;
    }
    for (const { broker_id: broker, http } of order) {
      const before = await settled(client, console, patienceMs);
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
      const after = await settled(client, console, Math.max(0, until - console.now()));
      if (after !== undefined) {
        console.line(`✗ after broker-${broker}: ${after}`);
        return Exit.bad;
      }
      console.line(`✓ broker-${broker}: restarted and in sync after ${Math.round((console.now() - began) / 1_000)} s`);
    }
    return Exit.good;
  },
};
