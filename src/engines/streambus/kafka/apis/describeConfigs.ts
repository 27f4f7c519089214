import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type {
  DescribeConfigsRequest,
  DescribeConfigsResponse,
} from '../../../../wire/kafka/messages/describeConfigs.ts';
import type { RequestContext } from '../api.ts';
import { clusterName } from './authorizedOperations.ts';
import { describeBrokerSettings, describeTopicSettings, type SettingView } from './settingViews.ts';

type Resource = DescribeConfigsRequest['resources'][number];
type Result = DescribeConfigsResponse['results'][number];

/** Kafka's numbers of what has settings. */
export const configResources = { topic: 2, broker: 4 } as const;

const fallbackSource = 5;

/** DescribeConfigs: settings of topics, and of this broker. */
export async function describeConfigs(
  request: DescribeConfigsRequest,
  context: RequestContext,
): Promise<DescribeConfigsResponse> {
  return { results: request.resources.map((resource) => describe(resource, request, context)) };
}

function describe(resource: Resource, request: DescribeConfigsRequest, context: RequestContext): Result {
  const { resourceType, resourceName, configurationKeys } = resource;
  const settings = settingsOf(resource, context);
  if ('errorCode' in settings) return { ...settings, resourceType, resourceName, configs: [] };
  const wanted = configurationKeys === null ? undefined : new Set(configurationKeys);
  const shown = settings.filter(({ name }) => wanted === undefined || wanted.has(name));
  return {
    errorCode: kafkaErrors.NONE,
    resourceType,
    resourceName,
    configs: shown.map((setting) => ({
      ...setting,
      isDefault: setting.configSource === fallbackSource,
      documentation: request.includeDocumentation ? setting.documentation : null,
      synonyms: request.includeSynonyms
        ? [{ name: setting.name, value: setting.value, source: setting.configSource }]
        : [],
    })),
  };
}

function settingsOf(
  { resourceType, resourceName }: Resource,
  context: RequestContext,
): SettingView[] | { readonly errorCode: number; readonly errorMessage: string } {
  const { services } = context;
  if (resourceType === configResources.topic) {
    if (!context.authorize('describe-configs', 'topic', resourceName)) {
      return { errorCode: kafkaErrors.TOPIC_AUTHORIZATION_FAILED, errorMessage: 'not permitted' };
    }
    const topic = services.metadata.topics.get(resourceName);
    return topic === undefined
      ? { errorCode: kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION, errorMessage: `there is no topic ${resourceName}` }
      : describeTopicSettings(services.config, topic.configs);
  }
  if (!context.authorize('describe-configs', 'cluster', clusterName)) {
    return { errorCode: kafkaErrors.CLUSTER_AUTHORIZATION_FAILED, errorMessage: 'not permitted' };
  }
  if (resourceType === configResources.broker && resourceName === String(services.broker)) {
    return describeBrokerSettings(services.config, services.broker);
  }
  const errorMessage =
    resourceType === configResources.broker
      ? `expected broker ${services.broker}, who is asked, got ${JSON.stringify(resourceName)}`
      : `expected a topic (2) or a broker (4), got a resource of type ${resourceType}`;
  return { errorCode: kafkaErrors.INVALID_REQUEST, errorMessage };
}
