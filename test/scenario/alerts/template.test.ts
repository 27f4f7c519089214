import { describe, expect, it } from 'vitest';
import { parseTemplate } from '../../../src/scenario/alerts/template.ts';

function expand(source: string, value: number, labels: Record<string, string> = {}): string {
  return parseTemplate(source).expand({ value, labels });
}

describe('templates of rules', () => {
  it('should put in the value and the labels, and nothing for a label that is not there', () => {
    expect(expand('{{ $labels.a }}={{$value}} {{ $labels.none }}.', 0.15, { a: 'x' })).toBe('x=0.15 .');
  });

  it.each([
    [0.15, '150m'],
    [1234, '1.234k'],
    [1.3125, '1.312'],
    [1.3135, '1.313'],
    [0, '0'],
    [Number.POSITIVE_INFINITY, '+Inf'],
    [2_500_000, '2.5M'],
  ])('should humanize %d as Prometheus: %s', (value, text) => {
    expect(expand('{{ $value | humanize }}', value)).toBe(text);
  });

  it.each([
    [0.15, '150ms'],
    [1.5, '1.5s'],
    [61, '1m 1s'],
    [7_384, '2h 3m 4s'],
    [90_061, '1d 1h 1m 1s'],
  ])('should print %d s as a duration: %s', (value, text) => {
    expect(expand('{{ $value | humanizeDuration }}', value)).toBe(text);
  });

  it('should print through printf, on either side, an exact half to the even digit', () => {
    expect(expand('{{ printf "%.2f" $value }}', 0.125)).toBe('0.12');
    expect(expand('{{ $value | printf "%.0f%%" }}', 12.5)).toBe('12%');
    expect(expand('{{ $value | humanizePercentage }}', 0.0123456)).toBe('1.235%');
  });

  it.each(['{{ $value', '{{ $values }}', '{{ $value | nope }}', '{{ range query "x" }}', '{{ printf "%q" $value }}'])(
    'should refuse what it cannot expand: %s',
    (source) => {
      expect(() => expand(source, 1)).toThrow(SyntaxError);
    },
  );
});
