import type { JournalImage, StateSample, StemeEvidence } from '../../../checkers/stemedb/evidence.ts';
import { stemeChecks } from '../../../checkers/stemedb/index.ts';
import { type StemeConfig, stemeConfigSchema, witnessDirectory } from '../../../engines/stemedb/config.ts';
import type { RunningStemeDb } from '../../../engines/stemedb/engine.ts';
import type { Host } from '../../../host/host.ts';
import type { Check, NodeState, RunFacts, StandContext, StandSession } from '../stand.ts';
import { createCompetitors } from './competitors.ts';
import { layOutDisks, type MachineDisks, peekDirectory, type StemeDevices } from './devices.ts';
import { diskSamples } from './diskMetrics.ts';
import { EvidenceLog, settingsOf } from './evidenceLog.ts';
import { askIndex } from './indexQuestions.ts';
import { readSegmentHeader } from './journalFormat.ts';
import { type FileSeen, readJournalImage } from './journalImage.ts';
import type { StemeLoad } from './loadSchema.ts';
import { startNeighbours } from './neighbours.ts';
import { readState } from './stateSamples.ts';
import { createVerbs } from './verbs.ts';
import { createVolumes } from './volumes.ts';
import { watchDisk } from './watchedDisk.ts';
import { watchRequests } from './watchedEngine.ts';
import { startWorkload } from './workload.ts';

/** How often the process is looked at from outside, in virtual milliseconds. */
const sampleEveryMs = 500;
/** Name of the journal in its witness's ring. */
const ringFile = /\.ring$/;
/** The spare and what recovery put aside are no part of the log. */
const segmentFile = /^segment-\d+\.wal$/;

