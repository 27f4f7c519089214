import {
  array,
  bool,
  type Decoded,
  type Encodable,
  field,
  int16,
  int64,
  string,
  struct,
  throttleTimeMs,
} from '../schema/types.ts';

export const apiVersionsRequest = struct({
  clientSoftwareName: field(string, { since: 3, default: '' }),
  clientSoftwareVersion: field(string, { since: 3, default: '' }),
});

export const apiVersionsResponse = struct({
  errorCode: int16,
  apiKeys: array(struct({ apiKey: int16, minVersion: int16, maxVersion: int16 })),
  throttleTimeMs: throttleTimeMs(1),
  supportedFeatures: field(array(struct({ name: string, minVersion: int16, maxVersion: int16 })), {
    since: 3,
    tag: 0,
    default: [],
  }),
  finalizedFeaturesEpoch: field(int64, { since: 3, tag: 1, default: -1 }),
  finalizedFeatures: field(array(struct({ name: string, maxVersionLevel: int16, minVersionLevel: int16 })), {
    since: 3,
    tag: 2,
    default: [],
  }),
  zkMigrationReady: field(bool, { since: 3, tag: 3, default: false }),
});

export type ApiVersionsRequest = Decoded<typeof apiVersionsRequest>;
export type ApiVersionsResponse = Encodable<typeof apiVersionsResponse>;
