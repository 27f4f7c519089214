import { Histogram, type Registry } from 'prom-client';

/**
 * Registers `<prefix>_http_request_duration_seconds{route,status}`, from a request's head to the end of its answer, and
 * returns what feeds it. `route` is the pattern, so the number of series is bounded by the routes.
 */
export function watchHttp(
  registry: Registry,
  prefix: string,
): (route: string, status: number, durationMs: number) => void {
  const histogram = new Histogram({
    name: `${prefix}_http_request_duration_seconds`,
    help: 'Time from the head of an HTTP request to the end of its answer.',
    labelNames: ['route', 'status'] as const,
    // 0.25 ms × 2^0..17, up to 32.8 s: the default time-out of a request lies inside.
    buckets: Array.from({ length: 18 }, (_, exponent) => 0.000_25 * 2 ** exponent),
    registers: [registry],
  });
  return (route, status, durationMs) => histogram.observe({ route, status }, durationMs / 1000);
}
