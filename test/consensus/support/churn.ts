import { decodeConfChange } from '../../../src/consensus/confChange.ts';
import type { RaftMutant } from '../../../src/consensus/config.ts';
import { ConfChangeInvalid, PeerNotFound, ProposalDropped } from '../../../src/consensus/errors.ts';
import { MemoryStorage } from '../../../src/consensus/memoryStorage.ts';
import { hardStateOf } from '../../../src/consensus/message.ts';
import { RawNode } from '../../../src/consensus/rawNode.ts';
import type { ConfChangeSingle, ConfState, Entry, Message, RaftId } from '../../../src/consensus/types.ts';
import { bytes, entryBytes, plainSettings, text } from './settings.ts';

/** What a run must never show: the properties of Raft's figure 3, and reads that do not go back. */
export class SafetyViolation extends Error {}

/** A member's process: it can be lost; the storage stays. */
interface Process {
  readonly node: RawNode;
  readonly appendWork: Message[];
  readonly applyWork: Message[];
  applied: number;
  confState: ConfState;
}

interface Member {
  readonly id: RaftId;
  readonly storage: MemoryStorage;
  process: Process;
}

/** Whole numbers below a bound, always the same for a seed (xorshift32). */
export function numbers(seed: number): (bound: number) => number {
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % bound;
  };
}

const ids: readonly RaftId[] = [1, 2, 3, 4, 5];
const maxMessages = 200;

/**
 * A group whose network, disks, clock and operators are all as bad as a seed makes them: messages are lost, doubled and
 * reordered, writes become durable late and in order, processes lose what was not durable, configurations change, logs are
 * compacted. Everything that is applied is checked against all that was applied before.
 */
export class Churn {
  readonly members: Member[];
  readonly #next: (bound: number) => number;
  /** Members on this side do not hear those on the other, nor are they heard. */
  #side = new Set<RaftId>();
  readonly #maxBytesPerMessage: number;
  readonly #mutant: RaftMutant | undefined;
  #messages: Message[] = [];
  /** What was applied anywhere, by index. */
  readonly #history = new Map<number, Entry>();
  #highest = 0;
  readonly #leaders = new Map<number, RaftId>();
  #proposed = 0;
  #readsAsked = 0;
  readonly #readFloors = new Map<string, number>();
  /** Entries that some member has applied. */
  get applied(): number {
    return this.#highest;
  }
  readsAnswered = 0;
  configurationsSeen = new Set<string>();

