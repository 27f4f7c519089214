import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type {
  DescribeClusterRequest,
  DescribeClusterResponse,
} from '../../../../wire/kafka/messages/describeCluster.ts';
import type { ApiHandler } from '../api.ts';
import { authorizedOperations, clusterName } from './authorizedOperations.ts';
import { liveBrokers } from './metadata.ts';

const brokersEndpoint = 1;
const notAsked = -2147483648;

/** DescribeCluster: its id and brokers. Any broker is controller enough, see `metadata`. */
export const describeCluster: ApiHandler<DescribeClusterRequest, DescribeClusterResponse> = async (
  request,
  context,
) => {
  const { services } = context;
  const { clusterId } = services.metadata;
  const { endpointType } = request;
  if (endpointType !== brokersEndpoint) {
    const errorMessage = `expected endpoints of brokers (1), got ${endpointType}: there are no others`;
    return { errorCode: kafkaErrors.UNSUPPORTED_ENDPOINT_TYPE, errorMessage, endpointType, clusterId, brokers: [] };
  }
  return {
    errorCode: kafkaErrors.NONE,
    endpointType,
    clusterId,
    controllerId: services.broker,
    brokers: liveBrokers(services).map(({ nodeId, ...rest }) => ({ brokerId: nodeId, ...rest })),
    clusterAuthorizedOperations: request.includeClusterAuthorizedOperations
      ? authorizedOperations(context, 'cluster', clusterName)
      : notAsked,
  };
};
