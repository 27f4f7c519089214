import { describeMessage, describeProgress, describeState } from '../../../src/consensus/describe.ts';
import { RaftError } from '../../../src/consensus/errors.ts';
import { draftMessage } from '../../../src/consensus/message.ts';
import type {
  ConfChange,
  ConfChangeTransition,
  ConfChangeV2,
  MessageType,
  RaftId,
  Snapshot,
} from '../../../src/consensus/types.ts';
import { parseChanges } from './changerCases.ts';
import { type Argument, type Case, parseDirective, truth, wholeNumber } from './format.ts';
import { defaultSettings, Group, type Member, type MemberSettings, type Recipient } from './group.ts';
import { CommandFailed } from './output.ts';

type Verb = (group: Group, args: readonly Argument[]) => void;

/** A group that lives through one file; each case is a command, or several, to it. */
export function interactionFile(): (test: Case) => string {
  const group = new Group();
  return (test) => {
    const { output } = group;
    const failed = caught(() => {
      if (test.command === 'propose-conf-change') proposeConfChange(group, test);
      else runCommands(group, test);
    });
    // Errors are shown even where all else is silent.
    if (failed !== undefined && output.quiet) return failed;
    if (failed !== undefined) output.write(failed);
    const text = output.take();
    return text === '' ? 'ok' : text;
  };
}

/** The words of an error that belongs to the output. */
function caught(work: () => void): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof RaftError || error instanceof CommandFailed) return error.message;
    throw error;
  }
}

/** The directive is the first command; lines of input are further ones. */
function runCommands(group: Group, { command, args, input, line }: Case): void {
  runVerb(group, command, args);
  for (const [at, text] of input.split('\n').entries()) {
    if (text === '') continue;
    const [next, nextArgs] = parseDirective(text, line + at + 1);
    const failed = caught(() => runVerb(group, next, nextArgs));
    if (failed !== undefined && group.output.quiet) throw new CommandFailed(failed);
    if (failed !== undefined) group.output.write(failed);
  }
}

function runVerb(group: Group, name: string, args: readonly Argument[]): void {
  const verb = verbs.get(name);
  if (verb === undefined) throw new CommandFailed('unknown command');
  verb(group, args);
}

const verbs: ReadonlyMap<string, Verb> = new Map<string, Verb>([
  ['_breakpoint', () => undefined],
  ['add-nodes', addNodes],
  ['campaign', (group, args) => first(group, args).node.campaign()],
  ['compact', compact],
  ['deliver-msgs', deliverMessages],
  ['forget-leader', (group, args) => first(group, args).node.forgetLeader()],
  ['log-level', (group, args) => group.output.setLevel(args[0]?.key ?? '')],
  ['process-append-thread', forEach('processing append thread', (group, member) => group.processAppendThread(member))],
  ['process-apply-thread', forEach('processing apply thread', (group, member) => group.processApplyThread(member))],
  ['process-ready', forEach('handling Ready', (group, member) => group.processReady(member))],
  ['propose', (group, args) => first(group, args).node.propose(new TextEncoder().encode(args[1]?.key))],
  ['raft-log', (group, args) => group.describeLog(first(group, args))],
  ['raft-state', raftState],
  ['report-unreachable', reportUnreachable],
  ['send-snapshot', sendSnapshot],
  ['set-randomized-election-timeout', setTimeout],
  ['stabilize', stabilize],
  ['status', status],
  ['tick-election', (group, args) => tick(first(group, args), ({ electionTicks }) => electionTicks)],
  ['tick-heartbeat', (group, args) => tick(first(group, args), ({ heartbeatTicks }) => heartbeatTicks)],
  ['transfer-leadership', transferLeadership],
]);

/** Arguments without a value name members. */
function ids(args: readonly Argument[]): RaftId[] {
  return args.filter(({ values }) => values.length === 0).map(({ key }) => wholeNumber(key));
}

function first(group: Group, args: readonly Argument[]): Member {
  return group.member(wholeNumber(args[0]?.key));
}

/** The member at a place among those that are named. */
function named(group: Group, args: readonly Argument[], at: number): Member {
  const id = ids(args)[at];
  if (id === undefined) throw new Error(`expected a node's number as argument ${at + 1}`);
  return group.member(id);
}

function argumentValue(args: readonly Argument[], key: string): string | undefined {
  return args.find((arg) => arg.key === key)?.values[0];
}

/** For one member, or for several under a title each. */
function forEach(title: string, work: (group: Group, member: Member) => void): Verb {
  return (group, args) => {
    const members = ids(args).map((id) => group.member(id));
    for (const member of members) {
      if (members.length === 1) {
        work(group, member);
      } else {
        group.output.write(`> ${member.node.id} ${title}\n`);
        group.output.indented(() => work(group, member));
      }
    }
  };
}

