/** Something in a rule file is not as Prometheus wants it. Its message names file, line and column. */
export class RuleFileError extends Error {
  override readonly name = 'RuleFileError';
  readonly code = 'RULE_FILE';
  /** Line in the file, from 1. */
  readonly line: number;
  /** Column in that line, from 1. */
  readonly column: number;

  constructor(file: string, line: number, column: number, message: string, options?: ErrorOptions) {
    super(`${file}:${line}:${column}: ${message}`, options);
    this.line = line;
    this.column = column;
  }
}
