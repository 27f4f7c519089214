import { z } from 'zod';
import { durationMs } from '../faults/units.ts';
import { gapExpectation, metricExpectation, moment, trigger } from './words.ts';

/**
 * The scenario file. Its words are those of Chaos Mesh (`mode`, `duration`, `direction`, `percent`), Jepsen (`minority`,
 * `majority`, `primary`) and Prometheus. Durations are `30s`, `10m`; times count from the start of the run.
 */

const stepId = z
  .string()
  .regex(/^[a-z][a-z0-9-]*$/, 'expected a name such as slow-disk: lower case letters, digits, dashes')
  .describe('name of the step, for `after`, `heal` and the expectations');

const nodeSpec = z
  .union([z.string(), z.array(z.string()).min(1)])
  .describe('a node, a list of nodes, or one of: one, minority, minority-third, majority, primary, all, random');

/** When a step happens: exactly one of `at`, `when`, `after` is its trigger; `after` may also arm a `when`. */
const triggers = {
  id: stepId.optional(),
  at: durationMs.optional().describe('time since the start of the run'),
  when: trigger
    .optional()
    .describe(
      'alert NAME fires | alert NAME resolves | metric EXPR | log TEXT | node NAME is STATE: up, stopped, crashed, exited',
    ),
  after: z
    .string()
    .regex(/^(end of )?[a-z][a-z0-9-]*$/, "expected 'STEP' or 'end of STEP'")
    .optional()
    .describe(
      'STEP: once it has happened (the fault is in, the command has answered); end of STEP: once a fault is healed. The trigger, or what arms `when`',
    ),
  delay: durationMs.optional().describe('wait this long once the trigger has come'),
  within: durationMs
    .optional()
    .describe('the trigger must come within this time of being armed, else the scenario is violated; default: the end'),
};

/** A fault; its parameters stand beside these keys, or under `with` where they have the name of one of them. */
export const faultStep = z.looseObject({
  ...triggers,
  fault: z.string().describe('name of the fault: family.fault'),
  nodes: nodeSpec.optional(),
  duration: durationMs.optional().describe('heals after this; without it: until a heal step, or the end'),
  with: z.record(z.string(), z.unknown()).optional().describe("the fault's parameters"),
});

const answer = z
  .strictObject({
    status: z.number().int().min(100).max(599).optional().describe('HTTP status; default any below 400'),
    contains: z.string().optional().describe('text that the answer or the output must contain'),
    fails: z.boolean().optional().describe('the command must fail'),
    exit: z.number().int().min(0).max(255).optional().describe('exit code of a command line; default 0'),
  })
  .describe('what the command must answer');

export const operatorStep = z.strictObject({
  ...triggers,
  operator: z
    .union([z.string(), z.array(z.string()).min(1)])
    .describe(
      'what a person does: `POST NODE PATH [BODY]`, or a command line such as `systemctl restart UNIT`; a list is done in order',
    ),
  on: nodeSpec.optional().describe('the machine at whose shell a command line is typed; default the first node'),
  answer: answer.optional(),
});

export const loadStep = z.strictObject({
  ...triggers,
  load: z.record(z.string(), z.unknown()).describe('keys of the load that change from now on'),
});

export const healStep = z.strictObject({
  ...triggers,
  heal: z.union([z.string(), z.array(z.string()).min(1)]).describe('the ids of the fault steps to heal, or all'),
});

export const expectStep = z.strictObject({
  ...triggers,
  expect: z.union([z.string(), z.array(z.string()).min(1)]).describe('PromQL that must give a result at this moment'),
});

/** The kinds of steps by the key that makes them so. */
export const stepSchemas = {
  fault: faultStep,
  operator: operatorStep,
  load: loadStep,
  heal: healStep,
  expect: expectStep,
} as const;
export type StepKind = keyof typeof stepSchemas;

const alertExpectation = z.strictObject({
  name: z.string().describe('name of the alert rule'),
  labels: z.record(z.string(), z.string()).optional().describe('only alerts with these labels'),
  'fires within': moment.optional().describe('DURATION of STEP: it fires that soon after the step began'),
  'fires after': moment.optional().describe('DURATION of STEP: it does not fire sooner after the step began'),
  'resolves within': moment.optional().describe('DURATION of STEP: resolved for good that soon after the step ended'),
  times: z.number().int().min(0).optional().describe('how often it fires in the whole run'),
  never: z.boolean().optional().describe('it never fires'),
});

