import { describeProgress, describeRawConfState, hex } from '../describe.ts';
import { debug, error, info, logEnd, ofSnapshot, type Words, warn } from './line.ts';

type ReplicationKinds =
  | 'append-refused'
  | 'append-malformed'
  | 'append-rejected'
  | 'progress-decreased'
  | 'unreachable'
  | 'snapshot-to-inactive'
  | 'snapshot-not-ready'
  | 'snapshot-sent'
  | 'replication-paused'
  | 'snapshot-overtaken'
  | 'snapshot-outrun'
  | 'snapshot-succeeded'
  | 'snapshot-failed'
  | 'snapshot-accepted'
  | 'snapshot-ignored'
  | 'snapshot-restored'
  | 'snapshot-known'
  | 'snapshot-as-leader'
  | 'snapshot-without-me'
  | 'log-conflict'
  | 'log-restoring'
  | 'unstable-replaced'
  | 'unstable-truncated'
  | 'stable-missing'
  | 'stable-is-snapshot'
  | 'stable-mismatch';

/** Logs, and how they come to be alike. */
export const replicationWords: Words<ReplicationKinds> = {
  'append-refused': ({ id, ownTerm, index, logTerm, from }) => {
    const own = logEnd({ index, term: ownTerm });
    return debug(`${hex(id)} ${own}] rejected MsgApp ${logEnd({ index, term: logTerm })}] from ${hex(from)}`);
  },
  'append-malformed': ({ id, from }) =>
    error(`${hex(id)} ignored a MsgApp from ${hex(from)} whose entries are not consecutive`),
  'append-rejected': ({ id, hint, from, index }) => {
    const words = `(rejected, hint: (index ${hint.index}, term ${hint.term}))`;
    return debug(`${hex(id)} received MsgAppResp${words} from ${hex(from)} for index ${index}`);
  },
  'progress-decreased': ({ id, from, progress }) =>
    debug(`${hex(id)} decreased progress of ${hex(from)} to [${describeProgress(progress)}]`),
  unreachable: ({ id, to, progress }) =>
    debug(`${hex(id)} failed to send message to ${hex(to)} because it is unreachable [${describeProgress(progress)}]`),
  'snapshot-to-inactive': ({ to }) => debug(`ignore sending snapshot to ${hex(to)} since it is not recently active`),
  'snapshot-not-ready': ({ id, to }) =>
    debug(`${hex(id)} failed to send snapshot to ${hex(to)} because snapshot is temporarily unavailable`),
  'snapshot-sent': ({ id, firstIndex, commit, snapshot, to, progress }) => {
    const own = `[firstindex: ${firstIndex}, commit: ${commit}]`;
    const sent = `snapshot[index: ${snapshot.index}, term: ${snapshot.term}]`;
    return debug(`${hex(id)} ${own} sent ${sent} to ${hex(to)} [${describeProgress(progress)}]`);
  },
  'replication-paused': ({ id, to, progress }) =>
    debug(`${hex(id)} paused sending replication messages to ${hex(to)} [${describeProgress(progress)}]`),
  'snapshot-overtaken': ({ id, from, progress }) =>
    debug(
      `${hex(id)} recovered from needing snapshot, resumed sending replication messages to ${hex(from)} [${describeProgress(progress)}]`,
    ),
  'snapshot-outrun': ({ id, from, progress }) =>
    debug(`${hex(id)} compacted its log beyond the snapshot of ${hex(from)} [${describeProgress(progress)}]`),
  'snapshot-succeeded': ({ id, from, progress }) =>
    debug(
      `${hex(id)} snapshot succeeded, resumed sending replication messages to ${hex(from)} [${describeProgress(progress)}]`,
    ),
  'snapshot-failed': ({ id, from, progress }) =>
    debug(
      `${hex(id)} snapshot failed, resumed sending replication messages to ${hex(from)} [${describeProgress(progress)}]`,
    ),
  'snapshot-accepted': ({ id, commit, snapshot }) =>
    info(`${hex(id)} [commit: ${commit}] restored ${ofSnapshot(snapshot)}`),
  'snapshot-ignored': ({ id, commit, snapshot }) =>
    info(`${hex(id)} [commit: ${commit}] ignored ${ofSnapshot(snapshot)}`),
  'snapshot-restored': ({ id, commit, last, snapshot }) => {
    const own = `[commit: ${commit}, lastindex: ${last.index}, lastterm: ${last.term}]`;
    return info(`${hex(id)} ${own} restored ${ofSnapshot(snapshot)}`);
  },
  'snapshot-known': ({ id, commit, last, snapshot }) => {
    const own = `[commit: ${commit}, lastindex: ${last.index}, lastterm: ${last.term}]`;
    return info(`${hex(id)} ${own} fast-forwarded commit to ${ofSnapshot(snapshot)}`);
  },
  'snapshot-as-leader': ({ id }) => warn(`${hex(id)} attempted to restore snapshot as leader; should never happen`),
  'snapshot-without-me': ({ id, confState }) =>
    warn(
      `${hex(id)} attempted to restore snapshot but it is not in the ConfState ${describeRawConfState(confState)}; should never happen`,
    ),
  'log-conflict': ({ index, existing, conflicting }) =>
    info(`found conflict at index ${index} [existing term: ${existing}, conflicting term: ${conflicting}]`),
  'log-restoring': (event) => {
    const indexes = `committed=${event.committed}, applied=${event.applied}, applying=${event.applying}`;
    const offsets = `unstable.offset=${event.offset}, unstable.offsetInProgress=${event.offsetInProgress}`;
    const length = `len(unstable.Entries)=${event.unstableEntries}`;
    return info(`log [${indexes}, ${offsets}, ${length}] starts to restore ${ofSnapshot(event.snapshot)}`);
  },
  'unstable-replaced': ({ index }) => info(`replace the unstable entries from index ${index}`),
  'unstable-truncated': ({ index }) => info(`truncate the unstable entries before index ${index}`),
  'stable-missing': ({ index }) => debug(`entry at index ${index} missing from unstable log; ignoring`),
  'stable-is-snapshot': ({ index }) => info(`entry at index ${index} matched unstable snapshot; ignoring`),
  'stable-mismatch': ({ index, term, ownTerm }) =>
    info(
      `entry at (index,term)=(${index},${term}) mismatched with entry at (${index},${ownTerm}) in unstable log; ignoring`,
    ),
};
