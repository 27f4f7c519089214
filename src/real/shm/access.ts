import { lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RegionOptions, SharedMemoryError } from '../../host/sharedMemory.ts';

/** Who may open the files of a region. */
export interface Access {
  readonly mode: number;
  readonly gid: number | undefined;
}

/** The group's number; EINVAL if there is none of this name. */
function groupNumber(name: string, region: string): number {
  for (const line of readFileSync('/etc/group', 'utf8').split('\n')) {
    const [group, , gid] = line.split(':');
    if (group === name) return Number(gid);
  }
  throw new SharedMemoryError('EINVAL', 'open', region, `there is no group ${name} in /etc/group`);
}

/** Who may open the files of a region that is made with these options. EINVAL if there is no such group. */
export function accessFor(options: Pick<RegionOptions, 'group'>, region: string): Access {
  if (options.group === undefined) return { mode: 0o600, gid: undefined };
  return { mode: 0o660, gid: groupNumber(options.group, region) };
}

/** Who may open a region's files, as its rendezvous file shows it. */
export function accessOf(directory: string, name: string): Access {
  const { mode, gid } = lstatSync(join(directory, `${name}.json`));
  return { mode: mode & 0o660, gid: (mode & 0o060) === 0 ? undefined : gid };
}
