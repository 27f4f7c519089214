import { holdsAt } from './monitor.ts';
import type { Verdict } from './runRecord.ts';
import { scrapeIntervalMs } from './scraper.ts';
import type { Stage } from './stage.ts';
import type { StepRunner } from './stepRunner.ts';
import { createRouteClient } from './wire/routeClient.ts';

/** How long the first start of the cluster may take, in virtual milliseconds. */
const startWithinMs = 120_000;
/** How long the workload may take to end its last operations. */
const loadEndWithinMs = 900_000;

/**
 * Tells the story: safety (faults, while checks watch), then liveness (all healed, and everything must converge within a
 * bound), then what the checks found. Resolves to the virtual time at which the timeline's part ended.
 */
export async function tellStory(stage: Stage, steps: StepRunner): Promise<number> {
  const { scenario, world, timeline } = stage;
  timeline.add('phase', `safety: ${scenario.title}, seed ${world.seed}`);
  await begin(stage);
  steps.start();
  await stage.sleep(scenario.durationMs - world.now);
  steps.stop();
  const safetyEndMs = world.now;
  if (scenario.healWithinMs !== undefined) await heal(stage, scenario.healWithinMs);
  await endLoad(stage);
  if (scenario.healWithinMs !== undefined) await converge(stage, scenario.healWithinMs);
  await judgeChecks(stage, safetyEndMs);
  timeline.add('phase', 'end');
  return safetyEndMs;
}

async function begin(stage: Stage): Promise<void> {
  const { scenario, control, timeline, clients } = stage;
  const begun = await stage.within(startWithinMs, Promise.all(scenario.nodes.map((node) => control.start(node))));
  if (begun === undefined) {
    stage.findings.judge({ text: 'the cluster starts', outcome: 'violated', detail: `not within ${startWithinMs} ms` });
    return;
  }
  if (scenario.load === undefined) return;
  stage.load.current = stage.session.startLoad({
    load: scenario.load,
    nodes: scenario.nodes,
    clients,
    history: stage.history,
    connect: (host, node) => createRouteClient(host, { host: node, port: scenario.stand.port }),
  });
  timeline.add('load', `load begins from ${clients.length} clients`);
}

async function heal(stage: Stage, boundMs: number): Promise<void> {
  const { scenario, world, control, findings, store } = stage;
  stage.timeline.add('phase', 'liveness: everything is healed and started');
  const fromMs = world.now;
  await stage.faults.healAll();
  world.probes.endLosses();
  const deadline = world.now + boundMs;
  const down = scenario.nodes.filter((node) => control.state(node) !== 'up');
  const exits = await stage.within(boundMs, Promise.all(down.map((node) => control.start(node))));
  const failed = exits?.find((exit) => exit !== undefined);
  if (exits === undefined || failed !== undefined) {
    const detail =
      failed === undefined ? `not within ${boundMs} ms` : `${failed.code} ${failed.name}: ${failed.message}`;
    findings.judge({ text: 'finally: what was down starts', outcome: 'violated', detail });
  }
  const { steadyState } = scenario;
  if (steadyState === undefined) return;
  const missing = () => steadyState.metrics.find((expr) => !holdsAt(expr, store, world.now).holds);
  while (missing() !== undefined && world.now < deadline) await stage.sleep(scrapeIntervalMs);
  const last = missing();
  findings.judge({
    text: 'finally: the steady state holds again',
    outcome: last === undefined ? 'held' : 'violated',
    detail: last === undefined ? `after ${Math.round((world.now - fromMs) / 1000)} s` : `still not: ${last}`,
  });
}

async function endLoad(stage: Stage): Promise<void> {
  const { load, timeline, findings } = stage;
  if (load.current === undefined) return;
  const ended = await stage.within(
    loadEndWithinMs,
    load.current.stop().then(() => true),
  );
  timeline.add('load', 'load ends');
  if (ended !== undefined) return;
  const detail = `not within ${loadEndWithinMs} ms`;
  findings.judge({ text: 'finally: every operation ends', outcome: 'violated', detail });
}

async function converge(stage: Stage, boundMs: number): Promise<void> {
  const { world, session } = stage;
  const from = world.now;
  const ask = async (): Promise<string | undefined> => {
    const answer = await stage.within(
      boundMs,
      session.converged().then((why) => ({ why })),
    );
    return answer === undefined ? 'it gave no answer' : answer.why;
  };
  let why = await ask();
  while (why !== undefined && world.now - from < boundMs) {
    await stage.sleep(1000);
    why = await ask();
  }
  const text = `finally: converges within ${boundMs / 1000} s`;
  const cut = why === undefined ? session.cutShort?.() : undefined;
  if (cut !== undefined) {
    stage.findings.judge({ text, outcome: 'undecided', detail: `not decided: ${cut}` });
    return;
  }
  stage.findings.judge({
    text,
    outcome: why === undefined ? 'held' : 'violated',
    detail: why ?? `after ${((world.now - from) / 1000).toFixed(1)} s`,
  });
}

async function judgeChecks(stage: Stage, safetyEndMs: number): Promise<void> {
  const { scenario, session, findings } = stage;
  const { stand } = scenario;
  await session.collectEvidence(stage.history.operations, {
    faults: stage.faults.log,
    healedAtMs: scenario.healWithinMs === undefined ? undefined : safetyEndMs,
  });
  const names = scenario.expect.checks === 'all' ? stand.checks : scenario.expect.checks;
  for (const name of names) {
    const check = session.checks[name];
    if (check === undefined) throw new Error(`the stand of ${stand.engine.name} has no check ${name}`);
    const found = await check();
    findings.violate(found.violations);
    const outcome: Verdict =
      found.violations.length > 0 ? 'violated' : found.undecided === undefined ? 'held' : 'undecided';
    findings.judge({ text: name, outcome, detail: found.violations[0]?.message ?? found.undecided ?? found.detail });
  }
}
