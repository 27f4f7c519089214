/** The dumb twin of the store: candidates and lenses over a plain list of records, nothing cached. */
import type { IndexAnswer, LogRecord, Submission } from './evidence.ts';

/** An assertion of the log, with the content that its client sent. */
interface Claim {
  readonly id: string;
  readonly lsn: number;
  readonly subject: string;
  readonly predicate: string;
  readonly object: string;
  readonly stage: string;
  /** Millionths. */
  readonly confidence: number;
  readonly timestamp: number;
  readonly agent: string | undefined;
  readonly parent: string | undefined;
}

interface Weight {
  readonly id: string;
  readonly lsn: number;
  /** Millionths. */
  readonly weight: number;
  readonly timestamp: number;
}

interface Voice {
  readonly id: string;
  readonly lsn: number;
  readonly assertion: string;
  readonly agent: string;
  readonly support: boolean;
  readonly timestamp: number;
}

/** Reads any prefix of one log. */
export class NaiveStore {
  readonly #claims = new Map<string, Claim[]>();
  readonly #withdrawals = new Map<string, Claim[]>();
  readonly #votes = new Map<string, Voice[]>();
  readonly #weights = new Map<string, Weight[]>();

  /** `contents` by id; a record without content there is not the clients', and left out. */
  constructor(records: readonly LogRecord[], contents: ReadonlyMap<string, Submission>) {
    for (const record of records) {
      const submission = contents.get(record.id);
      if (submission?.kind === 'assertion') this.#addClaim(claimOf(record, submission));
      if (submission?.kind === 'agent-weight')
        push(this.#weights, String(submission.content.agent), weightOf(record, submission));
      if (submission?.kind === 'vote')
        push(this.#votes, String(submission.content.assertion), voiceOf(record, submission));
    }
  }

  #addClaim(claim: Claim): void {
    push(this.#claims, keyOf(claim.subject, claim.predicate), claim);
    if (claim.stage === 'retired' && claim.parent !== undefined) push(this.#withdrawals, claim.parent, claim);
  }

  /** Approved claims of the key with an LSN up to `lsn`, not withdrawn by their own agent. */
  candidates(subject: string, predicate: string, lsn: number): readonly Claim[] {
    return (this.#claims.get(keyOf(subject, predicate)) ?? []).filter(
      (claim) =>
        claim.lsn <= lsn &&
        claim.stage === 'approved' &&
        !(this.#withdrawals.get(claim.id) ?? []).some((retired) => retired.lsn <= lsn && retired.agent === claim.agent),
    );
  }

  /** Ids of the winner's side: undefined when nothing can win, or the lens is not one of these. */
  winner(answer: Pick<IndexAnswer, 'subject' | 'predicate' | 'lens' | 'lsn'>): string | undefined {
    const candidates = this.candidates(answer.subject, answer.predicate, answer.lsn);
    const score = this.#scoreOf(answer.lens, candidates, answer.lsn);
    if (score === undefined) return undefined;
    return [...candidates].sort(
      (a, b) => score(b) - score(a) || b.timestamp - a.timestamp || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0),
    )[0]?.id;
  }

  /** Whether `winner` speaks of this lens. */
  static knows(lens: string): boolean {
    return ['recency', 'confidence', 'consensus', 'authority'].includes(lens);
  }

  #scoreOf(lens: string, candidates: readonly Claim[], lsn: number): ((claim: Claim) => number) | undefined {
    if (lens === 'recency') return (claim) => claim.timestamp;
    if (lens === 'confidence') return (claim) => claim.confidence;
    if (lens !== 'consensus' && lens !== 'authority') return undefined;
    const weigh = lens === 'authority' ? (agent: string) => this.#weightOf(agent, lsn) : () => 1;
    const sums = new Map<string, number>();
    for (const object of new Set(candidates.map((claim) => claim.object))) {
      sums.set(
        object,
        this.#consensus(
          candidates.filter((claim) => claim.object === object),
          lsn,
          weigh,
        ),
      );
    }
    return (claim) => sums.get(claim.object) ?? 0;
  }

  /**
   * Supports minus disputes of the claims with one object: who asserts it supports it, who votes on it supports or disputes
   * it; one voice an agent (claims without one share theirs), the latest counts, as much as `weigh` says.
   */
  #consensus(claims: readonly Claim[], lsn: number, weigh: (agent: string) => number): number {
    const voices = new Map<string, Pick<Voice, 'id' | 'timestamp' | 'support'>>();
    const hear = (agent: string, voice: Pick<Voice, 'id' | 'timestamp' | 'support'>) => {
      const other = voices.get(agent);
      if (other === undefined || later(voice, other)) voices.set(agent, voice);
    };
    for (const claim of claims) {
      hear(claim.agent ?? '', { id: claim.id, timestamp: claim.timestamp, support: true });
      for (const voice of this.#votes.get(claim.id) ?? []) if (voice.lsn <= lsn) hear(voice.agent, voice);
    }
    let sum = 0;
    for (const [agent, voice] of voices) sum += voice.support ? weigh(agent) : -weigh(agent);
    return sum;
  }

  /** Millionths; one for an agent that nobody has weighed. */
  #weightOf(agent: string, lsn: number): number {
    const known = (this.#weights.get(agent) ?? []).filter((weight) => weight.lsn <= lsn);
    const latest = known.reduce<Weight | undefined>(
      (best, weight) => (best === undefined || later(weight, best) ? weight : best),
      undefined,
    );
    return latest?.weight ?? 1_000_000;
  }
}

function later(a: Pick<Voice, 'id' | 'timestamp'>, b: Pick<Voice, 'id' | 'timestamp'>): boolean {
  return a.timestamp !== b.timestamp ? a.timestamp > b.timestamp : a.id > b.id;
}

function claimOf(record: LogRecord, { content }: Submission): Claim {
  return {
    id: record.id,
    lsn: record.lsn,
    subject: String(content.subject),
    predicate: String(content.predicate),
    object: JSON.stringify(content.object),
    stage: String(content.stage),
    confidence: Math.round(Number(content.confidence) * 1_000_000),
    timestamp: Number(content.timestamp),
    agent: typeof content.agent === 'string' ? content.agent : undefined,
    parent: typeof content.parent === 'string' ? content.parent : undefined,
  };
}

function voiceOf(record: LogRecord, { content }: Submission): Voice {
  return {
    id: record.id,
    lsn: record.lsn,
    assertion: String(content.assertion),
    agent: String(content.agent),
    support: content.value === 'support',
    timestamp: Number(content.timestamp),
  };
}

function weightOf(record: LogRecord, { content }: Submission): Weight {
  return {
    id: record.id,
    lsn: record.lsn,
    weight: Math.round(Number(content.weight) * 1_000_000),
    timestamp: Number(content.timestamp),
  };
}

function keyOf(subject: string, predicate: string): string {
  return `${subject}\u0000${predicate}`;
}

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