  constructor(seed: number, mutant?: RaftMutant) {
    this.#next = numbers(seed);
    // In half of the runs entries come one by one, so that logs differ in more ways.
    this.#maxBytesPerMessage = seed % 2 === 0 ? 120 : 0;
    this.#mutant = mutant;
    const confState: ConfState = {
      voters: [1, 2, 3],
      votersOutgoing: [],
      learners: [4],
      learnersNext: [],
      autoLeave: false,
    };
    this.#highest = 1;
    this.members = ids.map((id) => {
      const storage = new MemoryStorage(entryBytes);
      // Member 5 knows nobody until it is sent a snapshot.
      if (id !== 5) storage.applySnapshot({ metadata: { confState, index: 1, term: 1 }, data: bytes('') });
      return { id, storage, process: this.#start(id, storage) };
    });
  }

  #start(id: RaftId, storage: MemoryStorage): Process {
    const applied = storage.firstIndex() - 1;
    const node = new RawNode({
      ...plainSettings,
      id,
      storage,
      applied,
      asyncStorageWrites: true,
      preVote: true,
      checkQuorum: true,
      heartbeatTicks: 2,
      stepDownOnRemoval: true,
      disableProposalForwarding: true,
      maxBytesPerMessage: this.#maxBytesPerMessage,
      maxCommittedBytesPerReady: 200,
      maxInflightMessages: 4,
      maxInflightBytes: 400,
      maxUncommittedBytes: 2_000,
      randomTimeout: () => 10 + this.#next(10),
      ...(this.#mutant === undefined ? {} : { mutant: (name: RaftMutant) => name === this.#mutant }),
    });
    return { node, appendWork: [], applyWork: [], applied, confState: storage.snapshot().metadata.confState };
  }

  /** So many steps of chance. */
  run(steps: number): void {
    for (let step = 0; step < steps; step++) this.#step(this.#member());
  }

  #member(): Member {
    const member = this.members[this.#next(this.members.length)];
    if (member === undefined) throw new Error('a group has members');
    return member;
  }

  #step(member: Member): void {
    const chance = this.#next(1_000);
    if (chance < 380) for (let count = this.#next(4); count >= 0; count--) this.#deliver(this.#next(1_000));
    else if (chance < 530) member.process.node.tick();
    else if (chance < 690) for (let count = this.#next(3); count >= 0; count--) this.#storeOne(member);
    else if (chance < 790) for (let count = this.#next(3); count >= 0; count--) this.#applyOne(member);
    else if (chance < 900) this.#propose();
    else if (chance < 930) this.#read(member);
    else if (chance < 940) this.#compact(member);
    else if (chance < 970) this.#changeConfiguration();
    else if (chance < 977) this.#crash(member);
    else if (chance < 982) member.process.node.transferLeader(this.#next(5) + 1);
    else if (chance < 985) this.#cutOff(member);
    else if (chance < 991) this.#divide();
    else member.process.node.reportUnreachable(this.#next(5) + 1);
    this.#work();
  }

  /** Takes every Ready, and looks at who leads. */
  #work(): void {
    for (const { id, process } of this.members) {
      while (process.node.hasReady()) {
        const ready = process.node.ready();
        for (const message of ready.messages) {
          if (message.type === 'MsgStorageAppend') process.appendWork.push(message);
          else if (message.type === 'MsgStorageApply') process.applyWork.push(message);
          else this.#messages.push(message);
        }
        for (const { context, index } of ready.readStates) this.#checkRead(text(context), index);
      }
      if (process.node.state === 'leader') this.#checkLeader(id, process);
    }
    while (this.#messages.length > maxMessages) {
      this.#lose(this.#messages.splice(this.#next(this.#messages.length), 1));
    }
  }

  #checkLeader(id: RaftId, { node }: Process): void {
    const known = this.#leaders.get(node.term);
    if (known === id) return;
    if (known !== undefined) throw new SafetyViolation(`term ${node.term} is led by ${known} and ${id}`);
    this.#leaders.set(node.term, id);
    // Leader completeness: what was applied anywhere is in its log.
    for (let index = node.core.log.firstIndex; index <= this.#highest; index++) {
      const term = node.core.log.term(index);
      if (term !== this.#history.get(index)?.term && this.#history.has(index)) {
        throw new SafetyViolation(`leader ${id} of term ${node.term} lacks entry ${index} (its term: ${term})`);
      }
    }
  }

  #checkRead(context: string, index: number): void {
    const floor = this.#readFloors.get(context) ?? 0;
    if (index < floor) throw new SafetyViolation(`read ${context} got ${index}, but ${floor} was applied before it`);
    this.readsAnswered++;
  }

  #deliver(chance: number): void {
    if (this.#messages.length === 0) return;
    // Mostly in order, as a connection has it; sometimes not, as many connections have it.
    const at = chance % 4 === 0 ? this.#next(this.#messages.length) : 0;
    const message = this.#messages[at];
    if (message === undefined) return;
    if (chance % 20 !== 1) this.#messages.splice(at, 1);
    if (chance % 15 === 2 || this.#isDivided(message)) {
      this.#lose([message]);
      return;
    }
    const to = this.members.find(({ id }) => id === message.to);
    if (to !== undefined) this.#stepInto(to, message);
  }

  #isDivided({ from, to }: Message): boolean {
    return from > 0 && this.#side.has(from) !== this.#side.has(to);
  }

  /** A partition, until the next one, or none. */
  #divide(): void {
    this.#side.clear();
    if (this.#next(3) === 0) return;
    for (const id of ids) if (this.#next(2) === 0) this.#side.add(id);
  }

  #stepInto({ process }: Member, message: Message): void {
    if (message.type === 'MsgSnap') this.#reportSnapshot(message, true);
    try {
      process.node.step(message);
    } catch (error) {
      if (!(error instanceof PeerNotFound || error instanceof ProposalDropped)) throw error;
    }
  }

  #storeOne(member: Member): void {
    const message = member.process.appendWork.shift();
    if (message === undefined) return;
    const hardState = hardStateOf(message);
    if (hardState !== undefined) member.storage.setHardState(hardState);
    if (message.snapshot !== undefined) {
      member.storage.applySnapshot(message.snapshot);
      member.process.applied = message.snapshot.metadata.index;
      member.process.confState = message.snapshot.metadata.confState;
    }
    member.storage.append(message.entries);
    this.#respond(member, message);
  }

