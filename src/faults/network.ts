import { z } from 'zod';
import type { LinkRule } from '../sim/network/links.ts';
import { defineFault, machinesOf } from './define.ts';
import { distributions, sampler } from './distribution.ts';
import { type FaultContext, type FaultDefinition, FaultError, type Heal } from './fault.ts';
import { partition, swizzle } from './networkPartition.ts';
import { bytes, durationMs, formatBytes, percent } from './units.ts';

const onLinks = {
  to: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe('names of the machines at the other end; default: every link of the nodes'),
};

interface LinkParameters {
  readonly to?: readonly string[] | undefined;
}

/** Links between a target and the other end, in both directions. */
function matcher(context: FaultContext, parameters: LinkParameters): LinkRule['matches'] {
  const near = new Set(machinesOf(context).map((machine) => machine.name));
  for (const name of parameters.to ?? []) {
    if (!context.world.machines.has(name)) {
      throw new FaultError(`node ${name}: expected one of ${[...context.world.machines.keys()].join(', ')}`);
    }
  }
  const far = parameters.to === undefined ? undefined : new Set(parameters.to);
  const touches = (a: string, b: string): boolean => near.has(a) && (far === undefined || far.has(b));
  return (from, to) => from !== to && (touches(from, to) || touches(to, from));
}

function applyRule(context: FaultContext, parameters: LinkParameters, effect: Omit<LinkRule, 'matches'>): Heal {
  return context.world.network.addRule({ matches: matcher(context, parameters), ...effect });
}

function links(parameters: LinkParameters, targets: readonly string[]): string {
  return `${targets.join(', ')}${parameters.to === undefined ? '' : ` and ${parameters.to.join(', ')}`}`;
}

const latency = defineFault({
  name: 'network.latency',
  summary: 'Packets of the nodes take longer, in both directions.',
  schema: z.strictObject({
    ...onLinks,
    mean: durationMs.describe('added to each packet on average'),
    jitter: durationMs.prefault(0).describe('width of what varies; at most the mean'),
    distribution: z.enum(distributions).prefault('uniform').describe('how it varies'),
  }),
  describe: (p, targets) =>
    `packets of ${links(p, targets)} take ${p.mean} ms longer${p.jitter > 0 ? ` (${p.distribution}, jitter ${p.jitter} ms)` : ''}`,
  apply: (context, p) => {
    if (p.jitter > p.mean) throw new FaultError(`jitter ${p.jitter} ms: expected at most the mean, ${p.mean} ms`);
    const draw = sampler(p.jitter > 0 ? p.distribution : 'constant', p.mean, p.jitter);
    return applyRule(context, p, { addLatencyMs: draw });
  },
});

const loss = defineFault({
  name: 'network.loss',
  summary: 'Packets of the nodes are lost: streams see retransmission delay, and a reset past its limit.',
  schema: z.strictObject({ ...onLinks, percent: percent.describe('part of the packets that are lost, 0..100') }),
  describe: (p, targets) => `${p.percent}% of the packets of ${links(p, targets)} are lost`,
  apply: (context, p) => applyRule(context, p, { loss: p.percent / 100 }),
});

const bandwidth = defineFault({
  name: 'network.bandwidth',
  summary: 'Links of the nodes carry no more than so many bytes a second; what is more queues, up to the writer.',
  schema: z.strictObject({ ...onLinks, bytesPerSecond: bytes.describe('limit of each direction of each link') }),
  describe: (p, targets) => `links of ${links(p, targets)} carry ${formatBytes(p.bytesPerSecond)}/s`,
  apply: (context, p) => {
    if (p.bytesPerSecond < 1)
      throw new FaultError('bytesPerSecond: expected at least 1; network.partition stops all bytes');
    return applyRule(context, p, { bytesPerSecond: p.bytesPerSecond });
  },
});

const reset = defineFault({
  name: 'network.reset',
  summary: 'Connections of the nodes are reset in mid-stream, at both ends.',
  schema: z.strictObject({
    ...onLinks,
    percent: percent.optional().describe('part of the packets that meet a reset; default: once, all that are open now'),
  }),
  describe: (p, targets) =>
    p.percent === undefined
      ? `every open connection of ${links(p, targets)} is reset`
      : `${p.percent}% of the packets of ${links(p, targets)} meet a reset`,
  apply: (context, p) => {
    if (p.percent !== undefined) return applyRule(context, p, { reset: p.percent / 100 });
    context.world.network.resetConnections(matcher(context, p));
    return undefined;
  },
});

const halfOpen = defineFault({
  name: 'network.half-open',
  summary:
    'Open connections of the nodes go silent without a FIN, as when a middlebox forgets them; new ones work. Healed, the next packet on one is answered with a reset.',
  schema: z.strictObject(onLinks),
  describe: (p, targets) =>
    `open connections of ${links(p, targets)} are half-open: the peer is gone and nobody is told`,
  apply: (context, p) => {
    const matches = matcher(context, p);
    const silenced = [...context.world.network.connections].filter((end) =>
      matches(end.process.machine.name, end.remote.host),
    );
    for (const end of silenced) end.silent = true;
    return () => {
      for (const end of silenced) end.strand();
    };
  },
});

const refuse = defineFault({
  name: 'network.refuse',
  summary: 'New connections to the nodes are refused, though somebody listens; open ones go on.',
  schema: z.strictObject({}),
  describe: (_, targets) => `${targets.join(', ')} refuses connections`,
  apply: (context) => applyConnect(context, 'refuse'),
});

const hang = defineFault({
  name: 'network.hang',
  summary: 'New connections to the nodes are never answered; open ones go on.',
  schema: z.strictObject({}),
  describe: (_, targets) => `${targets.join(', ')} does not answer new connections`,
  apply: (context) => applyConnect(context, 'hang'),
});

function applyConnect(context: FaultContext, connect: 'refuse' | 'hang'): Heal {
  const targets = new Set(machinesOf(context).map((machine) => machine.name));
  return context.world.network.addRule({ matches: (from, to) => from !== to && targets.has(to), connect });
}

const slice = defineFault({
  name: 'network.slice',
  summary: 'One write arrives in many reads: no read of the nodes or of their peers returns more bytes than this.',
  schema: z.strictObject({
    ...onLinks,
    bytes: bytes.prefault(1).describe('most bytes that one read returns; at least 1'),
  }),
  describe: (p, targets) => `reads on connections of ${links(p, targets)} return at most ${formatBytes(p.bytes)}`,
  apply: (context, p) => {
    if (p.bytes < 1) throw new FaultError('bytes: expected at least 1, got 0');
    return applyRule(context, p, { sliceBytes: p.bytes });
  },
});

/** Every fault of the network. */
export const networkFaults: readonly FaultDefinition[] = [
  partition,
  latency,
  loss,
  bandwidth,
  reset,
  halfOpen,
  refuse,
  hang,
  swizzle,
  slice,
];
