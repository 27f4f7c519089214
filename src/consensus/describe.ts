import { asV2, decodeConfChange } from './confChange.ts';
import type { Configuration } from './configuration.ts';
import type { ProgressStatus } from './status.ts';
import type {
  ConfChange,
  ConfChangeSingle,
  ConfChangeTransition,
  ConfChangeType,
  ConfChangeV2,
  ConfState,
  Entry,
  EntryType,
  HardState,
  Message,
  RaftId,
  RaftState,
  ReadState,
  Ready,
  Snapshot,
  SoftState,
} from './types.ts';
import { appendThread, applyThread } from './types.ts';

/** How an application shows the data of its entries. */
export type DataFormat = (data: Uint8Array) => string;

/** Ids are written in hexadecimal where a member speaks of itself and others, as in the logs of etcd. */
export function hex(id: RaftId): string {
  return id.toString(16);
}

const stateNames: Readonly<Record<RaftState, string>> = {
  follower: 'StateFollower',
  candidate: 'StateCandidate',
  leader: 'StateLeader',
  precandidate: 'StatePreCandidate',
};

export function describeState(state: RaftState): string {
  return stateNames[state];
}

const progressNames = { probe: 'StateProbe', replicate: 'StateReplicate', snapshot: 'StateSnapshot' } as const;

const entryNames: Readonly<Record<EntryType, string>> = {
  normal: 'EntryNormal',
  'conf-change': 'EntryConfChange',
  'conf-change-v2': 'EntryConfChangeV2',
};

const changeLetters: Readonly<Record<ConfChangeType, string>> = {
  'add-node': 'v',
  'add-learner': 'l',
  'remove-node': 'r',
  'update-node': 'u',
};

/** `v1 l2 r3 u4`: make 1 a voter and 2 a learner, remove 3, update 4. */
export function describeChanges(changes: readonly ConfChangeSingle[]): string {
  return changes.map(({ type, node }) => `${changeLetters[type]}${node}`).join(' ');
}

const changeNames: Readonly<Record<ConfChangeType, string>> = {
  'add-node': 'ConfChangeAddNode',
  'add-learner': 'ConfChangeAddLearnerNode',
  'remove-node': 'ConfChangeRemoveNode',
  'update-node': 'ConfChangeUpdateNode',
};

const transitionNames: Readonly<Record<ConfChangeTransition, string>> = {
  auto: 'ConfChangeTransitionAuto',
  'joint-implicit': 'ConfChangeTransitionJointImplicit',
  'joint-explicit': 'ConfChangeTransitionJointExplicit',
};

/** Every field of a change. The older form ends with an id that has no use any more. */
export function describeRawChange(change: ConfChange | ConfChangeV2): string {
  const context = list([...change.context]);
  if (change.version === 1) return `{${changeNames[change.type]} ${change.node} ${context} 0}`;
  const changes = change.changes.map(({ type, node }) => `{${changeNames[type]} ${node}}`);
  return `{${transitionNames[change.transition]} ${list(changes)} ${context}}`;
}

/** Every field of a stored configuration, without names. */
export function describeRawConfState(state: ConfState): string {
  const { voters, learners, votersOutgoing, learnersNext, autoLeave } = state;
  return `{${[voters, learners, votersOutgoing, learnersNext].map(list).join(' ')} ${autoLeave}}`;
}

/** `(1 2 3)`. */
export function describeIds(ids: readonly RaftId[]): string {
  return `(${ids.join(' ')})`;
}

/** `voters=(1 2 3)&&(1) learners=(4) learners_next=(1) autoleave`. */
export function describeConfiguration({
  incoming,
  outgoing,
  learners,
  learnersNext,
  autoLeave,
}: Configuration): string {
  let words = `voters=${describeIds(incoming)}`;
  if (outgoing.length > 0) words += `&&${describeIds(outgoing)}`;
  if (learners.length > 0) words += ` learners=${describeIds(learners)}`;
  if (learnersNext.length > 0) words += ` learners_next=${describeIds(learnersNext)}`;
  return autoLeave ? `${words} autoleave` : words;
}

export function describeProgress(progress: ProgressStatus): string {
  let words = `${progressNames[progress.state]} match=${progress.match} next=${progress.next}`;
  if (progress.isLearner) words += ' learner';
  if (progress.paused) words += ' paused';
  if (progress.pendingSnapshot > 0) words += ` pendingSnap=${progress.pendingSnapshot}`;
  if (!progress.recentActive) words += ' inactive';
  if (progress.inflightMessages > 0) words += ` inflight=${progress.inflightMessages}`;
  return progress.inflightMessages > 0 && progress.inflightFull ? `${words}[full]` : words;
}

export function describeHardState({ term, vote, commit }: HardState): string {
  return vote === 0 ? `Term:${term} Commit:${commit}` : `Term:${term} Vote:${vote} Commit:${commit}`;
}

export function describeSoftState({ leader, state }: SoftState): string {
  return `Lead:${leader} State:${describeState(state)}`;
}

function list(items: readonly (number | string)[]): string {
  return `[${items.join(' ')}]`;
}

