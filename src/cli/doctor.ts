import { Command } from 'commander';
import { loadConfig } from '../daemon/config/load.ts';
import type { EngineDefinition } from '../engines/engine.ts';
import { engines } from '../engines/registry.ts';
import type { MachineRow } from '../host/machineWishes.ts';
import { judgeMachine } from '../real/shm/judgeMachine.ts';
import { machineFacts } from '../real/shm/machine.ts';
import { differs, machineRows, refusesStrict } from '../real/shm/tuning.ts';
import { uringSupport } from '../real/uring/support.ts';
import { engineNamed } from './engineNamed.ts';
import { UsageError } from './exit.ts';
import { formatTable } from './format.ts';

interface DoctorFlags {
  readonly config?: string;
  readonly strict?: boolean;
  readonly json?: boolean;
}

/** `hotfire doctor`. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .summary('tell what this machine gives, and what is missing')
    .description(
      'Tells what this machine gives to shared memory, to disks and to threads that should not wait: what was asked for, what is there, why they differ, and what would help. It changes nothing.',
    )
    .argument('[engine]', 'whose configuration it is; needed where several engines ask something of the machine')
    .option('--config <file>', 'ask for what this configuration asks for')
    .option('--strict', 'end with 1 if anything is not there without which serve --strict would not start')
    .option('--json', 'print the rows as JSON')
    .addHelpText(
      'after',
      `
Without a configuration only what every machine should have is asked for; the rest is told.

Examples:
  $ hotfire doctor
  $ hotfire doctor --json
  $ hotfire doctor --config bus.yaml --strict`,
    )
    .action((engine: string | undefined, flags: DoctorFlags) => {
      const rows = rowsFor(engine, flags.config);
      process.stdout.write(flags.json === true ? `${JSON.stringify({ rows }, undefined, 2)}\n` : textOf(rows));
      if (flags.strict === true && rows.some(refusesStrict)) process.exitCode = 1;
    });
}

/**
 * The rows for a configuration are those by which `hotfire serve` starts with it, or does not; of an engine with a state of its own, how disks are
 * written too. Without a configuration all is told.
 */
function rowsFor(name: string | undefined, file: string | undefined): readonly MachineRow[] {
  const all = () => machineRows(machineFacts(), {}, { uring: uringSupport() });
  if (file === undefined) {
    if (name !== undefined)
      throw new UsageError(`expected --config FILE, a configuration of ${engineNamed(name).name}`);
    return all();
  }
  const definition = name === undefined ? theOneThatAsks() : engineNamed(name);
  const { config } = loadConfig(definition, { file, environment: process.env, overrides: {} });
  if (definition.machine === undefined || definition.stateDirectory(config) !== undefined) return all();
  return judgeMachine(definition.machine(config));
}

function theOneThatAsks(): EngineDefinition {
  const [first, ...others] = [...engines.values()].filter((engine) => engine.machine !== undefined);
  if (first !== undefined && others.length === 0) return first;
  throw new UsageError(
    `whose configuration is it? Expected: hotfire doctor ${[...engines.keys()].join('|')} --config FILE`,
  );
}

/** A table, then for each row with one the reason and the advice. */
function textOf(rows: readonly MachineRow[]): string {
  const table = formatTable([
    ['item', 'asked', 'there', ''],
    ...rows.map((row) => [row.name, row.requested, row.applied, differs(row) ? 'differs' : '']),
  ]);
  const notes = rows
    .filter((row) => differs(row) || row.advice !== '')
    .map(({ name, reason, advice }) => `${name}: ${[reason, advice].filter((text) => text !== '').join('\n  ')}`);
  const verdict = rows.some(differs)
    ? `${rows.filter(differs).length} of ${rows.length} differ from what was asked for`
    : 'everything that was asked for is there';
  return `${[table, ...(notes.length === 0 ? [] : [notes.join('\n')]), verdict].join('\n\n')}\n`;
}