function addNodes(group: Group, args: readonly Argument[]): void {
  const settings: { -readonly [Key in keyof MemberSettings]: MemberSettings[Key] } = { ...defaultSettings };
  const voters: RaftId[] = [];
  const learners: RaftId[] = [];
  let index = 0;
  let content = '';
  for (const { key, values } of args.slice(1)) {
    const [value = ''] = values;
    if (key === 'voters') voters.push(...values.map(wholeNumber));
    else if (key === 'learners') learners.push(...values.map(wholeNumber));
    else if (key === 'inflight') settings.maxInflightMessages = wholeNumber(value);
    else if (key === 'index') settings.applied = index = wholeNumber(value);
    else if (key === 'content') content = value;
    else if (key === 'async-storage-writes') settings.asyncStorageWrites = truth(value);
    else if (key === 'prevote') settings.preVote = truth(value);
    else if (key === 'checkquorum') settings.checkQuorum = truth(value);
    else if (key === 'max-committed-size-per-ready') settings.maxCommittedBytesPerReady = wholeNumber(value);
    else if (key === 'disable-conf-change-validation') settings.disableConfChangeValidation = truth(value);
    else if (key === 'step-down-on-removal') settings.stepDownOnRemoval = truth(value);
    else if (key === 'read-only') settings.readOnly = readOnlyOf(value);
  }
  const confState = { voters, learners, votersOutgoing: [], learnersNext: [], autoLeave: false };
  const snapshot: Snapshot = { metadata: { confState, index, term: 0 }, data: new TextEncoder().encode(content) };
  group.addNodes(wholeNumber(args[0]?.key), settings, snapshot);
}

function readOnlyOf(value: string): 'safe' | 'lease' {
  if (value === 'safe') return 'safe';
  if (value === 'lease-based') return 'lease';
  throw new CommandFailed(`invalid read-only option "${value}"`);
}

function compact(group: Group, args: readonly Argument[]): void {
  const member = first(group, args);
  member.storage.compact(wholeNumber(args[1]?.key));
  group.describeLog(member);
}

function deliverMessages(group: Group, args: readonly Argument[]): void {
  const recipients: Recipient[] = [];
  for (const { key, values } of args) {
    if (values.length === 0) recipients.push({ id: wholeNumber(key), drop: false });
    if (key !== 'drop') continue;
    for (const value of values) {
      const id = wholeNumber(value);
      if (recipients.some((other) => other.id === id)) throw new Error(`can't both deliver and drop msgs to ${id}`);
      recipients.push({ id, drop: true });
    }
  }
  // A type that no message has delivers nothing, which the output shows.
  const type = argumentValue(args, 'type') as MessageType | undefined;
  if (group.deliver(type, recipients) === 0) group.output.write('no messages\n');
}

function raftState(group: Group): void {
  for (const { node } of group.members) {
    const { voters, votersOutgoing } = node.confState();
    const votes = voters.includes(node.id) || votersOutgoing.includes(node.id);
    const role = `${describeState(node.state)} (${votes ? 'Voter' : 'Non-Voter'})`;
    group.output.write(`${node.id}: ${role} Term:${node.term} Lead:${node.leader}\n`);
  }
}

function reportUnreachable(group: Group, args: readonly Argument[]): void {
  named(group, args, 0).node.reportUnreachable(named(group, args, 1).node.id);
}

function sendSnapshot(group: Group, args: readonly Argument[]): void {
  const from = named(group, args, 0);
  const message = draftMessage('MsgSnap', named(group, args, 1).node.id, from.node.id, from.node.term);
  message.snapshot = from.storage.snapshot();
  group.messages.push(message);
  group.output.write(describeMessage(message));
}

function setTimeout(group: Group, args: readonly Argument[]): void {
  const ticks = wholeNumber(argumentValue(args, 'timeout'));
  if (ticks === 0) throw new Error('timeout must not be 0');
  first(group, args).node.core.randomizedElectionTimeout = ticks;
}

function stabilize(group: Group, args: readonly Argument[]): void {
  const before = group.output.level;
  const level = argumentValue(args, 'log-level');
  if (level !== undefined) group.output.setLevel(level);
  try {
    const chosen = ids(args).map((id) => group.member(id));
    group.stabilize(chosen.length === 0 ? group.members : chosen);
  } finally {
    group.output.level = before;
  }
}

function status(group: Group, args: readonly Argument[]): void {
  for (const progress of first(group, args).node.status().progress) {
    group.output.write(`${progress.id}: ${describeProgress(progress)}\n`);
  }
}

function tick({ node, settings }: Member, ticks: (settings: MemberSettings) => number): void {
  for (let count = ticks(settings); count > 0; count--) node.tick();
}

function transferLeadership(group: Group, args: readonly Argument[]): void {
  group.member(wholeNumber(argumentValue(args, 'from'))).node.transferLeader(wholeNumber(argumentValue(args, 'to')));
}

const transitions: ReadonlyMap<string, ConfChangeTransition> = new Map([
  ['auto', 'auto'],
  ['implicit', 'joint-implicit'],
  ['explicit', 'joint-explicit'],
]);

function proposeConfChange(group: Group, { args, input }: Case): void {
  const { node } = first(group, args);
  let v1 = false;
  let transition: ConfChangeTransition = 'auto';
  for (const { key, values } of args.slice(1)) {
    for (const value of values) {
      if (key === 'v1') {
        v1 = truth(value);
      } else if (key === 'transition') {
        const known = transitions.get(value);
        if (known === undefined) throw new CommandFailed(`unknown transition ${value}`);
        transition = known;
      } else {
        throw new CommandFailed(`unknown command ${key}`);
      }
    }
  }
  node.proposeConfChange(changeOf(input, v1, transition));
}

function changeOf(input: string, v1: boolean, transition: ConfChangeTransition): ConfChange | ConfChangeV2 {
  const changes = parseChanges(input);
  const context = new Uint8Array(0);
  if (!v1) return { version: 2, transition, changes, context };
  const [single] = changes;
  if (single === undefined || changes.length > 1 || transition !== 'auto') {
    throw new CommandFailed('v1 conf change can only have one operation and no transition');
  }
  return { version: 1, ...single, context };
}
