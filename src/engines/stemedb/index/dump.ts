import { RecordType } from '../content.ts';
import type { ClaimIndex } from './claimIndex.ts';
import { offset } from './columns.ts';

/** A row as plain data: numbers of dictionaries and rows are resolved, so that two indexes compare by meaning. */
export interface IndexRow {
  readonly lsn: number;
  /** 0: an LSN without a record of the store; everything else is then empty. */
  readonly kind: number;
  readonly id: string;
  readonly subject: string;
  readonly predicate: string;
  readonly agent: string;
  /** 16 hexadecimal digits. */
  readonly object: string;
  readonly timestamp: number;
  readonly millionths: number;
  readonly stage: number;
  /** LSNs; 0 is none. */
  readonly target: number;
  readonly epoch: number;
  readonly previousOfKey: number;
  readonly previousOfSubject: number;
  readonly previousReference: number;
  readonly retired: boolean;
}

/** Rows `from` to `to` (default all) as plain data. */
export function* dumpIndex(index: ClaimIndex, from = 1, to = index.rows): Generator<IndexRow> {
  for (let row = from; row <= to; row++) yield rowOf(index, row);
}

function rowOf(index: ClaimIndex, row: number): IndexRow {
  const chunk = index.columns.chunk(row);
  const at = offset(row);
  const kind = chunk.kind[at] ?? 0;
  const name = (number: number) => (number === 0 ? '' : index.names.text(number));
  const agent = chunk.agent[at] ?? 0;
  const word = (value: number | undefined) => (value ?? 0).toString(16).padStart(8, '0');
  return {
    lsn: row,
    kind,
    id: kind === 0 ? '' : index.idHex(row),
    subject: name(chunk.subject[at] ?? 0),
    predicate: name(chunk.predicate[at] ?? 0),
    agent: agent === 0 ? '' : index.agents.text(agent),
    object: kind === RecordType.assertion ? word(chunk.object[at * 2 + 1]) + word(chunk.object[at * 2]) : '',
    timestamp: chunk.timestamp[at] ?? 0,
    millionths: chunk.millionths[at] ?? 0,
    stage: chunk.stage[at] ?? 0,
    target: chunk.target[at] ?? 0,
    epoch: chunk.epoch[at] ?? 0,
    previousOfKey: chunk.previousOfKey[at] ?? 0,
    previousOfSubject: chunk.previousOfSubject[at] ?? 0,
    previousReference: chunk.previousReference[at] ?? 0,
    retired: chunk.retired[at] === 1,
  };
}
