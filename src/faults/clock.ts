import { z } from 'zod';
import { defineFault, healAll, machinesOf } from './define.ts';
import type { FaultDefinition } from './fault.ts';
import { parseDuration } from './units.ts';

const signedMs = z
  .union([z.number(), z.string()])
  .transform((value, context) => {
    const backwards = typeof value === 'string' && value.startsWith('-');
    const ms = typeof value === 'number' ? value : parseDuration(value.replace(/^[+-]/, ''));
    if (ms === undefined || !Number.isFinite(ms)) {
      context.addIssue(`expected milliseconds or a duration such as 5s or -150ms, got ${JSON.stringify(value)}`);
      return z.NEVER;
    }
    return backwards ? -ms : ms;
  })
  .describe('milliseconds, or text such as 5s or -150ms; negative is backwards');

const offset = defineFault({
  name: 'clock.offset',
  summary: 'The wall clock of the nodes is wrong by so much, until healed; monotonic time does not notice.',
  schema: z.strictObject({ ms: signedMs }),
  describe: (p, targets) => `wall clock of ${targets.join(', ')} is ${p.ms} ms off`,
  apply: (context, p) =>
    healAll(
      machinesOf(context).map(({ clock }) => {
        clock.shiftWall(p.ms);
        return () => clock.shiftWall(-p.ms);
      }),
    ),
});

const drift = defineFault({
  name: 'clock.drift',
  summary: 'Clocks of the nodes, monotonic and wall, run fast or slow; healed, they run true from where they are.',
  schema: z.strictObject({
    ppm: z.number().min(-500_000).max(500_000).describe('parts per million; negative is slow'),
  }),
  describe: (p, targets) => `clock of ${targets.join(', ')} drifts by ${p.ppm} ppm`,
  apply: (context, p) =>
    healAll(
      machinesOf(context).map(({ clock }) => {
        clock.setDrift(clock.driftPpm + p.ppm);
        return () => clock.setDrift(clock.driftPpm - p.ppm);
      }),
    ),
});

const jump = defineFault({
  name: 'clock.jump',
  summary: 'The wall clock of the nodes jumps once, as when it is set; monotonic time does not notice.',
  schema: z.strictObject({ ms: signedMs }),
  describe: (p, targets) => `wall clock of ${targets.join(', ')} jumps by ${p.ms} ms`,
  apply: (context, p) => {
    for (const machine of machinesOf(context)) machine.clock.shiftWall(p.ms);
    return undefined;
  },
});

const freeze = defineFault({
  name: 'clock.freeze',
  summary: 'The wall clock of the nodes stands still; healed, it jumps to where it would be. Monotonic time goes on.',
  schema: z.strictObject({}),
  describe: (_, targets) => `wall clock of ${targets.join(', ')} stands still`,
  apply: (context) =>
    healAll(
      machinesOf(context).map(({ clock }) => {
        clock.freezeWall();
        return () => clock.thawWall();
      }),
    ),
});

/** Every fault of clocks. */
export const clockFaults: readonly FaultDefinition[] = [offset, drift, jump, freeze];
