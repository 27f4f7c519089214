import type { Violation } from '../checkers/history.ts';
import { createHistory } from '../checkers/recorder.ts';
import { registerLoad } from '../faults/load.ts';
import { registerOperator } from '../faults/operator.ts';
import type { Host } from '../host/host.ts';
import { asStand } from '../sim/inside.ts';
import { SimulationError } from '../sim/scheduler.ts';
import { World } from '../sim/world.ts';
import { type Facts, judgeAlert, judgeExits, judgeLog, judgeMetric, judgeOperations } from './expectations.ts';
import { createFaultRunner } from './faultRunner.ts';
import { createMonitor, holdsAt } from './monitor.ts';
import { createNodes } from './nodes.ts';
import { summarizeOperations } from './operations.ts';
import { SeriesStore } from './promql/seriesStore.ts';
import type { ExpectationResult, RunRecord, TimelineEntry, Verdict } from './runRecord.ts';
import type { Scenario } from './scenario.ts';
import { createScraper, recordMetrics, scrapeIntervalMs } from './scraper.ts';
import { createSignals } from './signals.ts';
import type { StandSession, Workload } from './stands/stand.ts';
import { createStepRunner } from './stepRunner.ts';
import { createTimeline } from './timeline.ts';
import { createRouteClient } from './wire/routeClient.ts';

/** What a run needs beside its scenario. Nothing here but `mutants` changes what happens in virtual time. */
export interface RunOptions {
  /** Default the scenario's. */
  readonly seed?: number;
  /** Bugs to plant, by name. */
  readonly mutants?: readonly string[];
  /** Keep the whole trace, for the comparison of two runs. */
  readonly record?: boolean;
  /** Beyond this number of events the run is undecided. Default 50 million. */
  readonly eventsMax?: number;
  /** Each line of the timeline, as it happens. */
  readonly onEntry?: (entry: TimelineEntry) => void;
  /** Virtual time so far, and the expected whole, after each scrape. */
  readonly onProgress?: (nowMs: number, totalMs: number) => void;
  /** Reads real milliseconds, for `realMs`; default: it stays 0. */
  readonly realNow?: () => number;
  /** Commit of the sources, Node's version and the command to repeat the run: only the record shows them. */
  readonly commit?: string;
  readonly nodeVersion?: string;
  readonly command?: string;
  /** Given the world before anything runs in it: for comparisons of traces. */
  readonly onWorld?: (world: World) => void;
}

/** After each scrape the rules are evaluated this much later: by then the answers are in. */
const evaluationDelayMs = 1_000;
/** How long the first start of the cluster may take, in virtual milliseconds. */
const startWithinMs = 120_000;
/** How long the workload may take to end its last operations. */
const loadEndWithinMs = 900_000;
/** Times that are kept for one log expectation. */
const logTimesMax = 10_000;

/**
 * Plays a scenario in a world of its own and judges it: a pure function of scenario, seed and mutants. The phases are
 * those of FoundationDB's and TigerBeetle's simulations: safety (faults, while checks watch), then liveness (all healed,
 * and everything must converge within a bound).
 *
 * @throws FaultError when a fault cannot be applied; what the engine does wrong is a violation, not an error
 */
