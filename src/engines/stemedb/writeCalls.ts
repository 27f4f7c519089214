import type { Host } from '../../host/host.ts';
import type { Context } from '../../host/tracing.ts';
import { parseAssertion } from './assertionInput.ts';
import { writeAll, writeEach } from './batch.ts';
import { type Prepared, prepareAgentWeight, prepareAssertion, prepareEpoch, prepareVote } from './content.ts';
import { errorBody, StemeError } from './errors.ts';
import type { StemeMetrics } from './metrics.ts';
import {
  type AgentWeightInput,
  type AssertionInput,
  agentWeightSchema,
  epochSchema,
  parseInput,
  voteSchema,
} from './model.ts';
import type { BatchResult, Rejected, StemeDb } from './stemeNode.ts';
import type { Ack, WriteResult, Writer } from './write.ts';

/** What the writing calls of a store work with. */
export interface WriteCallDependencies {
  readonly host: Host;
  readonly writer: Writer;
  readonly metrics: StemeMetrics;
}

/** The calls of a store that write: they check what they are given, hand it to the writer and count what became of it. */
export function createWriteCalls({
  host,
  writer,
  metrics,
}: WriteCallDependencies): Pick<StemeDb, 'assert' | 'assertBatch' | 'vote' | 'epoch' | 'weigh'> {
  /** Counts what became of a call's assertions, or of the call as a whole when it throws. */
  function countRejection(error: unknown): void {
    if (error instanceof StemeError) metrics.rejections.inc({ code: error.code });
  }

  async function writeOne(prepare: () => Prepared, context: Context | undefined): Promise<Ack> {
    const answered = metrics.beginWrite();
    try {
      const [result] = await writer.write([prepare()], false, context);
      if (result === undefined) throw new Error('a write of one record had no result');
      if (result instanceof StemeError) throw result;
      return result;
    } catch (error) {
      countRejection(error);
      throw error;
    } finally {
      answered();
    }
  }

  async function assert(input: AssertionInput, context?: Context): Promise<Ack> {
    try {
      const ack = await writeOne(() => prepareAssertion(parseAssertion(input)), context);
      metrics.assertions.inc({ status: ack.status });
      return ack;
    } catch (error) {
      metrics.assertions.inc({ status: 'rejected' });
      throw error;
    }
  }

  async function assertBatch(
    inputs: readonly AssertionInput[],
    options: { atomic?: boolean } = {},
    context?: Context,
  ): Promise<BatchResult> {
    const answered = metrics.beginWrite();
    try {
      const whole = options.atomic === true;
      return tally(whole ? await writeAll(inputs, writer, context) : await writeEach(inputs, writer, host, context));
    } catch (error) {
      countRejection(error);
      metrics.assertions.inc({ status: 'rejected' }, inputs.length);
      throw error;
    } finally {
      answered();
    }
  }

  function tally(results: readonly WriteResult[]): BatchResult {
    const counts = { created: 0, exists: 0, rejected: 0 };
    const shown = results.map((result, i): Ack | Rejected => {
      if (!(result instanceof StemeError)) {
        counts[result.status]++;
        return result;
      }
      counts.rejected++;
      countRejection(result);
      return { status: 'rejected', index: i, error: errorBody(result).error };
    });
    for (const status of ['created', 'exists', 'rejected'] as const) metrics.assertions.inc({ status }, counts[status]);
    return { results: shown, created: counts.created, existing: counts.exists, rejected: counts.rejected };
  }

  return {
    assert,
    assertBatch,
    vote: (input, context) => writeOne(() => prepareVote(parseInput(voteSchema, input)), context),
    epoch: (input, context) => writeOne(() => prepareEpoch(parseInput(epochSchema, input)), context),
    weigh: (agent, weight, options = {}, context) =>
      writeOne(() => {
        const timestamp = options.timestamp ?? Math.floor(host.clock.wall());
        const input: AgentWeightInput = { agent, weight, timestamp };
        if (options.signatures !== undefined) input.signatures = [...options.signatures];
        return prepareAgentWeight(parseInput(agentWeightSchema, input));
      }, context),
  };
}
