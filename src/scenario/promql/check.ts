import type { Binary, Expr, ParsedExpr } from './ast.ts';
import { PromqlError } from './error.ts';
import { FUNCTIONS } from './functions.ts';
import type { PromqlType } from './value.ts';

const WORDS: Readonly<Record<PromqlType, string>> = {
  scalar: 'a scalar',
  vector: 'an instant vector',
  matrix: 'a range vector',
  string: 'a string',
};

const SET_OPERATORS: ReadonlySet<string> = new Set(['and', 'or', 'unless']);
const COMPARISONS: ReadonlySet<string> = new Set(['==', '!=', '>', '<', '>=', '<=']);

/** Checks the types of every operand and argument, as Prometheus does while parsing. Throws `PromqlError`. */
export function checkTypes(parsed: ParsedExpr): void {
  typeOf(parsed.root, parsed.source);
}

/** The type of an expression that passed `checkTypes` or is being checked. */
function typeOf(expr: Expr, source: string): PromqlType {
  switch (expr.kind) {
    case 'number':
      return 'scalar';
    case 'string':
      return 'string';
    case 'selector':
      return 'vector';
    case 'range':
      return 'matrix';
    case 'negate':
      return expectType(expr.operand, ['scalar', 'vector'], 'a sign', source);
    case 'aggregate': {
      if (expr.parameter) expectType(expr.parameter, ['scalar'], `the parameter of \`${expr.operator}\``, source);
      return expectType(expr.operand, ['vector'], `\`${expr.operator}\``, source);
    }
    case 'binary':
      return binaryType(expr, source);
    case 'call': {
      const signature = FUNCTIONS.get(expr.name);
      if (!signature) {
        const message = `the function \`${expr.name}\` is outside the evaluated subset of PromQL (docs/alerts.md)`;
        throw new PromqlError('PROMQL_UNSUPPORTED', message, source, expr.offset);
      }
      const { parameters, optional = 0 } = signature;
      if (expr.args.length > parameters.length || expr.args.length < parameters.length - optional) {
        const wanted =
          optional === 0 ? `${parameters.length}` : `${parameters.length - optional} to ${parameters.length}`;
        const message = `\`${expr.name}\` takes ${wanted} arguments, got ${expr.args.length}`;
        throw new PromqlError('PROMQL_TYPE', message, source, expr.offset);
      }
      expr.args.forEach((argument, index) => {
        const wanted = parameters[index];
        if (wanted) expectType(argument, [wanted], `argument ${index + 1} of \`${expr.name}\``, source);
      });
      return signature.returns;
    }
  }
}

function binaryType(expr: Binary, source: string): PromqlType {
  const { operator, matching } = expr;
  const fail = (message: string) => new PromqlError('PROMQL_TYPE', message, source, expr.offset);
  const wanted: PromqlType[] = SET_OPERATORS.has(operator) ? ['vector'] : ['scalar', 'vector'];
  const left = expectType(expr.left, wanted, `the left side of \`${operator}\``, source);
  const right = expectType(expr.right, wanted, `the right side of \`${operator}\``, source);
  if (expr.bool && !COMPARISONS.has(operator)) throw fail(`\`bool\` goes with a comparison, not with \`${operator}\``);
  if (left === 'scalar' && right === 'scalar') {
    if (COMPARISONS.has(operator) && !expr.bool)
      throw fail(`a comparison of two scalars needs \`bool\`: \`${operator} bool\``);
    return 'scalar';
  }
  const hasMatching = matching.kind === 'on' || matching.labels.length > 0 || matching.cardinality !== 'one-to-one';
  if (hasMatching && (left === 'scalar' || right === 'scalar'))
    throw fail('vector matching goes between two instant vectors only');
  if (SET_OPERATORS.has(operator) && matching.cardinality !== 'one-to-one') {
    throw fail(`no grouping is allowed for \`${operator}\``);
  }
  if (matching.kind === 'on') {
    const both = matching.include.find((label) => matching.labels.includes(label));
    if (both !== undefined)
      throw fail(`the label \`${both}\` must not stand in \`on\` and in the group modifier at once`);
  }
  return 'vector';
}

function expectType(expr: Expr, wanted: readonly PromqlType[], what: string, source: string): PromqlType {
  const got = typeOf(expr, source);
  if (wanted.includes(got)) return got;
  const words = wanted.map((type) => WORDS[type]).join(' or ');
  throw new PromqlError('PROMQL_TYPE', `${what} must be ${words}, got ${WORDS[got]}`, source, expr.offset);
}
