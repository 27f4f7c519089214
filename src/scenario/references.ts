import { parse as parseYaml } from 'yaml';
import { nearestWord } from '../host/nearest.ts';
import type { SourceDocument } from './document.ts';
import { unknownWord } from './explain.ts';
import type { Mistake } from './mistakes.ts';
import { nodeWords, unknownNode } from './nodeSpec.ts';
import { parsePromql } from './promql/parse.ts';
import type { Command, NodeSpec, Scenario, Step } from './scenario.ts';
import { clientErrorCodes } from './wire/routeClient.ts';
import { stepsOf } from './words.ts';

/** Verbs that the runner itself knows. */
export const builtInVerbs = ['systemctl', 'kill', 'reboot'] as const;

/** What a scenario refers to and is not there: steps, alerts, nodes, checks, verbs; and expressions that are no PromQL. */
export function findMistakes(source: SourceDocument, scenario: Scenario): Mistake[] {
  return [
    ...stepMistakes(source, scenario),
    ...scenario.timeline.flatMap((step) => oneStep(source, scenario, step)),
    ...expectationMistakes(source, scenario),
    ...errorCodeMistakes(source, scenario),
    ...steadyStateMistakes(source, scenario),
  ];
}

function stepMistakes(source: SourceDocument, { timeline }: Scenario): Mistake[] {
  const seen = new Set<string>();
  return timeline.flatMap((step) => {
    const path = ['timeline', step.index, 'id'];
    if (!seen.has(step.id)) {
      seen.add(step.id);
      return [];
    }
    return [
      { ...source.place(path), path: path.join('.'), message: `expected a name of its own, got ${step.id} again` },
    ];
  });
}

function oneStep(source: SourceDocument, scenario: Scenario, step: Step): Mistake[] {
  const at = (key: string) => ['timeline', step.index, key];
  const ids = scenario.timeline.map((each) => each.id);
  const mistakes: Mistake[] = [];
  const node = (key: string, spec: NodeSpec | undefined) => {
    const word = spec === undefined ? undefined : unknownNode(spec, scenario.nodes, scenario.stand.participants);
    if (word !== undefined)
      mistakes.push(unknownWord(source, at(key), 'a node', word, [...scenario.nodes, ...nodeWords]));
  };
  const after = step.after?.replace(/^end of /, '');
  if (after !== undefined && !ids.includes(after)) {
    mistakes.push(unknownWord(source, at('after'), 'the id of a step', after, ids));
  }
  if (step.when?.kind === 'alert') mistakes.push(...alertMistake(source, at('when'), step.when.name, scenario));
  if (step.when?.kind === 'metric') mistakes.push(...promqlMistake(source, at('when'), step.when.expr));
  if (step.when?.kind === 'node') node('when', step.when.node);
  if (step.kind === 'fault') node('nodes', step.nodes);
  if (step.kind === 'expect')
    mistakes.push(...step.expressions.flatMap((each) => promqlMistake(source, at('expect'), each)));
  if (step.kind === 'heal') {
    const faults = scenario.timeline.filter((each) => each.kind === 'fault').map((each) => each.id);
    const unknown = step.steps.find((id) => id !== 'all' && !faults.includes(id));
    if (unknown !== undefined)
      mistakes.push(unknownWord(source, at('heal'), 'the id of a fault step', unknown, [...faults, 'all']));
  }
  if (step.kind === 'operator') {
    node('on', step.on);
    const verbs = [...new Set([...builtInVerbs, ...scenario.stand.verbs])];
    for (const command of step.commands) {
      if (command.kind === 'http') node('operator', command.node);
      else if (!verbs.includes(command.verb)) {
        mistakes.push(unknownWord(source, at('operator'), 'a command of this stand', command.verb, verbs));
      } else if (step.answer?.fails !== true) mistakes.push(...unitMistake(source, at('operator'), command, scenario));
    }
  }
  return mistakes;
}

