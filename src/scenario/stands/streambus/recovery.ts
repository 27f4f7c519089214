import type { RecoverySeen } from '../../../checkers/streambus/evidence.ts';
import type { Host } from '../../../host/host.ts';
import { apiKeys } from '../../../wire/kafka/apis.ts';
import { CallFailed } from './client/connection.ts';
import type { GroupFeed } from './groupFeed.ts';
import type { Scrubs } from './scrubs.ts';
import { createTopicsLeft } from './workload/admin.ts';
import { LastReader } from './workload/consumer.ts';
import { type LoadWorld, openCluster } from './workload/context.ts';
import { sendOnce, stepsOf } from './workload/send.ts';

/** Times that the cluster has, in virtual milliseconds from the moment at which all is healed and every broker serves. */
const leadersWithinMs = 10_000;
const produceAfterMs = 5_000;
const replicasAfterMs = 20_000;
/** A scrub, and a round of repairs should it find nobody to help. */
const scrubMs = 60_000;
/** Transactions end by their time-out, of 10 s here, and 15 s. */
const transactionsMs = 25_000;

/** Members hear of a rebalance within this time, or belong to the group no more. */
const rebalanceWithinMs = 10_000;
const marginMs = 5_000;
const readGoal = 'every record can be read, no transaction is open';

/** Something that must come back. Once it has, it is not asked again. */
interface Goal {
  readonly what: string;
  readonly withinMs: number;
  /** What is missing; undefined: nothing. */
  readonly missing: () => Promise<string | undefined> | string | undefined;
  reachedAtMs: number;
  last: string | undefined;
  /** When it was asked first, and when its last answer came; undefined: never. */
  askedAtMs: number | undefined;
  answeredAtMs: number | undefined;
}

export interface RecoveryOptions {
  readonly now: () => number;
  readonly feed: GroupFeed;
  /** Members that run, by the processes that are up. */
  readonly isUp: (member: number) => boolean;
  /** The topic of this group was deleted, as far as the brokers know that run: none of its members need be there. */
  readonly isDeleted: (group: number) => boolean;
  readonly scrubs: Pick<Scrubs, 'missing'>;
  /** The load that has ended; undefined: there was none. */
  readonly load: { readonly world: LoadWorld; readonly observer: Host } | undefined;
}

/** Looks, after everything was healed, whether and when the cluster serves again. */
export class Recovery {
  readonly #options: RecoveryOptions;
  readonly #goals: Goal[];
  readonly #beganAtMs: number;
  #reader: LastReader | undefined;

