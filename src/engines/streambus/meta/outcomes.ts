import type { Outcome } from './commands.ts';

/** Kafka's error numbers that the metadata answers with. */
export const MetaCode = {
  unknownTopic: 3,
  invalidTopic: 17,
  topicExists: 36,
  invalidPartitions: 37,
  invalidReplicationFactor: 38,
  invalidReplicaAssignment: 39,
  invalidConfig: 40,
  invalidRequest: 42,
  duplicateResource: 92,
  resourceNotFound: 91,
  unacceptableCredential: 93,
  unknownTopicId: 100,
} as const;

/** It was done. */
export const done: Outcome = { errorCode: 0, errorMessage: undefined };

/** It was refused, and why. */
export function refusal(errorCode: number, errorMessage: string): Outcome {
  return { errorCode, errorMessage };
}