export function describeConfState({ voters, votersOutgoing, learners, learnersNext, autoLeave }: ConfState): string {
  return [
    `Voters:${list(voters)}`,
    `VotersOutgoing:${list(votersOutgoing)}`,
    `Learners:${list(learners)}`,
    `LearnersNext:${list(learnersNext)}`,
    `AutoLeave:${autoLeave}`,
  ].join(' ');
}

export function describeSnapshot({ metadata }: Snapshot): string {
  return `Index:${metadata.index} Term:${metadata.term} ConfState:${describeConfState(metadata.confState)}`;
}

/** `1/4 EntryNormal "foo"`. */
export function describeEntry(entry: Entry, format: DataFormat = quoted): string {
  const words = describeData(entry, format);
  const head = `${entry.term}/${entry.index} ${entryNames[entry.type]}`;
  return words === '' ? head : `${head} ${words}`;
}

function describeData(entry: Entry, format: DataFormat): string {
  if (entry.type === 'normal') return format(entry.data);
  const change = decodeConfChange(entry);
  return change === undefined ? 'damaged configuration change' : describeChanges(asV2(change).changes);
}

function describeTarget(id: RaftId): string {
  if (id === 0) return 'None';
  if (id === appendThread) return 'AppendThread';
  return id === applyThread ? 'ApplyThread' : hex(id);
}

export function describeMessage(message: Message, format: DataFormat = quoted, indent = ''): string {
  const { from, to, type, term, logTerm, index } = message;
  let words = `${indent}${describeTarget(from)}->${describeTarget(to)} ${type} Term:${term} Log:${logTerm}/${index}`;
  if (message.reject) words += ` Rejected (Hint: ${message.rejectHint})`;
  if (message.commit !== 0) words += ` Commit:${message.commit}`;
  if (message.vote !== 0) words += ` Vote:${message.vote}`;
  const entries = message.entries.map((entry) => describeEntry(entry, format));
  if (entries.length === 1) words += ` Entries:[${entries[0]}]`;
  else if (entries.length > 1)
    words += ` Entries:[${entries.map((entry) => `\n${indent}  ${entry}`).join('')}\n${indent}]`;
  if (message.snapshot !== undefined && message.snapshot.metadata.index !== 0) {
    words += `\n${indent}  Snapshot: ${describeSnapshot(message.snapshot)}`;
  }
  if (message.responses.length === 0) return words;
  const responses = message.responses.map((response) => `\n${describeMessage(response, format, `${indent}  `)}`);
  return `${words} Responses:[${responses.join('')}\n${indent}]`;
}

function describeReadState({ index, context }: ReadState): string {
  return `{${index} ${list([...context])}}`;
}

/** A line for each thing that is in it; `<empty Ready>` when nothing is. */
export function describeReady(ready: Ready, format: DataFormat = quoted): string {
  const lines: string[] = [];
  const { softState, hardState, readStates, entries, snapshot, committedEntries, messages } = ready;
  if (softState !== undefined) lines.push(describeSoftState(softState));
  if (hardState !== undefined) lines.push(`HardState ${describeHardState(hardState)}`);
  if (readStates.length > 0) lines.push(`ReadStates ${list(readStates.map(describeReadState))}`);
  if (entries.length > 0) lines.push('Entries:', ...entries.map((entry) => describeEntry(entry, format)));
  if (snapshot !== undefined) lines.push(`Snapshot ${describeSnapshot(snapshot)}`);
  if (committedEntries.length > 0) {
    lines.push('CommittedEntries:', ...committedEntries.map((entry) => describeEntry(entry, format)));
  }
  if (messages.length > 0) lines.push('Messages:', ...messages.map((message) => describeMessage(message, format)));
  if (lines.length === 0) return '<empty Ready>';
  return `Ready MustSync=${ready.mustSync}:\n${lines.map((line) => `${line}\n`).join('')}`;
}

const escapes: ReadonlyMap<string, string> = new Map([
  ['"', '\\"'],
  ['\\', '\\\\'],
  ['\x07', '\\a'],
  ['\b', '\\b'],
  ['\f', '\\f'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
  ['\v', '\\v'],
]);

/** In quotes, with what cannot be printed escaped; bytes that are no UTF-8 as `\xff`. */
export function quoted(data: Uint8Array): string {
  let words = '"';
  let at = 0;
  while (at < data.length) {
    const first = data[at] ?? 0;
    const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    const character = decodedUtf8(data.subarray(at, at + length));
    words += character === undefined ? `\\x${byteHex(first)}` : quotedCharacter(character);
    at += character === undefined ? 1 : length;
  }
  return `${words}"`;
}

function quotedCharacter(character: string): string {
  const known = escapes.get(character);
  if (known !== undefined) return known;
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20 || code === 0x7f) return `\\x${byteHex(code)}`;
  if (character === ' ' || !/^[\p{C}\p{Z}]$/u.test(character)) return character;
  return code < 0x10000 ? `\\u${code.toString(16).padStart(4, '0')}` : `\\U${code.toString(16).padStart(8, '0')}`;
}

function byteHex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Undefined: the bytes are no character. */
function decodedUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return undefined;
  }
}