  constructor(options: RecoveryOptions) {
    this.#options = options;
    this.#beganAtMs = options.now();
    const replicasMs = leadersWithinMs + replicasAfterMs;
    this.#goals = [
      goal('every group has a leader', leadersWithinMs, () => this.#leaderless()),
      ...(options.load === undefined
        ? []
        : [goal('every partition takes a write', leadersWithinMs + produceAfterMs, () => this.#unwritable())]),
      goal('replicas have applied the same', replicasMs, () => this.#lagging()),
      ...(options.load === undefined ? [] : [goal(readGoal, replicasMs + transactionsMs, () => this.#unread())]),
      ...(options.load === undefined || options.load.world.load().vanish === 0
        ? []
        : [
            goal('members that are gone are missed', leadersWithinMs + membersGoneMs(options.load.world), () =>
              this.#inhabited(),
            ),
          ]),
      // Last: it has a time of its own, and gives none to what is asked before it.
      goal('what has rotted is repaired', replicasMs + transactionsMs + scrubMs, () => options.scrubs.missing()),
    ];
  }

  /** Why the cluster has not recovered; undefined when it has. */
  async missing(): Promise<string | undefined> {
    for (const one of this.#goals) {
      if (one.reachedAtMs !== Number.POSITIVE_INFINITY) continue;
      one.askedAtMs ??= this.#options.now();
      one.answeredAtMs = Number.POSITIVE_INFINITY;
      one.last = await one.missing();
      one.answeredAtMs = this.#options.now();
      if (one.last !== undefined) return `${one.what}: ${one.last}`;
      one.reachedAtMs = this.#options.now();
    }
    // What was written and read meanwhile must have reached all replicas, too.
    return this.#lagging();
  }

  /** True when every key was read to its end. */
  get hasReadAll(): boolean {
    return this.#goals.some(({ what, reachedAtMs }) => what === readGoal && reachedAtMs !== Number.POSITIVE_INFINITY);
  }

  seen(): readonly RecoverySeen[] {
    return this.#goals.map(({ what, withinMs, reachedAtMs, last, askedAtMs, answeredAtMs }) => ({
      what,
      healedAtMs: this.#beganAtMs,
      withinMs,
      reachedAtMs,
      missing: last,
      // Who has been asked and has not answered yet is missing up to this moment.
      looked:
        askedAtMs === undefined || answeredAtMs === undefined
          ? undefined
          : { fromMs: askedAtMs, toMs: Math.min(answeredAtMs, this.#options.now()) },
    }));
  }

  #leaderless(): string | undefined {
    for (const [group, known] of this.#options.feed.groups) {
      if (known.applied.size === 0 || this.#options.isDeleted(group)) continue;
      if (known.leader === undefined) return `group ${group} has none`;
    }
    return undefined;
  }

  #lagging(): string | undefined {
    for (const [group, { applied, highestApplied, configuration }] of this.#options.feed.groups) {
      if (this.#options.isDeleted(group)) continue;
      const members = new Set([...(configuration?.voters ?? []), ...(configuration?.learners ?? [])]);
      for (const member of members) {
        if (!this.#options.isUp(member)) continue;
        const at = applied.get(member);
        if (at === undefined) return `a member of group ${group} has not opened it`;
        if (at < highestApplied) return `group ${group}: one is at ${at}, another at ${highestApplied}`;
      }
    }
    return undefined;
  }

  /** One record to each partition, each in doubt sent no second time: a new one is sent instead. */
  async #unwritable(): Promise<string | undefined> {
    const { load } = this.#options;
    if (load === undefined) return undefined;
    const { world, observer } = load;
    // A load that ended before its topics were made leaves partitions that nobody could write to, however well the cluster is.
    await createTopicsLeft(world, observer);
    if (world.topicsLeft.size > 0) return `${[...world.topicsLeft].join(', ')} could not be made`;
    const client = openCluster(world, observer, 'last-writer');
    try {
      for (const key of world.plainKeys) {
        const batch = { key, values: [`last-${key}-${world.now()}`] };
        const operation = world.history.invoke({ process: world.nextProcess(), f: 'send', input: stepsOf(batch) });
        const result = await sendOnce(client, batch, { acks: -1, version: 9, timeoutMs: 5_000 });
        if (result.kind === 'ok') {
          operation.ok(stepsOf(batch, result.baseOffset));
          continue;
        }
        const error = { code: String(result.code), message: result.message };
        if (result.kind === 'doubt') operation.info(error);
        else operation.fail(error);
        return `${key}: ${result.message}`;
      }
      return undefined;
    } finally {
      client.close();
    }
  }

  /** Nobody runs that belongs to a group: each must be found empty. */
  async #inhabited(): Promise<string | undefined> {
    const { load } = this.#options;
    if (load === undefined) return undefined;
    const { world, observer } = load;
    const client = openCluster(world, observer, 'last-describer');
    try {
      for (let number = 0; number < world.load().groups; number++) {
        const groupId = `group-${number}`;
        const broker = await client.coordinator('group', groupId);
        const answer = await client.call(broker, apiKeys.DescribeGroups, 5, { groups: [groupId] });
        const told = answer.groups[0];
        if (told === undefined || told.errorCode !== 0) return `${groupId}: error ${told?.errorCode ?? 'none told'}`;
        if (told.members.length > 0) return `${groupId} is ${told.groupState} with ${told.members.length} members`;
      }
      return undefined;
    } catch (error) {
      if (!(error instanceof CallFailed)) throw error;
      return error.message;
    } finally {
      client.close();
    }
  }

  async #unread(): Promise<string | undefined> {
    const { load } = this.#options;
    if (load === undefined) return undefined;
    this.#reader ??= new LastReader(load.world, load.observer);
    const left = await this.#reader.read();
    return left.length === 0 ? undefined : `${left.join(', ')} not to the end`;
  }
}

/** Sessions begin anew with the coordinator that is found and run out, and a rebalance that was under way ends. */
function membersGoneMs(world: LoadWorld): number {
  return world.load().session + rebalanceWithinMs + marginMs;
}

function goal(what: string, withinMs: number, missing: Goal['missing']): Goal {
  return {
    what,
    withinMs,
    missing,
    reachedAtMs: Number.POSITIVE_INFINITY,
    last: undefined,
    askedAtMs: undefined,
    answeredAtMs: undefined,
  };
}
