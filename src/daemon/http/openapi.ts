import { type ZodType, z } from 'zod';
import type { Route } from '../../engines/route.ts';

/** An OpenAPI 3.1 document of the routes, its schemas made from their zod schemas. */
export function openApiDocument(
  routes: readonly Route[],
  information: { readonly title: string; readonly description: string; readonly version: string },
): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    const operations = paths[route.path] ?? {};
    paths[route.path] = operations;
    operations[route.method.toLowerCase()] = operation(route);
  }
  return {
    openapi: '3.1.0',
    info: information,
    paths,
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      schemas: { Error: jsonSchema(errorBody) },
    },
  };
}

/** `GET /openapi.json`: the document of these routes and of itself, made once. */
export function openApiRoute(
  routes: readonly Route[],
  information: { readonly title: string; readonly description: string; readonly version: string },
): Route {
  let text = '';
  const route: Route = {
    method: 'GET',
    path: '/openapi.json',
    summary: 'This document',
    role: 'read',
    handler: async () => ({ status: 200, headers: { 'content-type': 'application/json; charset=utf-8' }, body: text }),
  };
  text = JSON.stringify(openApiDocument([...routes, route], information));
  return route;
}

/** The body of every error answer. */
export const errorBody = z.object({
  error: z.object({
    code: z.string().describe('stable'),
    message: z.string(),
    outcome: z.enum(['not_applied', 'indeterminate']).describe('whether a write may have happened'),
    retry_after_ms: z.number().optional(),
    details: z.array(z.object({ path: z.string(), expected: z.string(), got: z.string() })).optional(),
  }),
});

function operation(route: Route): Record<string, unknown> {
  const { schema } = route;
  return {
    summary: route.summary,
    operationId: `${route.method.toLowerCase()}${route.path.replace(/[^A-Za-z0-9]+(.)?/g, (_, next?: string) => next?.toUpperCase() ?? '')}`,
    ...(route.role === 'none' ? {} : { security: [{ token: [route.role] }] }),
    parameters: [...pathParameters(route.path), ...queryParameters(schema?.query)],
    ...(schema?.body === undefined
      ? {}
      : { requestBody: { required: true, content: bodyContent(route, schema.body) } }),
    responses: {
      '2XX': {
        description: 'done',
        ...(schema?.response === undefined
          ? {}
          : { content: { 'application/json': { schema: jsonSchema(schema.response, 'output') } } }),
      },
      default: {
        description: 'refused or failed',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
      },
    },
  };
}

function bodyContent(route: Route, body: ZodType): Record<string, unknown> {
  const content: Record<string, unknown> = { 'application/json': { schema: jsonSchema(body) } };
  for (const type of route.streaming ?? []) content[type] = {};
  return content;
}

function pathParameters(path: string): Record<string, unknown>[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
}

function queryParameters(query: ZodType | undefined): Record<string, unknown>[] {
  if (query === undefined) return [];
  const schema = jsonSchema(query);
  const properties = (schema.properties ?? {}) as Record<string, unknown>; // as JSON schema has it
  const required = new Set((schema.required ?? []) as string[]); // as JSON schema has it
  return Object.entries(properties).map(([name, shape]) => ({
    name,
    in: 'query',
    required: required.has(name),
    schema: shape,
  }));
}

function jsonSchema(schema: ZodType, io: 'input' | 'output' = 'input'): Record<string, unknown> {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
}