export async function runScenario(scenario: Scenario, options: RunOptions = {}): Promise<RunRecord> {
  const seed = options.seed ?? scenario.seed;
  const startedAt = options.realNow?.() ?? 0;
  const world = new World({
    seed,
    buggify: scenario.buggify,
    ...(options.mutants === undefined ? {} : { mutants: options.mutants }),
    ...(options.record === undefined ? {} : { record: options.record }),
  });
  options.onWorld?.(world);

  const { stand } = scenario;
  const timeline = createTimeline(() => world.now, options.onEntry);
  const signals = createSignals();
  const store = new SeriesStore();
  const history = createHistory(() => world.now);
  const results: ExpectationResult[] = [];
  const violations: Violation[] = [];
  const ticks: number[] = [];
  const sleep = (ms: number): Promise<void> =>
    new Promise((resolve) => void world.scheduler.after(ms, 'stand', undefined, resolve));

  const defect = (message: string, node?: string) => {
    violations.push({
      check: 'no-defect',
      message: node === undefined ? message : `${node}: ${message}`,
      atMs: world.now,
    });
    timeline.add('violation', `defect: ${message}`, node);
  };
  const judge = (result: ExpectationResult) => {
    results.push(result);
    timeline.add('expectation', `${result.outcome}: ${result.text} (${result.detail})`);
  };

  let workload: Workload | undefined;
  let session: StandSession | undefined;
  const theSession = (): StandSession => {
    if (session === undefined)
      throw new Error(`the stand of ${stand.engine.name} used its control while it was opened`);
    return session;
  };
  const control = createNodes({
    world,
    stand,
    names: scenario.nodes,
    session: theSession,
    timeline,
    onState: (node, state) => signals.emit({ kind: 'node', node, state }),
    onDefect: defect,
  });
  session = stand.open({
    world,
    nodes: scenario.nodes,
    devices: scenario.devices,
    config: scenario.config,
    control,
    note: (text, node, data) => timeline.add('note', text, node, data),
  });
  const operatorHost = bystander(world, 'operator');
  registerOperator(world, {
    stop: (node) => control.stop(node),
    start: async (node) => void (await control.start(node)),
    request(node, method, path, body) {
      const client = createRouteClient(operatorHost, { host: node, port: stand.port });
      void client.call({ method, path, ...(body === '' ? {} : { body }) }).then(() => client.close());
    },
  });
  registerLoad(world, { scale: (factor) => workload?.scale(factor) ?? (() => {}) });
  const clients = Array.from({ length: scenario.load === undefined ? 0 : stand.clients(scenario.load) }, (_, index) =>
    bystander(world, `client-${index + 1}`),
  );
  const scraper = createScraper(world, bystander(world, 'prometheus'), stand, session, scenario.nodes, store);
  const monitor = createMonitor(scenario.rules, stand.alertsFile, store, timeline, signals);
  const nodes = {
    nodes: scenario.nodes,
    primary: () => theSession().primary(),
    random: world.random.stream('scenario/nodes'),
  };
  const faults = createFaultRunner(world, timeline, nodes);
  const logTimes: number[][] = scenario.expect.logs.map(() => []);
  watchLogs();

  let storyEnded = false;
  let storyError: unknown;
  const fail = (error: unknown) => {
    storyError ??= error;
    storyEnded = true;
  };
  const steps = createStepRunner(scenario.timeline, {
    world,
    timeline,
    signals,
    monitor,
    store,
    faults,
    operator: { world, stand, session, control, nodes, host: operatorHost },
    changeLoad: (load) => workload?.change(load),
    stateOf: control.state,
    sleep,
    nodesOf: (spec) => (scenario.nodes.includes(spec) ? [spec] : scenario.nodes),
    fail,
  });

  let safetyEndMs = scenario.durationMs;
  const totalMs = scenario.durationMs + 60_000;

  void observe().catch(fail);
  void story().then(() => {
    storyEnded = true;
  }, fail);
  await play();
  for (const result of steps.results) results.push(result);
  const facts = gatherFacts();
  for (const result of judgeAll(scenario, facts)) judge(result);
  return compose();

  /** Scrapes, evaluates, and tells those who wait, until the story has ended. */
  async function observe(): Promise<void> {
    while (!storyEnded) {
      const scrapedMs = world.now;
      void scraper.scrape().catch(fail);
      await sleep(evaluationDelayMs);
      ticks.push(world.now);
      monitor.step(world.now);
      signals.emit({ kind: 'tick', scrapedMs });
      options.onProgress?.(world.now, totalMs);
      await sleep(scrapeIntervalMs - evaluationDelayMs);
    }
  }

  async function story(): Promise<void> {
    timeline.add('phase', `safety: ${scenario.title}, seed ${seed}`);
    const begun = await within(startWithinMs, Promise.all(scenario.nodes.map((node) => control.start(node))));
    if (begun === undefined) {
      judge({ text: 'the cluster starts', outcome: 'violated', detail: `not within ${startWithinMs} ms` });
    } else if (scenario.load !== undefined) {
      workload = theSession().startLoad({
        load: scenario.load,
        nodes: scenario.nodes,
        clients,
        history,
        connect: (host, node) => createRouteClient(host, { host: node, port: stand.port }),
      });
      timeline.add('load', `load begins from ${clients.length} clients`);
    }
    steps.start();
    await sleep(scenario.durationMs - world.now);
    steps.stop();
    safetyEndMs = world.now;
    if (scenario.healWithinMs !== undefined) await liveness(scenario.healWithinMs);
    await endLoad();
    if (scenario.healWithinMs !== undefined) await converge(scenario.healWithinMs);
    await judgeChecks();
    timeline.add('phase', 'end');
  }

  async function liveness(boundMs: number): Promise<void> {
    timeline.add('phase', 'liveness: everything is healed and started');
    await faults.healAll();
    const deadline = world.now + boundMs;
    const down = scenario.nodes.filter((node) => control.state(node) !== 'up');
    const exits = await within(boundMs, Promise.all(down.map((node) => control.start(node))));
    const failed = exits?.find((exit) => exit !== undefined);
    if (exits === undefined || failed !== undefined) {
      const detail =
        failed === undefined ? `not within ${boundMs} ms` : `${failed.code} ${failed.name}: ${failed.message}`;
      judge({ text: 'finally: what was down starts', outcome: 'violated', detail });
    }
    const { steadyState } = scenario;
    if (steadyState === undefined) return;
    const missing = () => steadyState.metrics.find((expr) => !holdsAt(expr, store, world.now).holds);
    while (missing() !== undefined && world.now < deadline) await sleep(scrapeIntervalMs);
    const last = missing();
    judge({
      text: 'finally: the steady state holds again',
      outcome: last === undefined ? 'held' : 'violated',
      detail: last === undefined ? `after ${Math.round((world.now - safetyEndMs) / 1000)} s` : `still not: ${last}`,
    });
  }

  async function endLoad(): Promise<void> {
    if (workload === undefined) return;
    const ended = await within(
      loadEndWithinMs,
      workload.stop().then(() => true),
    );
    timeline.add('load', 'load ends');
    if (ended === undefined) {
      judge({ text: 'finally: every operation ends', outcome: 'violated', detail: `not within ${loadEndWithinMs} ms` });
    }
  }

  async function converge(boundMs: number): Promise<void> {
    const from = world.now;
    const ask = async (): Promise<string | undefined> => {
      const answer = await within(
        boundMs,
        theSession()
          .converged()
          .then((why) => ({ why })),
      );
      return answer === undefined ? 'it gave no answer' : answer.why;
    };
    let why = await ask();
    while (why !== undefined && world.now - from < boundMs) {
      await sleep(1000);
      why = await ask();
    }
    judge({
      text: `finally: converges within ${boundMs / 1000} s`,
      outcome: why === undefined ? 'held' : 'violated',
      detail: why ?? `after ${((world.now - from) / 1000).toFixed(1)} s`,
    });
  }

  async function judgeChecks(): Promise<void> {
    await theSession().collectEvidence(history.operations, {
      faults: faults.log,
      healedAtMs: scenario.healWithinMs === undefined ? undefined : safetyEndMs,
    });
    const names = scenario.expect.checks === 'all' ? stand.checks : scenario.expect.checks;
    for (const name of names) {
      const check = theSession().checks[name];
      if (check === undefined) throw new Error(`the stand of ${stand.engine.name} has no check ${name}`);
      const found = await check();
      violations.push(...found.violations);
      for (const violation of found.violations.slice(0, 5))
        timeline.add('violation', violation.message, undefined, violation);
      const outcome: Verdict =
        found.violations.length > 0 ? 'violated' : found.undecided === undefined ? 'held' : 'undecided';
      judge({ text: name, outcome, detail: found.violations[0]?.message ?? found.undecided ?? found.detail });
    }
  }

  /** The value, or undefined when it takes longer than this. */
  function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
    return Promise.race([promise, sleep(ms).then(() => undefined)]);
  }

  async function play(): Promise<void> {
    const eventsMax = options.eventsMax ?? 50_000_000;
    try {
      await world.run({ until: () => storyEnded, maxEvents: eventsMax });
    } catch (error) {
      if (!(error instanceof SimulationError)) throw error;
      defect(error.message);
      return;
    }
    if (storyError !== undefined) throw storyError;
    if (storyEnded) return;
    const detail = `it had not ended after ${eventsMax} events, at ${world.now} ms`;
    judge({ text: 'the run ends', outcome: 'undecided', detail });
  }

  function watchLogs(): void {
    world.logs.subscribe((line) =>
      asStand(() => {
        if (line.level === 'warn' || line.level === 'error') {
          timeline.add('log', `${line.level} ${line.message}`, line.machine, line.fields);
        }
        for (const [index, expected] of scenario.expect.logs.entries()) {
          const times = logTimes[index];
          if (times === undefined || times.length >= logTimesMax || !line.message.includes(expected.text)) continue;
          if (expected.node === undefined || expected.node === line.machine) times.push(world.now);
        }
        signals.emit({ kind: 'log', node: line.machine, text: line.message });
      }),
    );
  }

  function gatherFacts(): Facts {
    return {
      store,
      ticks,
      alerts: monitor.alerts,
      steps: steps.runs,
      exits: scenario.nodes.flatMap((node) => control.exits(node).map((exit) => ({ ...exit, node }))),
      logTimes,
      operations: history.operations,
      endMs: safetyEndMs,
      lastMs: world.now,
    };
  }

  function compose(): RunRecord {
    const verdict = verdictOf(results, violations);
    return {
      version: 1,
      title: scenario.title,
      ...(scenario.source === undefined ? {} : { source: scenario.source }),
      ...(scenario.description === undefined ? {} : { description: scenario.description }),
      engine: scenario.engine,
      ...(scenario.file === undefined ? {} : { file: scenario.file }),
      scenario: scenario.yaml,
      seed,
      commit: options.commit ?? 'unknown',
      nodeVersion: options.nodeVersion ?? 'unknown',
      command: options.command ?? '',
      verdict,
      reasons: reasonsOf(results, violations),
      virtualMs: world.now,
      realMs: (options.realNow?.() ?? 0) - startedAt,
      events: world.scheduler.eventsRun,
      fingerprint: world.trace.fingerprint,
      nodes: [
        ...scenario.nodes.map((name) => ({ name, role: 'engine' as const })),
        ...clients.map((host) => ({ name: host.name, role: 'client' as const })),
      ],
      timeline: timeline.entries,
      faults: faults.log,
      alerts: monitor.alerts,
      metrics: recordMetrics(store, scraper.families),
      operations: summarizeOperations(history.operations, world.now),
      expectations: results,
      violations,
      probes: world.probes.sometimesReached,
    };
  }
}

