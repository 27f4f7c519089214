/**
 * The raft core without a driver: what thousands of idle groups cost, and what an entry costs. CPU time of one thread.
 * `node --expose-gc bench/raft.ts [--groups N]`.
 */
import { parseArgs } from 'node:util';
import { MemoryStorage } from '../src/consensus/memoryStorage.ts';
import { hardStateOf } from '../src/consensus/message.ts';
import { RawNode } from '../src/consensus/rawNode.ts';
import type { Entry, Message } from '../src/consensus/types.ts';
import { cpuMeter, spread, verdict } from './measure.ts';

const { values: flags } = parseArgs({ options: { groups: { type: 'string', default: '1000' } } });
const groupCount = Math.max(1, Number(flags.groups));
const rounds = 7;
const voters = [65_537, 131_073, 196_609];

const entryBytes = ({ data }: Entry): number => 16 + data.length;

function member(id: number, maxInflightMessages: number): { node: RawNode; storage: MemoryStorage } {
  const storage = new MemoryStorage(entryBytes);
  const confState = { voters, votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
  storage.applySnapshot({ metadata: { confState, index: 1, term: 1 }, data: new Uint8Array(0) });
  const node = new RawNode({
    id,
    storage,
    applied: 1,
    electionTicks: 10,
    heartbeatTicks: 2,
    asyncStorageWrites: true,
    preVote: true,
    checkQuorum: true,
    log: null,
    maxBytesPerMessage: 1 << 20,
    maxCommittedBytesPerReady: 8 << 20,
    maxUncommittedBytes: 64 << 20,
    maxInflightMessages,
    maxInflightBytes: 8 << 20,
    stepDownOnRemoval: true,
    readOnly: 'safe',
    disableProposalForwarding: true,
    disableConfChangeValidation: false,
    randomTimeout: () => 10 + (id % 10),
    entryBytes,
  });
  return { node, storage };
}

/** Three members whose storage is memory and whose network is a loop. */
class Group {
  readonly members = voters.map((id) => member(id, 64));
  readonly nodes = this.members.map(({ node }) => node);
  readonly leader: RawNode;

  constructor() {
    const [first] = this.nodes;
    if (first === undefined) throw new Error('a group has members');
    this.leader = first;
    first.campaign();
    this.settle();
    if (first.state !== 'leader') throw new Error('the first member does not lead');
  }

  /** Until nothing is left to do. Returns how many messages went between members. Plain loops: they are not what is measured. */
  settle(): number {
    let sent = 0;
    for (let busy = true; busy; ) {
      busy = false;
      for (let at = 0; at < this.members.length; at++) {
        const member = this.members[at];
        while (member?.node.hasReady()) {
          busy = true;
          const { messages } = member.node.ready();
          for (let next = 0; next < messages.length; next++) {
            const message = messages[next];
            if (message !== undefined) sent += this.#carry(message, member.storage);
          }
        }
      }
    }
    return sent;
  }

  #carry(message: Message, storage: MemoryStorage): number {
    if (message.to >= 0) return this.#deliver(message);
    if (message.type === 'MsgStorageAppend') {
      const hardState = hardStateOf(message);
      if (hardState !== undefined) storage.setHardState(hardState);
      storage.append(message.entries);
    }
    let sent = 0;
    for (const response of message.responses) sent += this.#deliver(response);
    return sent;
  }

  #deliver(message: Message): number {
    for (let at = 0; at < this.nodes.length; at++) {
      const node = this.nodes[at];
      if (node?.id !== message.to) continue;
      node.step(message);
      return message.from === message.to || message.from < 0 ? 0 : 1;
    }
    return 0;
  }

  /** Forgets all but the newest entries, as a checkpoint would. */
  compact(): void {
    for (const { node, storage } of this.members) {
      if (node.applied > storage.firstIndex() + 16) storage.compact(node.applied - 8);
    }
  }
}

/** Nanoseconds of one of `times` times, each round. */
function measured(times: number, work: () => void): number[] {
  const values: number[] = [];
  for (let round = 0; round < rounds; round++) {
    globalThis.gc?.();
    const meter = cpuMeter();
    work();
    values.push((meter() * 1_000) / times);
  }
  // The first round is slower than any later one: it is compiled meanwhile.
  return values.slice(1);
}

function bytesOf(times: number, work: () => void): number {
  work();
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  work();
  return (process.memoryUsage().heapUsed - before) / times;
}

const groups = Array.from({ length: groupCount }, () => new Group());
const followers = groups.flatMap(({ nodes }) => nodes.slice(1));
const leaders = groups.map(({ leader }) => leader);
console.log(`${groupCount} groups of ${voters.length}`);

/** A tick of a follower that hears of its leader in time: its clock is set back by hand, and nothing is due. */
function idleTicks(): void {
  for (let tick = 0; tick < 100; tick++) {
    for (let at = 0; at < followers.length; at++) {
      const node = followers[at];
      if (node === undefined) break;
      node.tick();
      if (node.hasReady()) throw new Error('an idle follower has nothing to say');
      node.core.electionElapsed = 0;
    }
  }
}
const idleNs = measured(100 * followers.length, idleTicks);
console.log(
  `idle tick and hasReady, ns       ${spread(idleNs, 1)} ${verdict(Math.round(Math.min(...idleNs)), '≤', 200)}`,
);
const idleBytes = bytesOf(100 * followers.length, idleTicks);
console.log(
  `  bytes allocated                ${idleBytes.toFixed(2).padStart(10)} ${verdict(Math.round(idleBytes), '≤', 0)}`,
);

let heartbeats = 0;
/** Two ticks of a leader make one heartbeat to two followers, who answer it. */
function heartbeatRounds(): void {
  for (let tick = 0; tick < 200; tick++) {
    for (const node of leaders) node.tick();
    for (const group of groups) heartbeats += group.settle();
  }
}
const roundNs = measured(100 * groupCount, heartbeatRounds);
console.log(`heartbeat round of a group, ns   ${spread(roundNs)}`);
console.log(
  `  a message, ns                  ${spread(roundNs.map((ns) => ns / 4))} ${verdict(Math.round(Math.min(...roundNs) / 4), '≤', 1_000)}`,
);
if (heartbeats === 0) throw new Error('no heartbeat was sent');

const data = new Uint8Array(1_024);
const [group] = groups;
if (group === undefined) throw new Error('there is a group');
for (const batch of [1, 16, 64]) {
  const times = 20_000;
  const work = (): void => {
    for (let done = 0; done < times; done += batch) {
      for (let at = 0; at < batch; at++) group.leader.propose(data);
      group.settle();
      group.compact();
    }
  };
  const before = group.leader.commit;
  const ns = measured(times, work);
  if (group.leader.commit - before < times * rounds) throw new Error('not all entries were committed');
  console.log(`an entry on three members, ${String(batch).padStart(2)} in flight, ns ${spread(ns)}`);
}
