import type { Node } from 'yaml';
import type { ParsedExpr } from '../promql/ast.ts';
import { parseDuration } from '../promql/duration.ts';
import { PromqlError } from '../promql/error.ts';
import { parsePromql } from '../promql/parse.ts';
import type { Rule, RuleGroup } from './rule.ts';
import { parseTemplate, type Template } from './template.ts';
import { type Located, readYaml, type YamlReader } from './yamlReader.ts';

const METRIC_NAME_PATTERN = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL_NAME_PATTERN = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const RULE_KEYS = ['alert', 'record', 'expr', 'for', 'keep_firing_for', 'labels', 'annotations'];

/**
 * Parses a Prometheus rule file. `file` is how errors name it.
 * Throws `RuleFileError` with line and column: YAML that is none, an unknown or missing key, a duration, an expression
 * or a template that does not parse or is outside the subset (docs/alerts.md).
 */
export function parseRuleFile(text: string, file = 'rules'): readonly RuleGroup[] {
  const yaml = readYaml(text, file);
  const root = yaml.mapping(yaml.root, 'a rule file', ['groups']);
  const names = new Set<string>();
  return yaml.sequence(yaml.child(root, 'groups'), '`groups`').map((node) => {
    const group = readGroup(yaml, node);
    if (names.has(group.name)) throw yaml.fail(node, `the group \`${group.name}\` is there twice`);
    names.add(group.name);
    return group;
  });
}

function readGroup(yaml: YamlReader, node: Node): RuleGroup {
  const map = yaml.mapping(node, 'a group', ['name', 'interval', 'rules']);
  const interval = yaml.child(map, 'interval');
  const intervalMs = interval ? duration(yaml, yaml.text(interval, '`interval`')) : undefined;
  if (interval && intervalMs === 0) throw yaml.fail(interval, '`interval` must be longer than zero');
  return {
    name: yaml.text(yaml.child(map, 'name') ?? fail(yaml, node, 'a group needs a `name`'), '`name`').value,
    ...(intervalMs !== undefined && { intervalMs }),
    rules: yaml.sequence(yaml.child(map, 'rules'), '`rules`').map((rule) => readRule(yaml, rule)),
  };
}

function readRule(yaml: YamlReader, node: Node): Rule {
  const map = yaml.mapping(node, 'a rule', RULE_KEYS);
  const child = (key: string) => yaml.child(map, key);
  const alert = child('alert');
  const record = child('record');
  const nameNode = alert ?? record;
  if (!nameNode || (alert && record)) throw yaml.fail(node, 'a rule needs either `alert` or `record`');
  const name = yaml.text(nameNode, alert ? '`alert`' : '`record`').value;
  const expr = expression(
    yaml,
    yaml.text(child('expr') ?? fail(yaml, node, `the rule \`${name}\` needs an \`expr\``), '`expr`'),
  );
  const labels = templates(yaml, child('labels'), '`labels`');
  for (const label of Object.keys(labels)) {
    if (!LABEL_NAME_PATTERN.test(label) || label === '__name__' || label === 'alertname') {
      throw yaml.fail(child('labels'), `\`${label}\` cannot be a label of a rule`);
    }
  }
  const line = yaml.fail(node, '').line;
  if (record) {
    for (const key of ['for', 'keep_firing_for', 'annotations']) {
      if (child(key)) throw yaml.fail(child(key), `a recording rule has no \`${key}\``);
    }
    if (!METRIC_NAME_PATTERN.test(name)) throw yaml.fail(record, `\`${name}\` is not a metric's name`);
    return { kind: 'recording', name, expr, labels, line };
  }
  const span = (key: string) => {
    const value = child(key);
    return value ? duration(yaml, yaml.text(value, `\`${key}\``)) : 0;
  };
  return {
    kind: 'alerting',
    name,
    expr,
    forMs: span('for'),
    keepFiringForMs: span('keep_firing_for'),
    labels,
    annotations: templates(yaml, child('annotations'), '`annotations`'),
    line,
  };
}

function fail(yaml: YamlReader, node: Node, message: string): never {
  throw yaml.fail(node, message);
}

function duration(yaml: YamlReader, { value, node }: Located<string>): number {
  const ms = parseDuration(value);
  if (ms === undefined) throw yaml.fail(node, `expected a duration such as 30s, 10m or 1h30m, got \`${value}\``);
  return ms;
}

function expression(yaml: YamlReader, { value, node }: Located<string>): ParsedExpr {
  try {
    return parsePromql(value);
  } catch (error) {
    if (error instanceof PromqlError) throw yaml.fail(node, `in \`expr\`: ${error.message}`, error);
    throw error;
  }
}

function templates(yaml: YamlReader, node: Node | null, what: string): Readonly<Record<string, Template>> {
  const parsed: Record<string, Template> = {};
  for (const [name, text] of Object.entries(yaml.texts(node, what))) {
    try {
      const template = parseTemplate(text.value);
      // An unknown verb of printf shows only when it is used: better now, with the line, than in an incident.
      template.expand({ value: 0, labels: {} });
      parsed[name] = template;
    } catch (error) {
      if (error instanceof SyntaxError) throw yaml.fail(text.node, `in ${what}.${name}: ${error.message}`, error);
      throw error;
    }
  }
  return parsed;
}