/** A unit that systemd does not know is a mistake of the file, unless the step is about just that. */
function unitMistake(
  source: SourceDocument,
  path: readonly PropertyKey[],
  command: Extract<Command, { kind: 'shell' }>,
  { stand }: Scenario,
): Mistake[] {
  const unit = command.args[1];
  if (command.verb !== 'systemctl' || unit === undefined || stand.units === undefined) return [];
  const units = [stand.unit, ...stand.units];
  if (units.includes(unit) || unit === `${stand.unit}.service`) return [];
  return [unknownWord(source, path, 'a unit', unit, units)];
}

/** A code that is nearly one that clients can see. Others may come from a proxy (`HTTP_502`), or from elsewhere. */
function errorCodeMistakes(source: SourceDocument, { expect, stand }: Scenario): Mistake[] {
  if (stand.errorCodes === undefined) return [];
  const known = [...stand.errorCodes, ...clientErrorCodes];
  return (['only errors', 'errors'] as const).flatMap((key) =>
    (expect.operations?.[key] ?? []).flatMap((code, index) =>
      known.includes(code) || nearestWord(code, known) === undefined
        ? []
        : [unknownWord(source, ['expect', 'operations', key, index], 'an error code', code, known)],
    ),
  );
}

function steadyStateMistakes(source: SourceDocument, { steadyState, durationMs }: Scenario): Mistake[] {
  const path = ['steadyState', 'within'];
  // Where the file leaves it out, the default ends with a shorter run.
  if (steadyState === undefined || !source.document.hasIn(path) || steadyState.withinMs < durationMs) return [];
  const message = `expected less than the duration, ${durationMs / 1000} s, got ${steadyState.withinMs / 1000} s`;
  return [{ ...source.place(path), path: path.join('.'), message }];
}

function expectationMistakes(source: SourceDocument, scenario: Scenario): Mistake[] {
  const { expect, stand, steadyState, timeline } = scenario;
  const ids = timeline.map((step) => step.id);
  const gap = expect.operations?.['longest gap'];
  const step = (path: readonly PropertyKey[], names: readonly string[]) =>
    names.filter((name) => !ids.includes(name)).map((name) => unknownWord(source, path, 'the id of a step', name, ids));
  return [
    ...(steadyState?.metrics ?? []).flatMap((expr, index) =>
      promqlMistake(source, ['steadyState', 'metrics', index], expr),
    ),
    ...expect.alerts.flatMap((alert, index) => {
      const path = ['expect', 'alerts', index];
      const moments = [alert['fires within'], alert['fires after'], alert['resolves within']];
      return [...alertMistake(source, [...path, 'name'], alert.name, scenario), ...step(path, stepsOf(moments))];
    }),
    ...expect.metrics.flatMap((metric, index) => {
      const path = ['expect', 'metrics', index];
      return [...promqlMistake(source, path, metric.expr), ...step(path, stepsOf([metric.from, metric.to]))];
    }),
    ...expect.logs.flatMap((log, index) => step(['expect', 'logs', index], stepsOf([log.within]))),
    ...step(['expect', 'operations', 'longest gap'], stepsOf([gap?.from, gap?.to])),
    ...(expect.checks === 'all' ? [] : expect.checks).flatMap((name, index) =>
      stand.checks.includes(name)
        ? []
        : [unknownWord(source, ['expect', 'checks', index], 'a check', name, stand.checks)],
    ),
  ];
}

function alertMistake(
  source: SourceDocument,
  path: readonly PropertyKey[],
  name: string,
  scenario: Scenario,
): Mistake[] {
  const known = alertNames(scenario.rules);
  return known.includes(name) ? [] : [unknownWord(source, path, 'an alert rule', name, known)];
}

/** Names of the alert rules in a Prometheus rule file. */
export function alertNames(rules: string): string[] {
  // The rule file is read in full, and refused if it is wrong, by the evaluator; here its names are enough.
  const file = parseYaml(rules) as { groups?: { rules?: { alert?: string }[] }[] } | null;
  return (file?.groups ?? []).flatMap((group) => group.rules ?? []).flatMap((rule) => rule.alert ?? []);
}

function promqlMistake(source: SourceDocument, path: readonly PropertyKey[], expr: string): Mistake[] {
  try {
    parsePromql(expr);
    return [];
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return [{ ...source.place(path), path: path.join('.'), message: why }];
  }
}
