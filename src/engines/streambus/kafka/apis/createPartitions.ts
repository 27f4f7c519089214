import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type {
  CreatePartitionsRequest,
  CreatePartitionsResponse,
} from '../../../../wire/kafka/messages/createPartitions.ts';
import type { RequestContext } from '../api.ts';
import { maxAdminTimeoutMs } from './createTopics.ts';
import { codeOfFailure, textOfFailure } from './failure.ts';
import { waitForLeaders } from './topicCreation.ts';

type Result = CreatePartitionsResponse['results'][number];

/** CreatePartitions: answered once the new partitions are led. */
export async function createPartitions(
  request: CreatePartitionsRequest,
  context: RequestContext,
): Promise<CreatePartitionsResponse> {
  const { services, signal } = context;
  const { clock } = services.host;
  const permitted = request.topics.filter(({ name }) => context.authorize('alter', 'topic', name));
  const timeoutMs = Math.min(Math.max(request.timeoutMs, 1), maxAdminTimeoutMs);
  const startedAt = clock.now();
  const results = new Map<string, Result>();
  try {
    if (permitted.length > 0) {
      const outcomes = await services.commands.submit(
        {
          type: 'create-partitions',
          topics: permitted.map(({ name, count, assignments }) => ({
            name,
            count,
            // Clients that cannot say null say nothing: both leave it to the cluster.
            assignment:
              assignments === null || assignments.length === 0
                ? undefined
                : assignments.map(({ brokerIds }) => brokerIds),
          })),
          validateOnly: request.validateOnly,
        },
        { timeoutMs, signal },
      );
      for (const { name, errorCode, errorMessage } of outcomes) {
        results.set(name, { name, errorCode, errorMessage: errorMessage ?? null });
      }
      const grown = outcomes.filter(({ errorCode }) => errorCode === 0).map(({ name }) => name);
      if (!request.validateOnly) await waitForLeaders(services, grown, startedAt + timeoutMs, signal);
    }
  } catch (error) {
    const errorCode = codeOfFailure(error);
    for (const { name } of permitted) results.set(name, { name, errorCode, errorMessage: textOfFailure(error) });
  }
  context.waited(clock.now() - startedAt);
  return {
    results: request.topics.map(
      ({ name }) => results.get(name) ?? { name, errorCode: kafkaErrors.TOPIC_AUTHORIZATION_FAILED },
    ),
  };
}
