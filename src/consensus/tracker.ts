import { type Configuration, emptyConfiguration, membersOf } from './configuration.ts';
import { Progress } from './progress.ts';
import { type AckedIndexes, jointCommitted, jointVote, type VoteResult, type Votes } from './quorum.ts';
import type { RaftId } from './types.ts';

/** How an election stands. */
export interface Tally {
  readonly granted: number;
  readonly rejected: number;
  readonly result: VoteResult;
}

/** The present configuration, what is known of each member in it, and the votes of an election. */
export class Tracker implements AckedIndexes, Votes {
  readonly #maxInflightMessages: number;
  readonly #maxInflightBytes: number;
  readonly #learnersCount: boolean;
  readonly #votes = new Map<RaftId, boolean>();
  #configuration: Configuration = emptyConfiguration;
  #members: readonly Progress[] = [];

  /** `learnersCount` plants a bug: learners are counted when a leader commits. */
  constructor(maxInflightMessages: number, maxInflightBytes: number, learnersCount: boolean) {
    this.#maxInflightMessages = maxInflightMessages;
    this.#maxInflightBytes = maxInflightBytes;
    this.#learnersCount = learnersCount;
  }

  get configuration(): Configuration {
    return this.#configuration;
  }

  /** By ascending id. */
  get members(): readonly Progress[] {
    return this.#members;
  }

  /** Groups are small, so a walk beats a map. */
  get(id: RaftId): Progress | undefined {
    for (const progress of this.#members) {
      if (progress.id === id) return progress;
    }
    return undefined;
  }

  /** Takes a configuration over. Members that stay keep their progress; new ones and those in `fresh` begin at `lastIndex`. */
  adopt(configuration: Configuration, fresh: ReadonlySet<RaftId>, lastIndex: number): void {
    const kept = new Map(this.#members.map((progress) => [progress.id, progress]));
    this.#members = membersOf(configuration).map((id) => {
      const isLearner = configuration.learners.includes(id);
      const known = fresh.has(id) ? undefined : kept.get(id);
      if (known !== undefined) {
        known.isLearner = isLearner;
        return known;
      }
      // At the leader's end, hoping for the best: the answer to the first probe tells where the log really ends.
      const progress = new Progress(
        id,
        Math.max(lastIndex, 1),
        isLearner,
        this.#maxInflightMessages,
        this.#maxInflightBytes,
      );
      // Else a check of the quorum could end the term before the new member had a chance to speak.
      progress.recentActive = true;
      return progress;
    });
    this.#configuration = configuration;
  }

  /** One voter, and nobody else has to be asked. */
  get isSingleton(): boolean {
    return this.#configuration.incoming.length === 1 && this.#configuration.outgoing.length === 0;
  }

  ackedIndex(id: RaftId): number | undefined {
    return this.get(id)?.match;
  }

  /** The highest index that enough voters have stored. */
  committed(): number {
    const { incoming, outgoing, learners } = this.#configuration;
    if (this.#learnersCount) return this.#committedWithLearners(incoming, [...incoming, ...learners], outgoing);
    return jointCommitted(incoming, outgoing, this);
  }

  /** The planted bug: as many members as are a majority of the voters, whoever they are. */
  #committedWithLearners(voters: readonly RaftId[], members: readonly RaftId[], outgoing: readonly RaftId[]): number {
    const acked = members.map((id) => this.ackedIndex(id) ?? 0).sort((left, right) => right - left);
    return Math.min(acked[Math.floor(voters.length / 2)] ?? 0, jointCommitted(outgoing, [], this));
  }

  /** Has this leader heard from a quorum since the last call of `forgetActivity`? */
  quorumActive(): boolean {
    const activity: Votes = {
      vote: (id) => {
        const progress = this.get(id);
        return progress === undefined || progress.isLearner ? undefined : progress.recentActive;
      },
    };
    return jointVote(this.#configuration.incoming, this.#configuration.outgoing, activity) === 'won';
  }

  forgetActivity(self: RaftId): void {
    for (const progress of this.#members) {
      if (progress.id !== self) progress.recentActive = false;
    }
  }

  resetVotes(): void {
    this.#votes.clear();
  }

  /** The first answer of a member counts. */
  recordVote(id: RaftId, granted: boolean): void {
    if (!this.#votes.has(id)) this.#votes.set(id, granted);
  }

  vote(id: RaftId): boolean | undefined {
    return this.#votes.get(id);
  }

  tally(): Tally {
    let granted = 0;
    let rejected = 0;
    for (const progress of this.#members) {
      if (progress.isLearner) continue;
      const vote = this.#votes.get(progress.id);
      if (vote === true) granted++;
      else if (vote === false) rejected++;
    }
    return { granted, rejected, result: jointVote(this.#configuration.incoming, this.#configuration.outgoing, this) };
  }
}