const logExpectation = z.strictObject({
  text: z.string().describe('part of the log message'),
  node: z.string().optional(),
  within: moment.optional().describe('DURATION of STEP: it appears that soon after the step began'),
  never: z.boolean().optional(),
});

const exitExpectation = z.strictObject({
  node: z.string().optional().describe('default: any node'),
  code: z.number().int().min(0).max(255),
  name: z.string().optional().describe("the engine's error code: WalCorruption"),
  contains: z.string().optional().describe('part of the message'),
  optional: z.boolean().optional().describe('it may happen, and need not'),
});

const operationsExpectation = z.strictObject({
  'only errors': z.array(z.string()).optional().describe('codes that clients may see; any other is a violation'),
  errors: z.array(z.string()).optional().describe('codes that clients must have seen'),
  'ok at least': z.number().int().min(0).optional().describe('operations that must have succeeded'),
  'longest gap': gapExpectation
    .optional()
    .describe(
      'DURATION from MOMENT to MOMENT: no part of the service (a partition) goes longer without a write that succeeds',
    ),
});

const expectations = z.strictObject({
  alerts: z.array(alertExpectation).default([]),
  metrics: z
    .array(metricExpectation)
    .default([])
    .describe(
      'EXPR at MOMENT | EXPR during STEP | EXPR ever during STEP | EXPR from MOMENT to MOMENT; MOMENT: end, 10m, STEP, 2m after STEP, 2m after end of STEP',
    ),
  checks: z
    .union([z.literal('all'), z.array(z.string())])
    .default('all')
    .describe("names of the engine's checks"),
  exits: z
    .array(exitExpectation)
    .default([])
    .describe('processes that end by themselves; any other exit is a violation'),
  logs: z.array(logExpectation).default([]),
  operations: operationsExpectation.optional(),
});

/** Bound of the liveness phase where the scenario says nothing. */
export const healWithinMsDefault = 300_000;

const finallySchema = z
  .union([
    z.enum(['heal', 'leave']),
    z.strictObject({ heal: z.literal(true).default(true), within: durationMs.default(healWithinMsDefault) }),
  ])
  .describe('heal: every fault is healed, what is down is started, and all must converge; leave: judged as it stands');

/** The whole file but its steps, which `load.ts` reads each by its kind. */
export const scenarioSchema = z.strictObject({
  title: z.string().min(1),
  source: z.string().optional().describe('the runbook and the incident'),
  description: z.string().optional(),
  engine: z.string(),
  seed: z
    .number()
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .default(1),
  duration: durationMs.describe('virtual time of the run before `finally`'),
  cluster: z
    .strictObject({
      nodes: z.number().int().min(1).max(99).optional(),
      config: z.record(z.string(), z.unknown()).default({}).describe("the engine's own configuration file, inline"),
      devices: z.record(z.string(), z.unknown()).default({}).describe('disks of each machine'),
    })
    .default({ config: {}, devices: {} }),
  load: z.record(z.string(), z.unknown()).optional().describe("the workload, in the engine's words"),
  buggify: z.boolean().default(false).describe('rare but legal paths are taken at random'),
  steadyState: z
    .strictObject({
      metrics: z.array(z.string()).min(1).describe('PromQL: each gives a result in good times'),
      within: durationMs.default(120_000).describe('holds from this time on, until the first step'),
    })
    .optional()
    .describe('what is so before the first fault, and again after `finally: heal`'),
  timeline: z.array(z.record(z.string(), z.unknown())).default([]),
  expect: expectations.default({ alerts: [], metrics: [], checks: 'all', exits: [], logs: [] }),
  finally: finallySchema.default('heal'),
});

export type ScenarioFile = z.output<typeof scenarioSchema>;
export type Expectations = z.output<typeof expectations>;
export type AlertExpectation = z.output<typeof alertExpectation>;
export type LogExpectation = z.output<typeof logExpectation>;
export type ExitExpectation = z.output<typeof exitExpectation>;
export type OperationsExpectation = z.output<typeof operationsExpectation>;
export type AnswerExpectation = z.output<typeof answer>;
