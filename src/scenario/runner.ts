import { SimulationError } from '../sim/scheduler.ts';
import { coverageOf } from './coverage.ts';
import { type Facts, judgeAll } from './expectations.ts';
import { linkFaults } from './faultLinks.ts';
import { reasonsOf, verdictOf } from './findings.ts';
import { momentsOf } from './moments.ts';
import { summarizeOperations } from './operations.ts';
import type { RunOptions } from './runOptions.ts';
import type { RunRecord } from './runRecord.ts';
import type { Scenario } from './scenario.ts';
import { recordMetrics, scrapeIntervalMs } from './scraper.ts';
import { openStage, type Stage } from './stage.ts';
import { createStepRunner, type StepRunner } from './stepRunner.ts';
import { tellStory } from './story.ts';

/** After each scrape the rules are evaluated this much later: by then the answers are in. */
const evaluationDelayMs = 1_000;
/** What heals and converges after the timeline's own duration, as the progress bar guesses it. */
const afterwardsMs = 60_000;
const eventsMaxDefault = 50_000_000;

/** How far a run has come. */
interface Progress {
  ended: boolean;
  /** What nobody expected: ends the run, and is thrown. */
  error: unknown;
  /** When the timeline's part of the run ended; its planned end until then. */
  safetyEndMs: number;
}

/**
 * Plays a scenario in a world of its own and judges it: a pure function of scenario, seed and mutants. The phases are
 * those of FoundationDB's and TigerBeetle's simulations: safety (faults, while checks watch), then liveness (all healed,
 * and everything must converge within a bound).
 *
 * @throws FaultError when a fault cannot be applied; what the engine does wrong is a violation, not an error
 */
export async function runScenario(scenario: Scenario, options: RunOptions = {}): Promise<RunRecord> {
  const startedAt = options.realNow?.() ?? 0;
  const stage = openStage(scenario, options);
  const progress: Progress = { ended: false, error: undefined, safetyEndMs: scenario.durationMs };
  const fail = (error: unknown): void => {
    progress.error ??= error;
    progress.ended = true;
  };
  const steps = createStepRunner(scenario.timeline, {
    ...stage,
    changeLoad: (load) => stage.load.current?.change(load),
    stateOf: stage.control.state,
    nodesOf: (spec) => (scenario.nodes.includes(spec) ? [spec] : scenario.nodes),
    fail,
  });

  const ticks: number[] = [];
  void observe(stage, options, progress, ticks, fail).catch(fail);
  void tellStory(stage, steps).then((endMs) => {
    progress.safetyEndMs = endMs;
    progress.ended = true;
  }, fail);
  await play(stage, progress, options.eventsMax ?? eventsMaxDefault);
  for (const result of steps.results) stage.findings.keep(result);
  for (const result of judgeAll(scenario, factsOf(stage, steps, ticks, progress))) stage.findings.judge(result);
  return compose(stage, options, (options.realNow?.() ?? 0) - startedAt);
}

/** Scrapes, evaluates, and tells those who wait, until the story has ended. */
async function observe(
  stage: Stage,
  options: RunOptions,
  progress: Progress,
  ticks: number[],
  fail: (error: unknown) => void,
): Promise<void> {
  const { world, scraper, monitor, signals } = stage;
  const totalMs = stage.scenario.durationMs + afterwardsMs;
  while (!progress.ended) {
    const scrapedMs = world.now;
    void scraper.scrape().catch(fail);
    await stage.sleep(evaluationDelayMs);
    ticks.push(world.now);
    monitor.step(world.now);
    signals.emit({ kind: 'tick', scrapedMs });
    options.onProgress?.(world.now, totalMs);
    await stage.sleep(scrapeIntervalMs - evaluationDelayMs);
  }
}

/** Lets virtual time run until the story has ended. */
async function play({ world, findings, coverage }: Stage, progress: Progress, eventsMax: number): Promise<void> {
  try {
    const isOver = (): boolean => {
      coverage.look();
      return progress.ended;
    };
    await world.run({ until: isOver, maxEvents: eventsMax });
  } catch (error) {
    if (!(error instanceof SimulationError)) throw error;
    findings.defect(error.message);
    return;
  }
  if (progress.error !== undefined) throw progress.error;
  if (progress.ended) return;
  const detail = `it had not ended after ${eventsMax} events, at ${world.now} ms`;
  findings.judge({ text: 'the run ends', outcome: 'undecided', detail });
}

function factsOf(stage: Stage, steps: StepRunner, ticks: readonly number[], progress: Progress): Facts {
  const { scenario, control } = stage;
  return {
    store: stage.store,
    ticks,
    alerts: stage.monitor.alerts,
    steps: steps.runs,
    exits: scenario.nodes.flatMap((node) => control.exits(node).map((exit) => ({ ...exit, node }))),
    logTimes: stage.logTimes,
    operations: stage.history.operations,
    partsWritten: scenario.stand.partsWritten,
    endMs: progress.safetyEndMs,
    lastMs: stage.world.now,
  };
}

function compose(stage: Stage, options: RunOptions, realMs: number): RunRecord {
  const { scenario, world, findings } = stage;
  return {
    version: 1,
    title: scenario.title,
    ...(scenario.source === undefined ? {} : { source: scenario.source }),
    ...(scenario.description === undefined ? {} : { description: scenario.description }),
    engine: scenario.engine,
    ...(scenario.file === undefined ? {} : { file: scenario.file }),
    scenario: scenario.yaml,
    seed: world.seed,
    ...(options.mutants === undefined || options.mutants.length === 0 ? {} : { mutants: options.mutants }),
    commit: options.commit ?? 'unknown',
    nodeVersion: options.nodeVersion ?? 'unknown',
    command: options.command ?? '',
    verdict: verdictOf(findings),
    reasons: reasonsOf(findings),
    virtualMs: world.now,
    realMs,
    events: world.scheduler.eventsRun,
    fingerprint: world.trace.fingerprint,
    nodes: [
      ...scenario.nodes.map((name) => ({ name, role: 'engine' as const })),
      ...stage.clients.map((host) => ({ name: host.name, role: 'client' as const })),
    ],
    timeline: stage.timeline.entries,
    faults: stage.faults.log,
    alerts: stage.monitor.alerts,
    metrics: recordMetrics(stage.store, stage.scraper.families),
    operations: summarizeOperations(stage.history.operations, world.now),
    expectations: findings.results,
    violations: findings.violations,
    probes: world.probes.sometimesReached,
    coverage: coverageOf(world.probes, stage.coverage),
    ...observed(stage),
  };
}

/** The history and what was seen, if somebody watched. */
function observed(stage: Stage): Pick<RunRecord, 'history' | 'observations'> {
  const { observer, history, faults, monitor, findings } = stage;
  if (observer === undefined) return {};
  const { operations } = history;
  linkFaults(operations, faults.windows());
  const moments = momentsOf({
    faults: faults.log,
    alerts: monitor.alerts,
    states: observer.states,
    violations: findings.violations,
    operations,
  });
  return { history: operations, observations: observer.observations(moments) };
}