/** Begins a run of stemedb: machines, disks, and everything that is written down of it. */
export function openSession(context: StandContext): StandSession {
  const { world } = context;
  const log = new EvidenceLog();
  const disks = new Map<string, MachineDisks>();
  const documents = new Map<string, Record<string, unknown>>();
  const configs = new Map<string, StemeConfig>();
  const hosts = new Map<string, Host>();
  const engines = new Map<string, RunningStemeDb>();
  let evidence: StemeEvidence | undefined;

  for (const node of context.nodes) {
    const machine = world.addMachine(node);
    const devices = context.devices as StemeDevices; // parsed by `stemeDevicesSchema`
    const laidOut = layOutDisks(machine, devices);
    for (const device of new Set([laidOut.wal, laidOut.store])) {
      device.observe((event) => {
        if (event.kind === 'power-loss' && device === laidOut.wal) {
          log.powerLosses.push({ atMs: world.now, order: log.order() });
        }
      });
    }
    for (const role of ['wal', 'store'] as const) {
      const reads = devices[role]['other reads'];
      if (reads !== undefined) startNeighbours(world, laidOut[role], reads);
    }
    disks.set(node, laidOut);
    documents.set(node, structuredClone(context.config) as Record<string, unknown>);
  }

  function documentOf(node: string): Record<string, unknown> {
    const document = documents.get(node);
    if (document === undefined)
      throw new Error(`node ${node} is none of this stand's: ${[...documents.keys()].join(', ')}`);
    return document;
  }

  function disksOf(node: string): MachineDisks {
    const found = disks.get(node);
    if (found === undefined) throw new Error(`node ${node} is none of this stand's: ${[...disks.keys()].join(', ')}`);
    return found;
  }

  /** The configuration of the present process; before the first start, of the file. */
  function configOf(node: string): StemeConfig {
    return configs.get(node) ?? stemeConfigSchema.parse(documentOf(node));
  }

  /** Files of the log as a process would read them now. */
  function logFiles(node: string): FileSeen[] {
    return peekDirectory(disksOf(node).table, configOf(node).wal.dir, segmentFile);
  }

  /** What these files of the log hold, with the witness as it is now. */
  function imageOf(node: string, files: readonly FileSeen[] = logFiles(node)): JournalImage {
    const [ring] = peekDirectory(disksOf(node).table, witnessDirectory(configOf(node)), ringFile);
    return readJournalImage(files, ring?.bytes, { atMs: world.now, order: log.order() });
  }

  /** Salts of the segments that are there, for the reading of batches that are added to them. */
  function saltsOf(node: string, files: readonly FileSeen[]): Map<string, number> {
    return new Map(
      files.flatMap(({ name, bytes }) => {
        const header = readSegmentHeader(bytes);
        return header === undefined ? [] : [[`${configOf(node).wal.dir}/${name}`, header.recordSalt] as const];
      }),
    );
  }

  /** Last LSN of the index on disk, by its manifest; 0 without one. */
  function indexedLsn(node: string): number {
    const [manifest] = peekDirectory(disksOf(node).table, `${configOf(node).store.dir}/index`, /^MANIFEST$/);
    if (manifest === undefined) return 0;
    try {
      const { parts } = JSON.parse(Buffer.from(manifest.bytes).toString('utf8')) as { parts: { last: number }[] }; // its format
      return parts.at(-1)?.last ?? 0;
    } catch {
      return 0;
    }
  }

  function decorateHost(host: Host, node: string): Host {
    const { incarnation } = host;
    configs.set(node, stemeConfigSchema.parse(documentOf(node)));
    const files = logFiles(node);
    const logBytes = files.reduce((sum, file) => sum + file.bytes.length, 0);
    const device = disksOf(node).table.deviceAt(configOf(node).wal.dir).name;
    log.began(
      {
        node,
        incarnation,
        device,
        found: imageOf(node, files),
        indexedLsn: indexedLsn(node),
        logBytes,
        settings: settingsOf(configOf(node)),
      },
      world.now,
    );
    hosts.set(node, host);
    const decorated: Host = {
      ...host,
      disk: watchDisk(host.disk, incarnation, {
        now: () => world.now,
        order: log.order,
        began: (call) => void log.disk.push(call),
        walDirectory: configOf(node).wal.dir,
        salts: saltsOf(node, files),
      }),
    };
    watchRequests(decorated, {
      now: () => world.now,
      order: log.order,
      arrived: (request) => void log.requests.push(request),
      started: (running) => {
        engines.set(node, running as RunningStemeDb); // the stand's engine is stemedb, and watching it adds only
        served(node, incarnation);
      },
    });
    return decorated;
  }

  /** Recovery is over: what the log holds now is what this process has. */
  function served(node: string, incarnation: number): void {
    const life = log.lifeOf(node, incarnation);
    if (life === undefined) return;
    life.servedAtMs = world.now;
    life.servedOrder = log.order();
    life.recovered = imageOf(node);
    scheduleSample(node, incarnation);
  }

  function scheduleSample(node: string, incarnation: number): void {
    world.scheduler.after(sampleEveryMs, 'sample', undefined, () => {
      const life = log.lifeOf(node, incarnation);
      if (life === undefined || life.end !== 'running') return;
      void sample(node, incarnation);
      scheduleSample(node, incarnation);
    });
  }

  /** Counters are read at one moment: all of them settle before the next event. */
  async function sample(node: string, incarnation: number): Promise<void> {
    const host = hosts.get(node);
    if (host === undefined || host.incarnation !== incarnation) return;
    const atMs = world.now;
    const order = log.order();
    // Space as it is, not as the process last saw it: its gauge is read every few seconds.
    const { freeBytes, freeInodes } = disksOf(node).table.deviceAt(configOf(node).wal.dir).usage();
    const fields = await readState(host.telemetry.registry);
    const entry: StateSample = { ...fields, freeBytes, freeInodes, atMs, order, node, incarnation };
    log.samples.push(entry);
  }

  function nodeChanged(node: string, state: NodeState): void {
    const host = hosts.get(node);
    const life = host === undefined ? undefined : log.lifeOf(node, host.incarnation);
    if (life === undefined || life.end !== 'running') return;
    if (state === 'stopping') life.stopAskedAtMs = world.now;
    if (state !== 'crashed' && state !== 'stopped' && state !== 'exited') return;
    life.end = state;
    life.endedAtMs = world.now;
    life.endedOrder = log.order();
    const exit = context.control.exits(node).at(-1);
    if (state === 'exited' && exit !== undefined)
      life.exit = { code: exit.code, name: exit.name, message: exit.message };
    engines.delete(node);
  }

  async function converged(): Promise<string | undefined> {
    for (const node of context.nodes) {
      if (context.control.state(node) !== 'up') return `${node} is ${context.control.state(node)}`;
      const host = hosts.get(node);
      const state = host === undefined ? {} : await readState(host.telemetry.registry);
      if (state.walState !== 'open') return `the journal of ${node} is ${state.walState ?? 'unknown'}`;
      if ((state.pendingBytes ?? 0) > 0) return `${node} has ${state.pendingBytes} bytes pending`;
    }
    return undefined;
  }

  async function collectEvidence(
    history: Parameters<StandSession['collectEvidence']>[0],
    run: RunFacts,
  ): Promise<void> {
    const first = context.nodes[0];
    if (first === undefined) throw new Error('a run of stemedb needs a node');
    for (const node of context.nodes) {
      const host = hosts.get(node);
      const life = host === undefined ? undefined : log.lifeOf(node, host.incarnation);
      const running = engines.get(node);
      if (life === undefined || life.end !== 'running' || running === undefined || host === undefined) continue;
      log.index.push(
        ...(await askIndex(running, history, { node, incarnation: host.incarnation, world, order: log.order })),
      );
      await sample(node, host.incarnation);
      life.left = imageOf(node);
    }
    const fired = [...world.probes.buggifyFired].filter(([, times]) => times > 0).map(([name]) => name);
    evidence = log.evidence(settingsOf(configOf(first)), fired, history, run, world.now);
  }

  const checks: Record<string, Check> = {};
  for (const check of stemeChecks) {
    checks[check.name] = () => {
      if (evidence === undefined) throw new Error(`${check.name} was asked before the evidence was collected`);
      return check.run(evidence);
    };
  }

  return {
    configuration: (node) => structuredClone(documentOf(node)),
    primary: () => context.nodes[0],
    decorateHost,
    engineState: (node) => engines.get(node)?.db.condition() ?? 'starting',
    nodeChanged,
    startLoad(given) {
      const node = given.nodes[0];
      if (node === undefined) throw new Error('a load needs a node');
      // Parsed by `stemeLoadSchema`.
      const workload = startWorkload(given, given.load as StemeLoad, () => configOf(node).server.request_timeout_ms);
      return workload;
    },
    verbs: createVerbs({
      disksOf,
      documentOf,
      competitors: createCompetitors(world, disksOf),
      volumes: createVolumes(world, disksOf),
    }),
    extraMetrics: (node) => {
      const { table } = disksOf(node);
      return [...table.devices.values()].flatMap(diskSamples);
    },
    converged,
    collectEvidence,
    checks,
  };
}
