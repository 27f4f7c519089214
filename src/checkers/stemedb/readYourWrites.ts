import type { Operation } from '../history.ts';
import { checkLinearizability, type LinearizabilityFailure, type Model } from '../linearizability.ts';
import { Findings, type StemeCheck } from './check.ts';
import { wellUntil } from './clients.ts';
import type { AckRecord, ClientInput, ClientOutput, StemeEvidence } from './evidence.ts';
import { unknowableLosses } from './facts.ts';

/** Candidates that one answer may hold: the limit that the clients ask for. */
export const queryLimit = 1_000;

/** C10: a query invoked after an acknowledgement contains it; writes and reads of one id are linearizable. */
export const readYourWrites: StemeCheck = {
  name: 'read-your-writes',
  number: 'C10',
  claim: 'a query invoked after an ack contains it; assert and get are linearizable by id',
  run(evidence) {
    const findings = new Findings('C10 read-your-writes');
    if (evidence.acceptedLoss.length > 0) {
      return findings.result('not looked at: an operator gave up records of this log');
    }
    const lost = new Set([...unknowableLosses(evidence)].map((ack) => ack.id));
    const queries = checkQueries(evidence, lost, findings);
    const history = byId(evidence.operations).filter((operation) => !lost.has(operation.input.id));
    const result = checkLinearizability(history, presenceModel, { maxConfigurations: 200_000 });
    for (const failure of result.failures) {
      if (failure.verdict !== 'illegal') continue;
      findings.add(`writes and reads of ${String(failure.partition).slice(0, 12)} are not linearizable`, {
        ...windowOf(evidence, failure),
        operations: failure.stuck,
        evidence: failure,
      });
    }
    const undecided = result.failures.find((failure) => failure.verdict === 'unknown');
    return findings.result(
      `${queries} queries, ${history.length} writes and reads of single ids`,
      undecided === undefined ? undefined : `the search for ${undecided.partition} reached its bound`,
    );
  },
};

/**
 * To the moment at which the first of the stuck operations was answered, as no order explains; from the last answer about
 * the id that the search placed and that had come before this one began.
 */
function windowOf(
  evidence: StemeEvidence,
  { partition, longestPrefix, stuck }: LinearizabilityFailure,
): { readonly fromMs?: number; readonly atMs?: number } {
  const wrong = evidence.operations
    .filter((operation) => stuck.includes(operation.id) && operation.outcome === 'ok')
    .reduce<StemeEvidence['operations'][number] | undefined>(
      (first, each) => (first === undefined || each.completedOrder < first.completedOrder ? each : first),
      undefined,
    );
  if (wrong === undefined) return {};
  const placed = new Set(longestPrefix);
  return {
    fromMs: wellUntil(evidence, String(partition), wrong, (id) => !placed.has(id)),
    atMs: wrong.completedAt,
  };
}

/** A query must hold every claim of its key that had been acknowledged before it began, and was not withdrawn since. */
function checkQueries(evidence: StemeEvidence, lost: ReadonlySet<string>, findings: Findings): number {
  const acked = new Map<string, { id: string; order: number; lsn: number; by: Operation }[]>();
  const withdrawn = new Set<string>();
  for (const by of evidence.operations) {
    const { input, output, outcome, completedOrder } = by;
    if (input.f !== 'write') continue;
    for (const { content, id, kind } of input.submissions) {
      if (kind !== 'assertion') continue;
      if (content.stage === 'retired' && typeof content.parent === 'string') withdrawn.add(content.parent);
      const ack = output?.acks?.find((entry) => entry.id === id);
      if (outcome !== 'ok' || ack === undefined || content.stage !== 'approved') continue;
      const key = JSON.stringify([content.subject, content.predicate]);
      const list = acked.get(key) ?? [];
      list.push({ id, order: completedOrder, lsn: ack.lsn, by });
      acked.set(key, list);
    }
  }
  let queries = 0;
  for (const operation of evidence.operations) {
    const { input, output } = operation;
    if (input.f !== 'query' || operation.outcome !== 'ok' || output?.candidates === undefined) continue;
    if (output.candidates.length >= queryLimit) continue;
    queries++;
    const got = new Set(output.candidates);
    for (const ack of acked.get(JSON.stringify([input.subject, input.predicate])) ?? []) {
      if (ack.order >= operation.invokedOrder || got.has(ack.id) || withdrawn.has(ack.id) || lost.has(ack.id)) continue;
      findings.add(
        `a query of ${input.subject} ${input.predicate} (at LSN ${output.lsn}) lacks ${ack.id.slice(0, 12)}, acknowledged before as LSN ${ack.lsn}`,
        {
          atMs: operation.completedAt,
          fromMs: ack.by.completedAt,
          operations: [ack.by.id, operation.id],
        },
      );
    }
  }
  return queries;
}

interface Single {
  readonly id: string;
  readonly write: boolean;
}

/** One operation for each id that an operation touches. */
function byId(operations: StemeEvidence['operations']): Operation<Single, AckRecord | number | undefined>[] {
  return operations.flatMap((operation): Operation<Single, AckRecord | number | undefined>[] => {
    const { input } = operation;
    if (input.f === 'get') return [single(operation, { id: input.id, write: false }, operation.output?.found?.lsn)];
    if (input.f !== 'write') return [];
    return input.submissions.flatMap((submission, index) => {
      const rejected = operation.output?.rejected?.some((item) => item.index === index) === true;
      if (rejected) return [];
      const ack = operation.output?.acks?.find((entry) => entry.id === submission.id);
      return [single(operation, { id: submission.id, write: true }, ack)];
    });
  });
}

function single(
  operation: Operation<ClientInput, ClientOutput>,
  input: Single,
  output: AckRecord | number | undefined,
): Operation<Single, AckRecord | number | undefined> {
  const { output: _, ...rest } = operation;
  return output === undefined ? { ...rest, input } : { ...rest, input, output };
}

/** What is known of one id: absent, there under a number that nobody was told yet, or there as this LSN. */
type Presence = 'absent' | 'present' | number;

/** A record by its id: stored once, under one LSN; reads give that or nothing. */
export const presenceModel: Model<Presence> = {
  name: 'record by id',
  initial: 'absent',
  key: (state) => state,
  partition: (operation) => singleOf(operation).id,
  isRead: (operation) => !singleOf(operation).write,
  step(state, operation) {
    if (!singleOf(operation).write) {
      if (operation.output === undefined) return state === 'absent' ? state : undefined;
      const lsn = operation.output as number; // by `byId`
      return state === lsn || state === 'present' ? lsn : undefined;
    }
    if (operation.outcome !== 'ok') return state === 'absent' ? 'present' : state;
    const ack = operation.output as AckRecord | undefined; // by `byId`
    if (ack === undefined) return state === 'absent' ? 'present' : state;
    if (ack.status === 'created') return state === 'absent' ? ack.lsn : undefined;
    return state === ack.lsn || state === 'present' ? ack.lsn : undefined;
  },
};

function singleOf(operation: Operation): Single {
  return operation.input as Single; // by `byId`
}
