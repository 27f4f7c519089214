import { asV2, decodeConfChange } from '../../../src/consensus/confChange.ts';
import type { RaftConfig } from '../../../src/consensus/config.ts';
import { describeEntry, describeMessage, describeReady } from '../../../src/consensus/describe.ts';
import { RaftError } from '../../../src/consensus/errors.ts';
import { MemoryStorage } from '../../../src/consensus/memoryStorage.ts';
import { hardStateOf, isStorageThread } from '../../../src/consensus/message.ts';
import { RawNode } from '../../../src/consensus/rawNode.ts';
import type {
  ConfState,
  Entry,
  HardState,
  Message,
  MessageType,
  RaftId,
  Snapshot,
} from '../../../src/consensus/types.ts';
import { CommandFailed, Output } from './output.ts';
import { protobufBytes } from './protobuf.ts';

/** Settings of a member that a case can choose; the rest is the same for all. */
export type MemberSettings = Omit<RaftConfig, 'id' | 'storage' | 'log' | 'randomTimeout' | 'entryBytes'>;

/** No limits, three ticks to an election. */
export const defaultSettings: MemberSettings = {
  applied: 0,
  electionTicks: 3,
  heartbeatTicks: 1,
  asyncStorageWrites: false,
  preVote: false,
  checkQuorum: false,
  maxBytesPerMessage: Number.POSITIVE_INFINITY,
  maxCommittedBytesPerReady: 0,
  maxUncommittedBytes: 0,
  maxInflightMessages: 2 ** 31 - 1,
  maxInflightBytes: 0,
  stepDownOnRemoval: false,
  readOnly: 'safe',
  disableProposalForwarding: false,
  disableConfChangeValidation: false,
};

/** Storage that hands out the newest state that was applied, however far the log is compacted. */
class HistoryStorage extends MemoryStorage {
  readonly history: Snapshot[];

  constructor(initial: Snapshot) {
    super(protobufBytes);
    this.history = [initial];
  }

  override snapshot(): Snapshot {
    return this.history.at(-1) ?? super.snapshot();
  }
}

/** A member, what waits for its storage threads, and the states that it went through. */
export interface Member {
  readonly node: RawNode;
  readonly storage: HistoryStorage;
  readonly settings: MemberSettings;
  readonly appendWork: Message[];
  readonly applyWork: Message[];
}

/** To whom messages are delivered, or whose are dropped. */
export interface Recipient {
  readonly id: RaftId;
  readonly drop: boolean;
}

/** Members of one group, and the messages between them, which move only when a command says so. */
export class Group {
  readonly output = new Output();
  readonly members: Member[] = [];
  messages: Message[] = [];

  /** Throws `CommandFailed` for a number that no member has. */
  member(id: RaftId): Member {
    const member = this.members[id - 1];
    if (member === undefined) throw new Error(`there is no node ${id}`);
    return member;
  }

  /** Consecutive ids. With an empty snapshot they know nobody. */
  addNodes(count: number, settings: MemberSettings, snapshot: Snapshot): void {
    const { index, confState } = snapshot.metadata;
    const bootstrap = index > 0 || confState.voters.length + confState.learners.length > 0 || snapshot.data.length > 0;
    if (bootstrap && index <= 1) throw new CommandFailed('index must be specified as > 1 due to bootstrap');
    const initial = bootstrap ? { ...snapshot, metadata: { ...snapshot.metadata, term: 1 } } : snapshot;
    for (let made = 0; made < count; made++) {
      const storage = new HistoryStorage(initial);
      if (bootstrap) storage.applySnapshot(initial);
      const node = new RawNode({
        ...settings,
        id: this.members.length + 1,
        storage,
        log: this.output,
        // Cases that depend on it set it for themselves.
        randomTimeout: () => settings.electionTicks,
        entryBytes: protobufBytes,
      });
      this.members.push({ node, storage, settings, appendWork: [], applyWork: [] });
    }
  }

  processReady(member: Member): void {
    const { node, settings } = member;
    const ready = node.ready();
    this.output.write(describeReady(ready));
    if (!settings.asyncStorageWrites) {
      store(member, ready.hardState, ready.entries, ready.snapshot);
      apply(member, ready.committedEntries);
    }
    for (const message of ready.messages) {
      if (message.type === 'MsgStorageAppend') member.appendWork.push(message);
      else if (message.type === 'MsgStorageApply') member.applyWork.push(message);
      else this.messages.push(message);
    }
    if (!settings.asyncStorageWrites) node.advance(ready);
  }

  processAppendThread(member: Member): void {
    const message = member.appendWork.shift();
    if (message === undefined) {
      this.output.write('no append work to perform');
      return;
    }
    this.#describeWork(message);
    store(member, hardStateOf(message), message.entries, message.snapshot);
    this.#respond(message);
  }

