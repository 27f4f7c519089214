import type { RaftId } from '../../../consensus/types.ts';
import { ByteReader, ByteWriter } from '../../../wire/rpc/bytes.ts';
import { type BrokerId, brokerOf, type GroupId } from '../ids.ts';
import { NotProposed } from './group.ts';
import type { GroupReplica } from './groupReplica.ts';
import { type Rpc, RpcRefusal } from './rpc.ts';
import type { OpenGroup } from './runtime.ts';

/** A group's machine asks that of another broker; the answer is the machine's own. */
const peerRequest = 'group.peer';
/** A member that has lost what it had acknowledged asks where its probation ends. */
const barrierRequest = 'group.barrier';
/** A leader tells whom an operator wants to lead after it. */
const choiceRequest = 'group.choice';
const peerAskTimeoutMs = 30_000;
/** Well below the time in which the chosen one takes the lead: there is time for another try. */
const choiceTimeoutMs = 500;

/** The end of what is known to be committed; index 0: nothing is told of it. */
export interface CommittedEnd {
  readonly index: number;
  readonly term: number;
}

/**
 * Asks the machine of a group's replica at `to`, which hears by the way what is `committed`. Rejects with `RpcError`, or when `signal` ends
 * it.
 */
export function askPeer(
  rpc: Rpc,
  to: BrokerId,
  group: GroupId,
  generation: number,
  request: Uint8Array,
  committed: CommittedEnd,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const writer = headOf(group, generation, request.length + 10);
  writer.u48(committed.index);
  writer.u32(committed.term);
  writer.raw(request);
  return rpc.call(to, peerRequest, writer.take(), { timeoutMs: peerAskTimeoutMs, signal });
}

/** Asks a group's leader for the index up to which `member` must apply the log before it may vote again. Rejects with `RpcError`. */
export async function askBarrier(
  rpc: Rpc,
  group: GroupId,
  generation: number,
  member: RaftId,
  signal: AbortSignal,
): Promise<number> {
  const writer = headOf(group, generation, 6);
  writer.u48(member);
  const answer = await rpc.callLeader(group, barrierRequest, writer.take(), { signal });
  return new ByteReader(answer).u48();
}

/** Tells `to` that an operator wants it to lead the group in a term after `term`. Rejects with `RpcError`. */
export async function tellChoice(
  rpc: Rpc,
  to: BrokerId,
  group: GroupId,
  generation: number,
  term: number,
): Promise<void> {
  const writer = headOf(group, generation, 4);
  writer.u32(term);
  await rpc.call(to, choiceRequest, writer.take(), { timeoutMs: choiceTimeoutMs });
}

/** What every request begins with: the group, and the generation of its content. `bytes` follow. */
function headOf(group: GroupId, generation: number, bytes: number): ByteWriter {
  const writer = new ByteWriter(bytes + 16);
  writer.u32(group);
  writer.u32(generation);
  return writer;
}

function readHead(body: Uint8Array): {
  readonly group: GroupId;
  readonly generation: number;
  readonly rest: ByteReader;
} {
  const rest = new ByteReader(body);
  return { group: rest.u32(), generation: rest.u32(), rest };
}

/** What answers of groups are made of. */
export interface GroupAnswersContext {
  readonly broker: BrokerId;
  readonly open: ReadonlyMap<GroupId, OpenGroup>;
  readonly replicas: ReadonlyMap<GroupId, GroupReplica>;
  /** An operator wants this broker to lead a group in a term after that one. */
  readonly onChosen: (group: GroupId, afterTerm: number) => void;
}

/** Answers what the other brokers' replicas ask. */
export function serveGroupRequests(rpc: Rpc, context: GroupAnswersContext): void {
  rpc.serve(peerRequest, (body, from) => answerPeer(context, body, from));
  rpc.serve(barrierRequest, (body, from) => answerBarrier(context, body, from));
  rpc.serve(choiceRequest, async (body) => takeChoice(context, body));
}

async function answerPeer(
  { broker, open, replicas }: GroupAnswersContext,
  body: Uint8Array,
  from: BrokerId,
): Promise<Uint8Array> {
  const { group, generation, rest } = readHead(body);
  const committed = { index: rest.u48(), term: rest.u32() };
  const asked = open.get(group);
  if (asked === undefined || asked.spec.generation !== generation) {
    throw new RpcRefusal('NO_REPLICA', `broker ${broker} has no replica of group ${group}`);
  }
  if (committed.index > 0) replicas.get(group)?.learnCommitted(committed);
  return asked.machine.answerPeer(rest.raw(rest.left), from);
}

async function answerBarrier(
  { broker, replicas }: GroupAnswersContext,
  body: Uint8Array,
  from: BrokerId,
): Promise<Uint8Array> {
  const { group, generation, rest } = readHead(body);
  const member = rest.u48();
  if (brokerOf(member) !== from) {
    throw new RpcRefusal('NOT_YOURS', `broker ${from} asks for a member of broker ${brokerOf(member)}`);
  }
  const replica = replicas.get(group);
  if (replica?.serving !== true || replica.spec.generation !== generation) {
    throw new RpcRefusal('NOT_LEADER', `broker ${broker} does not lead group ${group}`);
  }
  try {
    const index = await replica.barrierFor(member);
    const writer = new ByteWriter(8);
    writer.u48(index);
    return writer.take();
  } catch (error) {
    if (error instanceof NotProposed) throw new RpcRefusal('NOT_LEADER', error.message);
    throw error;
  }
}

function takeChoice({ broker, replicas, onChosen }: GroupAnswersContext, body: Uint8Array): Uint8Array {
  const { group, generation, rest } = readHead(body);
  if (replicas.get(group)?.spec.generation !== generation) {
    throw new RpcRefusal('NO_REPLICA', `broker ${broker} has no replica of group ${group}`);
  }
  onChosen(group, rest.u32());
  return new Uint8Array(0);
}
