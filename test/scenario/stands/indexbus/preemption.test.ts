import { describe, expect, it } from 'vitest';
import { Preemption } from '../../../../src/scenario/stands/indexbus/preemption.ts';
import { ProcessEnded } from '../../../../src/sim/process.ts';
import { World } from '../../../../src/sim/world.ts';

/** Two producers that can send; what happened, in order. */
function stage(sends: Readonly<Record<string, () => void>> = {}) {
  const world = new World({ seed: 3 });
  const log: string[] = [];
  const senders = ['p1', 'p2'].map((name) => {
    const process = world.addMachine(name).start(name, () => {});
    return { name, process, send: sends[name] ?? (() => void log.push(`${name} sends`)) };
  });
  const preemption = new Preemption({ world, senders: () => senders });
  const access = (name: string): void => preemption.before(name, () => log.push('router goes on'));
  const later = async (ms: number): Promise<void> => {
    let isOver = false;
    world.scheduler.after(ms, 'later', undefined, () => {
      isOver = true;
    });
    await world.run({ until: () => isOver });
  };
  return { world, log, preemption, access, later };
}

describe('a participant that loses its core', () => {
  it('should have another producer send and the router go on before its access', () => {
    const { log, preemption, access } = stage();
    preemption.begin('p1', 1);
    access('p1');
    expect(log).toEqual(['p2 sends', 'router goes on']);
  });

  it('should leave the accesses of others alone, and its own once it is over', async () => {
    const { log, preemption, access, later } = stage();
    const end = preemption.begin('p1', 1);
    access('p2');
    expect(log).toEqual([]);
    end();
    await later(5);
    access('p1');
    expect(log).toEqual([]);
  });

  it('should lose it at most once a millisecond', async () => {
    const { log, preemption, access, later } = stage();
    preemption.begin('p1', 1);
    access('p1');
    access('p1');
    await later(0.5);
    access('p1');
    expect(log).toHaveLength(2);
    await later(1);
    access('p1');
    expect(log).toHaveLength(4);
  });

  it('should lose it before about the part of its accesses that was asked for', async () => {
    const { log, preemption, access, later } = stage();
    preemption.begin('p1', 0.2);
    for (let round = 0; round < 300; round += 1) {
      access('p1');
      await later(2);
    }
    const lost = log.length / 2;
    expect(lost).toBeGreaterThan(30);
    expect(lost).toBeLessThan(90);
  });

  it('should not have its core taken from whoever goes on meanwhile', () => {
    const { log, preemption, access } = stage({
      p2: () => {
        log.push('p2 sends');
        access('p2');
      },
    });
    preemption.begin('p1', 1);
    preemption.begin('p2', 1);
    access('p1');
    expect(log).toEqual(['p2 sends', 'router goes on']);
  });

  it('should have nobody send in its own name when it is the router', () => {
    const { log, preemption } = stage();
    preemption.begin('indexbus-1', 1);
    preemption.before('indexbus-1', undefined);
    expect(log).toEqual([expect.stringMatching(/^p[12] sends$/)]);
  });

  it('should go on when the other one dies meanwhile, and hear of every other failure', async () => {
    const { log, preemption, access, later } = stage({
      p1: () => {
        throw new Error('broken');
      },
      p2: () => {
        throw new ProcessEnded('p2 has ended');
      },
    });
    preemption.begin('p1', 1);
    access('p1');
    expect(log).toEqual(['router goes on']);
    preemption.begin('p2', 1);
    await later(2);
    expect(() => access('p2')).toThrow('broken');
    // It is over all the same: the next access is preempted again.
    await later(2);
    expect(() => access('p2')).toThrow('broken');
  });
});
