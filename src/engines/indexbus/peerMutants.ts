import type { Telemetry } from '../../host/telemetry.ts';

/** Bugs that can be planted in producers and consumers. */
export interface PeerMutants {
  readonly tailBeforePayload: boolean;
  readonly headByStore: boolean;
  readonly receiveBeforeClaim: boolean;
  readonly sleepWithoutLook: boolean;
}

/** Which are planted: read once, when a bus is opened. */
export function peerMutants(telemetry: Telemetry): PeerMutants {
  return {
    tailBeforePayload: telemetry.mutant('tail-before-payload'),
    headByStore: telemetry.mutant('head-by-store'),
    receiveBeforeClaim: telemetry.mutant('receive-before-claim'),
    sleepWithoutLook: telemetry.mutant('sleep-without-look'),
  };
}
