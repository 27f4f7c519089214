import type { MachineRow } from '../../host/machineWishes.ts';

export const mebibyte = 2 ** 20;

/** A row about something that nobody asked for: it is told and differs from nothing. */
export function told(name: string, applied: string, advice = ''): MachineRow {
  return { name, requested: '-', applied, reason: '', advice };
}

/** A row about something asked for: what is there, and if that is not it, why, what to do, and whether nothing starts for it. */
export function asked(
  name: string,
  requested: string,
  applied: string,
  missing?: Pick<MachineRow, 'reason' | 'advice' | 'refusal' | 'isKept'>,
): MachineRow {
  return { name, requested, applied, reason: '', advice: '', ...missing };
}

/** Bytes as MiB, or KiB where they are few; rounded down. */
export function mib(bytes: number): string {
  if (bytes < mebibyte) return `${Math.floor(bytes / 1024)} KiB`;
  return `${Math.floor((bytes / mebibyte) * 10) / 10} MiB`;
}
