/** Tasks that run in the background: each can be paused by name, and its I/O is counted by name. */
export const BACKGROUND_TASKS = ['index', 'scrub'] as const;
export type BackgroundTask = (typeof BACKGROUND_TASKS)[number];
