import { RaftPanic } from './errors.ts';
import type { ConfState, RaftId } from './types.ts';

/**
 * Who votes and who only listens. In a joint configuration (Raft thesis §4.3) `outgoing` holds the voters of the one that is
 * being left, and each decision needs a majority of both. Lists are sorted, and never changed once they exist.
 */
export interface Configuration {
  readonly incoming: readonly RaftId[];
  /** Empty outside a joint configuration. */
  readonly outgoing: readonly RaftId[];
  /** Never voters, neither incoming nor outgoing. */
  readonly learners: readonly RaftId[];
  /** Outgoing voters that become learners when the joint configuration is left: until then they must vote. */
  readonly learnersNext: readonly RaftId[];
  /** The leader leaves the joint configuration by itself as soon as it may. */
  readonly autoLeave: boolean;
}

/** Nobody belongs to it: what a member that was never told anything starts with. */
export const emptyConfiguration: Configuration = {
  incoming: [],
  outgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};

export function sortedIds(ids: Iterable<RaftId>): RaftId[] {
  return [...new Set(ids)].sort((a, b) => a - b);
}

export function isJoint(configuration: Configuration): boolean {
  return configuration.outgoing.length > 0;
}

/** Voters of either half, sorted. */
export function votersOf(configuration: Configuration): readonly RaftId[] {
  if (configuration.outgoing.length === 0) return configuration.incoming;
  return sortedIds([...configuration.incoming, ...configuration.outgoing]);
}

/** Everybody whose progress a leader tracks, sorted. */
export function membersOf(configuration: Configuration): readonly RaftId[] {
  return sortedIds([...configuration.incoming, ...configuration.outgoing, ...configuration.learners]);
}

export function isVoter(configuration: Configuration, id: RaftId): boolean {
  return configuration.incoming.includes(id) || configuration.outgoing.includes(id);
}

/** Is it anybody at all in a stored configuration? */
export function isMemberIn({ voters, votersOutgoing, learners }: ConfState, id: RaftId): boolean {
  return voters.includes(id) || votersOutgoing.includes(id) || learners.includes(id);
}

export function confStateOf(configuration: Configuration): ConfState {
  return {
    voters: configuration.incoming,
    votersOutgoing: configuration.outgoing,
    learners: configuration.learners,
    learnersNext: configuration.learnersNext,
    autoLeave: configuration.autoLeave,
  };
}

/** The configuration that a stored state describes. Throws `RaftPanic` when it contradicts itself. */
export function configurationOf(state: ConfState): Configuration {
  const configuration: Configuration = {
    incoming: sortedIds(state.voters),
    outgoing: sortedIds(state.votersOutgoing),
    learners: sortedIds(state.learners),
    learnersNext: sortedIds(state.learnersNext),
    autoLeave: state.autoLeave,
  };
  const fault = configurationFault(configuration);
  if (fault !== undefined) throw new RaftPanic(`unable to restore config: ${fault}`);
  return configuration;
}

/** What contradicts itself in a configuration; undefined when nothing does. */
export function configurationFault(configuration: Configuration): string | undefined {
  const { incoming, outgoing, learners, learnersNext, autoLeave } = configuration;
  for (const id of learnersNext) {
    if (!outgoing.includes(id)) return `${id} is in LearnersNext, but not Voters[1]`;
  }
  for (const id of learners) {
    if (outgoing.includes(id)) return `${id} is in Learners and Voters[1]`;
    if (incoming.includes(id)) return `${id} is in Learners and Voters[0]`;
  }
  if (outgoing.length > 0) return undefined;
  if (learnersNext.length > 0) return 'LearnersNext must be empty when not joint';
  if (autoLeave) return 'AutoLeave must be false when not joint';
  return undefined;
}
