import type { DaemonServices } from '../../../engines/engine.ts';
import type { SimProcess } from '../../../sim/process.ts';

/** Processors of a NUMA node of the machines of this stand. */
const coresPerNode = 8;

/**
 * What the machines of the stand tell of their processes: memory, whether they are stopped, and on which NUMA node they run. Nobody counts their
 * processor time.
 */
export function machineServices(
  processOf: (pid: number) => { readonly name: string; readonly process: SimProcess } | undefined,
  numaNodeOf: (name: string) => number,
): DaemonServices {
  return {
    nodeOfCpu: (cpu) => Math.floor(cpu / coresPerNode),
    processUsage(pid) {
      const found = processOf(pid);
      if (found === undefined) return undefined;
      const { name, process } = found;
      return {
        cpuSeconds: undefined,
        residentBytes: process.memoryBytes(),
        isStopped: process.paused,
        cpu: numaNodeOf(name) * coresPerNode,
      };
    },
  };
}
