import { expect, test } from 'vitest';
import { Latencies } from '../../../../src/scenario/stands/indexbus/latencies.ts';
import { machineServices } from '../../../../src/scenario/stands/indexbus/machineServices.ts';
import type { Participant } from '../../../../src/scenario/stands/indexbus/participant.ts';
import { createVerbs } from '../../../../src/scenario/stands/indexbus/verbs.ts';
import type { VerbContext } from '../../../../src/scenario/stands/stand.ts';
import { World } from '../../../../src/sim/world.ts';

test('numactl binds a participant to a node and starts it anew; it refuses what it does not know', async () => {
  const done: string[] = [];
  const consumer = {
    boundTo: undefined as number | undefined,
    stop: async () => void done.push('stop'),
    start: () => void done.push('start'),
  };
  const { numactl } = createVerbs({
    world: new World({ seed: 1 }),
    // What the verbs use of a participant.
    participant: () => consumer as unknown as Participant,
    edit: () => {},
  });
  const type = (line: string) => numactl?.(line.split(' '), {} as VerbContext);
  await type('--cpunodebind=1 --membind=1 systemctl restart c1');
  expect([consumer.boundTo, ...done]).toEqual([1, 'stop', 'start']);
  await expect(type('--cpunodebind=0 --membind=1 systemctl restart c1')).rejects.toThrow('expected numactl');
  await expect(type('systemctl restart c1')).rejects.toThrow('expected numactl');
  await expect(type('--cpunodebind=1 reboot')).rejects.toThrow('expected numactl');
  expect(consumer.boundTo).toBe(1);
});

test('the machine tells where a process runs, whether it is stopped, and nothing of one that is not there', () => {
  const world = new World({ seed: 1 });
  const process = world.addMachine('c1').start('c1', () => {});
  const services = machineServices(
    (pid) => (pid === process.pid ? { name: 'c1', process } : undefined),
    () => 2,
  );
  const usage = services.processUsage?.(process.pid);
  expect(services.nodeOfCpu?.(usage?.cpu ?? -1)).toBe(2);
  expect(usage).toMatchObject({ isStopped: false, cpuSeconds: undefined });
  process.pause();
  expect(services.processUsage?.(process.pid)?.isStopped).toBe(true);
  expect(services.processUsage?.(process.pid + 1)).toBeUndefined();
});

test('latencies are told as quantiles of what came since the last look', () => {
  const latencies = new Latencies();
  for (let ms = 1; ms <= 100; ms += 1) latencies.add('c1', ms);
  latencies.add('c2', 7);
  const values = (names: readonly string[]) =>
    latencies.take(names).map(({ labels, value }) => [labels.consumer, labels.quantile, value]);
  expect(values(['c1'])).toEqual([
    ['c1', '0.5', 0.05],
    ['c1', '0.99', 0.099],
    ['c1', '1', 0.1],
  ]);
  expect(values(['c1'])).toEqual([]);
  expect(values(['c1', 'c2']).map(([, , value]) => value)).toEqual([0.007, 0.007, 0.007]);
});
