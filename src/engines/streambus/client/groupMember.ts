import { apiKeys } from '../../../wire/kafka/apis.ts';
import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import { type AssignorName, assignCooperative, assignRange, type MemberSubscription } from './assignors.ts';
import { ClientError, isRetriable, kafkaError } from './clientError.ts';
import type { Cluster } from './cluster.ts';
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  type TopicPartition,
} from './consumerProtocol.ts';

export interface GroupOptions {
  readonly groupId: string;
  /** After which silence the coordinator gives the member up. Default 10,000 ms. */
  readonly sessionTimeoutMs?: number;
  /** How long a rebalance waits for a member. Default 30,000 ms. */
  readonly rebalanceTimeoutMs?: number;
  /** Default a third of the session. */
  readonly heartbeatIntervalMs?: number;
  /** Makes the member static (KIP-345): it keeps its partitions over a restart. */
  readonly groupInstanceId?: string;
  /** Default `range`. */
  readonly assignor?: AssignorName;
}

/** Who the member is to its coordinator. */
export interface Membership {
  readonly generationId: number;
  readonly memberId: string;
  readonly assignment: readonly TopicPartition[];
}

const e = kafkaErrors;
/** After these the member is unknown, or known as somebody else. */
const forgotten: ReadonlySet<number> = new Set([e.UNKNOWN_MEMBER_ID, e.ILLEGAL_GENERATION]);

/** One member of a consumer group: joins, leads when it is chosen, keeps itself alive, leaves. */
export class GroupMember {
  readonly #cluster: Cluster;
  readonly #options: GroupOptions;
  readonly #sessionTimeoutMs: number;
  readonly #rebalanceTimeoutMs: number;
  readonly #heartbeatIntervalMs: number;
  readonly #assignor: AssignorName;
  #memberId = '';
  #generationId = -1;
  #mustJoin = true;
  #isLeft = false;
  /** Number of the heartbeat loop that counts: older ones end. */
  #loop = 0;
  #fatal: ClientError | undefined;

  constructor(cluster: Cluster, options: GroupOptions) {
    this.#cluster = cluster;
    this.#options = options;
    this.#sessionTimeoutMs = options.sessionTimeoutMs ?? 10_000;
    this.#rebalanceTimeoutMs = options.rebalanceTimeoutMs ?? 30_000;
    this.#heartbeatIntervalMs = options.heartbeatIntervalMs ?? Math.floor(this.#sessionTimeoutMs / 3);
    this.#assignor = options.assignor ?? 'range';
  }

  get groupId(): string {
    return this.#options.groupId;
  }

  get memberId(): string {
    return this.#memberId;
  }

  get generationId(): number {
    return this.#generationId;
  }

  get groupInstanceId(): string | undefined {
    return this.#options.groupInstanceId;
  }

  get isCooperative(): boolean {
    return this.#assignor === 'cooperative-sticky';
  }

  /** The next poll must join: never joined, a rebalance runs, or the member was given up. */
  get mustJoin(): boolean {
    return this.#mustJoin;
  }

  /** Asks for another round, as a cooperative member does after giving partitions up. */
  rejoin(): void {
    this.#mustJoin = true;
  }

