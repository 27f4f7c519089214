import { z } from 'zod';
import type { FaultDefinition } from '../faults/fault.ts';
import { scenarioSchema, stepSchemas } from './schema.ts';
import type { Stand } from './stands/stand.ts';

type Json = Record<string, unknown>;

/**
 * The JSON schema of a scenario file, for editors: the steps with every fault's own parameters, and the configuration,
 * devices and load of each engine.
 */
export function scenarioJsonSchema(faults: Iterable<FaultDefinition>, stands: Iterable<Stand>): Json {
  const schema = toJson(scenarioSchema);
  const properties = schema.properties as Json; // of an object schema
  const { timeline } = properties;
  const engines = [...stands];
  return {
    ...schema,
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Hotfire scenario',
    properties: {
      ...properties,
      engine: { enum: engines.map((stand) => stand.engine.name) },
      timeline: {
        ...(timeline as Json), // of the same
        items: {
          anyOf: [
            ...[...faults].map(faultStepSchema),
            ...[stepSchemas.operator, stepSchemas.load, stepSchemas.heal, stepSchemas.expect].map(toJson),
          ],
        },
      },
    },
    allOf: engines.map(engineSchema),
  };
}

function faultStepSchema(fault: FaultDefinition): Json {
  const step = toJson(stepSchemas.fault);
  const own = toJson(fault.schema);
  const parameters = propertiesOf(own);
  const properties = step.properties as Json; // of an object schema
  return {
    type: 'object',
    description: fault.summary,
    properties: {
      // The step's own keys win: a parameter of the same name goes under `with`.
      ...parameters,
      ...properties,
      fault: { const: fault.name },
      with: {
        type: 'object',
        description: "the fault's parameters",
        properties: parameters,
        additionalProperties: false,
      },
    },
    required: ['fault'],
    additionalProperties: false,
  };
}

function engineSchema({ engine, devicesSchema, loadSchema }: Stand): Json {
  return {
    if: { properties: { engine: { const: engine.name } } },
    // biome-ignore lint/suspicious/noThenProperty: the word of JSON schema
    then: {
      properties: {
        cluster: { properties: { config: toJson(engine.configSchema), devices: toJson(devicesSchema) } },
        load: toJson(loadSchema),
      },
    },
  };
}

/** The properties of an object schema, or those of all its alternatives. */
function propertiesOf(schema: Json): Json {
  const alternatives = [...list(schema.anyOf), ...list(schema.oneOf), ...list(schema.allOf)];
  return Object.assign({}, schema.properties, ...alternatives.map(propertiesOf));
}

function list(value: unknown): Json[] {
  return Array.isArray(value) ? value : [];
}

function toJson(schema: z.ZodType): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return rest;
}
