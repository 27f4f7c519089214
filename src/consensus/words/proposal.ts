import { describeConfiguration, describeRawChange, hex } from '../describe.ts';
import { debug, error, info, ofTerm, type Words, warn } from './line.ts';

type ProposalKinds =
  | 'no-progress'
  | 'proposal-over-limit'
  | 'proposal-without-leader'
  | 'proposal-not-forwarded'
  | 'proposal-in-transfer'
  | 'change-ignored'
  | 'configuration-switched'
  | 'auto-leave-started'
  | 'auto-leave-failed'
  | 'read-without-leader'
  | 'reads-over-limit'
  | 'read-answer-malformed';

/** What is asked of a group: entries, configurations, reads. */
export const proposalWords: Words<ProposalKinds> = {
  'no-progress': ({ id, from }) => debug(`${hex(id)} no progress available for ${hex(from)}`),
  'proposal-over-limit': ({ id }) =>
    warn(`${hex(id)} appending new entries to log would exceed uncommitted entry size limit; dropping proposal`),
  'proposal-without-leader': ({ id, term }) => info(`${hex(id)} no leader at term ${term}; dropping proposal`),
  'proposal-not-forwarded': ({ id, leader, term }) =>
    info(`${hex(id)} not forwarding to leader ${hex(leader)} at term ${term}; dropping proposal`),
  'proposal-in-transfer': (event) =>
    debug(`${ofTerm(event)} transfer leadership to ${hex(event.to)} is in progress; dropping proposal`),
  'change-ignored': ({ id, change, configuration, reason }) =>
    info(
      `${hex(id)} ignoring conf change ${describeRawChange(change)} at config ${describeConfiguration(configuration)}: ${reason}`,
    ),
  'configuration-switched': ({ id, configuration }) =>
    info(`${hex(id)} switched to configuration ${describeConfiguration(configuration)}`),
  'auto-leave-started': ({ configuration }) =>
    info(`initiating automatic transition out of joint configuration ${describeConfiguration(configuration)}`),
  'auto-leave-failed': ({ configuration, error: reason }) =>
    debug(
      `not initiating automatic transition out of joint configuration ${describeConfiguration(configuration)}: ${reason}`,
    ),
  'read-without-leader': ({ id, term }) => info(`${hex(id)} no leader at term ${term}; dropping index reading msg`),
  'reads-over-limit': ({ id, limit }) => warn(`${hex(id)} dropped a read index: ${limit} are waiting`),
  'read-answer-malformed': ({ id, from, entries }) =>
    error(`${hex(id)} invalid format of MsgReadIndexResp from ${hex(from)}, entries count: ${entries}`),
};
