import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openGroupShard } from '../../../../src/engines/streambus/groups/open.ts';
import { kafkaErrors } from '../../../../src/wire/kafka/errors.ts';
import { type Coordination, withCoordination } from '../support/coordination.ts';
import { assignmentOf, Member } from '../support/groupMembers.ts';
import { commitOffsets, fetchOffsets } from '../support/offsetCalls.ts';
import { SoloGroup } from '../support/soloGroup.ts';

/** What happens to a group; `who` picks one of three members. */
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('live' as const), who: fc.nat(2) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('commit' as const), who: fc.nat(2), old: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('leave' as const), who: fc.nat(2) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('sleep' as const), ms: fc.integer({ min: 1, max: 15_000 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('fail-over' as const), survive: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('hold' as const), ms: fc.integer({ min: 1, max: 4_000 }) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** A snapshot of a shard is whole: nobody is asked for more. */
const noPeers = {
  brokers: () => [],
  ask: () => Promise.reject(new Error('a shard asks nobody')),
  signal: new AbortController().signal,
};

/** One client: does what it is told, joins again when it must, and notes what it was given. */
class Client {
  readonly member: Member;
  readonly #owners: Map<number, Map<string, string>>;
  #busy = false;

  constructor(world: Coordination, owners: Map<number, Map<string, string>>) {
    this.member = new Member(world);
    this.#owners = owners;
  }

  /** Heartbeats, and does what the answer asks for. Ends by itself: each of its requests does. */
  async live(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      const code = this.member.id === '' ? kafkaErrors.UNKNOWN_MEMBER_ID : await this.member.heartbeat();
      if (code === kafkaErrors.UNKNOWN_MEMBER_ID) this.member.id = '';
      if (code !== 0 || this.member.assignment.length === 0) await this.#rejoin();
    } finally {
      this.#busy = false;
    }
  }

  async #rejoin(): Promise<void> {
    this.member.assignment = new Uint8Array(0);
    const first = await this.member.join();
    if (first.errorCode === kafkaErrors.MEMBER_ID_REQUIRED) this.member.id = first.memberId;
    const answer = first.errorCode === kafkaErrors.MEMBER_ID_REQUIRED ? await this.member.join() : first;
    if (answer.errorCode === kafkaErrors.UNKNOWN_MEMBER_ID) this.member.id = '';
    if (answer.errorCode !== 0) return;
    const others = answer.members.map(({ memberId }) => Object.assign(new Member(this.member.world), { id: memberId }));
    if ((await this.member.sync(others)) !== 0) return;
    const owners = this.#owners.get(this.member.generation) ?? new Map<string, string>();
    this.#owners.set(this.member.generation, owners);
    // What each is given names its owner: two owners of one thing in a generation would show here.
    const text = Buffer.from(this.member.assignment).toString();
    const owner = owners.get(text);
    expect(owner === undefined || owner === this.member.id, `${text} in generation ${this.member.generation}`).toBe(
      true,
    );
    owners.set(text, this.member.id);
    if (text !== '') expect(this.member.assignment).toEqual(assignmentOf(this.member.id));
  }
}

async function play(world: Coordination, steps: readonly Step[]): Promise<void> {
  const owners = new Map<number, Map<string, string>>();
  const clients = [0, 1, 2].map(() => new Client(world, owners));
  /** The naive model of one offset: the last acknowledged value, and those whose commit is open since then. */
  let acknowledged = -1;
  let open: number[] = [];
  let next = 0;
  let generation = 0;
  const running: Promise<void>[] = [];
  const commit = async (member: Member, old: boolean) => {
    const offset = next++;
    const stated = old ? member.generation - 1 : member.generation;
    if (stated < 0 || member.id === '') return;
    open.push(offset);
    const [code] = await commitOffsets(world, member, [{ offset }], { generationIdOrMemberEpoch: stated });
    expect(old && code === 0, 'an older generation commits').toBe(false);
    const isOpen = code === kafkaErrors.NOT_COORDINATOR || code === kafkaErrors.REQUEST_TIMED_OUT;
    if (!isOpen) open = open.filter((one) => one !== offset);
    if (code === 0) {
      acknowledged = offset;
      open = open.filter((one) => one > offset);
    }
  };
  for (const action of steps) {
    const client = 'who' in action ? clients[action.who] : undefined;
    switch (action.kind) {
      case 'live':
        if (client !== undefined) running.push(client.live());
        break;
      case 'commit':
        if (client !== undefined) running.push(commit(client.member, action.old));
        break;
      case 'leave':
        if (client !== undefined && client.member.id !== '') running.push(client.member.leave());
        break;
      case 'sleep':
        break;
      case 'fail-over':
        await failOver(world, action.survive);
        break;
      case 'hold':
        world.groups.hold();
        world.host.clock.timer(action.ms, () => world.groups.release());
        break;
    }
    await world.sleep('ms' in action && action.kind === 'sleep' ? action.ms : 10);
    const seen = world.groupShard.coordinator;
    const described = await Promise.race([seen.describe('g'), world.sleep(5_000).then(() => undefined)]);
    if (described !== undefined && described.errorCode === 0 && described.generationId > 0) {
      expect(described.generationId).toBeGreaterThanOrEqual(generation);
      generation = described.generationId;
    }
  }
  world.groups.release();
  await world.sleep(120_000);
  await Promise.all(running);
  const { offsets } = await fetchOffsets(world);
  expect([acknowledged, ...open]).toContain(offsets[0]);
  const replica = await openGroupShard(world.services, new SoloGroup({ group: 1 }), undefined);
  for (const entry of world.groups.log) replica.apply(entry);
  expect(Buffer.from(replica.snapshot()).equals(world.groupShard.snapshot())).toBe(true);
  const restored = await openGroupShard(world.services, new SoloGroup({ group: 1 }), await replica.checkpoint());
  expect(Buffer.from(restored.snapshot()).equals(replica.snapshot())).toBe(true);
}

/** The lead goes to a replica that knows what is in the log, and nothing else. */
async function failOver(world: Coordination, survive: number): Promise<void> {
  world.groups.lose({ survive });
  const replica = await openGroupShard(world.services, new SoloGroup({ group: 1 }), undefined);
  for (const entry of world.groups.log) replica.apply(entry);
  await world.groupShard.restore(await replica.checkpoint(), noPeers);
  world.groups.lead();
}

function histories(mutants: readonly string[] = []) {
  return fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), fc.nat(1_000), (steps, seed) =>
    withCoordination((world) => play(world, steps), { seed, mutants, toMs: 3_600_000 }),
  );
}

test('should keep one owner a generation and every acknowledged offset, whatever happens between', async () => {
  await fc.assert(histories(), { numRuns: 100, seed: 4, endOnFailure: true });
});

test.each(['old-generation-commits', 'offsets-unlogged'])('should see the planted bug %s', async (mutant) => {
  expect((await fc.check(histories([mutant]), { numRuns: 100, seed: 4, endOnFailure: true })).failed).toBe(true);
});
