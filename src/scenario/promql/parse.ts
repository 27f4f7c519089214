import type { SyntaxNode } from '@lezer/common';
import { parser } from '@prometheus-io/lezer-promql';
import type {
  AggregateOperator,
  BinaryOperator,
  Expr,
  MatrixSelector,
  ParsedExpr,
  VectorMatching,
  VectorSelector,
} from './ast.ts';
import { expressionChildren, flattenChain, foldChain, type Operand } from './chain.ts';
import { checkTypes } from './check.ts';
import { parseDuration } from './duration.ts';
import { PromqlError, type PromqlErrorCode } from './error.ts';
import { METRIC_NAME } from './labels.ts';
import { createMatcher, type Matcher, type MatchOperator } from './matcher.ts';
import { parseStringLiteral } from './stringLiteral.ts';

/** The binary operators, each with how tight it binds. */
const PRECEDENCE: Readonly<Record<BinaryOperator, number>> = {
  or: 1,
  and: 2,
  unless: 2,
  ...{ '==': 3, '!=': 3, '>': 3, '<': 3, '>=': 3, '<=': 3 },
  ...{ '+': 4, '-': 4 },
  ...{ '*': 5, '/': 5, '%': 5 },
};
const BINARY_OPERATORS: ReadonlySet<string> = new Set(Object.keys(PRECEDENCE));
const AGGREGATES: ReadonlySet<string> = new Set<AggregateOperator>([
  ...(['sum', 'avg', 'min', 'max', 'count', 'quantile', 'topk', 'bottomk'] as const),
]);
const MATCH_OPERATORS: ReadonlySet<string> = new Set<MatchOperator>(['=', '!=', '=~', '!~']);

/**
 * Parses an expression of the evaluated subset and checks its types.
 * Throws `PromqlError`: `PROMQL_SYNTAX`, `PROMQL_UNSUPPORTED` or `PROMQL_TYPE`, with the place.
 */
export function parsePromql(source: string): ParsedExpr {
  const tree = parser.parse(source);
  const root = tree.topNode;
  let wrong: number | undefined;
  tree.iterate({
    enter(node) {
      if (node.type.isError) wrong ??= node.from;
    },
  });
  const child = expressionChildren(root)[0];
  if (wrong !== undefined || !child) throw syntaxError(source, wrong ?? source.length);
  const parsed = { source, root: new Reader(source).expr(child) };
  checkTypes(parsed);
  return parsed;
}

function syntaxError(source: string, at: number): PromqlError {
  const rest = source.slice(at).trimStart();
  const found = rest === '' ? 'the end' : `\`${rest.slice(0, 20)}\``;
  return new PromqlError('PROMQL_SYNTAX', `not a PromQL expression: did not expect ${found} here`, source, at);
}

function isOperator<T extends string>(known: ReadonlySet<string>, text: string): text is T {
  return known.has(text);
}

/** Turns the nodes of one source into the tree of the subset. */
class Reader {
  readonly #source: string;

  constructor(source: string) {
    this.#source = source;
  }

