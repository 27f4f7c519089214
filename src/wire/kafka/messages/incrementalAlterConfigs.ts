import { array, bool, type Decoded, field, int8, nullable, string, struct } from '../schema/types.ts';
import { type AlterConfigsResponse, alterConfigsResponse } from './alterConfigs.ts';

export const incrementalAlterConfigsRequest = struct({
  resources: array(
    struct({
      resourceType: int8,
      resourceName: string,
      /** Operation: 0 set, 1 delete, 2 append, 3 subtract. */
      configs: array(struct({ name: string, configOperation: int8, value: nullable(string) })),
    }),
  ),
  validateOnly: field(bool, { default: false }),
});

/** The answer is the one of AlterConfigs. */
export const incrementalAlterConfigsResponse = alterConfigsResponse;

export type IncrementalAlterConfigsRequest = Decoded<typeof incrementalAlterConfigsRequest>;
export type IncrementalAlterConfigsResponse = AlterConfigsResponse;
