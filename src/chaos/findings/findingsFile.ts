import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { z } from 'zod';

const seen = z.object({
  commit: z.string().describe('commit of the sources that failed'),
  run: z.string().describe("the run's identity: `--run` plays it again on that commit"),
});

const finding = z.object({
  id: z
    .string()
    .regex(/^[0-9a-f]{8}$/)
    .describe('hash of engine, checks and faults: the same in every campaign'),
  state: z.enum(['new', 'ongoing', 'resolved']).describe('against the file that was there before'),
  checks: z.array(z.string()).describe('who saw it, sorted'),
  faults: z.array(z.string()).describe('kinds of the faults that are left in the shrunk scenario, sorted, each once'),
  reasons: z.array(z.string()).describe('what the checks said, of the run that is written down'),
  runs: z
    .array(z.string())
    .describe('runs of this campaign that showed it, at most twenty; none: only the replay did, or it is resolved'),
  unfinished: z
    .literal(true)
    .optional()
    .describe('the shrinking ended before nothing more could go: with more runs the same failure may get another id'),
  replayed: z
    .enum(['held', 'violated', 'undecided', 'unplayable', 'not replayed'])
    .optional()
    .describe('what the scenario of the file before came to, for a finding that no run of this campaign showed'),
  firstSeen: seen,
  lastSeen: seen,
  scenario: z
    .string()
    .describe('the shrunk scenario, YAML: what the next campaign replays before it calls this resolved'),
});

/** The file that `--findings` reads and writes. */
export const findingsSchema = z.object({
  version: z.literal(1),
  kind: z.literal('hotfire findings'),
  engine: z.string(),
  mutant: z.string().optional().describe('the bug that was planted; findings with one are no findings without it'),
  commit: z.string(),
  findings: z.array(finding),
});

/** The JSON schema (2020-12) of the file, as text. */
export function findingsSchemaText(): string {
  return `${JSON.stringify(z.toJSONSchema(findingsSchema), null, 2)}\n`;
}

export type FindingsFile = z.infer<typeof findingsSchema>;
export type Finding = z.infer<typeof finding>;

/** What is in the file cannot be compared with. */
export class FindingsError extends Error {
  override readonly name = 'FindingsError';
}

/**
 * Reads what the last campaign found; undefined when there is no file yet.
 *
 * @throws FindingsError when the file cannot be read, is damaged, or belongs to another campaign
 */
export function readFindings(file: string, engine: string, mutant: string | undefined): FindingsFile | undefined {
  if (!existsSync(file)) return undefined;
  const advice = 'give another file, or delete this one to begin anew';
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new FindingsError(
      `expected the findings of a campaign in ${file}, but it cannot be read: ${reasonOf(error)}; ${advice}`,
    );
  }
  const parsed = findingsSchema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = issue === undefined || issue.path.length === 0 ? '' : ` at ${issue.path.join('.')}`;
    throw new FindingsError(
      `expected the findings of a campaign in ${file}, got something else (${issue?.message ?? 'unknown'}${where}); ${advice}`,
    );
  }
  const campaignOf = (name: string, bug: string | undefined) =>
    `${name}${bug === undefined ? '' : ` with the planted bug ${bug}`}`;
  const [here, there] = [campaignOf(engine, mutant), campaignOf(parsed.data.engine, parsed.data.mutant)];
  if (here !== there)
    throw new FindingsError(`expected the findings of ${here} in ${file}, got those of ${there}; ${advice}`);
  return parsed.data;
}

/** Writes the file as a whole or not at all: a campaign that dies leaves the one of the last. */
export function writeFindings(file: string, findings: FindingsFile): void {
  const draft = `${file}.${process.pid}.tmp`;
  writeFileSync(draft, `${JSON.stringify(findings, null, 2)}\n`);
  renameSync(draft, file);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
