import { expect, test } from 'vitest';
import { StemeError } from '../../../src/engines/stemedb/errors.ts';
import { Jobs } from '../../../src/engines/stemedb/jobs.ts';
import { claim, makeBench, onNode, smallConfig, startNode } from './support/world.ts';

test('reads of a hung disk wait up to a bound, and beyond it are refused with a time to come back', async () => {
  const bench = makeBench();
  const hash = await bench.run(async (host) => {
    const { engine } = await startNode(host, smallConfig());
    const ack = await engine.db.assert(claim(1));
    // In a segment that the next start does not read: the index has it.
    await engine.db.journal.roll();
    await engine.db.assert(claim(2));
    await engine.db.checkpoint();
    await engine.close();
    return ack.hash;
  });
  // With the power go the caches of the machine.
  bench.machine.powerLoss('all-durable');
  await bench.run(async (host) => {
    const { engine } = await startNode(host, smallConfig());
    bench.machine.devices.device('root').queue.disturb({ kind: 'stall' });
    const answers: unknown[] = [];
    for (let n = 0; n < 10_020; n++) {
      engine.db.get(hash).then(
        () => answers.push('answered'),
        (error: unknown) => answers.push(error),
      );
    }
    await host.clock.sleep(10);
    // 8 reads are under way, and 10,000 wait.
    expect(answers).toHaveLength(12);
    for (const answer of answers) {
      expect(answer).toBeInstanceOf(StemeError);
      expect(answer).toMatchObject({ code: 'OVERLOADED', retryAfterMs: 1_000 });
    }
  });
});

test('one job of a kind runs at a time: asked for twice, it is the same', () =>
  onNode(async (_, host) => {
    const jobs = new Jobs(host.clock, host.telemetry.logger);
    let runs = 0;
    const run = async () => {
      runs++;
      await host.clock.sleep(100);
    };
    expect(jobs.start('scrub', run)).toBe('scrub-1');
    expect(jobs.start('scrub', run)).toBe('scrub-1');
    expect(jobs.start('checkpoint', run)).toBe('checkpoint-2');
    await host.clock.sleep(200);
    expect(jobs.start('scrub', run)).toBe('scrub-3');
    expect(runs).toBe(3);
  }));