  /** Throws what ended the membership for good: fenced, not authorised. */
  assertAlive(): void {
    if (this.#fatal !== undefined) throw this.#fatal;
    if (this.#isLeft) throw new ClientError('CLOSED', 'definite', `member of ${this.groupId} has left`);
  }

  /** Takes in an error of any request of this member. */
  #heed(errorNumber: number): void {
    if (forgotten.has(errorNumber)) {
      // A static member is known by its name, a dynamic one joins as a new one.
      if (errorNumber === e.UNKNOWN_MEMBER_ID) this.#memberId = '';
      this.#generationId = -1;
      this.#mustJoin = true;
    } else if (errorNumber === e.REBALANCE_IN_PROGRESS) {
      this.#mustJoin = true;
    } else if (errorNumber === e.FENCED_INSTANCE_ID) {
      this.#fatal = kafkaError('coordinate', `member of ${this.groupId}`, errorNumber);
    }
  }

  /** Joins and waits for the assignment. Resolves undefined when the round was overtaken by another one: try again. */
  async join(topics: readonly string[], owned: readonly TopicPartition[]): Promise<Membership | undefined> {
    this.assertAlive();
    this.#loop += 1;
    const metadata = encodeSubscription(topics, owned);
    const joined = await this.#cluster
      .askCoordinator(
        'group',
        this.groupId,
        async (connection) => {
          const answer = await connection.request(
            apiKeys.JoinGroup,
            {
              groupId: this.groupId,
              sessionTimeoutMs: this.#sessionTimeoutMs,
              rebalanceTimeoutMs: this.#rebalanceTimeoutMs,
              memberId: this.#memberId,
              groupInstanceId: this.#options.groupInstanceId ?? null,
              protocolType: 'consumer',
              protocols: [{ name: this.#assignor, metadata }],
            },
            { timeoutMs: this.#rebalanceTimeoutMs + this.#cluster.settings.requestTimeoutMs },
          );
          if (answer.errorCode === e.MEMBER_ID_REQUIRED) this.#memberId = answer.memberId;
          if (answer.errorCode !== 0) this.#refuse('join', answer.errorCode);
          return answer;
        },
        this.#rebalanceTimeoutMs,
      )
      .catch((error: unknown) => this.#overtaken(error));
    if (joined === undefined) return undefined;
    this.#memberId = joined.memberId;
    this.#generationId = joined.generationId;
    const isLeader = joined.leader === joined.memberId && !joined.skipAssignment;
    const assignments = isLeader ? await this.#assign(joined.members) : [];
    const synced = await this.#cluster
      .askCoordinator(
        'group',
        this.groupId,
        async (connection) => {
          const answer = await connection.request(
            apiKeys.SyncGroup,
            {
              groupId: this.groupId,
              generationId: this.#generationId,
              memberId: this.#memberId,
              groupInstanceId: this.#options.groupInstanceId ?? null,
              protocolType: 'consumer',
              protocolName: joined.protocolName,
              assignments,
            },
            { timeoutMs: this.#rebalanceTimeoutMs + this.#cluster.settings.requestTimeoutMs },
          );
          if (answer.errorCode !== 0) this.#refuse('sync', answer.errorCode);
          return answer;
        },
        this.#rebalanceTimeoutMs,
      )
      .catch((error: unknown) => this.#overtaken(error));
    if (synced === undefined) return undefined;
    this.#mustJoin = false;
    void this.#beat(this.#loop);
    return {
      generationId: this.#generationId,
      memberId: this.#memberId,
      assignment: decodeAssignment(synced.assignment),
    };
  }

  #refuse(what: string, errorNumber: number): never {
    this.#heed(errorNumber);
    throw kafkaError('coordinate', `${what} of ${this.groupId}`, errorNumber);
  }

  /** A round that a newer one made void is no error. */
  #overtaken(error: unknown): undefined {
    const number = error instanceof ClientError ? error.errorNumber : undefined;
    if (
      number === e.MEMBER_ID_REQUIRED ||
      number === e.REBALANCE_IN_PROGRESS ||
      (number !== undefined && forgotten.has(number))
    ) {
      return undefined;
    }
    throw error;
  }

  async #assign(
    members: readonly { readonly memberId: string; readonly metadata: Uint8Array }[],
  ): Promise<{ memberId: string; assignment: Uint8Array }[]> {
    const subscriptions: MemberSubscription[] = members.map(({ memberId, metadata }) => ({
      memberId,
      ...decodeSubscription(metadata),
    }));
    const topics = [...new Set(subscriptions.flatMap((one) => one.topics))].toSorted();
    await this.#cluster.retrying('read', () => this.#cluster.refresh(topics));
    const counts = new Map(topics.map((topic) => [topic, this.#cluster.knownTopic(topic)?.partitions.size ?? 0]));
    const assign = this.isCooperative ? assignCooperative : assignRange;
    return [...assign(subscriptions, counts)].map(([memberId, given]) => ({
      memberId,
      assignment: encodeAssignment(given),
    }));
  }

  async #beat(loop: number): Promise<void> {
    while (loop === this.#loop && !this.#isLeft && this.#fatal === undefined) {
      try {
        await this.#cluster.host.clock.sleep(this.#heartbeatIntervalMs, this.#cluster.signal);
        if (loop !== this.#loop || this.#isLeft) return;
        const connection = await this.#cluster.coordinatorOf('group', this.groupId);
        const { errorCode } = await connection.request(apiKeys.Heartbeat, {
          groupId: this.groupId,
          generationId: this.#generationId,
          memberId: this.#memberId,
          groupInstanceId: this.#options.groupInstanceId ?? null,
        });
        if (errorCode !== 0 && loop === this.#loop) {
          this.#heed(errorCode);
          throw kafkaError('coordinate', `heartbeat of ${this.groupId}`, errorCode);
        }
      } catch (error) {
        if (this.#cluster.signal.aborted) return;
        if (isRetriable(error)) this.#cluster.forgetCoordinator('group', this.groupId);
      }
    }
  }

  /** Takes in what a commit was told. */
  heed(errorNumber: number): void {
    this.#heed(errorNumber);
  }

  /** Leaves, so that nobody waits for the session to end. A static member stays until its session ends. */
  async leave(): Promise<void> {
    if (this.#isLeft) return;
    this.#isLeft = true;
    this.#loop += 1;
    if (this.#memberId === '' || this.#options.groupInstanceId !== undefined) return;
    const memberId = this.#memberId;
    try {
      const connection = await this.#cluster.coordinatorOf('group', this.groupId);
      await connection.request(apiKeys.LeaveGroup, { groupId: this.groupId, memberId, members: [{ memberId }] });
    } catch (error) {
      // The session's end does the same, later.
      if (!(error instanceof ClientError)) throw error;
    }
  }
}
