import { expect, test } from 'vitest';
import { StemeError } from '../../../src/engines/stemedb/errors.ts';
import { Jobs } from '../../../src/engines/stemedb/jobs.ts';
import { claim, makeBench, onNode, smallConfig, startNode } from './support/world.ts';

test('reads of a hung disk wait up to a bound, and beyond it are refused with a time to come back', async () => {
  const bench = makeBench();
  await bench.run(async (host) => {
    const node = await startNode(host, smallConfig());
    for (let n = 1; n <= 4; n++) await node.request('POST /v1/assert', { json: claim(n) });
    const { body } = await node.request('GET /v1/query?subject=s');
    expect(body).toMatchObject({ matched: 4 });
    // What the index has is not read from the log at the next start.
    await node.engine.db.checkpoint();
    await node.engine.close();
  });
  // With the power go the caches of the machine.
  bench.machine.powerLoss('all-durable');
  await bench.run(async (host) => {
    // No read of the disk ends.
    const node = await startNode(host, smallConfig());
    bench.machine.devices.device('root').queue.disturb({ kind: 'stall' });
    const answers: unknown[] = [];
    for (let n = 0; n < 10_020; n++) {
      node.engine.db.query({ subject: 's', limit: 1 }).then(
        () => answers.push('answered'),
        (error: unknown) => answers.push(error),
      );
    }
    await host.clock.sleep(10);
    // 8 reads are under way and 10,000 wait; a query may want several.
    expect(answers.length).toBeGreaterThanOrEqual(12);
    expect(answers.length).toBeLessThan(10_020);
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
