import { SimRandom } from '../../../../src/sim/random.ts';
import { Trace } from '../../../../src/sim/trace.ts';
import type { Crash, Operation } from './crashing.ts';
import type { StagePlan } from './stage.ts';

/** Operations of all participants and up to three crashes, the same for the same seed. */
export function drawRun(plan: StagePlan, seed: number): { operations: Operation[]; crashes: Crash[] } {
  const random = new SimRandom(seed, new Trace({ record: false })).stream('crashes');
  const operations = Array.from({ length: 60 }, (): Operation => {
    const draw = random.integer(0, 39);
    const seat = random.integer(0, plan.lanes.length - 1);
    if (draw === 39) return { who: 'report' };
    if (draw === 38) return { who: 'fence', seat };
    if (draw === 37) return { who: 'join', seat };
    if (draw > 34) return { who: 'look', seat };
    if (draw < 15) return { who: 'producer', seat: random.integer(0, plan.producers - 1), key: random.integer(0, 3) };
    if (draw < 25) return { who: 'router' };
    return { who: 'consumer', seat };
  });
  const victim = (): Crash => {
    const who = random.pick(['producer', 'router', 'router', 'consumer'] as const);
    const seats = who === 'producer' ? plan.producers : who === 'router' ? 1 : plan.lanes.length;
    return { who, seat: random.integer(0, seats - 1), atStep: random.integer(0, 200) };
  };
  return { operations, crashes: Array.from({ length: random.integer(1, 3) }, victim) };
}
