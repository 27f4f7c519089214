import { totalmem } from 'node:os';

/** Bytes that this process may use: the limit of its cgroup where there is a smaller one than the machine has, else the machine's. */
export function memoryLimit(): number {
  const machineBytes = totalmem();
  // 0, or more than any machine has, where the cgroup sets no limit.
  const cgroupBytes = process.constrainedMemory();
  return cgroupBytes > 0 && cgroupBytes < machineBytes ? cgroupBytes : machineBytes;
}