  #applyOne(member: Member): void {
    const message = member.process.applyWork.shift();
    if (message === undefined) return;
    for (const entry of message.entries) this.#apply(member, entry);
    this.#respond(member, message);
  }

  #respond(member: Member, { responses }: Message): void {
    for (const response of responses) {
      if (response.to === member.id) this.#stepInto(member, response);
      else this.#messages.push(response);
    }
  }

  #apply({ id, process }: Member, entry: Entry): void {
    const known = this.#history.get(entry.index);
    if (known === undefined) {
      this.#history.set(entry.index, entry);
    } else if (known.term !== entry.term || text(known.data) !== text(entry.data)) {
      throw new SafetyViolation(
        `${id} applied ${entry.term}/${entry.index} "${text(entry.data)}", another ${known.term} "${text(known.data)}"`,
      );
    }
    // A snapshot has overtaken it.
    if (entry.index <= process.applied) return;
    if (entry.index !== process.applied + 1) {
      throw new SafetyViolation(`${id} applied ${entry.index} after ${process.applied}`);
    }
    process.applied = entry.index;
    this.#highest = Math.max(this.#highest, entry.index);
    const change = decodeConfChange(entry);
    if (change === undefined) return;
    process.confState = process.node.applyConfChange(change, entry.index);
    this.configurationsSeen.add(JSON.stringify(process.confState));
  }

  #leader(): Member | undefined {
    return this.members.filter(({ process }) => process.node.state === 'leader')[0];
  }

  #propose(): void {
    this.#proposed++;
    this.#ask((node) => node.propose(bytes(`p${this.#proposed}`)));
  }

  #ask(question: (node: RawNode) => void): void {
    const leader = this.#leader();
    if (leader === undefined) return;
    try {
      question(leader.process.node);
    } catch (error) {
      if (!(error instanceof ProposalDropped || error instanceof ConfChangeInvalid)) throw error;
    }
  }

  #read({ process }: Member): void {
    const context = `r${this.#readsAsked++}`;
    this.#readFloors.set(context, this.#highest);
    process.node.readIndex(bytes(context));
  }

  #changeConfiguration(): void {
    const kinds = ['add-node', 'remove-node', 'add-learner'] as const;
    const changes: ConfChangeSingle[] = [];
    for (let count = this.#next(3); count >= 0; count--) {
      changes.push({ type: kinds[this.#next(kinds.length)] ?? 'add-node', node: this.#next(5) + 1 });
    }
    this.#ask((node) => {
      const { voters } = node.confState();
      const left = voters.filter((id) => !changes.some((change) => change.node === id && change.type !== 'add-node'));
      // A change must leave voters, as any operator's tool makes sure of.
      if (left.length < 2) return;
      if (node.confState().votersOutgoing.length > 0) changes.length = 0;
      const simple = changes.length === 1;
      const transition = simple ? 'auto' : 'joint-implicit';
      if (changes.length === 0) return;
      node.proposeConfChange({ version: 2, transition, changes, context: bytes('') });
    });
  }

  #compact({ storage, process }: Member): void {
    // As a driver: applied by the machine, and stored.
    const index = Math.min(process.applied, process.node.applied, storage.lastIndex());
    if (index <= storage.snapshot().metadata.index) return;
    // The state at `index`, which is what the machine has only if nothing was applied since.
    if (index !== process.applied) return;
    storage.createSnapshot(index, process.confState, bytes(''));
    storage.compact(index);
  }

  /** What was not durable is gone. */
  #crash(member: Member): void {
    member.process = this.#start(member.id, member.storage);
  }

  #cutOff({ id }: Member): void {
    const touches = ({ from, to }: Message): boolean => from === id || to === id;
    this.#lose(this.#messages.filter(touches));
    this.#messages = this.#messages.filter((message) => !touches(message));
  }

  /** Whoever sends a snapshot hears whether it arrived. */
  #lose(messages: readonly Message[]): void {
    for (const message of messages) {
      if (message.type === 'MsgSnap') this.#reportSnapshot(message, false);
    }
  }

  #reportSnapshot({ from, to }: Message, arrived: boolean): void {
    this.members.find(({ id }) => id === from)?.process.node.reportSnapshot(to, arrived);
  }

  /**
   * Everything works again: within so many ticks there must be a leader, and what is proposed must be applied by all members
   * that it tracks.
   */
  heal(ticks: number): void {
    const target = `healed${this.#proposed}`;
    let proposed = 0;
    this.#side.clear();
    for (let tick = 0; tick < ticks; tick++) {
      for (const member of this.members) {
        this.#compact(member);
        member.process.node.tick();
      }
      this.#settle();
      if (tick % 5 === 0 && proposed === 0) {
        this.#ask((node) => {
          if (!node.committedInTerm) return;
          node.propose(bytes(target));
          proposed = node.lastIndex;
        });
        this.#settle();
      }
      if (proposed > 0 && text(this.#history.get(proposed)?.data ?? bytes('')) !== target) proposed = 0;
      if (proposed > 0 && this.#everybodyHas(proposed)) return;
    }
    throw new SafetyViolation(`no leader, or not everybody is at ${proposed}, ${ticks} ticks after all was healed`);
  }

  #everybodyHas(index: number): boolean {
    const leader = this.#leader();
    if (leader === undefined) return false;
    const { voters, learners, votersOutgoing } = leader.process.node.confState();
    const wanted = [...voters, ...learners, ...votersOutgoing];
    return this.members.every(({ id, process }) => !wanted.includes(id) || process.applied >= index);
  }

  #settle(): void {
    for (let round = 0; round < 1_000; round++) {
      this.#work();
      const waiting = this.#messages;
      this.#messages = [];
      let busy = waiting.length > 0;
      for (const message of waiting) {
        const to = this.members.find(({ id }) => id === message.to);
        if (to !== undefined) this.#stepInto(to, message);
      }
      for (const member of this.members) {
        busy ||= member.process.appendWork.length + member.process.applyWork.length > 0;
        while (member.process.appendWork.length > 0) this.#storeOne(member);
        while (member.process.applyWork.length > 0) this.#applyOne(member);
      }
      this.#work();
      if (!busy) return;
    }
    throw new SafetyViolation('the group never comes to rest');
  }
}
