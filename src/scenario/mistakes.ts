/** One mistake in a scenario file, with its place. */
export interface Mistake {
  /** From 1; undefined when the mistake came from `--set`. */
  readonly line?: number;
  /** From 1. */
  readonly column?: number;
  /** Dotted path of the key: `timeline.2.fault`. */
  readonly path: string;
  /** What was expected, what came, and the nearest valid word. */
  readonly message: string;
}

/** A scenario file cannot be used. `message` has one line a mistake: `file:line:column: path: what`. */
export class ScenarioError extends Error {
  override readonly name = 'ScenarioError';
  readonly file: string;
  readonly mistakes: readonly Mistake[];

  constructor(file: string, mistakes: readonly Mistake[]) {
    // Alternatives of a schema may each complain of the same.
    super([...new Set(mistakes.map((mistake) => formatMistake(file, mistake)))].join('\n'));
    this.file = file;
    this.mistakes = mistakes;
  }
}

function formatMistake(file: string, mistake: Mistake): string {
  const place = mistake.line === undefined ? file : `${file}:${mistake.line}:${mistake.column ?? 1}`;
  return mistake.path === '' ? `${place}: ${mistake.message}` : `${place}: ${mistake.path}: ${mistake.message}`;
}
