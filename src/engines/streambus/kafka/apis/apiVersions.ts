import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type { ApiVersionsRequest, ApiVersionsResponse } from '../../../../wire/kafka/messages/apiVersions.ts';
import type { ApiHandler } from '../api.ts';
import { versionsAnswer } from '../refusal.ts';

/** What KIP-511 lets a client call itself. */
const softwareName = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;
/** From this version on a client says what it is. */
const namedFrom = 3;

/** ApiVersions: what is spoken here. */
export const apiVersions: ApiHandler<ApiVersionsRequest, ApiVersionsResponse> = async (request, { version }) => {
  const isNamed =
    version < namedFrom ||
    (softwareName.test(request.clientSoftwareName) && softwareName.test(request.clientSoftwareVersion));
  return versionsAnswer(isNamed ? kafkaErrors.NONE : kafkaErrors.INVALID_REQUEST);
};
