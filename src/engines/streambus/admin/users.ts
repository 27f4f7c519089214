import { z } from 'zod';
import type { Outcome } from '../meta/commands.ts';
import { MetaCode } from '../meta/outcomes.ts';
import { credentialOf, maxIterations, minIterations } from '../security/scramKeys.ts';
import { AdminRefusal, type AdminRoute, bodyOf, ok, queryOf } from './answer.ts';
import type { AdminContext } from './context.ts';
import { expectDone, submitted } from './topics.ts';

const mechanisms = ['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const;
const mechanism = z.enum(mechanisms);
/** Bytes of a salt: those of Kafka's tools are about as long. */
const saltBytes = 16;

const name = z.string().min(1).max(255);
const setBody = z.strictObject({
  name,
  password: z.string().min(1).max(1_024),
  /** Absent: both, so that any client gets in. */
  mechanism: mechanism.optional(),
  iterations: z.int().min(minIterations).max(maxIterations).default(minIterations),
});
const deleteQuery = z.strictObject({ name, mechanism: mechanism.optional() });

/**
 * Users of SASL: list, set, delete. What is stored is derived from the password, which is neither kept nor shown, in no refusal
 * either.
 */
export function userRoutes(context: AdminContext): readonly AdminRoute[] {
  const { metadata, commands, host } = context.services;

  const users = () =>
    ok({
      users: [...metadata.credentials]
        .sort(([left], [right]) => (left < right ? -1 : 1))
        .map(([user, own]) => ({
          name: user,
          credentials: own.map(({ mechanism: by, iterations }) => ({ mechanism: by, iterations })),
        })),
    });

  return [
    {
      method: 'GET',
      path: '/admin/users',
      needs: 'quorum',
      summary: 'Users of SASL with their mechanisms, without what is secret.',
      role: 'admin',
      handler: async () => users(),
    },
    {
      method: 'POST',
      path: '/admin/users',
      summary: 'Sets the password of a user of SASL, for one mechanism or for both.',
      role: 'admin',
      schema: { body: setBody },
      handler: async (request) => {
        let body: z.infer<typeof setBody>;
        try {
          body = bodyOf(request, setBody, true);
        } catch (error) {
          if (!(error instanceof AdminRefusal) || error.code !== 'BAD_JSON') throw error;
          // The parser's own words quote the body, and the password may be in what they quote.
          throw new AdminRefusal(400, 'BAD_JSON', 'expected JSON in UTF-8 with name and password');
        }
        const { name: user, password, iterations } = body;
        const random = host.random.stream('salt');
        const upserts = (body.mechanism === undefined ? mechanisms : [body.mechanism]).map((by) => ({
          user,
          ...credentialOf(by, password, random.bytes(saltBytes), iterations),
        }));
        await expectAll(commands.submit({ type: 'alter-scram', upserts, deletions: [] }));
        return users();
      },
    },
    {
      method: 'DELETE',
      path: '/admin/users',
      needs: 'quorum',
      summary:
        'Deletes a user of SASL, ?name=; with ?mechanism= that credential alone. Connections that are open stay.',
      role: 'admin',
      schema: { query: deleteQuery },
      handler: async (request) => {
        const { name: user, mechanism: only } = queryOf(request, deleteQuery);
        const own = (metadata.credentials.get(user) ?? []).filter(({ mechanism: by }) => (only ?? by) === by);
        if (own.length === 0) {
          throw new AdminRefusal(
            404,
            'UNKNOWN_USER',
            `there is no user ${user}${only === undefined ? '' : ` with ${only}`}`,
          );
        }
        const deletions = own.map(({ mechanism: by }) => ({ user, mechanism: by }));
        await expectAll(commands.submit({ type: 'alter-scram', upserts: [], deletions }));
        return users();
      },
    },
  ];
}

/** @throws AdminRefusal unless each was done */
async function expectAll(work: Promise<readonly Outcome[]>): Promise<void> {
  for (const outcome of await submitted(work)) {
    // Somebody else was faster.
    if (outcome.errorCode === MetaCode.resourceNotFound) {
      throw new AdminRefusal(404, 'UNKNOWN_USER', outcome.errorMessage ?? 'there is no such user');
    }
    expectDone(outcome);
  }
}
