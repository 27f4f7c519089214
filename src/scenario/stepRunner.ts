import { FaultError } from '../faults/fault.ts';
import type { World } from '../sim/world.ts';
import type { AppliedFault, FaultRunner } from './faultRunner.ts';
import { holdsAt, type Monitor } from './monitor.ts';
import { type CommandResult, type OperatorContext, runCommand } from './operator.ts';
import type { SeriesStore } from './promql/seriesStore.ts';
import type { ExpectationResult } from './runRecord.ts';
import type { FaultStep, OperatorStep, Step } from './scenario.ts';
import type { Signal, Signals } from './signals.ts';
import type { Timeline } from './timeline.ts';
import type { Trigger } from './words.ts';

/** What became of a step. */
export interface StepRun {
  readonly step: Step;
  /** When it began to be done; undefined: its trigger never came. */
  startMs?: number;
  /** When it was over: a fault healed, a command answered. */
  endMs?: number;
  /** It is done: the fault is in, the command has answered. */
  happened: boolean;
}

export interface StepContext {
  readonly world: World;
  readonly timeline: Timeline;
  readonly signals: Signals;
  readonly monitor: Monitor;
  readonly store: SeriesStore;
  readonly faults: FaultRunner;
  readonly operator: OperatorContext;
  readonly changeLoad: (load: unknown) => void;
  readonly stateOf: (node: string) => string;
  readonly sleep: (ms: number) => Promise<void>;
  readonly nodesOf: (spec: string) => readonly string[];
  /** A step cannot be done at all (a fault that cannot be applied): ends the run. */
  readonly fail: (error: unknown) => void;
}

export interface StepRunner {
  readonly runs: ReadonlyMap<string, StepRun>;
  /** What the steps themselves demanded: triggers that came in time, commands that answered as they must. */
  readonly results: readonly ExpectationResult[];
  /** Sets every step going. */
  start(): void;
  /** No step begins any more; those whose trigger was waited for are judged. */
  stop(): void;
}

