import type { RaftConfig } from './config.ts';
import { RaftConfigInvalid } from './errors.ts';

/** Throws `RaftConfigInvalid` when a member cannot run with these settings. */
export function mustBeValid(config: RaftConfig): void {
  if (!Number.isSafeInteger(config.id) || config.id <= 0) {
    throw new RaftConfigInvalid(`id is ${config.id}, expected a safe integer above 0`);
  }
  if (config.heartbeatTicks <= 0) {
    throw new RaftConfigInvalid(`heartbeatTicks is ${config.heartbeatTicks}, expected more than 0`);
  }
  if (config.electionTicks <= config.heartbeatTicks) {
    throw new RaftConfigInvalid(
      `electionTicks is ${config.electionTicks}, expected more than heartbeatTicks (${config.heartbeatTicks})`,
    );
  }
  if (config.maxInflightMessages <= 0) {
    throw new RaftConfigInvalid(`maxInflightMessages is ${config.maxInflightMessages}, expected more than 0`);
  }
  if (config.maxInflightBytes !== 0 && config.maxInflightBytes < config.maxBytesPerMessage) {
    throw new RaftConfigInvalid(
      `maxInflightBytes is ${config.maxInflightBytes}, expected at least maxBytesPerMessage (${config.maxBytesPerMessage})`,
    );
  }
  if (config.readOnly === 'lease' && !config.checkQuorum) {
    throw new RaftConfigInvalid("readOnly is 'lease', which needs checkQuorum: without it a deposed leader may answer");
  }
}
