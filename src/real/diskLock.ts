import { createServer, type Server } from 'node:net';

/** A lock that is held. */
export interface FileLock {
  /** Gives it back. Idempotent. */
  release(): Promise<void>;
}

/**
 * Takes the lock of the file (device, inode): an abstract unix socket of that name. The kernel frees the name when the
 * process dies, however it dies, no root is needed, and nothing stays behind on the disk. Resolves to undefined when
 * somebody holds it.
 *
 * Scope: one network namespace of one Linux machine. Two containers with namespaces of their own that share a volume do
 * not see each other's lock, nor do two machines on a network file system.
 */
export function takeFileLock(device: number, inode: number): Promise<FileLock | undefined> {
  return new Promise((resolve, reject) => {
    // Nobody has anything to say here: whoever connects is sent away.
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen({ path: `\0hotfire-lock-${device}-${inode}`, exclusive: true }, () => {
      server.unref();
      resolve({ release: () => closeServer(server) });
    });
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    // The callback gets an error when the server is closed already: released either way.
    server.close(() => resolve());
  });
}

/** What a lock file holds for people and for ELOCKED: the pid of the holder and a line feed. */
export function formatHolder(pid: number): Uint8Array {
  return new TextEncoder().encode(`${pid}\n`);
}

/** The pid in a lock file, or undefined when it holds none. */
export function parseHolder(content: Uint8Array): number | undefined {
  const match = /^(\d{1,10})\n?$/.exec(new TextDecoder().decode(content));
  return match === null ? undefined : Number(match[1]);
}