/** Does the steps of a timeline, each as its trigger comes. */
export function createStepRunner(steps: readonly Step[], context: StepContext): StepRunner {
  const { world, timeline, signals } = context;
  const runs = new Map<string, StepRun>(steps.map((step) => [step.id, { step, happened: false }]));
  const applied = new Map<string, AppliedFault>();
  const results: ExpectationResult[] = [];
  const judged = new Set<string>();
  let stopped = false;

  function judge(text: string, held: boolean, detail: string): void {
    results.push({ text, outcome: held ? 'held' : 'violated', detail });
    timeline.add('expectation', `${held ? 'held' : 'violated'}: ${text} (${detail})`);
  }

  async function live(run: StepRun): Promise<void> {
    const { step } = run;
    if (step.atMs !== undefined) await context.sleep(step.atMs - world.now);
    if (step.after !== undefined) await waitForStep(step.after);
    if (step.when !== undefined && !(await waitForTrigger(step, step.when))) return;
    if (step.delayMs > 0) await context.sleep(step.delayMs);
    if (stopped) return;
    run.startMs = world.now;
    await act(run);
    run.happened = true;
    if (step.kind !== 'fault' || applied.get(step.id)?.lasting !== true) run.endMs = world.now;
    signals.emit({ kind: 'step' });
  }

  async function waitForStep(after: string): Promise<void> {
    const ofEnd = after.startsWith('end of ');
    const run = runs.get(ofEnd ? after.slice('end of '.length) : after);
    const come = () => (ofEnd ? run?.endMs !== undefined : run?.happened === true);
    if (!come()) await signals.wait((signal) => signal.kind === 'step' && come());
  }

  /** True when it came in time. */
  async function waitForTrigger(step: Step, trigger: Trigger): Promise<boolean> {
    const armedMs = world.now;
    const text = `${step.id}: ${step.whenText}`;
    let late = false;
    if (!comeAlready(trigger)) {
      const come = signals.wait((signal) => late || comes(trigger, signal));
      if (step.withinMs === undefined) await come;
      else late = await Promise.race([come.then(() => false), context.sleep(step.withinMs).then(() => true)]);
    }
    if (judged.has(step.id)) return false;
    judged.add(step.id);
    const bound = step.withinMs === undefined ? '' : ` within ${seconds(step.withinMs)}`;
    judge(
      `${text}${bound}`,
      !late,
      late ? `not within ${seconds(step.withinMs ?? 0)}` : `after ${seconds(world.now - armedMs)}`,
    );
    return !late;
  }

  function comeAlready(trigger: Trigger): boolean {
    if (trigger.kind === 'alert') return trigger.change === 'fires' && context.monitor.firing(trigger.name);
    if (trigger.kind === 'node')
      return context.nodesOf(trigger.node).some((node) => context.stateOf(node) === trigger.state);
    return false;
  }

  function comes(trigger: Trigger, signal: Signal): boolean {
    switch (trigger.kind) {
      case 'alert':
        return signal.kind === 'alert' && signal.name === trigger.name && signal.change === trigger.change;
      case 'log':
        return signal.kind === 'log' && signal.text.includes(trigger.text);
      case 'node':
        return (
          signal.kind === 'node' &&
          signal.state === trigger.state &&
          context.nodesOf(trigger.node).includes(signal.node)
        );
      case 'metric':
        return signal.kind === 'tick' && holdsAt(trigger.expr, context.store, world.now).holds;
    }
  }

  async function act(run: StepRun): Promise<void> {
    const { step } = run;
    switch (step.kind) {
      case 'fault':
        return applyFault(run, step);
      case 'operator':
        return operate(step);
      case 'load':
        timeline.add('load', `load changes: ${step.text}`);
        return context.changeLoad(step.load);
      case 'heal':
        return heal(step.steps);
      case 'expect':
        // What was scraped before this moment says nothing about it.
        await signals.wait((signal) => signal.kind === 'tick' && signal.scrapedMs >= (run.startMs ?? world.now));
        for (const expr of step.expressions) {
          const { holds, seen } = holdsAt(expr, context.store, world.now);
          judge(`${step.id}: ${expr}`, holds, `saw ${seen}`);
        }
    }
  }

  function applyFault(run: StepRun, step: FaultStep): void {
    const fault = apply(step);
    applied.set(step.id, fault);
    if (step.durationMs === undefined || !fault.lasting) return;
    world.scheduler.after(step.durationMs, `end of ${step.id}`, undefined, () => void end(run).catch(context.fail));
  }

  /** What a fault finds wrong with its target, such as a device that is not there, is told with its place in the file. */
  function apply(step: FaultStep): AppliedFault {
    try {
      return context.faults.apply(step.definition, step.parameters, step.nodes);
    } catch (error) {
      if (!(error instanceof FaultError)) throw error;
      throw new FaultError(`${step.place}: ${error.message}`, { cause: error });
    }
  }

  async function end(run: StepRun): Promise<void> {
    if (run.endMs !== undefined) return;
    await applied.get(run.step.id)?.heal();
    run.endMs = world.now;
    signals.emit({ kind: 'step' });
  }

  async function heal(ids: readonly string[]): Promise<void> {
    for (const run of runs.values()) {
      if (run.step.kind === 'fault' && run.happened && (ids.includes('all') || ids.includes(run.step.id)))
        await end(run);
    }
  }

  async function operate(step: OperatorStep): Promise<void> {
    for (const command of step.commands) {
      timeline.add('operator', `operator: ${command.text}`);
      const done = await runCommand(command, step.on, context.operator);
      for (const result of done) {
        const wrong = unexpected(result, step);
        const shown = `${result.status === undefined ? '' : `${result.status} `}${shorten(result.output)}`.trim();
        timeline.add('note', `${result.node}: ${shown || 'done'}`, result.node, {
          command: result.command,
          output: result.output,
          ...(result.failed ? { failed: true } : {}),
        });
        judge(`${step.id}: ${result.command}`, wrong === undefined, wrong ?? (shown || 'done'));
      }
    }
  }

  return {
    runs,
    results,
    start() {
      for (const run of runs.values()) live(run).catch(context.fail);
    },
    stop() {
      stopped = true;
      for (const run of runs.values()) {
        if (run.startMs !== undefined && !run.happened) {
          judge(`${run.step.id}: ends`, false, `begun ${seconds(world.now - run.startMs)} before the end of the run`);
        }
        if (run.startMs !== undefined || judged.has(run.step.id)) continue;
        judged.add(run.step.id);
        const why = run.step.when === undefined ? `${run.step.id}: happens` : `${run.step.id}: ${run.step.whenText}`;
        judge(why, false, `not by the end of the run, ${seconds(world.now)}`);
      }
    },
  };
}

/** What is wrong with a command's answer; undefined if nothing is. */
function unexpected(result: CommandResult, step: OperatorStep): string | undefined {
  const { answer } = step;
  const refused = answer?.status !== undefined && answer.status >= 400;
  const mayFail = answer?.fails ?? ((answer?.exit ?? 0) !== 0 || refused);
  if (result.failed !== mayFail) {
    return result.failed
      ? `failed: ${shorten(result.output)}`
      : `expected it to fail, got ${shorten(result.output) || 'success'}`;
  }
  if (answer?.status !== undefined && result.status !== answer.status) {
    return `expected status ${answer.status}, got ${result.status ?? shorten(result.output)}`;
  }
  if (answer?.exit !== undefined && result.exit !== answer.exit) {
    return `expected exit code ${answer.exit}, got ${result.exit ?? 'none'}: ${shorten(result.output)}`;
  }
  if (answer?.contains !== undefined && !result.output.includes(answer.contains)) {
    return `expected an answer with ${JSON.stringify(answer.contains)}, got ${shorten(result.output)}`;
  }
  return undefined;
}

function shorten(text: string): string {
  const line = text.trim().replace(/\s+/g, ' ');
  return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1).replace(/\.0$/, '')} s`;
}
