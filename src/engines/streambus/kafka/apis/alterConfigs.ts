import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type { AlterConfigsRequest, AlterConfigsResponse } from '../../../../wire/kafka/messages/alterConfigs.ts';
import type {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from '../../../../wire/kafka/messages/incrementalAlterConfigs.ts';
import type { AlterConfigs } from '../../meta/commands.ts';
import type { RequestContext } from '../api.ts';
import { clusterName } from './authorizedOperations.ts';
import { configResources } from './describeConfigs.ts';
import { codeOfFailure, textOfFailure } from './failure.ts';

type Resource = AlterConfigs['resources'][number];
type Change = Resource['changes'][number];
type Answer = AlterConfigsResponse['responses'][number];

interface Wanted {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly mode: Resource['mode'];
  /** Undefined: an operation that does not exist is among them. */
  readonly changes: readonly Change[] | undefined;
}

const operations = ['set', 'delete', 'append', 'subtract'] as const;

/** AlterConfigs: what is not named goes back to its default. */
export async function alterConfigs(
  request: AlterConfigsRequest,
  context: RequestContext,
): Promise<AlterConfigsResponse> {
  const wanted = request.resources.map(({ resourceType, resourceName, configs }) => ({
    resourceType,
    resourceName,
    mode: 'replace' as const,
    changes: configs.map(({ name, value }) => ({ name, operation: 'set' as const, value: value ?? undefined })),
  }));
  return { responses: await alter(wanted, request.validateOnly, context) };
}

/** IncrementalAlterConfigs: what is not named stays (KIP-339). */
export async function incrementalAlterConfigs(
  request: IncrementalAlterConfigsRequest,
  context: RequestContext,
): Promise<IncrementalAlterConfigsResponse> {
  const wanted = request.resources.map(({ resourceType, resourceName, configs }) => {
    const changes = configs.flatMap(({ name, configOperation, value }) => {
      const operation = operations[configOperation];
      return operation === undefined ? [] : [{ name, operation, value: value ?? undefined }];
    });
    const isKnown = changes.length === configs.length;
    return { resourceType, resourceName, mode: 'incremental' as const, changes: isKnown ? changes : undefined };
  });
  return { responses: await alter(wanted, request.validateOnly, context) };
}

async function alter(wanted: readonly Wanted[], validateOnly: boolean, context: RequestContext): Promise<Answer[]> {
  const checked = wanted.map((one) => ({ one, resource: check(one, context) }));
  const resources = checked.flatMap(({ resource }) => ('errorCode' in resource ? [] : [resource]));
  const { commands } = context.services;
  let outcomes: readonly { readonly errorCode: number; readonly errorMessage: string | undefined }[];
  try {
    outcomes =
      resources.length === 0
        ? []
        : await commands.submit({ type: 'alter-configs', resources, validateOnly }, { signal: context.signal });
  } catch (error) {
    const failure = { errorCode: codeOfFailure(error), errorMessage: textOfFailure(error) };
    outcomes = resources.map(() => failure);
  }
  let at = 0;
  return checked.map(({ one: { resourceType, resourceName }, resource }): Answer => {
    const outcome = 'errorCode' in resource ? resource : outcomes[at++];
    if (outcome === undefined) throw new Error(`${outcomes.length} outcomes of ${resources.length} resources`);
    return {
      errorCode: outcome.errorCode,
      errorMessage: outcome.errorMessage ?? null,
      resourceType,
      resourceName,
    };
  });
}

/** The resource as the metadata wants it, or why the request cannot be passed on. */
function check(
  { resourceType, resourceName, mode, changes }: Wanted,
  context: RequestContext,
): Resource | { readonly errorCode: number; readonly errorMessage: string } {
  const isTopic = resourceType === configResources.topic;
  if (isTopic && !context.authorize('alter-configs', 'topic', resourceName)) {
    return { errorCode: kafkaErrors.TOPIC_AUTHORIZATION_FAILED, errorMessage: 'not permitted' };
  }
  if (!isTopic && !context.authorize('alter-configs', 'cluster', clusterName)) {
    return { errorCode: kafkaErrors.CLUSTER_AUTHORIZATION_FAILED, errorMessage: 'not permitted' };
  }
  if (!isTopic && resourceType !== configResources.broker) {
    const errorMessage = `expected a topic (2) or a broker (4), got a resource of type ${resourceType}`;
    return { errorCode: kafkaErrors.INVALID_REQUEST, errorMessage };
  }
  if (changes === undefined) {
    const errorMessage = 'expected operations from 0 (set) to 3 (subtract)';
    return { errorCode: kafkaErrors.INVALID_REQUEST, errorMessage };
  }
  return { type: isTopic ? 'topic' : 'broker', name: resourceName, mode, changes };
}
