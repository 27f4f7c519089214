import { decodeConfChange } from '../../../src/consensus/confChange.ts';
import type { RaftConfig } from '../../../src/consensus/config.ts';
import { PeerNotFound, ProposalDropped } from '../../../src/consensus/errors.ts';
import { MemoryStorage } from '../../../src/consensus/memoryStorage.ts';
import { draftMessage, type MessageDraft } from '../../../src/consensus/message.ts';
import { RawNode } from '../../../src/consensus/rawNode.ts';
import type {
  ConfState,
  Entry,
  HardState,
  Message,
  MessageType,
  RaftId,
  ReadState,
} from '../../../src/consensus/types.ts';
import { bytes, entryBytes, plainSettings, text } from './settings.ts';

export interface MemberOptions extends Partial<Omit<RaftConfig, 'id' | 'storage'>> {
  readonly learners?: readonly RaftId[];
  /** Terms of the entries that are in the log at the start, from index 1 on. */
  readonly terms?: readonly number[];
  readonly hardState?: HardState;
}

export function confStateOf(voters: readonly RaftId[], learners: readonly RaftId[] = []): ConfState {
  return { voters, learners, votersOutgoing: [], learnersNext: [], autoLeave: false };
}

/** An entry as tests write it. */
export function entry(index: number, term: number, data = ''): Entry {
  return { index, term, type: 'normal', data: bytes(data) };
}

/** A message as tests write it. */
export function message(
  type: MessageType,
  from: RaftId,
  to: RaftId,
  term: number,
  fields: Partial<MessageDraft> = {},
): Message {
  return { ...draftMessage(type, to, from, term), ...fields };
}

/** A member in ready/advance mode, whose driver stores and applies at once. */
export class TestMember {
  readonly node: RawNode;
  readonly storage = new MemoryStorage(entryBytes);
  readonly applied: Entry[] = [];
  readonly readStates: ReadState[] = [];
  #outbox: Message[] = [];

  constructor(id: RaftId, voters: readonly RaftId[], options: MemberOptions = {}) {
    const { learners = [], terms = [], hardState, ...settings } = options;
    // Index 0: members begin with an empty log and know each other.
    this.storage.applySnapshot({
      metadata: { confState: confStateOf(voters, learners), index: 0, term: 0 },
      data: bytes(''),
    });
    this.storage.append(terms.map((term, at) => entry(at + 1, term)));
    if (hardState !== undefined) this.storage.setHardState(hardState);
    this.node = new RawNode({ ...plainSettings, ...settings, id, storage: this.storage });
  }

  get id(): RaftId {
    return this.node.id;
  }

  /** Does what its Readies ask for; messages wait in the outbox. */
  work(): this {
    while (this.node.hasReady()) {
      const ready = this.node.ready();
      if (ready.hardState !== undefined) this.storage.setHardState(ready.hardState);
      if (ready.snapshot !== undefined) this.storage.applySnapshot(ready.snapshot);
      this.storage.append(ready.entries);
      this.readStates.push(...ready.readStates);
      this.#outbox.push(...ready.messages);
      for (const committed of ready.committedEntries) this.#apply(committed);
      this.node.advance(ready);
    }
    return this;
  }

  #apply(committed: Entry): void {
    this.applied.push(committed);
    const change = decodeConfChange(committed);
    if (change !== undefined) this.node.applyConfChange(change, committed.index);
  }

  /** Works, and hands over what it has to say. */
  take(): Message[] {
    this.work();
    const messages = this.#outbox;
    this.#outbox = [];
    return messages;
  }

  /** Steps a message and works. */
  step(incoming: Message): this {
    this.node.step(incoming);
    return this.work();
  }

  ticks(count: number): this {
    for (let tick = 0; tick < count; tick++) this.node.tick();
    return this.work();
  }

  /** Alone: votes for itself and is granted the others' votes. */
  lead(): this {
    this.node.campaign();
    this.work();
    for (const request of this.take()) {
      if (request.type !== 'MsgVote' && request.type !== 'MsgPreVote') continue;
      const answer = request.type === 'MsgVote' ? 'MsgVoteResp' : 'MsgPreVoteResp';
      if (this.node.state !== 'leader') this.step(message(answer, request.to, this.id, request.term));
    }
    return this;
  }

  /** `term` of each entry in the log, stored or not. */
  get terms(): number[] {
    const { log } = this.node.core;
    const terms: number[] = [];
    for (let index = log.firstIndex; index <= log.lastIndex; index++) terms.push(log.term(index));
    return terms;
  }

  get appliedData(): string[] {
    return this.applied.filter(({ data, type }) => data.length > 0 && type === 'normal').map(({ data }) => text(data));
  }
}

/** Members and the messages between them, which are delivered until nothing is left, but for what is cut. */
export class Network {
  readonly members: ReadonlyMap<RaftId, TestMember>;
  readonly #cut = new Set<string>();
  readonly #ignored = new Set<MessageType>();
  /** All that was delivered, for tests that look at the traffic. */
  readonly delivered: Message[] = [];

  constructor(members: readonly TestMember[]) {
    this.members = new Map(members.map((member) => [member.id, member]));
  }

  static of(count: number, options: MemberOptions = {}): Network {
    const voters = Array.from({ length: count }, (_, at) => at + 1);
    return new Network(voters.map((id) => new TestMember(id, voters, options)));
  }

  member(id: RaftId): TestMember {
    const member = this.members.get(id);
    if (member === undefined) throw new Error(`there is no member ${id}`);
    return member;
  }

  node(id: RaftId): RawNode {
    return this.member(id).node;
  }

  /** Steps messages as if they came in, then everything that follows from them. */
  send(...messages: Message[]): void {
    const queue = [...messages];
    do {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) this.#deliver(next);
      for (const member of this.members.values()) {
        queue.push(
          ...member.take().filter(({ from, to, type }) => !this.#cut.has(`${from}>${to}`) && !this.#ignored.has(type)),
        );
      }
    } while (queue.length > 0);
  }

  #deliver(incoming: Message): void {
    const to = this.members.get(incoming.to);
    if (to === undefined) return;
    this.delivered.push(incoming);
    try {
      to.node.step(incoming);
    } catch (error) {
      if (!(error instanceof PeerNotFound || error instanceof ProposalDropped)) throw error;
    }
  }

  /** Delivers what is there. */
  settle(): this {
    this.send();
    return this;
  }

  campaign(id: RaftId): this {
    this.node(id).campaign();
    return this.settle();
  }

  propose(id: RaftId, data: string): this {
    this.node(id).propose(bytes(data));
    return this.settle();
  }

  tick(id: RaftId, count = 1): this {
    for (let tick = 0; tick < count; tick++) {
      this.node(id).tick();
      this.settle();
    }
    return this;
  }

  cut(from: RaftId, to: RaftId): this {
    this.#cut.add(`${from}>${to}`);
    return this;
  }

  isolate(id: RaftId): this {
    for (const other of this.members.keys()) this.cut(id, other).cut(other, id);
    return this;
  }

  ignore(type: MessageType): this {
    this.#ignored.add(type);
    return this;
  }

  recover(): this {
    this.#cut.clear();
    this.#ignored.clear();
    return this;
  }

  states(): string[] {
    return [...this.members.values()].map(({ node }) => node.state);
  }

  commits(): number[] {
    return [...this.members.values()].map(({ node }) => node.commit);
  }
}
