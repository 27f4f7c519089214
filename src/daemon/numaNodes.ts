import { readFileSync } from 'node:fs';
import { cpuList } from '../real/shm/machine.ts';

const sysfs = '/sys/devices/system/node';
let known: ReadonlyMap<number, number> | undefined;

/** NUMA node of a processor, see `Documentation/ABI/stable/sysfs-devices-node` of Linux; undefined where the machine does not tell. */
export function nodeOfCpu(cpu: number): number | undefined {
  known ??= nodesIn(sysfs);
  return known.get(cpu);
}

/** Node of each processor, as the files of a directory like sysfs's say. */
export function nodesIn(directory: string): ReadonlyMap<number, number> {
  const nodes = new Map<number, number>();
  for (const node of cpuList(text(`${directory}/online`))) {
    for (const cpu of cpuList(text(`${directory}/node${node}/cpulist`))) nodes.set(cpu, node);
  }
  return nodes;
}

function text(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
