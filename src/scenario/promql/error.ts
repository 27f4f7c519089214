/**
 * What went wrong with a PromQL expression.
 * `PROMQL_SYNTAX`: not PromQL. `PROMQL_UNSUPPORTED`: PromQL, but outside the evaluated subset (docs/alerts.md).
 * `PROMQL_TYPE`: an operand or argument of the wrong type. `PROMQL_EVALUATION`: the data does not allow it, such as
 * several matches for one label set.
 */
export type PromqlErrorCode = 'PROMQL_SYNTAX' | 'PROMQL_UNSUPPORTED' | 'PROMQL_TYPE' | 'PROMQL_EVALUATION';

/** An error of a PromQL expression, with the place in it. */
export class PromqlError extends Error {
  override readonly name = 'PromqlError';
  readonly code: PromqlErrorCode;
  /** Offset in the expression, in UTF-16 code units from 0. */
  readonly offset: number;
  /** Line in the expression, from 1. */
  readonly line: number;
  /** Column in that line, from 1. */
  readonly column: number;

  constructor(code: PromqlErrorCode, message: string, expression: string, offset: number) {
    const before = expression.slice(0, offset).split('\n');
    const line = before.length;
    const column = (before.at(-1)?.length ?? 0) + 1;
    super(`${message} (line ${line}, column ${column} of \`${expression.trim()}\`)`);
    this.code = code;
    this.offset = offset;
    this.line = line;
    this.column = column;
  }
}
