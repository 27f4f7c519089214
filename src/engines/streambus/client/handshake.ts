import type { Host } from '../../../host/host.ts';
import type { Address } from '../../../host/network.ts';
import { apiKeys } from '../../../wire/kafka/apis.ts';
import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import { ClientError } from './clientError.ts';
import { BrokerConnection, type VersionRange } from './connection.ts';
import type { ClientSettings, SaslLogin } from './options.ts';
import { createScramClient } from './scramClient.ts';

const apiVersionsMax = 4;

/** Connects, asks which versions the broker speaks, and logs in. Rejects with `ClientError`, always `definite`. */
export async function openConnection(
  host: Host,
  address: Address,
  settings: ClientSettings,
  signal: AbortSignal,
): Promise<BrokerConnection> {
  let connection: BrokerConnection | undefined;
  try {
    const raw = await host.network.connect(address, {
      timeoutMs: settings.connectTimeoutMs,
      signal,
      ...(settings.tls === undefined ? {} : { tls: settings.tls }),
    });
    connection = new BrokerConnection(host, raw, settings);
    await negotiate(connection);
    if (settings.sasl !== undefined) await login(host, connection, settings.sasl);
    return connection;
  } catch (error) {
    connection?.close();
    const code = error instanceof ClientError ? error.code : 'CONNECTION';
    const why = error instanceof Error ? error.message : String(error);
    const errorNumber = error instanceof ClientError ? error.errorNumber : undefined;
    throw new ClientError(
      code,
      'definite',
      `connecting to ${address.host}:${address.port}: ${why}`,
      errorNumber,
      error,
    );
  }
}

/** Asks for the versions; a broker that does not know ours answers in the oldest one, with error 35. */
async function negotiate(connection: BrokerConnection): Promise<void> {
  const body = { clientSoftwareName: 'hotfire', clientSoftwareVersion: '0' };
  const frame = await connection.exchange(apiKeys.ApiVersions, apiVersionsMax, body);
  const errorCode = new DataView(frame.buffer, frame.byteOffset, frame.length).getInt16(4);
  let answer =
    errorCode === kafkaErrors.UNSUPPORTED_VERSION
      ? connection.decode(apiKeys.ApiVersions, 0, frame)
      : connection.decode(apiKeys.ApiVersions, apiVersionsMax, frame);
  if (errorCode === kafkaErrors.UNSUPPORTED_VERSION && answer.apiKeys.length === 0) {
    answer = await connection.requestVersion(apiKeys.ApiVersions, 0, body);
  }
  const versions = new Map<number, VersionRange>();
  for (const { apiKey, minVersion, maxVersion } of answer.apiKeys) {
    versions.set(apiKey, { min: minVersion, max: maxVersion });
  }
  const features = answer.finalizedFeatures.map(({ name, maxVersionLevel }): [string, number] => [
    name,
    maxVersionLevel,
  ]);
  connection.setVersions(versions, new Map(features));
}

async function login(host: Host, connection: BrokerConnection, sasl: SaslLogin): Promise<void> {
  const handshake = await connection.request(apiKeys.SaslHandshake, { mechanism: sasl.mechanism });
  if (handshake.errorCode !== 0) {
    const offered = handshake.mechanisms.join(', ') || 'none';
    throw new ClientError(
      'AUTHENTICATION',
      'definite',
      `${sasl.mechanism} is not offered, but ${offered}`,
      handshake.errorCode,
    );
  }
  const ask = async (authBytes: Uint8Array): Promise<Uint8Array> => {
    const answer = await connection.request(apiKeys.SaslAuthenticate, { authBytes });
    if (answer.errorCode !== 0) {
      const why = answer.errorMessage ?? 'refused';
      throw new ClientError('AUTHENTICATION', 'definite', `SASL: ${why}`, answer.errorCode);
    }
    return answer.authBytes;
  };
  if (sasl.mechanism === 'PLAIN') {
    await ask(new TextEncoder().encode(`\0${sasl.user}\0${sasl.password}`));
    return;
  }
  const nonce = Buffer.from(host.random.stream('client-scram').bytes(18)).toString('base64');
  const scram = createScramClient(sasl.mechanism, sasl.user, sasl.password, nonce);
  scram.verify(await ask(scram.proof(await ask(scram.first()))));
}
