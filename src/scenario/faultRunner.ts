import type { FaultDefinition, Heal } from '../faults/fault.ts';
import type { World } from '../sim/world.ts';
import { type FaultWindow, feltUntil } from './faultLinks.ts';
import { type NodeSpecContext, resolveNodes } from './nodeSpec.ts';
import type { FaultLogEntry } from './runRecord.ts';
import type { NodeSpec } from './scenario.ts';
import type { OpenFault, Timeline } from './timeline.ts';

/** A fault that has been applied. */
export interface AppliedFault {
  readonly entry: FaultLogEntry;
  /** Undoes it, once; nothing for a fault that leaves nothing to undo. */
  heal(): Promise<void>;
  readonly lasting: boolean;
}

export interface FaultRunner {
  readonly log: readonly FaultLogEntry[];
  /** When each fault of the log was open, in its order. */
  windows(): FaultWindow[];
  apply(definition: FaultDefinition, parameters: Record<string, unknown>, nodes: NodeSpec | undefined): AppliedFault;
  /** Heals whatever is left, the last first. */
  healAll(): Promise<void>;
}

/** Told of faults: `begins` just before one is applied, `ends` when it is healed, or at once when there is nothing to heal. */
export interface FaultWatch {
  begins(entry: FaultLogEntry): void;
  ends(entry: FaultLogEntry): void;
}

/** Applies faults to a world, and keeps the log of them. A fault without `nodes` hits every node. */
export function createFaultRunner(
  world: World,
  timeline: Timeline,
  nodes: NodeSpecContext,
  watch: FaultWatch,
): FaultRunner {
  const log: OpenFault[] = [];
  const open = new Set<AppliedFault>();

  function apply(
    definition: FaultDefinition,
    given: Record<string, unknown>,
    spec: NodeSpec | undefined,
  ): AppliedFault {
    const parameters = resolveGroups(given, nodes);
    const targets = resolveNodes(spec ?? 'all', nodes);
    const text = definition.describe(parameters, targets);
    const entry: OpenFault = {
      id: log.length,
      name: definition.name,
      nodes: targets,
      parameters,
      text,
      startMs: world.now,
    };
    log.push(entry);
    world.trace.fault(definition.name, targets.join(' '), text);
    timeline.add('fault-start', text, targets.length === 1 ? targets[0] : undefined, {
      name: definition.name,
      parameters,
    });
    watch.begins(entry);
    let heal: Heal | undefined = definition.apply({ world, targets }, parameters);
    const applied: AppliedFault = {
      entry,
      lasting: heal !== undefined,
      async heal() {
        open.delete(applied);
        const undo = heal;
        heal = undefined;
        if (undo === undefined) return;
        await undo();
        entry.endMs = world.now;
        watch.ends(entry);
        timeline.add('fault-end', `healed: ${text}`, targets.length === 1 ? targets[0] : undefined);
      },
    };
    const lastsMs = applied.lasting ? definition.lastsMs?.(parameters) : 0;
    if (lastsMs !== undefined) entry.lastsMs = lastsMs;
    if (applied.lasting) open.add(applied);
    else watch.ends(entry);
    return applied;
  }

  return {
    log,
    windows: () => log.map((entry) => ({ id: entry.id, fromMs: entry.startMs, toMs: feltUntil(entry) })),
    apply,
    async healAll() {
      for (const fault of [...open].reverse()) await fault.heal();
    },
  };
}

/** `groups: [[primary], [rest]]`: the words in a partition's groups mean nodes too. */
function resolveGroups(parameters: Record<string, unknown>, context: NodeSpecContext): Record<string, unknown> {
  const { groups } = parameters;
  if (!Array.isArray(groups)) return parameters;
  return {
    ...parameters,
    groups: groups.map((group) => (Array.isArray(group) ? resolveNodes(group.map(String), context) : group)),
  };
}
