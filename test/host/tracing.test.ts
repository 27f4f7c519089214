import { ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { describe, expect, it } from 'vitest';
import { callerContext } from '../../src/host/tracing.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';

describe('a caller’s traceparent', () => {
  it.each([
    ['of version 00', `00-${traceId}-${spanId}-01`, 1],
    ['that is not sampled', `00-${traceId}-${spanId}-00`, 0],
    ['with flags of later levels', `00-${traceId}-${spanId}-ff`, 1],
    ['of a later version', `01-${traceId}-${spanId}-01`, 1],
    ['of a later version with more fields', `cc-${traceId}-${spanId}-01-what-the-future-brings`, 1],
  ])('should be continued: one %s', (_, header, traceFlags) => {
    expect(trace.getSpanContext(callerContext(header))).toEqual({ traceId, spanId, traceFlags, isRemote: true });
  });

  it.each([
    ['missing', undefined],
    ['empty', ''],
    ['of the forbidden version', `ff-${traceId}-${spanId}-01`],
    ['with a trace id of zeros', `00-${'0'.repeat(32)}-${spanId}-01`],
    ['with a span id of zeros', `00-${traceId}-${'0'.repeat(16)}-01`],
    ['in upper case', `00-${traceId.toUpperCase()}-${spanId}-01`],
    ['too short', `00-${traceId.slice(1)}-${spanId}-01`],
    ['without flags', `00-${traceId}-${spanId}`],
    ['of version 00 with more fields', `00-${traceId}-${spanId}-01-more`],
    ['of a later version run into more', `cc-${traceId}-${spanId}-01.more`],
    ['two in one', `00-${traceId}-${spanId}-01,00-${traceId}-${spanId}-01`],
  ])('should be ignored when it is %s', (_, header) => {
    expect(callerContext(header)).toBe(ROOT_CONTEXT);
  });
});
