import type { PromqlType } from './value.ts';

/** The types that a function takes and gives. The last `optional` parameters may be left out. */
export interface FunctionSignature {
  readonly parameters: readonly PromqlType[];
  readonly optional?: number;
  readonly returns: PromqlType;
}

const OVER_RANGE: FunctionSignature = { parameters: ['matrix'], returns: 'vector' };
const OVER_VECTOR: FunctionSignature = { parameters: ['vector'], returns: 'vector' };
const WITH_BOUND: FunctionSignature = { parameters: ['vector', 'scalar'], returns: 'vector' };

/** Every function of the evaluated subset. */
export const FUNCTIONS: ReadonlyMap<string, FunctionSignature> = new Map([
  ...[
    ...['rate', 'increase', 'irate', 'delta', 'deriv', 'changes', 'resets', 'absent_over_time'],
    ...['avg', 'min', 'max', 'sum', 'count', 'last'].map((name) => `${name}_over_time`),
  ].map((name) => [name, OVER_RANGE] as const),
  ...['absent', 'abs', 'ceil', 'floor'].map((name) => [name, OVER_VECTOR] as const),
  ...['clamp_min', 'clamp_max'].map((name) => [name, WITH_BOUND] as const),
  ['clamp', { parameters: ['vector', 'scalar', 'scalar'], returns: 'vector' }],
  ['quantile_over_time', { parameters: ['scalar', 'matrix'], returns: 'vector' }],
  ['histogram_quantile', { parameters: ['scalar', 'vector'], returns: 'vector' }],
  ['label_replace', { parameters: ['vector', 'string', 'string', 'string', 'string'], returns: 'vector' }],
  ['time', { parameters: [], returns: 'scalar' }],
  ['vector', { parameters: ['scalar'], returns: 'vector' }],
  ['scalar', { parameters: ['vector'], returns: 'scalar' }],
]);