  processApplyThread(member: Member): void {
    const message = member.applyWork.shift();
    if (message === undefined) {
      this.output.write('no apply work to perform');
      return;
    }
    this.#describeWork(message);
    apply(member, message.entries);
    this.#respond(message);
  }

  #describeWork(message: Message): void {
    this.output.write(`Processing:\n${describeMessage({ ...message, responses: [] })}\n`);
  }

  #respond({ responses }: Message): void {
    this.output.write('Responses:\n');
    for (const response of responses) this.output.write(`${describeMessage(response)}\n`);
    this.messages.push(...responses);
  }

  hasMessagesFor(id: RaftId): boolean {
    return this.messages.some(({ to }) => to === id);
  }

  /** Of one type or all; messages to itself and from storage are never dropped. Returns how many there were. */
  deliver(type: MessageType | undefined, recipients: readonly Recipient[]): number {
    let count = 0;
    for (const { id, drop } of recipients) {
      const chosen = this.messages.filter(
        (message) =>
          message.to === id && !(drop && isReliable(message)) && (type === undefined || message.type === type),
      );
      this.messages = this.messages.filter((message) => !chosen.includes(message));
      count += chosen.length;
      for (const message of chosen) {
        this.output.write(`${drop ? 'dropped: ' : ''}${describeMessage(message)}\n`);
        if (!drop) this.#step(this.member(id), message);
      }
    }
    return count;
  }

  #step({ node }: Member, message: Message): void {
    try {
      node.step(message);
    } catch (error) {
      if (!(error instanceof RaftError)) throw error;
      this.output.write(`${error.message}\n`);
    }
  }

  /** Works and delivers among these until nothing is left to do. */
  stabilize(members: readonly Member[]): void {
    const { output } = this;
    const work = (waits: (member: Member) => boolean, title: string, once: (member: Member) => void): boolean => {
      let any = false;
      for (const member of members) {
        if (!waits(member)) continue;
        any = true;
        output.write(`> ${member.node.id} ${title}\n`);
        once(member);
      }
      return any;
    };
    const drain = (queue: (member: Member) => Message[], once: (member: Member) => void) => (member: Member) => {
      while (queue(member).length > 0) output.indented(() => once(member));
    };
    const appendWork = (member: Member): Message[] => member.appendWork;
    const applyWork = (member: Member): Message[] => member.applyWork;
    for (let busy = true; busy; ) {
      busy = work(
        ({ node }) => node.hasReady(),
        'handling Ready',
        (member) => output.indented(() => this.processReady(member)),
      );
      busy =
        work(
          ({ node }) => this.hasMessagesFor(node.id),
          'receiving messages',
          ({ node }) => output.indented(() => this.deliver(undefined, [{ id: node.id, drop: false }])),
        ) || busy;
      busy =
        work(
          (member) => member.appendWork.length > 0,
          'processing append thread',
          drain(appendWork, (member) => this.processAppendThread(member)),
        ) || busy;
      busy =
        work(
          (member) => member.applyWork.length > 0,
          'processing apply thread',
          drain(applyWork, (member) => this.processApplyThread(member)),
        ) || busy;
    }
  }

  describeLog({ storage }: Member): void {
    const first = storage.firstIndex();
    const last = storage.lastIndex();
    if (last < first) {
      this.output.write(`log is empty: first index=${first}, last index=${last}`);
      return;
    }
    for (const entry of storage.entries(first, last + 1, Number.POSITIVE_INFINITY)) {
      this.output.write(`${describeEntry(entry)}\n`);
    }
  }
}

function isReliable({ from, to }: Message): boolean {
  return from === to || isStorageThread(from) || isStorageThread(to);
}

function store(
  { storage }: Member,
  hardState: HardState | undefined,
  entries: readonly Entry[],
  snapshot: Snapshot | undefined,
): void {
  if (hardState !== undefined) storage.setHardState(hardState);
  if (snapshot === undefined) {
    storage.append(entries);
    return;
  }
  if (entries.length > 0) throw new CommandFailed("can't apply snapshot and entries at the same time");
  storage.applySnapshot(snapshot);
}

/** The state machine appends what it gets to what it has. */
function apply({ node, storage }: Member, entries: readonly Entry[]): void {
  for (const entry of entries) {
    const change = decodeConfChange(entry);
    const before = storage.history.at(-1);
    if (before === undefined) throw new Error('a member begins with a state');
    const confState: ConfState =
      change === undefined ? before.metadata.confState : node.applyConfChange(change, entry.index);
    const update = change === undefined ? entry.data : asV2(change).context;
    storage.history.push({
      metadata: { confState, index: entry.index, term: entry.term },
      data: Uint8Array.from([...before.data, ...update]),
    });
  }
}
