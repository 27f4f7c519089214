/** Fewest bytes of a request: key, version, correlation id. */
export const minFrameBytes = 8;
/** Requests of one connection that are answered at once; beyond it reading stops. */
export const maxInFlight = 64;
/** Connections above the limit for everybody, kept for administration: `network.max_connections` includes them. */
export const adminConnections = 16;
/** How long a client may be silent before its first request is complete, or within a frame. */
export const silenceMs = 30_000;
/** Largest frame of a connection that has not shown yet who it is. */
export const maxUnauthenticatedBytes = 512 * 1024;
/** Fetches that wait for records, on all connections; beyond it they are answered with what there is. */
export const maxWaiters = 20_000;
/** How long a drain waits for the requests that were begun. */
export const drainMs = 10_000;
/** How long a connection may take to be over once its direction has ended. */
export const lingerMs = 1_000;
/** Share of the memory budget that requests may hold. */
export const requestMemoryShare = 0.1;
/** Clients whose quotas are counted; beyond it the one that was quiet longest is forgotten. */
export const maxThrottledClients = 10_000;
/** Longest throttle time: a client would give up a request that waits longer. */
export const maxThrottleMs = 30_000;
/** Most bytes of records in one answer, whatever was asked for; one batch is given however large it is. */
export const maxFetchBytes = 64 * 1024 * 1024;
