import { Argument, Command } from 'commander';
import { findingsSchemaText } from '../chaos/findings/findingsFile.ts';
import { reportSchemaText } from '../report/reportSchema.ts';
import { schemaText } from './scenarios.ts';

const texts: Readonly<Record<string, () => string>> = {
  findings: findingsSchemaText,
  report: reportSchemaText,
  scenario: schemaText,
};

/** `hotfire schema`. */
export function schemaCommand(): Command {
  return new Command('schema')
    .summary('print a JSON schema')
    .description(
      'Prints the JSON schema (2020-12) of a file: of report.json, which replay leaves in its report, of scenarios, or of what chaos --findings keeps.',
    )
    .addArgument(new Argument('<of>', 'whose').choices(Object.keys(texts)))
    .addHelpText(
      'after',
      `
Two are published in the package too: scenarios/report.schema.json, scenarios/schema.json.

Examples:
  $ hotfire schema report > report.schema.json
  $ hotfire schema scenario > scenarios/schema.json`,
    )
    .action((of: string) => {
      process.stdout.write(texts[of]?.() ?? '');
    });
}
