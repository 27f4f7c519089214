import { Command } from 'commander';
import { packageVersion } from '../daemon/version.ts';

/** The commands, each loaded when it is needed: a daemon does not load the simulator, nor a replay the HTTP server. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  bisect: async () => (await import('./bisect.ts')).bisectCommand(),
  campaign: async () => (await import('./campaign.ts')).campaignCommand(),
  chaos: async () => (await import('./chaos.ts')).chaosCommand(),
  check: async () => (await import('./check.ts')).checkCommand(),
  diff: async () => (await import('./diff.ts')).diffCommand(),
  doctor: async () => (await import('./doctor.ts')).doctorCommand(),
  indexbus: async () => (await import('./indexbus/command.ts')).indexbusCommand(),
  mutants: async () => (await import('./mutants.ts')).mutantsCommand(),
  replay: async () => (await import('./replay.ts')).replayCommand(),
  scenarios: async () => (await import('./scenarios.ts')).scenariosCommand(),
  schema: async () => (await import('./schema.ts')).schemaCommand(),
  serve: async () => (await import('./serve.ts')).serveCommand(),
  shrink: async () => (await import('./shrink.ts')).shrinkCommand(),
  stemedb: async () => (await import('./stemedb/command.ts')).stemedbCommand(),
  streambus: async () => (await import('./streambus/command.ts')).streambusCommand(),
};

/**
 * The command line. Parsing throws instead of ending the process; `exitOf` says what that means.
 *
 * @param firstWord the first word of the command line: if it names a command, only that one is loaded
 */
export async function createProgram(firstWord?: string): Promise<Command> {
  const program = new Command('hotfire')
    .description(
      'A deterministic-simulation test stand for distributed engines, and the engines that run on it in production.',
    )
    .version(packageVersion(), '-V, --version', 'print the version')
    .addHelpText(
      'after',
      `
Exit codes of all commands: 0 done, or everything held; 1 something was violated, or two things differ; 2 could not be
decided; 64 wrong usage (also a file that is not there, or one that cannot be written), 65 damaged data, 70 a defect,
74 disk or network, 78 configuration, 130 interrupted (SIGINT), 143 told to end (SIGTERM).

Examples:
  $ hotfire replay scenarios/stemedb/slow-fsync.yaml
  $ hotfire serve stemedb --config /etc/stemedb/api.toml
  $ hotfire stemedb --help`,
    );
  const wanted = firstWord !== undefined && Object.hasOwn(COMMANDS, firstWord) ? [firstWord] : Object.keys(COMMANDS);
  for (const name of wanted) {
    const load = COMMANDS[name];
    if (load !== undefined) program.addCommand(await load());
  }
  throwInsteadOfExit(program);
  return program;
}

/** A command that was added takes no settings from its parent, so each gets them. */
function throwInsteadOfExit(command: Command): void {
  command.exitOverride().showSuggestionAfterError(true).showHelpAfterError('(--help tells more)');
  for (const child of command.commands) throwInsteadOfExit(child);
}
