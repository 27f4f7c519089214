import type { RaftConfig } from '../../../src/consensus/config.ts';
import type { Entry } from '../../../src/consensus/types.ts';

/** As a journal would count: a header and the data. */
export function entryBytes({ data }: Entry): number {
  return 16 + data.length;
}

/** Ten ticks to an election, one to a heartbeat, no limits. */
export const plainSettings: Omit<RaftConfig, 'id' | 'storage'> = {
  applied: 0,
  electionTicks: 10,
  heartbeatTicks: 1,
  asyncStorageWrites: false,
  preVote: false,
  checkQuorum: false,
  log: null,
  maxBytesPerMessage: Number.POSITIVE_INFINITY,
  maxCommittedBytesPerReady: 0,
  maxUncommittedBytes: 0,
  maxInflightMessages: 256,
  maxInflightBytes: 0,
  stepDownOnRemoval: false,
  readOnly: 'safe',
  disableProposalForwarding: false,
  disableConfChangeValidation: false,
  randomTimeout: () => 10,
  entryBytes,
};

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function text(data: Uint8Array): string {
  return new TextDecoder().decode(data);
}
