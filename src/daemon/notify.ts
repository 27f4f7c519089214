import { execFile } from 'node:child_process';

/** Tells the service manager of a change of state; resolves to why it could not be told, if so. */
export type Notify = (...assignments: readonly string[]) => Promise<string | undefined>;

/**
 * The readiness protocol of systemd, sd_notify(3). Node has no datagram sockets of the Unix domain, so the message goes
 * through `systemd-notify`, which is there wherever systemd is; as a child process it needs `NotifyAccess=all` in the unit.
 * Without NOTIFY_SOCKET nobody listens and nothing is done.
 */
export function createNotify(environment: Readonly<Record<string, string | undefined>>): Notify {
  if (environment.NOTIFY_SOCKET === undefined) return () => Promise.resolve(undefined);
  return (...assignments) =>
    new Promise((resolve) => {
      execFile('systemd-notify', ['--no-block', ...assignments], { timeout: 5_000, env: environment }, (error) => {
        resolve(error === null ? undefined : `systemd-notify ${assignments.join(' ')}: ${error.message}`);
      });
    });
}
