import type { RouteResponse } from '../../route.ts';
import {
  type AssertionInput,
  agentWeightSchema,
  assertionSchema,
  type EpochInput,
  epochSchema,
  parseInput,
  type VoteInput,
  voteSchema,
} from '../model.ts';
import type { Ack } from '../write.ts';
import { type HttpContext, type PlainRoute, parseDataBody, refusalCounted, withTimeout } from './request.ts';

const weightBodySchema = agentWeightSchema.omit({ agent: true });

/** POST /v1/assert, /v1/vote, /v1/epoch, /v1/agents/{agent}/weight: one record each. */
export function writeRoutes(context: HttpContext): PlainRoute[] {
  const { db } = context;
  const maxBytes = () => db.config.server.max_body_bytes;

  return [
    {
      method: 'POST',
      path: '/v1/assert',
      summary: 'Stores an assertion; 200 if it is there already.',
      role: 'write',
      endpoint: 'assert',
      schema: { body: assertionSchema },
      handler: async (request, trace) => {
        const body = refusalCounted(context, () => parseDataBody(request, maxBytes()));
        return acknowledged(await withTimeout(context, db.assert(body as AssertionInput, trace))); // assert() parses it
      },
    },
    {
      method: 'POST',
      path: '/v1/vote',
      summary: "Stores an agent's vote on an assertion.",
      role: 'write',
      endpoint: 'vote',
      schema: { body: voteSchema },
      handler: async (request, trace) => {
        const body = refusalCounted(context, () => parseDataBody(request, maxBytes()));
        return acknowledged(await withTimeout(context, db.vote(body as VoteInput, trace))); // vote() parses it
      },
    },
    {
      method: 'POST',
      path: '/v1/epoch',
      summary: 'Stores an epoch.',
      role: 'write',
      endpoint: 'epoch',
      schema: { body: epochSchema },
      handler: async (request, trace) => {
        const body = refusalCounted(context, () => parseDataBody(request, maxBytes()));
        return acknowledged(await withTimeout(context, db.epoch(body as EpochInput, trace))); // epoch() parses it
      },
    },
    {
      method: 'POST',
      path: '/v1/agents/{agent}/weight',
      summary: "Stores the weight of an agent's voice.",
      role: 'write',
      endpoint: 'assert',
      schema: { body: weightBodySchema },
      handler: async (request, trace) => {
        const { weight, timestamp, signatures } = refusalCounted(context, () =>
          parseInput(weightBodySchema, parseDataBody(request, maxBytes())),
        );
        const options = signatures === undefined ? { timestamp } : { timestamp, signatures };
        return acknowledged(
          await withTimeout(context, db.weigh(request.parameters.agent ?? '', weight, options, trace)),
        );
      },
    },
  ];
}

function acknowledged(ack: Ack): RouteResponse {
  return { status: ack.status === 'created' ? 201 : 200, headers: { 'stemedb-lsn': String(ack.lsn) }, body: ack };
}
