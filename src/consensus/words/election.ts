import { describeState, hex } from '../describe.ts';
import type { RaftEvent } from '../events.ts';
import type { RaftState } from '../types.ts';
import { debug, error, info, inTerm, logEnd, ofTerm, type Words, warn } from './line.ts';

type ElectionKinds =
  | 'started'
  | 'became'
  | 'election-started'
  | 'campaign-as-leader'
  | 'campaign-unpromotable'
  | 'campaign-changes-pending'
  | 'election-unpromotable'
  | 'vote-requested'
  | 'vote-received'
  | 'votes-counted'
  | 'vote-cast'
  | 'vote-rejected'
  | 'vote-ignored-in-lease'
  | 'higher-term'
  | 'lower-term-ignored'
  | 'old-appends-ignored'
  | 'quorum-inactive'
  | 'leader-forgotten'
  | 'forget-leader-refused'
  | 'transfer-to-learner'
  | 'transfer-to-self'
  | 'transfer-without-leader'
  | 'transfer-repeated'
  | 'transfer-started'
  | 'transfer-aborted'
  | 'timeout-now-sent'
  | 'timeout-now-sent-at-once'
  | 'timeout-now-received'
  | 'timeout-now-ignored';

const roles: Readonly<Record<RaftState, string>> = {
  follower: 'follower',
  candidate: 'candidate',
  precandidate: 'pre-candidate',
  leader: 'leader',
};

type VoteEvent = Extract<RaftEvent, { readonly kind: 'vote-cast' | 'vote-rejected' | 'vote-ignored-in-lease' }>;

function ofVote(event: VoteEvent, did: string, preposition: string): string {
  const { id, last, vote, type, from, candidateLast, term } = event;
  const own = `${hex(id)} ${logEnd(last)}, vote: ${hex(vote)}]`;
  return `${own} ${did} ${type} ${preposition} ${hex(from)} ${logEnd(candidateLast)}] at term ${term}`;
}

/** Terms, votes, leaders. */
export const electionWords: Words<ElectionKinds> = {
  started: ({ id, voters, term, commit, applied, last }) => {
    const state = `term: ${term}, commit: ${commit}, applied: ${applied}`;
    const log = `lastindex: ${last.index}, lastterm: ${last.term}`;
    return info(`newRaft ${hex(id)} [peers: [${voters.map(hex).join(',')}], ${state}, ${log}]`);
  },
  became: ({ id, state, term }) => info(`${hex(id)} became ${roles[state]} at term ${term}`),
  'election-started': ({ id, term }) => info(`${hex(id)} is starting a new election at term ${term}`),
  'campaign-as-leader': ({ id }) => debug(`${hex(id)} ignoring MsgHup because already leader`),
  'campaign-unpromotable': ({ id }) => warn(`${hex(id)} is unpromotable and can not campaign`),
  'campaign-changes-pending': ({ id, term }) =>
    warn(`${hex(id)} cannot campaign at term ${term} since there are still pending configuration changes to apply`),
  'election-unpromotable': ({ id }) => warn(`${hex(id)} is unpromotable; campaign() should have been called`),
  'vote-requested': ({ id, last, type, to, term }) =>
    info(`${hex(id)} ${logEnd(last)}] sent ${type} request to ${hex(to)} at term ${term}`),
  'vote-received': ({ id, type, from, granted, term }) =>
    info(`${hex(id)} received ${type}${granted ? '' : ' rejection'} from ${hex(from)} at term ${term}`),
  'votes-counted': ({ id, granted, type, rejected }) =>
    info(`${hex(id)} has received ${granted} ${type} votes and ${rejected} vote rejections`),
  'vote-cast': (event) => info(ofVote(event, 'cast', 'for')),
  'vote-rejected': (event) => info(ofVote(event, 'rejected', 'from')),
  'vote-ignored-in-lease': (event) =>
    info(`${ofVote(event, 'ignored', 'from')}: lease is not expired (remaining ticks: ${event.remainingTicks})`),
  'higher-term': (event) =>
    info(
      `${inTerm(event)} received a ${event.type} message with higher term from ${hex(event.from)} [term: ${event.messageTerm}]`,
    ),
  'lower-term-ignored': (event) =>
    info(
      `${inTerm(event)} ignored a ${event.type} message with lower term from ${hex(event.from)} [term: ${event.messageTerm}]`,
    ),
  'old-appends-ignored': (event) =>
    info(
      `${inTerm(event)} ignored entry appends from a ${event.type} message with lower term [term: ${event.messageTerm}]`,
    ),
  'quorum-inactive': ({ id }) => warn(`${hex(id)} stepped down to follower since quorum is not active`),
  'leader-forgotten': ({ id, leader, term }) => info(`${hex(id)} forgetting leader ${hex(leader)} at term ${term}`),
  'forget-leader-refused': () => error('ignoring MsgForgetLeader due to ReadOnlyLeaseBased'),
  'transfer-to-learner': ({ id }) => debug(`${hex(id)} is learner. Ignored transferring leadership`),
  'transfer-to-self': ({ id }) => debug(`${hex(id)} is already leader. Ignored transferring leadership to self`),
  'transfer-without-leader': ({ id, term }) =>
    info(`${hex(id)} no leader at term ${term}; dropping leader transfer msg`),
  'transfer-repeated': (event) => {
    const to = hex(event.to);
    return info(`${ofTerm(event)} transfer leadership to ${to} is in progress, ignores request to same node ${to}`);
  },
  'transfer-started': (event) => info(`${ofTerm(event)} starts to transfer leadership to ${hex(event.to)}`),
  'transfer-aborted': (event) => info(`${ofTerm(event)} abort previous transferring leadership to ${hex(event.to)}`),
  'timeout-now-sent': ({ id, to }) => info(`${hex(id)} sent MsgTimeoutNow to ${hex(to)} after received MsgAppResp`),
  'timeout-now-sent-at-once': ({ id, to }) =>
    info(`${hex(id)} sends MsgTimeoutNow to ${hex(to)} immediately as ${hex(to)} already has up-to-date log`),
  'timeout-now-received': (event) =>
    info(`${ofTerm(event)} received MsgTimeoutNow from ${hex(event.from)} and starts an election to get leadership.`),
  'timeout-now-ignored': ({ id, term, state, from }) =>
    debug(`${hex(id)} [term ${term} state ${describeState(state)}] ignored MsgTimeoutNow from ${hex(from)}`),
};
