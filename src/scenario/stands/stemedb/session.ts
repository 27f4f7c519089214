import { counter } from '../../../checkers/recorder.ts';
import type { StemeCheck, StemeCheckResult } from '../../../checkers/stemedb/check.ts';
import type { StemeEvidence } from '../../../checkers/stemedb/evidence.ts';
import { stemeChecks } from '../../../checkers/stemedb/index.ts';
import type { Check, CheckResult, StandContext, StandSession } from '../stand.ts';
import { createCompetitors } from './competitors.ts';
import type { MachineDisks, StemeDevices } from './devices.ts';
import { diskSamples } from './diskMetrics.ts';
import { startFleetLoad } from './fleetLoad.ts';
import type { StemeLoad } from './loadSchema.ts';
import { NodeRecord } from './nodeRecord.ts';
import { createVerbs } from './verbs.ts';
import { createVolumes } from './volumes.ts';

/**
 * Begins a run of stemedb: one store on each machine, none of which knows of the others, and everything that is written down of
 * them. Checks are judged node by node: what one store did, or what was done to it, is no evidence against another.
 */
export function openSession(context: StandContext): StandSession {
  const { world } = context;
  const order = counter();
  const records = new Map<string, NodeRecord>();
  let evidence: readonly (readonly [node: string, evidence: StemeEvidence])[] | undefined;

  for (const node of context.nodes) {
    const record = new NodeRecord({
      world,
      node,
      devices: context.devices as StemeDevices, // parsed by `stemeDevicesSchema`
      document: structuredClone(context.config) as Record<string, unknown>,
      order,
      lastExit: () => context.control.exits(node).at(-1),
    });
    records.set(node, record);
  }

  function recordOf(node: string): NodeRecord {
    const found = records.get(node);
    if (found === undefined) throw new Error(`node ${node} is none of this stand's: ${[...records.keys()].join(', ')}`);
    return found;
  }
  const disksOf = (node: string): MachineDisks => recordOf(node).disks;
  const documentOf = (node: string): Record<string, unknown> => recordOf(node).document;

  async function converged(): Promise<string | undefined> {
    for (const [node, record] of records) {
      if (context.control.state(node) !== 'up') return `${node} is ${context.control.state(node)}`;
      const unrest = await record.unrest();
      if (unrest !== undefined) return unrest;
    }
    return undefined;
  }

  const checks: Record<string, Check> = {};
  for (const check of stemeChecks) {
    checks[check.name] = () => {
      if (evidence === undefined) throw new Error(`${check.name} was asked before the evidence was collected`);
      return judgeNodes(check, evidence);
    };
  }

  return {
    configuration: (node) => structuredClone(documentOf(node)),
    primary: () => context.nodes[0],
    decorateHost: (host, node) => recordOf(node).decorate(host),
    engineState: (node) => recordOf(node).condition,
    nodeChanged: (node, state) => recordOf(node).changed(state),
    startLoad: (given) =>
      // Parsed by `stemeLoadSchema`.
      startFleetLoad(given, given.load as StemeLoad, (node) => recordOf(node).config.server.request_timeout_ms),
    verbs: createVerbs({
      disksOf,
      documentOf,
      competitors: createCompetitors(world, disksOf),
      volumes: createVolumes(world, disksOf),
    }),
    extraMetrics: (node) => [...disksOf(node).table.devices.values()].flatMap(diskSamples),
    converged,
    async collectEvidence(history, run) {
      for (const record of records.values()) await record.lookAtLast(history);
      const fired = [...world.probes.buggifyFired].filter(([, times]) => times > 0).map(([name]) => name);
      evidence = [...records].map(([node, record]) => [node, record.evidence(fired, history, run, context.nodes)]);
    },
    checks,
  };
}

/** One check over every node; each violation says whose it is, in words too where there are several. */
function judgeNodes(check: StemeCheck, evidence: readonly (readonly [string, StemeEvidence])[]): CheckResult {
  const results = evidence.map(([node, own]) => named(node, check.run(own), evidence.length > 1));
  const undecided = results.flatMap((result) => result.undecided ?? []);
  return {
    violations: results.flatMap((result) => result.violations),
    detail: results.map((result) => result.detail).join('; '),
    ...(undecided.length === 0 ? {} : { undecided: undecided.join('; ') }),
  };
}

function named(node: string, result: StemeCheckResult, isOneOfMany: boolean): StemeCheckResult {
  const say = (text: string): string => (isOneOfMany ? `${node}: ${text}` : text);
  return {
    violations: result.violations.map((violation) => ({ ...violation, message: say(violation.message), node })),
    detail: say(result.detail),
    ...(result.undecided === undefined ? {} : { undecided: say(result.undecided) }),
  };
}
