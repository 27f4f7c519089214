import type { AssertionContent } from './content.ts';
import { StemeError } from './errors.ts';
import type { ClaimIndex } from './index/claimIndex.ts';
import { type Chunk, offset, Stage, VoteValue } from './index/columns.ts';
import type { Candidate, DecidedBy, LensContext, Ranked, Voice } from './lenses/lens.ts';
import { countsVoices, resolve } from './lenses/resolve.ts';
import type { ClaimObject, ParsedQuery } from './model.ts';
import type { CachedRecord } from './recordCache.ts';

const DEFAULT_WEIGHT = 1_000_000;

/** One claim of an answer. */
export interface AnsweredClaim {
  readonly hash: string;
  readonly lsn: number;
  /** What the lens made of it, one number a layer; millionths where it is a fraction. */
  readonly scores: readonly number[];
  readonly assertion: AssertionContent;
}

/** One object of the lens skeptic. */
export interface AnsweredObject {
  readonly object: ClaimObject;
  readonly assertions: number;
  readonly voices: number;
  /** Millionths of all voices. */
  readonly share: number;
}

export interface QueryResult {
  /** Null when nothing matches, and always under the lens skeptic. */
  readonly winner: AnsweredClaim | null;
  /** Best first, at most `limit`. */
  readonly candidates: readonly AnsweredClaim[];
  /** How many match, beyond the limit too. */
  readonly matched: number;
  readonly decided_by: DecidedBy;
  /** What the store knew when it answered: every record up to this LSN. */
  readonly lsn: number;
  /** Skeptic: 1 − Σ share² in millionths, and the objects. */
  readonly conflict?: number;
  readonly objects?: readonly AnsweredObject[];
}

/** What a query reads. */
export interface QuerySource {
  readonly index: ClaimIndex;
  /** The record if it is in memory. */
  cached(lsn: number): CachedRecord | undefined;
  read(lsn: number): Promise<CachedRecord>;
  readonly mutants: Pick<LensContext, 'floatSum' | 'tieByArrival'>;
}

/** Which rows a query sees. */
interface Horizon {
  readonly lsn: number;
  readonly time: number;
}

/**
 * Answers a query from the index, then reads the bodies of what it answers with.
 *
 * @throws StemeError LSN_AHEAD when `as_of_lsn` is not known yet, RECORD_DAMAGED when a body cannot be read
 */
export async function answerQuery(source: QuerySource, query: ParsedQuery): Promise<QueryResult> {
  const { index } = source;
  const lsn = index.rows;
  if (query.as_of_lsn !== undefined && query.as_of_lsn > lsn) {
    throw new StemeError(
      'LSN_AHEAD',
      `as_of_lsn: expected at most ${lsn}, what is durable now, got ${query.as_of_lsn}`,
    );
  }
  const horizon: Horizon = { lsn: query.as_of_lsn ?? lsn, time: query.as_of ?? Number.POSITIVE_INFINITY };
  const candidates = findCandidates(index, query, horizon);
  const context: LensContext = { ...source.mutants, weightOf: (agent) => weightOf(index, agent, horizon) };
  const resolution = resolve(candidates, query, context);
  const claims = await Promise.all(resolution.ranked.slice(0, query.limit).map((ranked) => claimOf(source, ranked)));
  const objects =
    resolution.objects === undefined
      ? undefined
      : await Promise.all(
          resolution.objects.slice(0, query.limit).map(async ({ example, assertions, voices, share }) => ({
            object: (await contentAt(source, example.row)).object,
            assertions,
            voices,
            share,
          })),
        );
  return {
    winner: resolution.winner === undefined ? null : (claims[0] ?? null),
    candidates: claims,
    matched: resolution.ranked.length,
    decided_by: resolution.decidedBy,
    lsn: horizon.lsn,
    ...(resolution.conflict === undefined ? {} : { conflict: resolution.conflict }),
    ...(objects === undefined ? {} : { objects }),
  };
}

