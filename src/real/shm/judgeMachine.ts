import type { MachineRow, MachineWishes } from '../../host/machineWishes.ts';
import { machineFacts } from './machine.ts';
import { machineRows } from './tuning.ts';

/** Judges this machine by what is asked of it. Changes nothing. */
export function judgeMachine(wishes: MachineWishes): readonly MachineRow[] {
  return machineRows(machineFacts(wishes), wishes);
}
