import type { Labels } from './labels.ts';

/** One element of an instant vector. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/** The samples of one series in a range, staleness markers left out. */
export interface RangeSeries {
  readonly labels: Labels;
  readonly times: Float64Array;
  readonly values: Float64Array;
}

/** What an expression evaluates to. */
export type PromqlValue =
  | { readonly type: 'scalar'; readonly value: number }
  | { readonly type: 'vector'; readonly samples: readonly Sample[] }
  | {
      readonly type: 'matrix';
      readonly series: readonly RangeSeries[];
      readonly startMs: number;
      readonly endMs: number;
    }
  | { readonly type: 'string'; readonly value: string };

/** The type of an expression, known before it is evaluated. */
export type PromqlType = PromqlValue['type'];