/** A machine that runs none of the engine: a client, an operator, a monitoring system. */
function bystander(world: World, name: string): Host {
  return world.addMachine(name).start(name, () => {}).host;
}

function judgeAll(scenario: Scenario, facts: Facts): ExpectationResult[] {
  const { expect, steadyState } = scenario;
  const first = Math.min(
    ...[...facts.steps.values()].flatMap((run) => (run.step.kind === 'load' ? [] : (run.startMs ?? []))),
  );
  const steadyMs = Math.min(steadyState?.withinMs ?? 0, first);
  const before = (steadyState?.metrics ?? []).map((expr): ExpectationResult => {
    const { holds, seen } = holdsAt(expr, facts.store, steadyMs);
    return { text: `steady state before the first fault: ${expr}`, outcome: holds ? 'held' : 'violated', detail: seen };
  });
  return [
    ...before,
    ...expect.alerts.flatMap((alert) => judgeAlert(alert, facts)),
    ...expect.metrics.map((metric) => judgeMetric(metric, facts)),
    ...expect.logs.map((log, index) => judgeLog(log, index, facts)),
    ...judgeExits(expect.exits, facts),
    ...(expect.operations === undefined ? [] : judgeOperations(expect.operations, facts)),
  ];
}

function verdictOf(results: readonly ExpectationResult[], violations: readonly Violation[]): Verdict {
  if (violations.length > 0 || results.some((result) => result.outcome === 'violated')) return 'violated';
  return results.some((result) => result.outcome === 'undecided') ? 'undecided' : 'held';
}

function reasonsOf(results: readonly ExpectationResult[], violations: readonly Violation[]): string[] {
  return [
    ...violations.slice(0, 20).map((violation) => `${violation.check}: ${violation.message}`),
    ...results
      .filter((result) => result.outcome !== 'held')
      .map((result) => `${result.outcome}: ${result.text} (${result.detail})`),
  ];
}
