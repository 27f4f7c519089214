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
const peerAskTimeoutMs = 30_000;

/** Asks the machine of a group's replica at `to`. Rejects with `RpcError`, or when `signal` ends it. */
export function askPeer(
  rpc: Rpc,
  to: BrokerId,
  group: GroupId,
  generation: number,
  request: Uint8Array,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const writer = new ByteWriter(request.length + 16);
  writer.u32(group);
  writer.u32(generation);
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
  const writer = new ByteWriter(16);
  writer.u32(group);
  writer.u32(generation);
  writer.u48(member);
  const answer = await rpc.callLeader(group, barrierRequest, writer.take(), { signal });
  return new ByteReader(answer).u48();
}

/** What answers of groups are made of. */
export interface GroupAnswersContext {
  readonly broker: BrokerId;
  readonly open: ReadonlyMap<GroupId, OpenGroup>;
  readonly replicas: ReadonlyMap<GroupId, GroupReplica>;
}

/** Answers what the other brokers' replicas ask. */
export function serveGroupRequests(rpc: Rpc, context: GroupAnswersContext): void {
  rpc.serve(peerRequest, (body, from) => answerPeer(context, body, from));
  rpc.serve(barrierRequest, (body, from) => answerBarrier(context, body, from));
}

async function answerPeer(
  { broker, open }: GroupAnswersContext,
  body: Uint8Array,
  from: BrokerId,
): Promise<Uint8Array> {
  const reader = new ByteReader(body);
  const group = reader.u32();
  const generation = reader.u32();
  const asked = open.get(group);
  if (asked === undefined || asked.spec.generation !== generation) {
    throw new RpcRefusal('NO_REPLICA', `broker ${broker} has no replica of group ${group}`);
  }
  return asked.machine.answerPeer(reader.raw(reader.left), from);
}

async function answerBarrier(
  { broker, replicas }: GroupAnswersContext,
  body: Uint8Array,
  from: BrokerId,
): Promise<Uint8Array> {
  const reader = new ByteReader(body);
  const group = reader.u32();
  const generation = reader.u32();
  const member = reader.u48();
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