/** The candidates of a query: its subject, predicate and stage, within the horizon, not withdrawn. */
function findCandidates(index: ClaimIndex, query: ParsedQuery, horizon: Horizon): Candidate[] {
  const subject = index.names.find(query.subject);
  const predicate = query.predicate === undefined ? 0 : index.names.find(query.predicate);
  if (subject === 0 || (query.predicate !== undefined && predicate === 0)) return [];
  const byKey = query.predicate !== undefined;
  const stage = Stage[query.stage];
  const withVotes = countsVoices(query);
  const found: Candidate[] = [];
  let row = byKey ? index.lastOfKey(subject, predicate) : index.lastOfSubject(subject);
  while (row !== 0) {
    const chunk = index.columns.chunk(row);
    const at = offset(row);
    if (chunk.stage[at] === stage && isVisible(chunk, at, row, horizon) && !isWithdrawn(index, chunk, at, horizon)) {
      found.push(candidateAt(index, chunk, at, row, withVotes, horizon));
    }
    row = (byKey ? chunk.previousOfKey[at] : chunk.previousOfSubject[at]) ?? 0;
  }
  return found;
}

function isVisible(chunk: Chunk, at: number, row: number, horizon: Horizon): boolean {
  return row <= horizon.lsn && (chunk.timestamp[at] ?? 0) <= horizon.time;
}

/** Whether a retired assertion of the same agent, itself within the horizon, names this one as its parent. */
function isWithdrawn(index: ClaimIndex, chunk: Chunk, at: number, horizon: Horizon): boolean {
  if (chunk.retired[at] !== 1) return false;
  let row = chunk.lastReference[at] ?? 0;
  while (row !== 0) {
    const other = index.columns.chunk(row);
    const otherAt = offset(row);
    const withdraws =
      other.kind[otherAt] === 1 && other.stage[otherAt] === Stage.retired && other.agent[otherAt] === chunk.agent[at];
    if (withdraws && isVisible(other, otherAt, row, horizon)) return true;
    row = other.previousReference[otherAt] ?? 0;
  }
  return false;
}

function candidateAt(
  index: ClaimIndex,
  chunk: Chunk,
  at: number,
  row: number,
  withVotes: boolean,
  horizon: Horizon,
): Candidate {
  const agent = chunk.agent[at] ?? 0;
  const epoch = chunk.epoch[at] ?? 0;
  return {
    row,
    id: index.idHex(row),
    agent: agent === 0 ? '' : index.agents.text(agent),
    object: `${chunk.object[at * 2 + 1]}:${chunk.object[at * 2]}`,
    timestamp: chunk.timestamp[at] ?? 0,
    confidence: chunk.millionths[at] ?? 0,
    epochDepth: epoch === 0 ? -1 : (index.columns.chunk(epoch).millionths[offset(epoch)] ?? 0),
    votes: withVotes ? votesOn(index, chunk.lastReference[at] ?? 0, horizon) : [],
  };
}

function votesOn(index: ClaimIndex, lastReference: number, horizon: Horizon): Voice[] {
  const votes: Voice[] = [];
  for (let row = lastReference; row !== 0; ) {
    const chunk = index.columns.chunk(row);
    const at = offset(row);
    if (chunk.kind[at] === 2 && isVisible(chunk, at, row, horizon)) {
      votes.push({
        agent: index.agents.text(chunk.agent[at] ?? 0),
        timestamp: chunk.timestamp[at] ?? 0,
        id: index.idHex(row),
        supports: chunk.stage[at] === VoteValue.support,
      });
    }
    row = chunk.previousReference[at] ?? 0;
  }
  return votes;
}

/** The agent's weight within the horizon, in millionths: the latest record (timestamp, then id) counts. */
function weightOf(index: ClaimIndex, agent: string, horizon: Horizon): number {
  const number = agent === '' ? 0 : index.agents.find(agent);
  let weight = DEFAULT_WEIGHT;
  let timestamp = -1;
  let latest = 0;
  for (let row = number === 0 ? 0 : index.lastWeightOf(number); row !== 0; ) {
    const chunk = index.columns.chunk(row);
    const at = offset(row);
    const time = chunk.timestamp[at] ?? 0;
    const isLater = time > timestamp || (time === timestamp && latest !== 0 && index.idHex(row) > index.idHex(latest));
    if (isVisible(chunk, at, row, horizon) && isLater) {
      weight = chunk.millionths[at] ?? 0;
      timestamp = time;
      latest = row;
    }
    row = chunk.previousOfKey[at] ?? 0;
  }
  return weight;
}

async function claimOf(source: QuerySource, { candidate, scores }: Ranked): Promise<AnsweredClaim> {
  return { hash: candidate.id, lsn: candidate.row, scores, assertion: await contentAt(source, candidate.row) };
}

async function contentAt(source: QuerySource, row: number): Promise<AssertionContent> {
  const record = source.cached(row) ?? (await source.read(row));
  return JSON.parse(record.content) as AssertionContent; // a row of kind assertion, written after validation
}