  expr(node: SyntaxNode): Expr {
    switch (node.name) {
      case 'ParenExpr':
        return this.expr(this.#only(node));
      case 'NumberDurationLiteral':
        return { kind: 'number', value: this.#number(node), offset: node.from };
      case 'StringLiteral':
        return { kind: 'string', value: this.#string(node), offset: node.from };
      case 'VectorSelector':
        return this.#vectorSelector(node);
      case 'MatrixSelector':
      case 'OffsetExpr':
      case 'BinaryExpr':
        return this.#chain(node);
      case 'UnaryExpr':
        return this.#unary(node, []);
      case 'AggregateExpr':
        return this.#aggregate(node);
      case 'FunctionCall':
        return this.#call(node);
      case 'SubqueryExpr':
        throw this.#unsupported(node, 'a subquery `[range:step]`');
      case 'StepInvariantExpr':
        throw this.#unsupported(node, 'the `@` modifier');
      default:
        throw this.#unsupported(node, `\`${this.#text(node)}\` (${node.name})`);
    }
  }

  #vectorSelector(node: SyntaxNode): VectorSelector {
    const matchers: Matcher[] = [];
    for (const child of expressionChildren(node)) {
      if (child.name === 'Identifier') matchers.push(createMatcher(METRIC_NAME, '=', this.#text(child)));
      else for (const matcher of expressionChildren(child)) matchers.push(this.#matcher(matcher));
    }
    if (matchers.every((matcher) => matcher.matches(''))) {
      throw this.#error('PROMQL_TYPE', node, 'a selector needs one matcher that does not match the empty string');
    }
    return { kind: 'selector', matchers, offsetMs: 0, offset: node.from };
  }

  #matcher(node: SyntaxNode): Matcher {
    const parts = expressionChildren(node);
    if (node.name === 'QuotedLabelName') {
      // A name alone in quotes is the metric's name: {"metric.name", label="x"}.
      return createMatcher(METRIC_NAME, '=', this.#string(this.#only(node)));
    }
    const [name, operator, value] = parts;
    if (!name || !operator || !value) throw this.#unsupported(node, `the matcher \`${this.#text(node)}\``);
    const label = name.name === 'QuotedLabelName' ? this.#string(this.#only(name)) : this.#text(name);
    const symbol = this.#text(operator);
    if (!isOperator<MatchOperator>(MATCH_OPERATORS, symbol)) throw this.#unsupported(operator, `\`${symbol}\``);
    try {
      return createMatcher(label, symbol, this.#string(value));
    } catch (error) {
      if (error instanceof SyntaxError) throw this.#error('PROMQL_SYNTAX', value, error.message);
      throw error;
    }
  }

  /** Operands with their ranges and offsets, joined by operators: see `flattenChain`. */
  #chain(node: SyntaxNode): Expr {
    const chain = flattenChain(node);
    const operands = chain.operands.map((operand) => this.#operand(operand));
    const operators = chain.operators.map((nodes) => this.#operator(nodes));
    const joined = foldChain(operands, operators, (operator, left, right): Expr => {
      const { symbol, bool, matching, offset } = operator;
      return { kind: 'binary', operator: symbol, left, right, bool, matching, offset };
    });
    if (!joined) throw this.#unsupported(node, `\`${this.#text(node)}\``);
    return joined;
  }

  #operand({ node, postfixes }: Operand): Expr {
    // A sign stands before the selector and its offset: `-x offset 5m`.
    if (node.name === 'UnaryExpr') return this.#unary(node, postfixes);
    return postfixes.reduce(
      (target, postfix) =>
        postfix.name === 'OffsetExpr' ? this.#moved(target, postfix) : this.#ranged(target, postfix),
      this.expr(node),
    );
  }

  #ranged(selector: Expr, node: SyntaxNode): MatrixSelector {
    const duration = expressionChildren(node)[1];
    if (!duration || selector.kind !== 'selector') {
      throw this.#error('PROMQL_TYPE', node, 'a range `[…]` follows a selector only');
    }
    if (selector.offsetMs !== 0) throw this.#error('PROMQL_TYPE', node, 'a range `[…]` goes before `offset`');
    const rangeMs = this.#duration(duration);
    if (rangeMs <= 0) throw this.#error('PROMQL_TYPE', duration, 'a range must be longer than zero');
    return { kind: 'range', selector, rangeMs, offset: selector.offset };
  }

  #moved(target: Expr, node: SyntaxNode): VectorSelector | MatrixSelector {
    const duration = expressionChildren(node)[2];
    if (!duration || (target.kind !== 'selector' && target.kind !== 'range')) {
      throw this.#error('PROMQL_TYPE', node, '`offset` follows a selector only');
    }
    const selector = target.kind === 'range' ? target.selector : target;
    if (selector.offsetMs !== 0) throw this.#error('PROMQL_TYPE', node, '`offset` may stand only once');
    const moved = { ...selector, offsetMs: this.#duration(duration) };
    return target.kind === 'range' ? { ...target, selector: moved } : moved;
  }

  #unary(node: SyntaxNode, postfixes: SyntaxNode[]): Expr {
    const [operator, inner] = expressionChildren(node);
    if (!operator || !inner) throw this.#unsupported(node, `\`${this.#text(node)}\``);
    const operand = this.#operand({ node: inner, postfixes });
    return this.#text(operator) === '+' ? operand : { kind: 'negate', operand, offset: node.from };
  }

  /** What stands between two operands: the operator and its modifiers. */
  #operator(nodes: readonly SyntaxNode[]) {
    const [operator, ...modifiers] = nodes;
    const symbol = operator ? this.#text(operator).toLowerCase() : '';
    if (!operator || !isOperator<BinaryOperator>(BINARY_OPERATORS, symbol)) {
      throw this.#unsupported(operator ?? null, `the operator \`${symbol}\``);
    }
    let bool = false;
    let matching: VectorMatching = { kind: 'ignoring', labels: [], cardinality: 'one-to-one', include: [] };
    for (const modifier of modifiers) {
      if (modifier.name === 'BoolModifier') bool = true;
      else if (modifier.name === 'MatchingModifierClause') matching = this.#matching(modifier);
      else throw this.#unsupported(modifier, `\`${this.#text(modifier)}\``);
    }
    return { symbol, precedence: PRECEDENCE[symbol], bool, matching, offset: operator.from };
  }

  #matching(node: SyntaxNode): VectorMatching {
    const children = expressionChildren(node);
    const groups = children.filter((child) => child.name === 'GroupingLabels').map((child) => this.#labels(child));
    const grouped = (name: string) => children.some((child) => child.name === name);
    return {
      kind: grouped('On') ? 'on' : 'ignoring',
      labels: groups[0] ?? [],
      cardinality: grouped('GroupLeft') ? 'many-to-one' : grouped('GroupRight') ? 'one-to-many' : 'one-to-one',
      include: groups[1] ?? [],
    };
  }

  #aggregate(node: SyntaxNode): Expr {
    const children = expressionChildren(node);
    const named = (name: string) => children.find((child) => child.name === name);
    const operator = named('AggregateOp');
    const body = named('FunctionCallBody');
    if (!operator || !body) throw this.#unsupported(node, `\`${this.#text(node)}\``);
    const name = this.#text(operator).toLowerCase();
    if (!isOperator<AggregateOperator>(AGGREGATES, name))
      throw this.#unsupported(operator, `the aggregation \`${name}\``);
    const args = expressionChildren(body).map((child) => this.expr(child));
    const wanted = name === 'quantile' || name === 'topk' || name === 'bottomk' ? 2 : 1;
    const operand = args.at(-1);
    const [parameter] = args;
    if (args.length !== wanted || !operand || !parameter) {
      throw this.#error(
        'PROMQL_TYPE',
        node,
        `\`${name}\` takes ${wanted} argument${wanted === 1 ? '' : 's'}, got ${args.length}`,
      );
    }
    const modifier = named('AggregateModifier');
    const labels = modifier?.getChild('GroupingLabels');
    return {
      kind: 'aggregate',
      operator: name,
      operand,
      ...(wanted === 2 && { parameter }),
      grouping: modifier?.getChild('Without') ? 'without' : 'by',
      labels: labels ? this.#labels(labels) : [],
      offset: node.from,
    };
  }

  #call(node: SyntaxNode): Expr {
    const [identifier, body] = expressionChildren(node);
    if (!identifier || !body) throw this.#unsupported(node, `\`${this.#text(node)}\``);
    const args = expressionChildren(body).map((child) => this.expr(child));
    return { kind: 'call', name: this.#text(identifier), args, offset: node.from };
  }

  #labels(node: SyntaxNode): string[] {
    return expressionChildren(node).map((child) =>
      child.name === 'QuotedLabelName' ? this.#string(this.#only(child)) : this.#text(child),
    );
  }

