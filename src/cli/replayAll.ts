import { ExitCode } from '../engines/engine.ts';
import { verdictExitCode } from './verdictExitCode.ts';

/** Exit codes of a replay, the worst first: one of several decides the whole. */
const worstFirst: readonly number[] = [
  verdictExitCode.violated,
  ExitCode.configuration,
  verdictExitCode.undecided,
  ExitCode.io,
];

const meanings: Readonly<Record<number, string>> = {
  [verdictExitCode.held]: 'held',
  [verdictExitCode.violated]: 'violated',
  [verdictExitCode.undecided]: 'undecided',
  [ExitCode.configuration]: 'could not be used',
  [ExitCode.io]: 'held without a report',
};

/** What several scenarios came to. */
export interface AllPlayed {
  /** The worst of theirs: violated, could not be used, undecided, no report. */
  readonly exitCode: number;
  /** `3 scenarios: 2 held, 1 violated (scenarios/x.yaml)`. */
  readonly summary: string;
}

/** Plays one file after another, whatever becomes of each; `play` gives its exit code. */
export async function playAll<File extends { readonly name: string }>(
  files: readonly File[],
  play: (file: File) => Promise<number>,
): Promise<AllPlayed> {
  const codes: number[] = [];
  for (const file of files) codes.push(await play(file));
  const counts = [verdictExitCode.held, ...worstFirst].flatMap((code) => {
    const those = files.filter((_, n) => codes[n] === code);
    if (those.length === 0) return [];
    const which = code === verdictExitCode.held ? '' : ` (${those.map(({ name }) => name).join(', ')})`;
    return [`${those.length} ${meanings[code]}${which}`];
  });
  return {
    exitCode: worstFirst.find((code) => codes.includes(code)) ?? verdictExitCode.held,
    summary: `${files.length} scenarios: ${counts.join(', ')}`,
  };
}
