import { z } from 'zod';
import type { Quota, QuotaEntity } from '../meta/metadata.ts';
import { AdminRefusal, type AdminRoute, bodyOf, ok, queryOf } from './answer.ts';
import type { AdminContext } from './context.ts';
import { expectKnown } from './standing.ts';
import { expectDone, submitted } from './topics.ts';

const readOnlyBody = z.strictObject({
  enabled: z.boolean().default(true),
  scope: z.enum(['broker', 'cluster']).default('broker'),
  reason: z.string().max(200).optional(),
});

const readOnlyQuery = z.strictObject({ scope: z.enum(['broker', 'cluster']).default('broker') });

const limit = z.number().positive().nullable();
const limits = z.strictObject({
  produce_rate: limit.optional(),
  fetch_rate: limit.optional(),
  produce_bytes_rate: limit.optional(),
  fetch_bytes_rate: limit.optional(),
});
type Limits = z.infer<typeof limits>;
const quotaBody = z.strictObject({
  default: limits.optional(),
  clients: z.record(z.string().min(1), limits).optional(),
  users: z.record(z.string().min(1), limits).optional(),
});

const keys: Readonly<Record<keyof Limits, keyof Quota>> = {
  produce_rate: 'produceRate',
  fetch_rate: 'fetchRate',
  produce_bytes_rate: 'produceBytesRate',
  fetch_bytes_rate: 'fetchBytesRate',
};
const names = Object.keys(keys) as readonly (keyof Limits)[]; // the keys of the object above

function changesOf(given: Limits) {
  return names.flatMap((name) => {
    const value = given[name];
    return value === undefined ? [] : [{ key: keys[name], value: value ?? undefined }];
  });
}

function shown(quota: Quota | undefined): Record<string, number | null> {
  return Object.fromEntries(names.map((name) => [name, quota?.[keys[name]] ?? null]));
}

/** What clients may: read-only mode and quotas. */
export function limitRoutes(context: AdminContext): readonly AdminRoute[] {
  const { services } = context;
  const { metadata, commands, config } = services;

  const readOnlyState = () => ({
    broker: services.broker,
    enabled: services.readOnly !== undefined,
    reason: services.readOnly ?? null,
    cluster: metadata.readOnly ?? null,
    reasons: [
      ...context.ownReadOnly(),
      ...(metadata.readOnly === undefined ? [] : [{ by: 'cluster' as const, reason: metadata.readOnly }]),
    ],
  });
  const setReadOnly = async (scope: 'broker' | 'cluster', reason: string | undefined) => {
    if (scope === 'cluster') await submitted(commands.submit({ type: 'set-read-only', reason }));
    else await context.setReadOnly(reason);
  };

  const quotaState = () => {
    const fallback = config.quotas.default;
    const of = (entity: QuotaEntity) =>
      metadata.quotas.find(({ entity: { user, clientId } }) => user === entity.user && clientId === entity.clientId)
        ?.quota;
    const wide = of({ user: undefined, clientId: null });
    return {
      default: Object.fromEntries(names.map((name) => [name, wide?.[keys[name]] ?? fallback[name] ?? null])),
      clients: Object.fromEntries(
        metadata.quotas.flatMap(({ entity: { user, clientId }, quota }) =>
          user === undefined && typeof clientId === 'string' ? [[clientId, shown(quota)]] : [],
        ),
      ),
      users: Object.fromEntries(
        metadata.quotas.flatMap(({ entity: { user, clientId }, quota }) =>
          clientId === undefined && typeof user === 'string' ? [[user, shown(quota)]] : [],
        ),
      ),
    };
  };
  const alterQuotas = async (
    entries: readonly { readonly entity: QuotaEntity; readonly changes: ReturnType<typeof changesOf> }[],
    replaceAll: boolean,
  ) => {
    const work = commands.submit({ type: 'alter-quotas', entries, replaceAll, validateOnly: false });
    for (const outcome of await submitted(work)) expectDone(outcome);
    return ok(quotaState());
  };

  return [
    {
      method: 'GET',
      path: '/admin/readonly',
      summary: 'Whether this broker takes writes, and why not.',
      role: 'read',
      handler: async () => {
        // Without anybody who leads it, to say that writes are taken would be wrong.
        if (services.readOnly === undefined) expectKnown(context, 'quorum');
        return ok(readOnlyState());
      },
    },
    {
      method: 'POST',
      path: '/admin/readonly',
      summary:
        'Refuses writes at this broker, whose leaders move first, or in the whole cluster. An empty body enables it here.',
      schema: { body: readOnlyBody },
      handler: async (request) => {
        const { enabled, scope, reason } = bodyOf(request, readOnlyBody);
        await setReadOnly(scope, enabled ? (reason ?? 'an operator asked for it') : undefined);
        return ok(readOnlyState());
      },
    },
    {
      method: 'DELETE',
      path: '/admin/readonly',
      summary: 'Takes writes again at this broker; with ?scope=cluster everywhere.',
      schema: { query: readOnlyQuery },
      handler: async (request) => {
        await setReadOnly(queryOf(request, readOnlyQuery).scope, undefined);
        return ok(readOnlyState());
      },
    },
    {
      method: 'GET',
      path: '/admin/quotas',
      needs: 'quorum',
      summary: 'Limits a second of clients, at each broker.',
      role: 'read',
      handler: async () => ok(quotaState()),
    },
    {
      method: 'POST',
      path: '/admin/quotas',
      summary: 'Sets limits: default, by client id, by user. Null removes one; what is not named stays.',
      schema: { body: quotaBody },
      handler: async (request) => {
        let body: z.infer<typeof quotaBody>;
        try {
          body = bodyOf(request, quotaBody);
        } catch (error) {
          if (!(error instanceof AdminRefusal) || error.code !== 'BAD_FIELD') throw error;
          throw new AdminRefusal(422, 'BAD_QUOTA', error.message, error.hint);
        }
        const { default: wide, clients = {}, users = {} } = body;
        return alterQuotas(
          [
            ...(wide === undefined ? [] : [{ entity: { user: undefined, clientId: null }, changes: changesOf(wide) }]),
            ...Object.entries(clients).map(([clientId, given]) => ({
              entity: { user: undefined, clientId },
              changes: changesOf(given),
            })),
            ...Object.entries(users).map(([user, given]) => ({
              entity: { user, clientId: undefined },
              changes: changesOf(given),
            })),
          ],
          false,
        );
      },
    },
    {
      method: 'DELETE',
      path: '/admin/quotas',
      summary: 'Removes every quota that was set; those of the configuration stay.',
      handler: async () => alterQuotas([], true),
    },
  ];
}
