import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { EngineError, ExitCode, type ServerSettings, type TlsFileNames } from '../../engines/engine.ts';
import { isLoopback } from '../../engines/loopback.ts';
import type { Role } from '../../engines/route.ts';

/** Roles by the SHA-256 of their token: comparing digests takes the same time for every wrong token. */
export type Tokens = ReadonlyMap<string, ReadonlySet<Role>>;

/** Server settings with their files read: what can be wrong with them is found before anything starts. */
export interface PreparedSettings {
  readonly host: string;
  readonly port: number;
  readonly maxBodyBytes: number;
  readonly tls: { readonly cert: Buffer; readonly key: Buffer; readonly ca: Buffer | undefined } | undefined;
  /** Undefined: no token is asked for. */
  readonly tokens: Tokens | undefined;
  readonly listenFailure: ServerSettings['listenFailure'];
}

const GRANTED: ReadonlySet<string> = new Set<Role>(['read', 'write', 'admin']);

/**
 * Reads certificates and tokens, and refuses to serve the world without them: beyond loopback both TLS and tokens are
 * needed. On loopback neither is, but what is configured is in force there too.
 *
 * @throws EngineError with exit code 78
 */
export function prepareSettings(settings: ServerSettings): PreparedSettings {
  const { host, port } = parseBind(settings.bind);
  if (!isLoopback(host)) {
    const needed = settings.beyondLoopback ?? { tls: true, tokens: true };
    const { keys } = settings;
    const named = (what: string, key: string | undefined) => (key === undefined ? what : `${what} in ${key}`);
    const lacksTokens = needed.tokens && settings.tokensFile === undefined;
    const missing = [
      ...(needed.tls && settings.tls === undefined ? [named('TLS (certificate and key)', keys?.tls)] : []),
      ...(lacksTokens ? [named('a tokens file', keys?.tokens)] : []),
    ];
    if (missing.length > 0) {
      const openly =
        lacksTokens && keys?.allowAnonymous !== undefined
          ? `, set ${keys.allowAnonymous} on a network that is trusted,`
          : '';
      throw refused(
        `${settings.bind} is reachable from other machines: expected ${missing.join(' and ')}, got none; configure them${openly} or ${keys === undefined ? 'bind to' : `set ${keys.host} to`} 127.0.0.1`,
      );
    }
  }
  for (const [section, files] of Object.entries(settings.ownFiles?.tls ?? {})) readCertificates(files, section);
  for (const [key, file] of Object.entries(settings.ownFiles?.secrets ?? {})) {
    if (readNeeded('secret', file, key).length === 0) throw refused(`${key}: ${file}: expected a secret, got nothing`);
  }
  return {
    host,
    port,
    maxBodyBytes: settings.maxBodyBytes,
    tls: settings.tls === undefined ? undefined : readCertificates(settings.tls, settings.keys?.tls),
    tokens: settings.tokensFile === undefined ? undefined : readTokens(settings.tokensFile, settings.keys?.tokens),
    listenFailure: settings.listenFailure,
  };
}

/**
 * Reads certificate, key and client CA, and tries them: a key may be that of another certificate. `section` is the one of the
 * configuration that names them.
 */
function readCertificates(tls: TlsFileNames, section?: string): NonNullable<PreparedSettings['tls']> {
  const { certFile, keyFile, clientCaFile } = tls;
  const key = (name: string) => (section === undefined ? undefined : `${section}.${name}`);
  const read = {
    cert: readNeeded('certificate', certFile, key('cert')),
    key: readNeeded('key', keyFile, key('key')),
    ca: clientCaFile === undefined ? undefined : readNeeded('client CA', clientCaFile, key('client_ca')),
  };
  try {
    createSecureContext(certificatesOf(read));
  } catch (error) {
    const files = [certFile, keyFile, ...(clientCaFile === undefined ? [] : [clientCaFile])].join(', ');
    const got = error instanceof Error ? error.message : String(error);
    throw refused(`${section ?? 'TLS'}: expected a PEM certificate and its key in ${files}, got ${got}`, error);
  }
  return read;
}

/** Certificates as Node's TLS takes them. */
export function certificatesOf(tls: NonNullable<PreparedSettings['tls']>): { cert: Buffer; key: Buffer; ca?: Buffer } {
  return { cert: tls.cert, key: tls.key, ...(tls.ca === undefined ? {} : { ca: tls.ca }) };
}

/** Splits `host:port`; IPv6 hosts stand in brackets. */
export function parseBind(bind: string): { host: string; port: number } {
  const parts = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(bind);
  const host = parts?.[1] ?? parts?.[2];
  const port = Number(parts?.[3]);
  if (host === undefined || port > 65_535)
    throw refused(`bind ${JSON.stringify(bind)}: expected host:port, port 0..65535`);
  return { host, port };
}

/** The address cannot be had: exit code 74, or the engine's own. What is no error of the system comes back as it is. */
export function listenFailed(
  { host, port, listenFailure }: Pick<PreparedSettings, 'host' | 'port' | 'listenFailure'>,
  error: unknown,
): unknown {
  const code = (error as NodeJS.ErrnoException).code; // of the system, if it has one
  if (code === undefined) return error;
  if (listenFailure !== undefined) {
    const what = `${listenFailure.key}: ${host}:${port} cannot be listened at (${code})`;
    const hint = 'stop what listens there, or name another port';
    return new EngineError(listenFailure.code, listenFailure.exitCode, `${what}: ${hint}`, { cause: error });
  }
  const message = `listen on ${host}:${port}: expected a free address, got ${code}`;
  return new EngineError('LISTEN_FAILED', ExitCode.io, message, { cause: error });
}

/** The key under which a token is kept. */
export function tokenDigest(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}

/** Reads `token role[,role]` lines; empty lines and those that begin with # are skipped. Messages never show a token. */
function readTokens(file: string, key?: string): Tokens {
  const tokens = new Map<string, ReadonlySet<Role>>();
  for (const [index, line] of readNeeded('tokens', file, key).toString('utf8').split('\n').entries()) {
    const text = line.trim();
    if (text === '' || text.startsWith('#')) continue;
    const [token = '', roleList = '', ...rest] = text.split(/\s+/);
    const roles = roleList.split(',').filter((role) => role !== '');
    const unknown = roles.find((role) => !GRANTED.has(role));
    if (rest.length > 0 || roles.length === 0 || unknown !== undefined) {
      const got = unknown === undefined ? 'another shape' : `role ${JSON.stringify(unknown)}`;
      throw refused(`${file}:${index + 1}: expected "token role[,role]" with roles of read, write, admin, got ${got}`);
    }
    if (token.length < 16)
      throw refused(`${file}:${index + 1}: expected a token of at least 16 characters, got ${token.length}`);
    if (tokens.has(tokenDigest(token))) throw refused(`${file}:${index + 1}: expected each token once, got one again`);
    tokens.set(tokenDigest(token), new Set(roles.filter((role): role is Role => GRANTED.has(role))));
  }
  if (tokens.size === 0) throw refused(`${file}: expected at least one line "token role[,role]", got none`);
  return tokens;
}

function readNeeded(what: string, file: string, key?: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'an error'; // fs throws nothing else
    throw refused(
      `${key === undefined ? '' : `${key}: `}${what} file ${file}: expected a readable file, got ${code}`,
      error,
    );
  }
}

function refused(message: string, cause?: unknown): EngineError {
  return new EngineError('CONFIGURATION', ExitCode.configuration, message, cause === undefined ? undefined : { cause });
}
