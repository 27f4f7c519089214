import type { Host } from '../../../host/host.ts';
import { type GroupHandle, NotProposed, ProposalLost } from '../broker/group.ts';
import { type Rpc, RpcError, RpcRefusal } from '../broker/rpc.ts';
import { metaGroup } from '../ids.ts';
import { type MetaCommands, MetaError, type MetaResults, type SubmitOptions } from './commands.ts';
import { decodeJson, encodeJson, hexOf } from './json.ts';
import { encodeCommand, type MetaMachine, type SubmittedCommand } from './state.ts';

const requestName = 'meta.submit';
const defaultTimeoutMs = 10_000;
/** Between two attempts; a leader is elected in about a second. */
const retryMs = 100;

/** What meta's leader answers. */
interface Submitted {
  readonly index: number;
  readonly result: unknown;
}

/** Answers commands of other brokers while this one leads the metadata's group. */
export function serveCommands(rpc: Rpc, metaHandle: () => GroupHandle | undefined): void {
  rpc.serve(requestName, async (body) => {
    const handle = metaHandle();
    if (handle?.serving !== true) throw new RpcRefusal('NOT_LEADER', 'this broker does not lead the metadata');
    const submitted = decodeJson(body) as SubmittedCommand; // a broker of the cluster wrote it
    try {
      const { index, result } = await handle.propose(encodeCommand(submitted));
      return encodeJson({ index, result } satisfies Submitted);
    } catch (error) {
      if (error instanceof NotProposed) {
        throw new RpcRefusal(error.reason === 'not-leader' ? 'NOT_LEADER' : 'BUSY', error.message);
      }
      if (error instanceof ProposalLost) throw new RpcRefusal('LOST', error.message);
      throw error;
    }
  });
}

/** Changes of the metadata from this broker: sent to the leader until it answers, under one id, so that they are done once. */
export function createMetaCommands(host: Host, rpc: Rpc, machine: MetaMachine): MetaCommands {
  const random = host.random.stream('meta-command');

  async function attempts(submitted: SubmittedCommand, signal: AbortSignal, deadline: number): Promise<Submitted> {
    const body = encodeJson(submitted);
    let outcome: MetaError['outcome'] = 'refused';
    let cause: unknown = new Error('no broker leads the metadata');
    for (;;) {
      const left = deadline - host.clock.now();
      if (left <= 0 || signal.aborted) {
        throw new MetaError(outcome, `the metadata did not take ${submitted.command.type} in time: ${textOf(cause)}`, {
          cause,
        });
      }
      try {
        const answer = await rpc.callLeader(metaGroup, requestName, body, { timeoutMs: left, signal });
        return decodeJson(answer) as Submitted; // see `serveCommands`
      } catch (error) {
        if (!(error instanceof RpcError)) throw error;
        if (error.reason === 'lost' || error.remoteCode === 'LOST') outcome = 'unknown';
        cause = error;
        await host.clock
          .sleep(Math.min(retryMs, Math.max(0, deadline - host.clock.now())), signal)
          .catch(() => undefined);
      }
    }
  }

  return {
    async submit<C extends SubmittedCommand['command']>(
      command: C,
      options: SubmitOptions<MetaResults[C['type']]> = {},
    ): Promise<MetaResults[C['type']]> {
      const deadline = host.clock.now() + (options.timeoutMs ?? defaultTimeoutMs);
      const late = new AbortController();
      const timer = host.clock.timer(options.timeoutMs ?? defaultTimeoutMs, () => late.abort());
      const { signal } = late;
      const abort = () => late.abort(options.signal?.reason);
      options.signal?.addEventListener('abort', abort, { once: true });
      if (options.signal?.aborted === true) abort();
      try {
        const submitted = await attempts({ id: hexOf(random.bytes(16)), command }, signal, deadline);
        const { index } = submitted;
        // The machine answers each command with its own result.
        const result = submitted.result as MetaResults[C['type']];
        options.onResult?.(result);
        await machine.applied(index, signal).catch((cause: unknown) => {
          throw new MetaError('unknown', `${command.type} is done, but this broker's metadata lags behind`, { cause });
        });
        return result;
      } finally {
        timer.cancel();
        options.signal?.removeEventListener('abort', abort);
      }
    },
  };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
