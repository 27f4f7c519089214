import type { Configuration } from './groupEvents.ts';

/** Whether those for whom `has` holds are a majority of a configuration: of both its halves, where it is joint. Learners never count. */
export function isMajority(configuration: Configuration, has: (member: number) => boolean): boolean {
  return isMajorityOf(configuration.voters, has) && isMajorityOf(configuration.outgoing, has);
}

/** Asked at each heartbeat: it makes nothing. */
function isMajorityOf(half: readonly number[], has: (member: number) => boolean): boolean {
  let count = 0;
  for (const member of half) if (has(member)) count++;
  return half.length === 0 || count > half.length / 2;
}

/** Whether any majority of the one shares a member with any majority of the other. By trying them all: groups are small. */
export function majoritiesMeet(one: Configuration, other: Configuration): boolean {
  const all = [...new Set([...one.voters, ...one.outgoing, ...other.voters, ...other.outgoing])];
  for (let chosen = 0; chosen < 2 ** all.length; chosen++) {
    const inside = (member: number): boolean => (chosen & (1 << all.indexOf(member))) !== 0;
    if (isMajority(one, inside) && isMajority(other, (member) => !inside(member))) return false;
  }
  return true;
}

export function sameConfiguration(one: Configuration, other: Configuration): boolean {
  const text = ({ voters, outgoing, learners }: Configuration): string =>
    [voters, outgoing, learners].map((list) => [...list].sort((a, b) => a - b).join(',')).join(';');
  return text(one) === text(other);
}