  /** A duration of a range or an offset, in milliseconds: one literal, perhaps with a sign. */
  #duration(node: SyntaxNode): number {
    const children = expressionChildren(node);
    const [first, second] = children;
    if (first?.name === 'UnaryOp' && second) {
      const size = this.#duration(second);
      return this.#text(first) === '-' ? -size : size;
    }
    if (first?.name !== 'NumberDurationLiteralInDurationContext' || children.length !== 1) {
      throw this.#unsupported(node, `arithmetic in a duration, \`${this.#text(node)}\``);
    }
    return this.#number(first) * 1_000;
  }

  /** A number, or a duration as its seconds. */
  #number(node: SyntaxNode): number {
    const text = this.#text(node).toLowerCase().replaceAll('_', '');
    const sign = text.startsWith('-') ? -1 : 1;
    const size = text.replace(/^[-+]\s*/, '');
    if (size === 'inf') return sign * Number.POSITIVE_INFINITY;
    const duration = /[a-z]$/.test(size) && !size.startsWith('0x') ? parseDuration(size) : undefined;
    return sign * (duration === undefined ? Number(size) : duration / 1_000);
  }

  #string(node: SyntaxNode): string {
    const value = parseStringLiteral(this.#text(node));
    if (value === undefined) throw this.#error('PROMQL_SYNTAX', node, `not a string literal: ${this.#text(node)}`);
    return value;
  }

  #only(node: SyntaxNode): SyntaxNode {
    const [child] = expressionChildren(node);
    if (!child) throw this.#unsupported(node, `\`${this.#text(node)}\``);
    return child;
  }

  #text(node: SyntaxNode): string {
    return this.#source.slice(node.from, node.to);
  }

  #unsupported(node: SyntaxNode | null, what: string): PromqlError {
    return this.#error(
      'PROMQL_UNSUPPORTED',
      node,
      `${what} is outside the evaluated subset of PromQL (docs/alerts.md)`,
    );
  }

  #error(code: PromqlErrorCode, node: SyntaxNode | null, message: string): PromqlError {
    return new PromqlError(code, message, this.#source, node?.from ?? 0);
  }
}
