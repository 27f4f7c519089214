import type { MachineRow } from '../../host/machineWishes.ts';
import { type DaemonServices, EngineError } from '../engine.ts';
import { exitOf } from './bringUp.ts';
import { type IndexbusConfig, wishesOf } from './config.ts';
import { busCodeOf } from './segment.ts';

/**
 * Judges the machine before anything is opened, by the rows that `hotfire doctor` prints: starting, `--validate-config` and doctor agree. What the
 * memory cannot be opened with refuses; with `strict` each row that differs does.
 *
 * @returns what differs all the same, a line a row
 * @throws EngineError with one line a row: what was asked for, what is there, why, and what would give it
 */
export function checkMachine(
  config: IndexbusConfig,
  { machine }: Pick<DaemonServices, 'machine'> = {},
): readonly string[] {
  if (config.role === 'control' || machine === undefined) return [];
  const missing = machine(wishesOf(config)).filter(({ reason }) => reason !== '');
  const refused = missing.filter(({ refusal }) => refusal !== undefined);
  const first = refused[0]?.refusal;
  if (first !== undefined) {
    const code = busCodeOf(first);
    throw new EngineError(code, exitOf(code), `segment ${config.segment.name}: ${textOf(refused)}`);
  }
  const kept = missing.filter(({ isKept }) => isKept === true);
  if (!config.strict || missing.length === kept.length) return missing.map((row) => textOf([row]));
  throw new EngineError(
    'IB_NOT_PERMITTED',
    exitOf('IB_NOT_PERMITTED'),
    `strict, and the machine does not give all that is asked of it: ${textOf(missing.filter(({ isKept }) => isKept !== true))}`,
  );
}

function textOf(rows: readonly MachineRow[]): string {
  return rows
    .map(({ name, requested, applied, reason, advice }) =>
      [`${name}: expected ${requested}, got ${applied}: ${reason}`, advice].filter((text) => text !== '').join('; '),
    )
    .join('\n');
}
