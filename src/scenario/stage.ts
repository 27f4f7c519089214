import { createHistory } from '../checkers/recorder.ts';
import { registerLoad } from '../faults/load.ts';
import { registerOperator } from '../faults/operator.ts';
import type { Host } from '../host/host.ts';
import { asStand } from '../sim/inside.ts';
import { World } from '../sim/world.ts';
import { type Coverage, createCoverage, engineStateOf } from './coverage.ts';
import { createFaultRunner, type FaultRunner } from './faultRunner.ts';
import { createFindings, type Findings } from './findings.ts';
import { createMonitor, type Monitor } from './monitor.ts';
import { createNodes } from './nodes.ts';
import { type Observer, observeWorld } from './observer.ts';
import type { OperatorContext } from './operator.ts';
import { SeriesStore } from './promql/seriesStore.ts';
import type { RunOptions } from './runOptions.ts';
import type { Scenario } from './scenario.ts';
import { createScraper, type Scraper } from './scraper.ts';
import { createSignals, type Signals } from './signals.ts';
import type { NodeControl, StandSession, Workload } from './stands/stand.ts';
import { createTimeline, type Timeline } from './timeline.ts';
import { createRouteClient } from './wire/routeClient.ts';

/** Times that are kept for one log expectation. */
const logTimesMax = 10_000;

/** Everything that a run needs, built and at rest: machines, the engine's stand, clients, operator, monitoring. */
export interface Stage {
  readonly scenario: Scenario;
  readonly world: World;
  readonly timeline: Timeline;
  readonly signals: Signals;
  readonly findings: Findings;
  readonly store: SeriesStore;
  readonly history: ReturnType<typeof createHistory>;
  readonly control: NodeControl;
  readonly session: StandSession;
  readonly clients: readonly Host[];
  readonly scraper: Scraper;
  readonly monitor: Monitor;
  readonly faults: FaultRunner;
  readonly coverage: Coverage;
  readonly operator: OperatorContext;
  /** Only when the run is observed. */
  readonly observer: Observer | undefined;
  /** The load that runs now. */
  readonly load: { current: Workload | undefined };
  /** Per log expectation, by its position: when lines with its text came. */
  readonly logTimes: readonly (readonly number[])[];
  /** Virtual milliseconds. */
  sleep(ms: number): Promise<void>;
  /** The value, or undefined when it takes longer than this. */
  within<T>(ms: number, promise: Promise<T>): Promise<T | undefined>;
}

/** Builds the world of a scenario. The order in which machines and streams are made is part of every fingerprint. */
export function openStage(scenario: Scenario, options: RunOptions): Stage {
  const { stand } = scenario;
  const world = new World({
    seed: options.seed ?? scenario.seed,
    buggify: scenario.buggify,
    points: stand.engine.points,
    ...(options.mutants === undefined ? {} : { mutants: options.mutants }),
    ...(options.record === undefined ? {} : { record: options.record }),
  });
  options.onWorld?.(world);
  const observer = options.observe === true ? observeWorld(world) : undefined;
  const timeline = createTimeline(
    () => world.now,
    (entry) => {
      if (entry.kind !== 'log') observer?.moment();
      options.onEntry?.(entry);
    },
  );
  const findings = createFindings(() => world.now, timeline);
  const signals = createSignals();
  const store = new SeriesStore();
  const load: Stage['load'] = { current: undefined };
  const sleep = (ms: number): Promise<void> =>
    new Promise((resolve) => void world.scheduler.after(ms, 'stand', undefined, resolve));

  const { control, session } = openCluster(scenario, world, timeline, signals, findings, observer);
  const operatorHost = bystander(world, 'operator');
  registerOperator(world, {
    stop: (node) => control.stop(node),
    start: async (node) => void (await control.start(node)),
    request(node, method, path, body) {
      const client = createRouteClient(operatorHost, { host: node, port: stand.port });
      void client.call({ method, path, ...(body === '' ? {} : { body }) }).then(() => client.close());
    },
  });
  registerLoad(world, { scale: (factor) => load.current?.scale(factor) ?? (() => {}) });
  const clients = Array.from({ length: scenario.load === undefined ? 0 : stand.clients(scenario.load) }, (_, index) =>
    bystander(world, `client-${index + 1}`),
  );
  const scraper = createScraper(world, bystander(world, 'prometheus'), stand, session, scenario.nodes, store);
  const coverage = createCoverage(scenario.nodes, (node) =>
    engineStateOf(control.state(node), () => session.engineState?.(node)),
  );
  const nodes = {
    nodes: scenario.nodes,
    primary: () => session.primary(),
    random: world.random.stream('scenario/nodes'),
  };
  return {
    scenario,
    world,
    timeline,
    signals,
    findings,
    store,
    history: createHistory(() => world.now),
    control,
    session,
    clients,
    scraper,
    monitor: createMonitor(scenario.rules, stand.alertsFile, store, timeline, signals),
    faults: createFaultRunner(world, timeline, nodes, coverage),
    coverage,
    operator: { world, stand, session, control, nodes, host: operatorHost },
    observer,
    load,
    logTimes: watchLogs(scenario, world, timeline, signals),
    sleep,
    within: (ms, promise) => Promise.race([promise, sleep(ms).then(() => undefined)]),
  };
}

/** The engine's machines, and who starts and stops them. */
function openCluster(
  scenario: Scenario,
  world: World,
  timeline: Timeline,
  signals: Signals,
  findings: Findings,
  observer: Observer | undefined,
): { readonly control: NodeControl; readonly session: StandSession } {
  const { stand } = scenario;
  let opened: StandSession | undefined;
  const control = createNodes({
    world,
    stand,
    names: scenario.nodes,
    session: () => {
      if (opened === undefined)
        throw new Error(`the stand of ${stand.engine.name} used its control while it was opened`);
      return opened;
    },
    timeline,
    onState: (node, state) => {
      observer?.state(node, state);
      signals.emit({ kind: 'node', node, state });
    },
    onDefect: findings.defect,
  });
  opened = stand.open({
    world,
    nodes: scenario.nodes,
    devices: scenario.devices,
    config: scenario.config,
    control,
    note: (text, node, data) => timeline.add('note', text, node, data),
  });
  return { control, session: opened };
}

/** A machine that runs none of the engine: a client, an operator, a monitoring system. */
function bystander(world: World, name: string): Host {
  return world.addMachine(name).start(name, () => {}).host;
}

/** Warnings go to the timeline, every line to those who wait, and what the scenario expects is noted with its time. */
function watchLogs(scenario: Scenario, world: World, timeline: Timeline, signals: Signals): number[][] {
  const { logs } = scenario.expect;
  const logTimes: number[][] = logs.map(() => []);
  world.logs.subscribe((line) =>
    asStand(() => {
      if (line.level === 'warn' || line.level === 'error') {
        timeline.add('log', `${line.level} ${line.message}`, line.machine, line.fields);
      }
      for (const [index, expected] of logs.entries()) {
        const times = logTimes[index];
        if (times === undefined || times.length >= logTimesMax || !line.message.includes(expected.text)) continue;
        if (expected.node === undefined || expected.node === line.machine) times.push(world.now);
      }
      signals.emit({ kind: 'log', node: line.machine, text: line.message });
    }),
  );
  return logTimes;
}
