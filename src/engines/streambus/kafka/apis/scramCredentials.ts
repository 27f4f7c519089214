import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type {
  AlterUserScramCredentialsRequest,
  AlterUserScramCredentialsResponse,
} from '../../../../wire/kafka/messages/alterUserScramCredentials.ts';
import type {
  DescribeUserScramCredentialsRequest,
  DescribeUserScramCredentialsResponse,
} from '../../../../wire/kafka/messages/describeUserScramCredentials.ts';
import { credentialOfSalted, type ScramMechanism, scramHashBytes } from '../../security/scramKeys.ts';
import type { RequestContext } from '../api.ts';
import { clusterName } from './authorizedOperations.ts';
import { codeOfFailure, textOfFailure } from './failure.ts';

/** Kafka's numbers of the mechanisms. */
const mechanismCodes: Readonly<Record<ScramMechanism, number>> = { 'SCRAM-SHA-256': 1, 'SCRAM-SHA-512': 2 };

function mechanismOf(code: number): ScramMechanism | undefined {
  if (code === mechanismCodes['SCRAM-SHA-256']) return 'SCRAM-SHA-256';
  return code === mechanismCodes['SCRAM-SHA-512'] ? 'SCRAM-SHA-512' : undefined;
}

/** DescribeUserScramCredentials: who has which, without what is secret. */
export async function describeUserScramCredentials(
  request: DescribeUserScramCredentialsRequest,
  context: RequestContext,
): Promise<DescribeUserScramCredentialsResponse> {
  if (!context.authorize('describe', 'cluster', clusterName)) {
    return { errorCode: kafkaErrors.CLUSTER_AUTHORIZATION_FAILED, results: [] };
  }
  const { credentials } = context.services.metadata;
  const named = request.users?.map(({ name }) => name) ?? [];
  const users = named.length === 0 ? [...credentials.keys()] : [...new Set(named)];
  return {
    errorCode: kafkaErrors.NONE,
    results: users.map((user) => {
      const isTwice = named.filter((name) => name === user).length > 1;
      const own = credentials.get(user);
      if (isTwice || own === undefined) {
        return {
          user,
          errorCode: isTwice ? kafkaErrors.DUPLICATE_RESOURCE : kafkaErrors.RESOURCE_NOT_FOUND,
          errorMessage: isTwice ? `${user} is named more than once` : `there is no user ${user}`,
          credentialInfos: [],
        };
      }
      return {
        user,
        errorCode: kafkaErrors.NONE,
        credentialInfos: own.map(({ mechanism, iterations }) => ({
          mechanism: mechanismCodes[mechanism],
          iterations,
        })),
      };
    }),
  };
}

type Upsert = { readonly user: string } & ReturnType<typeof credentialOfSalted>;
type Deletion = { readonly user: string; readonly mechanism: ScramMechanism };

/** AlterUserScramCredentials: clients send passwords salted, and what is stored is derived from that. */
export async function alterUserScramCredentials(
  request: AlterUserScramCredentialsRequest,
  context: RequestContext,
): Promise<AlterUserScramCredentialsResponse> {
  const users = [...new Set([...request.upsertions, ...request.deletions].map(({ name }) => name))];
  const same = (errorCode: number, errorMessage: string): AlterUserScramCredentialsResponse => ({
    results: users.map((user) => ({ user, errorCode, errorMessage })),
  });
  if (!context.authorize('alter', 'cluster', clusterName)) {
    return same(kafkaErrors.CLUSTER_AUTHORIZATION_FAILED, 'not permitted');
  }
  const refused = new Map<string, { readonly errorCode: number; readonly errorMessage: string | null }>();
  const upserts = request.upsertions.flatMap((upsertion): Upsert[] => {
    const { name: user, iterations, salt, saltedPassword } = upsertion;
    const mechanism = mechanismOf(upsertion.mechanism);
    const why = refuseUpsert(mechanism, saltedPassword);
    if (mechanism === undefined || why !== undefined) {
      refused.set(user, why ?? unknownMechanism);
      return [];
    }
    // The request's bytes belong to its frame.
    return [{ user, ...credentialOfSalted(mechanism, saltedPassword, salt.slice(), iterations) }];
  });
  const deletions = request.deletions.flatMap(({ name: user, mechanism: code }): Deletion[] => {
    const mechanism = mechanismOf(code);
    if (mechanism === undefined) refused.set(user, unknownMechanism);
    return mechanism === undefined ? [] : [{ user, mechanism }];
  });
  // Of a user all changes are made or none.
  const isFine = ({ user }: { readonly user: string }): boolean => !refused.has(user);
  try {
    const command = {
      type: 'alter-scram' as const,
      upserts: upserts.filter(isFine),
      deletions: deletions.filter(isFine),
    };
    const outcomes =
      command.upserts.length + command.deletions.length === 0
        ? []
        : await context.services.commands.submit(command, { signal: context.signal });
    const failed = outcomes.filter(({ errorCode }) => errorCode !== 0);
    for (const { user, errorCode, errorMessage } of failed) {
      refused.set(user, { errorCode, errorMessage: errorMessage ?? null });
    }
  } catch (error) {
    return same(codeOfFailure(error), textOfFailure(error));
  }
  return { results: users.map((user) => ({ user, ...(refused.get(user) ?? { errorCode: kafkaErrors.NONE }) })) };
}

const unknownMechanism = {
  errorCode: kafkaErrors.UNSUPPORTED_SASL_MECHANISM,
  errorMessage: 'expected SCRAM-SHA-256 (1) or SCRAM-SHA-512 (2)',
};

function refuseUpsert(
  mechanism: ScramMechanism | undefined,
  saltedPassword: Uint8Array,
): { readonly errorCode: number; readonly errorMessage: string } | undefined {
  if (mechanism === undefined) return unknownMechanism;
  const bytes = scramHashBytes(mechanism);
  if (saltedPassword.length === bytes) return undefined;
  const errorMessage = `expected a salted password of ${bytes} bytes, got ${saltedPassword.length}`;
  return { errorCode: kafkaErrors.UNACCEPTABLE_CREDENTIAL, errorMessage };
}
