import { Counter, Gauge } from 'prom-client';
import { z } from 'zod';
import type { Violation } from '../../src/checkers/history.ts';
import { type EngineDefinition, EngineError, ExitCode, type RunningEngine } from '../../src/engines/engine.ts';
import type { Route } from '../../src/engines/route.ts';
import { errorResponse } from '../../src/engines/router.ts';
import type { Host } from '../../src/host/host.ts';
import type { LoadContext, Stand, StandContext, StandSession, Workload } from '../../src/scenario/stands/stand.ts';
import { OperatorError } from '../../src/scenario/stands/stand.ts';

/** A service that counts in memory: the smallest engine on which a scenario can be played. */
const configSchema = z.strictObject({
  start_at: z.number().int().default(0),
  fail_start: z.boolean().default(false),
  limit: z.number().int().default(1_000_000_000),
});
type Config = z.output<typeof configSchema>;

async function startCounter(host: Host, config: Config): Promise<RunningEngine> {
  if (config.fail_start) throw new EngineError('BadCounter', ExitCode.data, 'the counter is damaged');
  let value = config.start_at;
  let { limit } = config;
  const stop = Promise.withResolvers<void>();
  const { registry, logger } = host.telemetry;
  const total = new Counter({ name: 'counter_increments_total', help: 'increments', registers: [registry] });
  new Gauge({
    name: 'counter_limit',
    help: 'limit',
    registers: [registry],
    collect() {
      this.set(limit);
    },
  });
  const routes: Route[] = [
    {
      method: 'POST',
      path: '/increment',
      summary: 'adds one',
      role: 'write',
      async handler() {
        if (value >= limit) return errorResponse(429, 'LIMITED', `the limit is ${limit}`);
        await host.clock.sleep(1);
        value++;
        total.inc();
        return { status: 200, body: { value } };
      },
    },
    {
      method: 'GET',
      path: '/value',
      summary: 'reads',
      role: 'read',
      handler: async () => ({ status: 200, body: { value } }),
    },
    {
      method: 'POST',
      path: '/limit',
      summary: 'sets the limit',
      role: 'admin',
      async handler({ body }) {
        limit = JSON.parse(new TextDecoder().decode(body)).limit;
        logger.warn('limit set', { limit });
        return { status: 200, body: { limit } };
      },
    },
    {
      method: 'POST',
      path: '/broken',
      summary: 'a defect',
      role: 'admin',
      handler: () => Promise.reject(new Error('this handler is broken')),
    },
    {
      method: 'POST',
      path: '/die',
      summary: 'ends the process',
      role: 'admin',
      async handler() {
        stop.reject(new EngineError('Asked', ExitCode.io, 'asked to die'));
        return { status: 202 };
      },
    },
    {
      method: 'GET',
      path: '/metrics',
      summary: 'metrics',
      role: 'none',
      handler: async () => ({
        status: 200,
        headers: { 'content-type': registry.contentType },
        body: await registry.metrics(),
      }),
    },
  ];
  logger.info('counter started', { value });
  return {
    routes,
    stopped: stop.promise,
    reload: () => ({ applied: [], needRestart: [] }),
    drain: async () => {
      await host.clock.sleep(500);
      return { unfinished: [] };
    },
    close: async () => {},
  };
}

const engine: EngineDefinition<Config> = {
  points: { probes: [], faultPoints: [] },
  name: 'counter',
  summary: 'counts',
  configSchema,
  environmentPrefix: 'COUNTER',
  stateDirectory: () => '/var/lib/counter',
  server: () => ({ bind: '127.0.0.1:8080', maxBodyBytes: 1024 }),
  start: startCounter,
};

const loadSchema = z.strictObject({
  clients: z.number().int().min(1).max(10).default(1),
  think_ms: z.number().min(1).default(100),
  timeout_ms: z.number().min(1).default(2_000),
});
type Load = z.output<typeof loadSchema>;

function startLoad(context: LoadContext): Workload {
  let load = context.load as Load; // parsed by loadSchema
  let factor = 1;
  let stopped = false;
  const loops = context.clients.map(async (host, index) => {
    const node = context.nodes[index % context.nodes.length] ?? '';
    const client = context.connect(host, node);
    let process = index;
    while (!stopped) {
      const operation = context.history.invoke({ process, f: 'increment', input: null, node });
      const result = await client.call({ method: 'POST', path: '/increment', timeoutMs: load.timeout_ms });
      if (result.outcome === 'ok') operation.ok(result.body);
      else operation[result.outcome](result);
      if (result.outcome === 'info') process += context.clients.length;
      await host.clock.sleep(factor === 0 ? 1000 : load.think_ms / factor);
    }
  });
  return {
    change(next) {
      load = next as Load; // parsed by loadSchema
    },
    scale(by) {
      const before = factor;
      factor *= by;
      return () => {
        factor = before;
      };
    },
    async stop() {
      stopped = true;
      await Promise.all(loops);
    },
  };
}

function open(context: StandContext): StandSession {
  for (const node of context.nodes) context.world.addMachine(node);
  const config: Record<string, unknown> = { ...context.config };
  let increments = 0;
  return {
    configuration: () => config,
    primary: () => context.nodes[0],
    startLoad,
    verbs: {
      echo: async (args) => args.join(' '),
      fail: async () => {
        throw new OperatorError('it failed');
      },
      edit: async ([key = '', value = '']) => {
        config[key] = JSON.parse(value);
        return '';
      },
    },
    extraMetrics: (node) => [
      { name: 'node_load', help: 'load', type: 'gauge', labels: { node }, value: context.nodes.indexOf(node) },
    ],
    converged: async () => undefined,
    async collectEvidence(history) {
      increments = history.filter((operation) => operation.outcome === 'ok').length;
    },
    checks: {
      'counted-something': () => {
        const violations: Violation[] =
          increments > 0 ? [] : [{ check: 'counted-something', message: 'expected increments, got none' }];
        return { violations, detail: `${increments} increments` };
      },
      'gives-up': () => ({ violations: [], undecided: 'too many states', detail: '' }),
    },
  };
}

/** The counter's stand, with two machines unless a scenario says otherwise. */
export const toyStand: Stand = {
  // The configuration's type is lost on purpose: the runner hands back what the schema has parsed.
  engine: engine as EngineDefinition,
  alertsFile: 'alerts/counter.yaml',
  unit: 'counter',
  port: 8080,
  defaultNodes: 2,
  nodeName: (number) => `counter-${number}`,
  devicesSchema: z.strictObject({}),
  loadSchema,
  clients: (load) => (load as Load).clients, // parsed by loadSchema
  checks: ['counted-something', 'gives-up'],
  verbs: ['echo', 'fail', 'edit'],
  open,
};

export const toyRules = `
groups:
  - name: counter
    rules:
      - alert: CounterDown
        expr: up{job="counter"} == 0
        for: 30s
        labels: { severity: critical }
        annotations: { summary: "{{ $labels.instance }} is down" }
      - alert: CounterLimited
        expr: counter_limit < 1000
        labels: { severity: info }
        annotations: { summary: limited }
`;
