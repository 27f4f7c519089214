import { z } from 'zod';
import type { RandomStream } from '../host/random.ts';
import { defineFault, machinesOf } from './define.ts';
import { type FaultContext, FaultError } from './fault.ts';
import { durationMs, formatDuration } from './units.ts';

const shapes = ['halves', 'isolate-one', 'majorities-ring', 'bridge'] as const;

type Shape = (typeof shapes)[number];

/** Directed pairs that are cut: `cut.get(from)` are those that nothing from `from` reaches. */
type Cuts = Map<string, Set<string>>;

function cut(cuts: Cuts, from: string, to: string): void {
  const row = cuts.get(from) ?? new Set();
  cuts.set(from, row.add(to));
}

/** Cuts every pair of groups; `to` only what earlier groups send to later ones, `from` only what comes back. */
function cutGroups(groups: readonly (readonly string[])[], direction: 'both' | 'to' | 'from'): Cuts {
  const cuts: Cuts = new Map();
  groups.forEach((group, index) => {
    for (const later of groups.slice(index + 1)) {
      for (const a of group) {
        for (const b of later) {
          if (direction !== 'from') cut(cuts, a, b);
          if (direction !== 'to') cut(cuts, b, a);
        }
      }
    }
  });
  return cuts;
}

/** Every node hears a majority, and no two the same one (Jepsen's `majorities-ring`). */
function majoritiesRing(nodes: readonly string[]): Cuts {
  const cuts: Cuts = new Map();
  const majority = Math.floor(nodes.length / 2) + 1;
  nodes.forEach((_, start) => {
    const heard = Array.from({ length: majority }, (_unused, step) => nodes[(start + step) % nodes.length]);
    const hearer = heard[Math.floor(majority / 2)];
    for (const other of nodes) if (hearer !== undefined && !heard.includes(other)) cut(cuts, other, hearer);
  });
  return cuts;
}

/** The cuts of a shape over these nodes, in an order that `random` decides. */
export function shapeCuts(
  shape: Shape,
  nodes: readonly string[],
  direction: 'both' | 'to' | 'from',
  random: RandomStream,
): Cuts {
  const least = shape === 'halves' || shape === 'isolate-one' ? 2 : 3;
  if (nodes.length < least) {
    throw new FaultError(`shape ${shape}: expected at least ${least} nodes, got ${nodes.length}`);
  }
  const order = random.shuffle(nodes);
  const middle = Math.floor(order.length / 2);
  switch (shape) {
    case 'halves':
      return cutGroups([order.slice(0, middle), order.slice(middle)], direction);
    case 'isolate-one':
      return cutGroups([order.slice(0, 1), order.slice(1)], direction);
    case 'majorities-ring':
      return majoritiesRing(order);
    case 'bridge':
      // The node in the middle still sees both sides.
      return cutGroups([order.slice(0, middle), order.slice(middle + 1)], direction);
  }
}

/** Between whom a partition runs. Without groups and shape: between the targets and everybody else. */
function cutsOf(
  context: FaultContext,
  p: { groups?: string[][] | undefined; shape?: Shape | undefined; direction: 'both' | 'to' | 'from' },
): Cuts {
  const { world } = context;
  if (p.groups !== undefined && p.shape !== undefined) {
    throw new FaultError('network.partition: expected groups or shape, got both');
  }
  if (p.groups !== undefined) {
    const seen = new Set<string>();
    for (const name of p.groups.flat()) {
      if (!world.machines.has(name)) {
        throw new FaultError(`node ${name}: expected one of ${[...world.machines.keys()].join(', ')}`);
      }
      if (seen.has(name)) throw new FaultError(`node ${name}: expected it in one group, it is in two`);
      seen.add(name);
    }
    return cutGroups(p.groups, p.direction);
  }
  const targets = machinesOf(context).map((machine) => machine.name);
  if (p.shape !== undefined) return shapeCuts(p.shape, targets, p.direction, world.random.stream('fault/partition'));
  const others = [...world.machines.keys()].filter((name) => !targets.includes(name));
  return cutGroups([targets, others], p.direction);
}

/** Bytes between groups of machines stop. */
export const partition = defineFault({
  name: 'network.partition',
  summary:
    'Bytes between groups of nodes stop: open connections stall, new ones time out; healed, TCP resumes, or resets past its limit.',
  schema: z.strictObject({
    groups: z
      .array(z.array(z.string().min(1)))
      .min(2)
      .optional()
      .describe('who can still talk: nodes of one group; nodes of no group are not concerned'),
    shape: z
      .enum(shapes)
      .optional()
      .describe('instead of groups, drawn over the nodes; without either, the nodes are cut off from everybody else'),
    direction: z
      .enum(['both', 'to', 'from'])
      .prefault('both')
      .describe('which bytes stop: to = from an earlier group to a later one, from = the other way'),
  }),
  describe: (p, targets) => {
    const oneWay = p.direction === 'both' ? '' : `, one way (${p.direction})`;
    if (p.groups !== undefined) return `partition: ${p.groups.map((group) => group.join(' ')).join(' | ')}${oneWay}`;
    if (p.shape !== undefined) return `partition of ${targets.join(', ')}: ${p.shape}${oneWay}`;
    return `${targets.join(', ')} cut off from everybody else${oneWay}`;
  },
  apply: (context, p) => {
    const cuts = cutsOf(context, p);
    for (const [from, to] of cuts) context.world.trace.fault('network.partition cuts', from, [...to].join(' '));
    return context.world.network.addRule({ matches: (from, to) => cuts.get(from)?.has(to) === true, blocked: true });
  },
});

/** FoundationDB's swizzle-clog. */
export const swizzle = defineFault({
  name: 'network.swizzle',
  summary: 'A random subset of the nodes is cut off one by one, then reconnected one by one in another order.',
  schema: z.strictObject({
    interval: durationMs.prefault(1000).describe('time from one step to the next; default 1s'),
  }),
  describe: (p, targets) => `swizzle of ${targets.join(', ')}: a step each ${formatDuration(p.interval)}`,
  apply: (context, p) => {
    const { world } = context;
    const random = world.random.stream('fault/swizzle');
    const nodes = machinesOf(context).map((machine) => machine.name);
    const chosen = random.shuffle(nodes).slice(0, random.integer(1, nodes.length));
    const back = random.shuffle(chosen);
    const clogged = new Map<string, () => void>();
    const clog = (name: string) => (): void => {
      world.trace.fault('network.swizzle clogs', name, '');
      const matches = (from: string, to: string): boolean => from !== to && (from === name || to === name);
      clogged.set(name, world.network.addRule({ matches, blocked: true }));
    };
    const unclog = (name: string) => (): void => {
      world.trace.fault('network.swizzle unclogs', name, '');
      clogged.get(name)?.();
      clogged.delete(name);
    };
    const steps = [...chosen.map(clog), ...back.map(unclog)];
    const events = steps.map((step, index) =>
      world.scheduler.after(index * p.interval, 'network.swizzle', undefined, step),
    );
    return () => {
      for (const event of events) world.scheduler.cancel(event);
      for (const name of [...clogged.keys()]) unclog(name)();
    };
  },
});
