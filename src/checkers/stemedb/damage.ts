/** Faults that damage or lose bytes which the disk reported as durable: for the checks, and for what a drawn run demands. */
export const mediaFaults: readonly string[] = [
  'disk.bit-rot',
  'disk.lost-write',
  'disk.misdirected-write',
  'disk.misdirected-read',
  'disk.lying-sync',
  'disk.sector-error',
  'operator.delete-file',
  'operator.wrong-mount',
];

/**
 * True of a sync that fails and says that all is well: whoever syncs next hears of it (late), or who has the file open (lost).
 * What it called durable is in the page cache until the power goes; a restart alone finds it there.
 */
export function liesAboutSync(name: string, { variant }: { readonly variant?: unknown }): boolean {
  return name === 'disk.sync-error' && (variant === 'late' || variant === 'lost');
}
