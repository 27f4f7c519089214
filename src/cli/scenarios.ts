import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { parse } from 'yaml';
import { nearestWord } from '../host/nearest.ts';
import { scenarioJsonSchema } from '../scenario/jsonSchema.ts';
import { UsageError } from './exit.ts';
import { packageRoot, readVocabulary } from './vocabulary.ts';

/** `hotfire scenarios`. */
export function scenariosCommand(): Command {
  return new Command('scenarios')
    .summary('list the scenarios')
    .description('Lists the scenarios of the package, one a line: file, title, and the incident that it comes from.')
    .argument('[engine]', 'only those of this engine, or regressions: what chaos has found')
    .option('--schema', 'print the JSON schema of scenario files instead')
    .addHelpText(
      'after',
      '\nExamples:\n  $ hotfire scenarios stemedb\n  $ hotfire scenarios --schema > scenarios/schema.json',
    )
    .action((engine: string | undefined, flags: { readonly schema?: boolean }) => {
      if (flags.schema === true) process.stdout.write(schemaText());
      else for (const line of scenarioLines(engine)) process.stdout.write(`${line}\n`);
    });
}

/** What `scenarios/schema.json` must contain. */
export function schemaText(): string {
  const { faults, stands } = readVocabulary();
  return `${JSON.stringify(scenarioJsonSchema(faults.values(), stands.values()), null, 2)}\n`;
}

/** Paths of the scenario files in the package, relative to the working directory, sorted. */
export function scenarioFiles(engine?: string): string[] {
  const root = fileURLToPath(new URL('scenarios/', packageRoot));
  const engines = readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
  if (engine !== undefined && !engines.includes(engine)) {
    const nearest = nearestWord(engine, engines);
    const hint = nearest === undefined ? `the folders are ${engines.join(', ')}` : `did you mean ${nearest}?`;
    throw new UsageError(`expected an engine, or regressions for what chaos has found, got ${engine}; ${hint}`);
  }
  return engines
    .filter((name) => engine === undefined || name === engine)
    .flatMap((name) =>
      readdirSync(join(root, name))
        .filter((file) => /\.ya?ml$/.test(file))
        .map((file) => relative(process.cwd(), join(root, name, file))),
    )
    .sort();
}

function scenarioLines(engine?: string): string[] {
  const files = scenarioFiles(engine);
  const width = Math.max(0, ...files.map((file) => file.length));
  return files.map((file) => {
    // Only two words of it are shown; replay reads it whole and says what is wrong.
    const { title, source } = parse(readFileSync(file, 'utf8')) as { title?: string; source?: string };
    return `${file.padEnd(width)}  ${title ?? ''}${source === undefined ? '' : `  (${source})`}`;
  });
}
