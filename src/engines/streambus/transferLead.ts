import { NotProposed } from './broker/group.ts';
import { RpcRefusal } from './broker/rpc.ts';
import type { GroupsRuntime } from './broker/runtime.ts';
import type { Transport } from './broker/transport.ts';
import type { BrokerId, GroupId } from './ids.ts';
import { decodeJson, encodeJson } from './meta/json.ts';

const name = 'group.transfer';

/** Answers brokers that ask this one to give the lead of a group to another. */
export function serveTransfers(transport: Transport, runtime: GroupsRuntime): void {
  transport.serve(name, async (body) => {
    const { group, to } = decodeJson(body) as { group: GroupId; to: BrokerId }; // written by `transferLead`
    try {
      await runtime.transfer(group, to);
      return new Uint8Array(0);
    } catch (error) {
      if (!(error instanceof NotProposed)) throw error;
      throw new RpcRefusal(error.reason === 'not-leader' ? 'NOT_LEADER' : 'BUSY', error.message);
    }
  });
}

/** Has the leader of a group, wherever it is, give the lead to `to`. */
export async function transferLead(
  transport: Transport,
  runtime: GroupsRuntime,
  group: GroupId,
  to: BrokerId,
): Promise<void> {
  if (runtime.leaderOf(group)?.broker === to) return;
  await transport.callLeader(group, name, encodeJson({ group, to }));
}
