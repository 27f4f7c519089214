import type { Probes } from '../sim/probes.ts';
import type { FaultWatch } from './faultRunner.ts';
import type { NodeState } from './nodeState.ts';
import type { FaultLogEntry } from './runRecord.ts';

/** Which faults met which states of the engine. Watching changes nothing of the run: no event, no draw. */
export interface Coverage extends FaultWatch {
  /** Looks at the nodes that open faults hit; to be called between events, cheap while no fault is open. */
  look(): void;
  /** `disk.stall × degraded`, each once. */
  readonly pairs: ReadonlySet<string>;
}

/** Watches the states of these nodes of the engine, in words; faults of other machines meet none. */
export function createCoverage(nodes: readonly string[], stateOf: (node: string) => string): Coverage {
  const pairs = new Set<string>();
  const open = new Set<FaultLogEntry>();
  /** The last state seen of each node that an open fault hits. */
  const last = new Map<string, string>();

  function look(): void {
    if (open.size === 0) return;
    for (const [node, before] of last) {
      const state = stateOf(node);
      if (state === before) continue;
      last.set(node, state);
      for (const fault of open) if (fault.nodes.includes(node)) pairs.add(pairOf(fault, state));
    }
  }

  return {
    pairs,
    look,
    begins(fault) {
      // The faults that are open may have changed something in this very event.
      look();
      for (const node of fault.nodes) {
        if (!nodes.includes(node)) continue;
        const state = stateOf(node);
        last.set(node, state);
        pairs.add(pairOf(fault, state));
      }
      open.add(fault);
    },
    ends(fault) {
      look();
      open.delete(fault);
      for (const node of fault.nodes) {
        if (![...open].some(({ nodes }) => nodes.includes(node))) last.delete(node);
      }
    },
  };
}

function pairOf({ name }: FaultLogEntry, state: string): string {
  return `${name} × ${state}`;
}

/** A node's state in one word: `down`, `starting`, `stopping`, and while its routes answer what the engine says of itself. */
export function engineStateOf(node: NodeState, engine: () => string | undefined): string {
  switch (node) {
    case 'starting':
    case 'stopping':
      return node;
    case 'up':
      return engine() ?? 'up';
    default:
      return 'down';
  }
}

/** All that a run reached, in the order of the alphabet. */
export function coverageOf(probes: Probes, { pairs }: Pick<Coverage, 'pairs'>): string[] {
  const reached = probes.sometimesReached.filter((probe) => probe.reached).map(({ name }) => `probe: ${name}`);
  const fired = [...probes.buggifyFired].filter(([, times]) => times > 0).map(([name]) => `buggify: ${name}`);
  return [...reached, ...fired, ...pairs].sort();
}
