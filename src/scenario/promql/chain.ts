import type { SyntaxNode } from '@lezer/common';

/** An operand of a chain, with the ranges and offsets that were written behind it, in order. */
export interface Operand {
  readonly node: SyntaxNode;
  readonly postfixes: SyntaxNode[];
}

/** Operands and the operators between them, as they stand in the text: `operators[i]` is between operands i and i + 1. */
export interface Chain {
  readonly operands: Operand[];
  /** The children of each binary expression between its operands: operator and modifiers. */
  readonly operators: (readonly SyntaxNode[])[];
}

/** Children that are part of the expression: comments are not. */
export function expressionChildren(node: SyntaxNode): SyntaxNode[] {
  const children: SyntaxNode[] = [];
  for (let child = node.firstChild; child; child = child.nextSibling) {
    if (child.name !== 'LineComment') children.push(child);
  }
  return children;
}

/**
 * Flattens binary expressions. The lezer grammar gives `offset` and `[range]` no precedence: it reads `a + b offset 5m` as
 * `(a + b) offset 5m`, and `a + b offset 5m * c` as a product. Prometheus binds both to the selector before them, so the
 * chain is laid out flat and put together again by `foldChain`.
 */
export function flattenChain(node: SyntaxNode): Chain {
  const children = expressionChildren(node);
  const [first] = children;
  const last = children.at(-1);
  if (node.name === 'BinaryExpr' && first && last) {
    const left = flattenChain(first);
    const right = flattenChain(last);
    return {
      operands: [...left.operands, ...right.operands],
      operators: [...left.operators, children.slice(1, -1), ...right.operators],
    };
  }
  if ((node.name === 'OffsetExpr' || node.name === 'MatrixSelector') && first) {
    const chain = flattenChain(first);
    chain.operands.at(-1)?.postfixes.push(node);
    return chain;
  }
  return { operands: [{ node, postfixes: [] }], operators: [] };
}

/**
 * Puts a chain together by precedence: a higher one binds tighter, equal ones from the left.
 * (Precedence climbing; Prometheus' only right-associative operator, `^`, is outside the subset.)
 */
export function foldChain<T, Operator extends { readonly precedence: number }>(
  operands: readonly T[],
  operators: readonly Operator[],
  join: (operator: Operator, left: T, right: T) => T,
): T | undefined {
  let next = 0;
  function climb(minimum: number): T | undefined {
    let left = operands[next];
    for (let operator = operators[next]; operator && operator.precedence >= minimum; operator = operators[next]) {
      next += 1;
      const right = climb(operator.precedence + 1);
      if (left === undefined || right === undefined) return undefined;
      left = join(operator, left, right);
    }
    return left;
  }
  return climb(0);
}
